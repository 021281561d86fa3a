"""Made-up networks for `zonepulse bench network`: nodes, edges and windows in which energy runs downhill and every node balances."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zonepulse.processors.network.flow_tracing import Network
from zonepulse.processors.network.tracing_arrays import Window

Edges = NDArray[np.int64]
"""Pairs of nodes, shape (edges, 2): the uphill end first."""


@dataclass(frozen=True, slots=True)
class Shape:
    """`ties`: edges a node beyond a tree, between `neighbours` or any nodes; `returning`: part of the edges that also flow back,
    `back`: part of what they delivered.
    """

    name: str
    what: str
    ties: float
    returning: float
    is_local: bool = True
    back: float = 0.05


SHAPES: Final = (
    Shape("radial", "a tree", 0.0, 0.0),
    Shape("meshed", "tie lines between neighbours, no loops", 0.45, 0.0),
    Shape("some_loops", "the same, a tenth of the edges also flows back a little", 0.45, 0.1),
    Shape("one_loop", "the same, every edge also flows back a little", 0.45, 1.0),
    Shape("circling", "the same, nine tenths of it", 0.45, 1.0, back=0.9),
    Shape("tangled", "tie lines between any two nodes, every edge also flows back a little", 0.45, 1.0, is_local=False),
)
_MWH: Final = 10**9
_REACH: Final = 50
"""In a tree, a node hangs on one of so many before it."""


def edges_of(shape: Shape, nodes: int, rng: np.random.Generator) -> Edges:
    """A tree and its ties; node 0 is uphill of all."""
    if not shape.ties:
        up = [int(rng.integers(max(0, v - _REACH), v)) for v in range(1, nodes)]
        return np.stack([up, np.arange(1, nodes)], axis=1)
    if not shape.is_local:
        up = [int(rng.integers(0, v)) for v in range(1, nodes)]
        ties = np.sort(rng.integers(0, nodes, (int(shape.ties * nodes), 2)), axis=1)
        return np.concatenate([np.stack([up, np.arange(1, nodes)], axis=1), ties[ties[:, 0] < ties[:, 1]]])
    lattice = rng.permutation(_lattice(nodes))
    in_tree = np.array([is_new for is_new in _joins(nodes, lattice)])
    return np.concatenate([lattice[in_tree], lattice[~in_tree][: int(shape.ties * nodes)]])


def _lattice(nodes: int) -> Edges:
    side, place = int(np.ceil(np.sqrt(nodes))), np.arange(nodes)
    right = place[(place % side < side - 1) & (place + 1 < nodes)]
    down = place[place + side < nodes]
    return np.concatenate([np.stack([right, right + 1], axis=1), np.stack([down, down + side], axis=1)])


def _joins(nodes: int, edges: Edges) -> list[bool]:
    """Whether each edge joins two parts that no edge before it joined."""
    part = list(range(nodes))

    def root(v: int) -> int:
        while part[v] != v:
            part[v] = v = part[part[v]]
        return v

    found = []
    for a, b in edges.tolist():
        found.append(root(a) != root(b))
        part[root(a)] = root(b)
    return found


def network_of(edges: Edges, nodes: int) -> Network:
    """An injection and a load at every node; each edge is a flow downhill and one back."""
    ends = np.concatenate([edges, edges[:, ::-1]])
    return Network(nodes, ends[:, 0], ends[:, 1], np.arange(nodes), np.arange(nodes))


def window_of(shape: Shape, edges: Edges, network: Network, rng: np.random.Generator) -> Window:
    """Grid import at node 0 and where nothing comes in, PV at a fifth of the nodes; an edge in fifty is off, losses are 2 %."""
    window, nodes, count = network.window(), network.nodes, len(edges)
    is_on = rng.random(count) > 0.02
    is_fed = np.zeros(nodes, bool)
    is_fed[edges[is_on, 1]] = True
    window.energy[:] = np.where(rng.random(nodes) < 0.2, rng.integers(1, _MWH, nodes), 0)
    window.carbon[:] = 0
    window.energy[~is_fed] = 1000 * _MWH
    window.carbon[~is_fed] = 500 * _MWH
    downhill: list[list[int]] = [[] for _ in range(nodes)]
    for e in np.flatnonzero(is_on).tolist():
        downhill[edges[e, 0]].append(e)
    has = window.energy.tolist()
    for v, mine in enumerate(downhill):
        parts = rng.dirichlet(np.ones(len(mine) + 1)).tolist()
        left = has[v]
        for e, part in zip(mine, parts, strict=False):
            sent = int(has[v] * part)
            window.send[e], window.recv[e] = sent, sent * 98 // 100
            left -= sent
            has[edges[e, 1]] += sent * 98 // 100
        window.withdrawn[v] = left
    back = rng.random(count) < shape.returning
    window.recv[count:] = window.send[count:] = np.where(back, window.recv[:count] * shape.back, 0).astype(np.int64)
    return window
