"""Flow tracing of one window: where the carbon of the injections goes, node by node, in exact milligrams.

Every node mixes what comes in (proportional sharing: Bialek, IEE Proc. GTD 143(4), 1996; as carbon emission flow: Kang et al., IEEE
PES GM 2012, and IEEE Trans. Smart Grid 6(5), 2015), so all that leaves node i has the intensity x_i of

    T_i x_i = sum of the injections' carbon + sum over in-flows f_ji of f_ji x_j,    T_i = injections + in-flows as received.

Losses (sent minus received, negative where meters disagree) and the imbalance (T_i minus all that leaves) have the intensity of their
node. Always, to the milligram: carbon of the known injections = withdrawals + losses + imbalances + untraced.

    network = Network(nodes, tail, head, injection_node, withdrawal_node)
    window = network.window()
    window.recv[:] = ...
    traced = network.trace(window)

Arrays of Network are node numbers (0 <= i < nodes); a flow runs one way, so an edge is two flows, forward and back. Where a node has
several, their index says the order in which its carbon is shared out: flows (each delivered, then lost), then withdrawals, then the
imbalance. `Window` and `Traced` are described in tracing_arrays.py.

A node is unknown if an injection or in-flow is, if an unknown node feeds it, if nothing comes in and something leaves, if it is in a
loop that has nothing from outside, or if a share leaves the range of int64.

Nodes are swept in the order of flow: each time a node's turn comes, its carbon is complete and its shares are divisions of integers. No
network needs a special case for that, a radial one is merely quick. Only loops (energy that comes back in the same window, as when a
tie line turns round) are solved as a system: by iteration.py, or by elimination.py where more goes round than comes in. x of a loop is
rounded to 1/Q mg per micro-kWh, half a milligram in a MWh, and what that leaves over goes to the largest item that leaves the loop and
is reported as the residual.
"""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zonepulse.processors.network.components import arrange, list_members, make_order
from zonepulse.processors.network.elimination import make_plan, make_workspace
from zonepulse.processors.network.iteration import make_course
from zonepulse.processors.network.tracing_arrays import Graph, Scratch, Traced, Window
from zonepulse.processors.network.tracing_kernels import balance, trace_nodes

_NO_PLAN: Final = make_plan(0, np.zeros(0, np.int32), np.zeros(0, np.int32))


class Network:
    """What can flow where, and the buffers to trace one window after another. Not to be used by two threads at once."""

    def __init__(self, nodes: int, tail: ArrayLike, head: ArrayLike, injection_node: ArrayLike, withdrawal_node: ArrayLike) -> None:
        ends = [_node_numbers(nodes, numbers) for numbers in (tail, head, injection_node, withdrawal_node)]
        if len(ends[0]) != len(ends[1]):
            raise ValueError(f"{len(ends[0])} tails and {len(ends[1])} heads")
        if (ends[0] == ends[1]).any():
            raise ValueError(f"flow {int(np.argmax(ends[0] == ends[1]))} ends where it begins")
        self.nodes = nodes
        self.graph = Graph(ends[0], ends[1], *_grouped(nodes, ends[0]), ends[2], ends[3], *_grouped(nodes, ends[3]))
        self._order = make_order(nodes)
        self._scratch = Scratch(_zeros(nodes), _zeros(nodes), np.zeros(nodes))
        self._course = make_course(nodes, len(ends[0]))
        self._plan, self._work = _NO_PLAN, make_workspace(_NO_PLAN)

    def window(self) -> Window:
        """A new window in which nothing flows and everything is known."""
        flows, injections = len(self.graph.tail), len(self.graph.injection_node)
        return Window(
            send=_zeros(flows),
            recv=_zeros(flows),
            is_flow_known=np.ones(flows, np.bool_),
            energy=_zeros(injections),
            carbon=_zeros(injections),
            is_injection_known=np.ones(injections, np.bool_),
            withdrawn=_zeros(len(self.graph.withdrawal_node)),
        )

    def result(self) -> Traced:
        """New arrays for what `trace` finds."""
        flows, nodes = len(self.graph.tail), self.nodes
        return Traced(
            delivered=_zeros(flows),
            lost=_zeros(flows),
            withdrawn_carbon=_zeros(len(self.graph.withdrawal_node)),
            throughput=_zeros(nodes),
            carbon=_zeros(nodes),
            is_known=np.ones(nodes, np.bool_),
            imbalance=_zeros(nodes),
            imbalance_carbon=_zeros(nodes),
            untraced=_zeros(nodes),
            residual=_zeros(1),
        )

    def trace(self, window: Window, into: Traced | None = None) -> Traced:
        """Trace one window; `into` is overwritten and returned, without it new arrays are."""
        traced = into if into is not None else self.result()
        if not self._trace(window, traced):
            self._plan = make_plan(self.nodes, self.graph.tail, self.graph.head)
            self._work = make_workspace(self._plan)
            self._trace(window, traced)
        return traced

    def _trace(self, window: Window, traced: Traced) -> bool:
        """False where a loop needs a plan of elimination and there is none."""
        graph, order, plan = self.graph, self._order, self._plan
        balance(graph, window, order, self._scratch, traced)
        loops = arrange(graph.head, graph.out_first, graph.out_flows, window.recv, order)
        if loops:
            list_members(loops, plan.order, order)
        return trace_nodes(graph, window, order, self._course, plan, self._work, self._scratch, traced)

    @property
    def loops(self) -> NDArray[np.int32]:
        """Number of the loop that each node was in when last traced, or components.SINGLE."""
        found: NDArray[np.int32] = self._order.component
        return found


def _node_numbers(nodes: int, numbers: ArrayLike) -> NDArray[np.int32]:
    found = np.array(numbers, np.int64)
    if ((found < 0) | (found >= nodes)).any():
        raise ValueError(f"a node number is not in 0 to {nodes - 1}")
    return found.astype(np.int32)


def _grouped(nodes: int, owners: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Where each node's indices begin, and the indices by node and number."""
    first = np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=nodes))])
    return first.astype(np.int32), np.argsort(owners, kind="stable").astype(np.int32)


def _zeros(size: int) -> NDArray[np.int64]:
    return np.zeros(size, np.int64)
