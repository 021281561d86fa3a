"""Solves a loop of the network: T_i x_i = b_i + sum over in-flows of the loop of recv_ji x_j, with not one subtraction.

T_i is the sum of the in-flows of the loop and of `outside_i` >= 0, so the matrix is a diagonally dominant M-matrix. Eliminating node k
replaces each way j -> k -> i by a flow j -> i of recv_jk recv_ki / T_k and what k has from outside by shares of i, and what is left of
T_i is again a sum: never the small difference of big numbers. So every x_i is good to some units in the last place however much energy
circulates, which pivoting and refinement cannot promise (Grassmann, Taksar and Heyman, Oper. Res. 33(5), 1985; for M-matrices Alfa, Xue
and Ye, Math. Comp. 71, 2002). A loop that has nothing from outside shows as T_k = 0.

The order of elimination (minimum degree) and the places that fill are found once for a network, from all flows that it could have;
a window only fills in numbers.
"""

from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zonepulse.processors.kernel import kernel


class Plan(NamedTuple):
    """`order` (nodes, i4): node eliminated at each rank. Node k's neighbours at that time, in order of rank, are
    `later[first[k]:first[k + 1]]` (i4); flow f is added to entry `entry[f]` (i4), as a flow out of k where `is_out[f]`.
    """

    order: NDArray[np.int32]
    first: NDArray[np.int32]
    later: NDArray[np.int32]
    entry: NDArray[np.int32]
    is_out: NDArray[np.bool_]


class Workspace(NamedTuple):
    """Float64. By entry: flow `out` of k to the neighbour, `into` k from it. By node: `outside`, `carbon` (b) and `total` (T)."""

    out: NDArray[np.float64]
    into: NDArray[np.float64]
    outside: NDArray[np.float64]
    carbon: NDArray[np.float64]
    total: NDArray[np.float64]


def make_plan(nodes: int, tail: NDArray[np.int32], head: NDArray[np.int32]) -> Plan:
    """Order and places for a network whose flows run from `tail` to `head`."""
    near: list[set[int]] = [set() for _ in range(nodes)]
    for a, b in zip(tail.tolist(), head.tolist(), strict=True):
        near[a].add(b)
        near[b].add(a)
    order, later = minimum_degree(near)
    rank = np.empty(nodes, np.int64)
    rank[order] = np.arange(nodes)
    lists = [sorted(later[v], key=rank.__getitem__) for v in range(nodes)]
    first = np.concatenate([[0], np.cumsum([len(found) for found in lists])]).astype(np.int32)
    place = {(v, u): int(first[v]) + k for v, found in enumerate(lists) for k, u in enumerate(found)}
    is_out = rank[tail] < rank[head]
    ends = np.where(is_out, tail, head).tolist(), np.where(is_out, head, tail).tolist()
    return Plan(
        np.array(order, np.int32),
        first,
        np.array([u for found in lists for u in found], np.int32),
        np.array([place[pair] for pair in zip(*ends, strict=True)], np.int32),
        is_out,
    )


def minimum_degree(near: Sequence[set[int]]) -> tuple[list[int], list[set[int]]]:
    """Eliminate the node with the fewest neighbours (then the lowest number); its neighbours become neighbours of each other.

    Returns the order and each node's neighbours when it was eliminated; `near` is used up.
    """
    heap = [(len(found), v) for v, found in enumerate(near)]
    heapify(heap)
    order: list[int] = []
    left = set(range(len(near)))
    while left:
        degree, v = heappop(heap)
        if v not in left or degree != len(near[v]):
            continue
        if degree == len(left) - 1:  # every node that is left neighbours every other
            rest = sorted(left)
            for k, u in enumerate(rest):
                near[u].clear()
                near[u].update(rest[k + 1 :])
            return order + rest, list(near)
        order.append(v)
        left.remove(v)
        for u in near[v]:
            near[u] |= near[v]
            near[u] -= {u, v}
            heappush(heap, (len(near[u]), u))
    return order, list(near)


def make_workspace(plan: Plan) -> Workspace:
    """Buffers for the numbers of one window."""
    entries, nodes = len(plan.later), len(plan.order)
    return Workspace(np.zeros(entries), np.zeros(entries), *(np.zeros(nodes) for _ in range(3)))


@kernel
def solve(members: NDArray[np.int32], plan: Plan, work: Workspace, x: NDArray[np.float64]) -> bool:
    """Fill `x` (f8 by node) of the members (nodes of one loop in order of rank); False where the loop has nothing from outside.

    `out`, `into`, `outside` and `carbon` are those of the loop, and are used up.
    """
    for k in members:
        if not eliminate(k, plan, work):
            return False
    for m in range(len(members) - 1, -1, -1):
        k = members[m]
        carbon = work.carbon[k]
        for p in range(plan.first[k], plan.first[k + 1]):
            if work.into[p] > 0.0:
                carbon += work.into[p] * x[plan.later[p]]
        x[k] = carbon / work.total[k]
    return True


@kernel
def eliminate(k: int, plan: Plan, work: Workspace) -> bool:
    """Replace the ways through node k by flows between its neighbours."""
    out, into, later = work.out, work.into, plan.later
    begin, end = plan.first[k], plan.first[k + 1]
    total = work.outside[k]
    for p in range(begin, end):
        total += into[p]
    work.total[k] = total
    if not total > 0.0:
        return False
    for p in range(begin, end):
        if out[p] == 0.0 and into[p] == 0.0:
            continue
        t = later[p]
        onward, back = out[p] / total, into[p] / total
        work.carbon[t] += onward * work.carbon[k]
        work.outside[t] += onward * work.outside[k]
        q = plan.first[t]
        if plan.first[t + 1] - q == end - p - 1:  # the rest of the neighbours is all that t has, in the same order
            for m in range(end - p - 1):
                out[q + m] += back * out[p + 1 + m]
                into[q + m] += onward * into[p + 1 + m]
            continue
        for r in range(p + 1, end):
            if out[r] == 0.0 and into[r] == 0.0:
                continue
            while later[q] != later[r]:
                q += 1
            out[q] += back * out[r]
            into[q] += onward * into[r]
    return True
