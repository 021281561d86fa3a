"""Kernels that put the nodes of one window in an order in which energy flows: every node after those that feed it.

A flow counts where it delivers something (`recv` > 0). Kahn's sweep orders what no loop feeds, so a radial or acyclic network ends
there, in time proportional to nodes + flows. Tarjan's algorithm (SIAM J. Comput. 1(2), 1972) orders the rest by strongly connected
components; a component of several nodes is a loop, whose nodes stand together in the order.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zonepulse.processors.kernel import kernel

SINGLE = -1
"""`component` of a node that is in no loop."""


class Order(NamedTuple):
    """Arrays of one length, nodes, i4 except `first` (nodes + 1).

    `order`: nodes, each after those that feed it; `component`: number of the node's loop or SINGLE; the nodes of loop c are
    `by_node[first[c]:first[c + 1]]` in node order and `by_rank[...]` in order of elimination. The rest is working space.
    """

    order: NDArray[np.int32]
    component: NDArray[np.int32]
    first: NDArray[np.int32]
    by_node: NDArray[np.int32]
    by_rank: NDArray[np.int32]
    waits: NDArray[np.int32]
    index: Any  # tuple has a method of this name
    low: NDArray[np.int32]
    cursor: NDArray[np.int32]
    path: NDArray[np.int32]
    stack: NDArray[np.int32]


def make_order(nodes: int) -> Order:
    """Buffers for a network of so many nodes."""
    arrays = {name: np.zeros(nodes + (name == "first"), np.int32) for name in Order._fields}
    return Order(**arrays)


@kernel
def arrange(
    head: NDArray[np.int32], out_first: NDArray[np.int32], out_flows: NDArray[np.int32], recv: NDArray[np.int64], at: Order
) -> int:
    """Fill `order` and `component`; returns the number of loops. `waits` must count each node's in-flows with `recv` > 0."""
    done = sweep(head, out_first, out_flows, recv, at)
    if done == len(at.order):
        return 0
    return find_loops(head, out_first, out_flows, recv, at)


@kernel
def sweep(
    head: NDArray[np.int32], out_first: NDArray[np.int32], out_flows: NDArray[np.int32], recv: NDArray[np.int64], at: Order
) -> int:
    """Kahn: nodes that wait for nobody, until none is left; returns how many were ordered. The others keep `waits` > 0."""
    order, waits = at.order, at.waits
    filled = 0
    for v in range(len(order)):
        at.component[v] = SINGLE
        if waits[v] == 0:
            order[filled] = v
            filled += 1
    done = 0
    while done < filled:
        v = order[done]
        done += 1
        for p in range(out_first[v], out_first[v + 1]):
            f = out_flows[p]
            if recv[f] > 0:
                w = head[f]
                waits[w] -= 1
                if waits[w] == 0:
                    order[filled] = w
                    filled += 1
    return done


@kernel
def find_loops(
    head: NDArray[np.int32], out_first: NDArray[np.int32], out_flows: NDArray[np.int32], recv: NDArray[np.int64], at: Order
) -> int:
    """Tarjan without recursion among the nodes that still wait; he finds components from the last to the first. Returns the loops."""
    index, low, cursor, path, stack = at.index, at.low, at.cursor, at.path, at.stack
    n = len(index)
    for v in range(n):
        index[v] = -1
    end, loops, count, height = n, 0, 0, 0
    for root in range(n):
        if at.waits[root] == 0 or index[root] >= 0:
            continue
        depth = 0
        path[0] = root
        while depth >= 0:
            v = path[depth]
            if index[v] < 0:
                index[v] = low[v] = count
                count += 1
                cursor[v] = out_first[v]
                stack[height] = v
                height += 1
            went_down = False
            while cursor[v] < out_first[v + 1]:
                f = out_flows[cursor[v]]
                cursor[v] += 1
                if recv[f] > 0:
                    w = head[f]
                    if index[w] < 0:
                        depth += 1
                        path[depth] = w
                        went_down = True
                        break
                    low[v] = min(low[v], index[w])
            if went_down:
                continue
            depth -= 1
            if depth >= 0:
                low[path[depth]] = min(low[path[depth]], low[v])
            if low[v] == index[v]:
                bottom = height - 1
                while stack[bottom] != v:
                    bottom -= 1
                for k in range(bottom, height):
                    end -= 1
                    at.order[end] = stack[k]
                    at.component[stack[k]] = SINGLE if height - bottom == 1 else loops
                    index[stack[k]] = n
                loops += height - bottom > 1
                height = bottom
    return loops


@kernel
def list_members(loops: int, elimination: Any, at: Order) -> None:
    """Fill `first`, `by_node` and `by_rank`; `elimination`: all nodes in the order in which they are eliminated, empty = in node order."""
    first = at.first
    for c in range(loops + 1):
        first[c] = 0
    for v in range(len(at.component)):
        if at.component[v] >= 0:
            first[at.component[v] + 1] += 1
    for c in range(loops):
        first[c + 1] += first[c]
        at.cursor[c] = at.path[c] = first[c]
    for v in range(len(at.component)):
        c = at.component[v]
        if c >= 0:
            at.by_node[at.cursor[c]] = v
            at.cursor[c] += 1
        u = elimination[v] if len(elimination) else v
        c = at.component[u]
        if c >= 0:
            at.by_rank[at.path[c]] = u
            at.path[c] += 1
