"""The quick way through a loop of the network: Gauss and Seidel's sweeps in the direction in which most of the energy flows.

x_i = (b_i + sum over in-flows of the loop of recv_ji x_j) / T_i, from x = 0 upwards. Most loops carry little energy back, and each sweep
then shrinks what is missing by that little, so a few sweeps reach the last bits; a sweep costs what its flows cost, however they are
tangled. At the start all of x is missing, and so part of every slow mode (a positive one: Perron): sweeps cannot look done before they
are. Where more goes round than comes in, sweeps are slow and rounding adds up: such a loop is left to elimination.py. Whether it
is depends on the window alone, never on windows before it.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zonepulse.processors.kernel import kernel

SWEEPS: Final = 160
"""At most; from LOOK to 2 LOOK a loop shows whether it will be done by then."""
LOOK: Final = 16
DONE: Final = 2.0**-51
"""Largest relative change of an x in the last sweep."""


class Course(NamedTuple):
    """Working space. By place in the order of sweeps: `node` (i4), `first` (i4, one longer), `b`, `total`, `x`, `arriving` (f8).

    By flow of the loop: `target` (i4, a place) and `recv` (f8). By node: `place` (i4) and `waiting` (i8, micro-kWh).
    """

    node: NDArray[np.int32]
    first: NDArray[np.int32]
    b: NDArray[np.float64]
    total: NDArray[np.float64]
    x: NDArray[np.float64]
    arriving: NDArray[np.float64]
    target: NDArray[np.int32]
    recv: NDArray[np.float64]
    place: NDArray[np.int32]
    waiting: NDArray[np.int64]


def make_course(nodes: int, flows: int) -> Course:
    """Buffers for a network of so many nodes and flows."""
    return Course(
        node=np.zeros(nodes, np.int32),
        first=np.zeros(nodes + 1, np.int32),
        b=np.zeros(nodes),
        total=np.zeros(nodes),
        x=np.zeros(nodes),
        arriving=np.zeros(nodes),
        target=np.zeros(flows, np.int32),
        recv=np.zeros(flows),
        place=np.zeros(nodes, np.int32),
        waiting=np.zeros(nodes, np.int64),
    )


@kernel
def set_course(
    c: int,
    members: NDArray[np.int32],
    component: NDArray[np.int32],
    graph: Any,
    recv: NDArray[np.int64],
    throughput: NDArray[np.int64],
    carbon: NDArray[np.int64],
    course: Course,
) -> bool:
    """Order the nodes of loop c: next is, roughly, who waits for the smallest part of its energy; then its flows by place.

    False where the loop has nothing from outside.
    """
    place, waiting, node = course.place, course.waiting, course.node
    for v in members:
        place[v] = -1
        waiting[v] = 0
    for v in members:
        for p in range(graph.out_first[v], graph.out_first[v + 1]):
            w = graph.head[graph.out_flows[p]]
            if component[w] == c:
                waiting[w] += recv[graph.out_flows[p]]
    is_fed = False
    for v in members:
        is_fed |= waiting[v] < throughput[v]
    filled, done = 0, 0
    for shift in range(6, -1, -1):
        for v in members:
            if place[v] < 0 and waiting[v] <= throughput[v] >> shift:
                place[v] = filled
                node[filled] = v
                filled += 1
            while done < filled:
                u = node[done]
                done += 1
                for p in range(graph.out_first[u], graph.out_first[u + 1]):
                    w = graph.head[graph.out_flows[p]]
                    if component[w] == c and place[w] < 0:
                        waiting[w] -= recv[graph.out_flows[p]]
                        if waiting[w] <= throughput[w] >> shift:
                            place[w] = filled
                            node[filled] = w
                            filled += 1
    at = 0
    for k in range(filled):
        v = node[k]
        course.first[k] = at
        course.b[k] = float(carbon[v])
        course.total[k] = float(throughput[v])
        for p in range(graph.out_first[v], graph.out_first[v + 1]):
            f = graph.out_flows[p]
            if recv[f] > 0 and component[graph.head[f]] == c:
                course.target[at] = place[graph.head[f]]
                course.recv[at] = float(recv[f])
                at += 1
    course.first[filled] = at
    return is_fed


@kernel
def iterate(count: int, course: Course) -> bool:
    """Sweep until no x changes; False where that takes too long."""
    x, arriving, first = course.x, course.arriving, course.first
    for k in range(count):
        x[k] = arriving[k] = 0.0
    early = 1.0
    for sweep in range(SWEEPS):
        worst = 0.0
        for k in range(count):
            now = (course.b[k] + arriving[k]) / course.total[k]
            arriving[k] = 0.0
            change = abs(now - x[k])
            if change > worst * now:
                worst = change / now
            x[k] = now
            for p in range(first[k], first[k + 1]):
                arriving[course.target[p]] += course.recv[p] * now
        if worst <= DONE:
            return True
        if sweep == LOOK - 1:
            early = worst
        elif sweep == 2 * LOOK - 1 and worst * (worst / early) ** (SWEEPS / LOOK - 2.0) > DONE:
            return False
    return False
