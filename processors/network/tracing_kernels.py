"""Kernels of flow tracing: from the flows of one window to the carbon of everything that leaves a node (interface: flow_tracing.py)."""

from zonepulse.processors.kernel import kernel
from zonepulse.processors.network.components import SINGLE, Order
from zonepulse.processors.network.elimination import Plan, Workspace
from zonepulse.processors.network.iteration import Course
from zonepulse.processors.network.shares import LIMIT, floor_share
from zonepulse.processors.network.tracing_arrays import Graph, Scratch, Traced, Window
from zonepulse.processors.network.tracing_loops import PLAN_NEEDED, SOLVED, share_loop, solve_loop


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
            if solved == SOLVED:
                share_loop(c, graph, window, at, scratch, traced)
            else:
                for m in range(at.first[c], at.first[c + 1]):
                    leave_untraced(at.by_node[m], graph, window, traced)
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
