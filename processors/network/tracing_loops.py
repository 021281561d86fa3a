"""Kernels of flow tracing for loops: a loop's intensities, and its carbon shared among what leaves it."""

from typing import Any, Final

import numpy as np

from zonepulse.processors.kernel import kernel
from zonepulse.processors.network.components import Order
from zonepulse.processors.network.elimination import Plan, Workspace, solve
from zonepulse.processors.network.iteration import Course, iterate, set_course
from zonepulse.processors.network.shares import LIMIT, Q, rounded, scaled
from zonepulse.processors.network.tracing_arrays import Graph, Scratch, Traced, Window

DELIVERED: Final = 0
LOST: Final = 1
WITHDRAWN: Final = 2
IMBALANCE: Final = 3
"""Kinds of items that leave a node."""
SOLVED: Final = 0
UNKNOWN: Final = 1
PLAN_NEEDED: Final = 2
"""What became of a loop."""


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
def share_loop(c: int, graph: Graph, window: Window, at: Order, scratch: Scratch, traced: Traced) -> None:
    """Share the carbon of loop c among what leaves it."""
    members = at.by_node[at.first[c] : at.first[c + 1]]
    total = 0
    for v in members:
        total += traced.carbon[v]
        traced.carbon[v] = rounded(int(scratch.intensity[v]), int(traced.throughput[v]))
    share_outside(c, total, members, graph, window, at, scratch, traced)


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
