"""Kernels of flow tracing: from the flows of one window to the carbon of everything that leaves a node (interface: flow_tracing.py)."""

from typing import Any, Final, NamedTuple

import numpy as np

from zonepulse.processors.components import SINGLE, Order
from zonepulse.processors.elimination import Plan, Workspace, solve
from zonepulse.processors.iteration import Course, iterate, set_course
from zonepulse.processors.kernel import kernel
from zonepulse.processors.shares import LIMIT, Q, floor_share, rounded, scaled

DELIVERED: Final = 0
LOST: Final = 1
WITHDRAWN: Final = 2
IMBALANCE: Final = 3
"""Kinds of items that leave a node."""
SOLVED: Final = 0
UNKNOWN: Final = 1
PLAN_NEEDED: Final = 2
"""What became of a loop."""


class Graph(NamedTuple):
    """What can flow where (i4). Flows and withdrawals of node i by index: `out_flows[out_first[i]:out_first[i + 1]]`, likewise `items`."""

    tail: Any
    head: Any
    out_first: Any
    out_flows: Any
    injection_node: Any
    withdrawal_node: Any
    item_first: Any
    items: Any


class Window(NamedTuple):
    """What flowed in one window: micro-kWh and mg (i8), all >= 0; `is_*_known` are bool, and what is not known is 0.

    By flow: `send` at the tail, `recv` at the head. By injection: `energy` and its `carbon`, 0 where energy is 0. By withdrawal:
    `withdrawn`.
    """

    send: Any
    recv: Any
    is_flow_known: Any
    energy: Any
    carbon: Any
    is_injection_known: Any
    withdrawn: Any


class Traced(NamedTuple):
    """What it carried, i8.

    By flow: `delivered` and `lost` mg. By withdrawal: `withdrawn_carbon` mg. By node: `throughput` micro-kWh (injections and what
    arrives), `carbon` mg that came in, `is_known` (bool), `imbalance` micro-kWh (throughput minus all that leaves) and its
    `imbalance_carbon` mg, both signed, and `untraced` mg: what came into an unknown node, from known nodes and injections. An unknown
    node passes no carbon on: the numbers of what leaves it, and its `carbon` and `imbalance_carbon`, are 0 and mean null; the energy
    that is not traced is its throughput. `residual[0]` mg is what the rounding of loops left over, summed without sign.
    """

    delivered: Any
    lost: Any
    withdrawn_carbon: Any
    throughput: Any
    carbon: Any
    is_known: Any
    imbalance: Any
    imbalance_carbon: Any
    untraced: Any
    residual: Any


class Scratch(NamedTuple):
    """Working space by node: `leaving` (i8, sum of all weights that leave, which bounds any part of it), in loops x (f8) and
    `intensity` (i8, x times Q).
    """

    leaving: Any
    intensity: Any
    x: Any


@kernel
def balance(graph: Graph, window: Window, at: Order, scratch: Scratch, traced: Traced) -> None:
    """Energy and known carbon of every node, and which nodes are unknown by themselves; counts in-flows in `at.waits`."""
    throughput, imbalance, is_known, leaving = traced.throughput, traced.imbalance, traced.is_known, scratch.leaving
    for v in range(len(throughput)):
        throughput[v] = imbalance[v] = leaving[v] = at.waits[v] = 0
        traced.carbon[v] = traced.imbalance_carbon[v] = traced.untraced[v] = 0
        is_known[v] = True
    for k in range(len(window.energy)):
        v = graph.injection_node[k]
        throughput[v] += window.energy[k]
        if window.is_injection_known[k]:
            traced.carbon[v] += window.carbon[k]
        else:
            is_known[v] = False
    for f in range(len(window.recv)):
        send, recv = window.send[f], window.recv[f]
        tail, head = graph.tail[f], graph.head[f]
        throughput[head] += recv
        imbalance[tail] -= send
        leaving[tail] += max(send, recv)
        if recv > 0:
            at.waits[head] += 1
        if not window.is_flow_known[f]:
            is_known[head] = False
    for k in range(len(window.withdrawn)):
        v = graph.withdrawal_node[k]
        imbalance[v] -= window.withdrawn[k]
        leaving[v] += window.withdrawn[k]
    for v in range(len(throughput)):
        if throughput[v] == 0 and (leaving[v] > 0 or traced.carbon[v] > 0):
            is_known[v] = False
        imbalance[v] += throughput[v]


@kernel
def trace_nodes(
    graph: Graph, window: Window, at: Order, course: Course, plan: Plan, work: Workspace, scratch: Scratch, traced: Traced
) -> bool:
    """Carbon of everything, node by node in the order of `at`. False where a loop needs a plan of elimination and there is none."""
    traced.residual[0] = 0
    seen = 0
    for k in range(len(at.order)):
        v = at.order[k]
        if at.component[v] == SINGLE:
            share_node(v, graph, window, scratch, traced)
        elif k >= seen:
            c = at.component[v]
            seen = k + at.first[c + 1] - at.first[c]
            solved = solve_loop(c, graph, window, at, course, plan, work, scratch, traced)
            if solved == PLAN_NEEDED:
                return False
            share_loop(c, solved == SOLVED, graph, window, at, scratch, traced)
    return True


@kernel
def leave_untraced(v: int, graph: Graph, window: Window, traced: Traced) -> None:
    """Node v is unknown, and so is every node that it feeds."""
    traced.is_known[v] = False
    traced.untraced[v] = traced.carbon[v]
    traced.carbon[v] = 0
    for p in range(graph.out_first[v], graph.out_first[v + 1]):
        f = graph.out_flows[p]
        traced.delivered[f] = traced.lost[f] = 0
        if window.recv[f] > 0:
            traced.is_known[graph.head[f]] = False
    for p in range(graph.item_first[v], graph.item_first[v + 1]):
        traced.withdrawn_carbon[graph.items[p]] = 0


@kernel
def share_node(v: int, graph: Graph, window: Window, scratch: Scratch, traced: Traced) -> None:
    """Share the carbon of a node that is in no loop: item j of weights w gets floor(C cum_j / T) - floor(C cum_(j - 1) / T)."""
    carbon, total = int(traced.carbon[v]), int(traced.throughput[v])
    if traced.is_known[v] and total > 0:
        bound = float(scratch.leaving[v])
        if not (bound < LIMIT and float(carbon) / float(total) * bound < LIMIT):
            traced.is_known[v] = False
    if not traced.is_known[v]:
        leave_untraced(v, graph, window, traced)
        return
    total = max(total, 1)  # nothing in: nothing out
    weight, before = 0, 0
    for p in range(graph.out_first[v], graph.out_first[v + 1]):
        f = graph.out_flows[p]
        send, recv = int(window.send[f]), int(window.recv[f])
        after = floor_share(carbon, weight + recv, total)
        traced.delivered[f] = after - before
        traced.carbon[graph.head[f]] += after - before
        before = after
        weight += send
        if send != recv:
            after = floor_share(carbon, weight, total)
        traced.lost[f] = after - before
        before = after
    for p in range(graph.item_first[v], graph.item_first[v + 1]):
        k = graph.items[p]
        weight += int(window.withdrawn[k])
        after = floor_share(carbon, weight, total)
        traced.withdrawn_carbon[k] = after - before
        before = after
    traced.imbalance_carbon[v] = carbon - before


@kernel
def solve_loop(
    c: int, graph: Graph, window: Window, at: Order, course: Course, plan: Plan, work: Workspace, scratch: Scratch, traced: Traced
) -> int:
    """Fill `scratch.intensity` of the nodes of loop c: SOLVED, UNKNOWN or PLAN_NEEDED."""
    members = at.by_node[at.first[c] : at.first[c + 1]]
    for v in members:
        if not traced.is_known[v]:
            return UNKNOWN
    if not set_course(c, members, at.component, graph, window.recv, traced.throughput, traced.carbon, course):
        return UNKNOWN
    if iterate(len(members), course):
        for v in members:
            scratch.x[v] = course.x[course.place[v]]
    else:
        if len(plan.order) == 0:
            return PLAN_NEEDED
        enter_loop(c, members, graph, window, at, plan, work, scratch, traced)
        if not solve(at.by_rank[at.first[c] : at.first[c + 1]], plan, work, scratch.x):
            return UNKNOWN
    return SOLVED if quantise(members, scratch, traced) else UNKNOWN


@kernel
def share_loop(c: int, is_known: bool, graph: Graph, window: Window, at: Order, scratch: Scratch, traced: Traced) -> None:
    """Share the carbon of loop c among what leaves it."""
    members = at.by_node[at.first[c] : at.first[c + 1]]
    if not is_known:
        for v in members:
            leave_untraced(v, graph, window, traced)
        return
    total = 0
    for v in members:
        total += traced.carbon[v]
        traced.carbon[v] = rounded(int(scratch.intensity[v]), int(traced.throughput[v]))
    share_outside(c, total, members, graph, window, at, scratch, traced)


@kernel
def enter_loop(
    c: int, members: Any, graph: Graph, window: Window, at: Order, plan: Plan, work: Workspace, scratch: Scratch, traced: Traced
) -> None:
    """The loop's own flows, and what comes to its nodes from outside: `scratch.intensity` subtracts in integers."""
    for v in members:
        scratch.intensity[v] = traced.throughput[v]
        for p in range(plan.first[v], plan.first[v + 1]):
            work.out[p] = work.into[p] = 0.0
    for v in members:
        for p in range(graph.out_first[v], graph.out_first[v + 1]):
            f = graph.out_flows[p]
            recv, head = window.recv[f], graph.head[f]
            if recv > 0 and at.component[head] == c:
                scratch.intensity[head] -= recv
                if plan.is_out[f]:
                    work.out[plan.entry[f]] += float(recv)
                else:
                    work.into[plan.entry[f]] += float(recv)
    for v in members:
        work.carbon[v] = float(traced.carbon[v])
        work.outside[v] = float(scratch.intensity[v])


@kernel
def quantise(members: Any, scratch: Scratch, traced: Traced) -> bool:
    """`intensity` = rint(x Q) of each member; False where an item could leave the range of int64."""
    reach = 0.0
    for v in members:
        reach += scratch.x[v] * (float(scratch.leaving[v]) + float(traced.throughput[v]))
        if not (scratch.x[v] * Q < LIMIT and reach < LIMIT):
            return False
        scratch.intensity[v] = int(np.rint(scratch.x[v] * Q))
    return True


@kernel
def share_outside(
    c: int, total: int, members: Any, graph: Graph, window: Window, at: Order, scratch: Scratch, traced: Traced
) -> None:
    """Share `total` among the items that leave loop c, in node order: floor(P_j / Q) - floor(P_(j - 1) / Q), P = cumulated X weight.

    What is left over goes to the item with the largest X weight (of those with a weight > 0 the first, so that it is one that flows).
    """
    best = (DELIVERED, -1, 0, 0)
    spent, carry = 0, 0
    for v in members:
        x, weight = int(scratch.intensity[v]), int(traced.throughput[v])
        for p in range(graph.out_first[v], graph.out_first[v + 1]):
            f = graph.out_flows[p]
            send, recv = int(window.send[f]), int(window.recv[f])
            if recv > 0 and at.component[graph.head[f]] == c:
                traced.delivered[f] = rounded(x, recv)
            else:
                traced.delivered[f], carry, best = share_item(x, recv, carry, best, DELIVERED, f)
                spent += traced.delivered[f]
            traced.lost[f], carry, best = share_item(x, send - recv, carry, best, LOST, f)
            spent += traced.lost[f]
            weight -= send
        for p in range(graph.item_first[v], graph.item_first[v + 1]):
            k = graph.items[p]
            traced.withdrawn_carbon[k], carry, best = share_item(x, int(window.withdrawn[k]), carry, best, WITHDRAWN, k)
            spent += traced.withdrawn_carbon[k]
            weight -= int(window.withdrawn[k])
        traced.imbalance_carbon[v], carry, best = share_item(x, weight, carry, best, IMBALANCE, v)
        spent += traced.imbalance_carbon[v]
    give(total - spent, best[0], best[1], traced)
    traced.residual[0] += abs(total - spent)
    for v in members:
        for p in range(graph.out_first[v], graph.out_first[v + 1]):
            f = graph.out_flows[p]
            if at.component[graph.head[f]] != c:
                traced.carbon[graph.head[f]] += traced.delivered[f]


@kernel
def share_item(
    x: int, weight: int, carry: int, best: tuple[int, int, int, int], kind: int, index: int
) -> tuple[int, int, tuple[int, int, int, int]]:
    """Share of one item, the new remainder (of Q), and the largest item so far: (kind, index, quotient, remainder)."""
    quotient, rest = scaled(x, weight)
    if weight > 0 and (best[1] < 0 or quotient > best[2] or (quotient == best[2] and rest > best[3])):
        best = (kind, index, quotient, rest)
    carry += rest
    if carry >= Q:
        return quotient + 1, carry - Q, best
    return quotient, carry, best


@kernel
def give(carbon: int, kind: int, index: int, traced: Traced) -> None:
    """Add carbon to one item."""
    if kind == DELIVERED:
        traced.delivered[index] += carbon
    elif kind == LOST:
        traced.lost[index] += carbon
    elif kind == WITHDRAWN:
        traced.withdrawn_carbon[index] += carbon
    else:
        traced.imbalance_carbon[index] += carbon
