"""Small networks made by Hypothesis, and a slow second solution in fractions that shares nothing with the core."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate

from hypothesis import strategies as st

from zonepulse.processors.network.flow_tracing import Network
from zonepulse.processors.network.tracing_arrays import Traced, Window

Q = 1_024_000_000


@dataclass(frozen=True)
class Flow:
    tail: int
    head: int
    send: int
    recv: int
    is_known: bool = True


@dataclass(frozen=True)
class Injection:
    node: int
    energy: int
    carbon: int
    is_known: bool = True


@dataclass(frozen=True)
class Case:
    """One window of one network; `withdrawals` are (node, energy)."""

    nodes: int
    flows: tuple[Flow, ...]
    injections: tuple[Injection, ...]
    withdrawals: tuple[tuple[int, int], ...] = ()

    def network(self) -> Network:
        ends = [f.tail for f in self.flows], [f.head for f in self.flows]
        return Network(self.nodes, *ends, [i.node for i in self.injections], [node for node, _ in self.withdrawals])

    def fill(self, window: Window) -> Window:
        window.send[:] = [f.send for f in self.flows]
        window.recv[:] = [f.recv for f in self.flows]
        window.is_flow_known[:] = [f.is_known for f in self.flows]
        window.energy[:] = [i.energy for i in self.injections]
        window.carbon[:] = [i.carbon for i in self.injections]
        window.is_injection_known[:] = [i.is_known for i in self.injections]
        window.withdrawn[:] = [energy for _, energy in self.withdrawals]
        return window

    def trace(self) -> Traced:
        network = self.network()
        return network.trace(self.fill(network.window()))

    @property
    def known_carbon(self) -> int:
        return sum(i.carbon for i in self.injections if i.is_known)


@dataclass
class Solution:
    """The numbers of `Traced` as lists; `is_doubtful`: an intensity times Q lies so near a half that float64 may round it either way."""

    delivered: list[int]
    lost: list[int]
    withdrawn_carbon: list[int]
    throughput: list[int]
    carbon: list[int]
    is_known: list[bool]
    imbalance: list[int]
    imbalance_carbon: list[int]
    untraced: list[int]
    residual: list[int]
    intensity: dict[int, Fraction] = field(default_factory=dict)
    is_doubtful: bool = False


def solution(case: Case) -> Solution:
    """Traced by the definition: transitive closure for the loops, fractions for their intensities."""
    nodes, flows = range(case.nodes), case.flows
    throughput = [sum(f.recv for f in flows if f.head == v) + sum(i.energy for i in case.injections if i.node == v) for v in nodes]
    leaving = [sum(f.send for f in flows if f.tail == v) + sum(e for n, e in case.withdrawals if n == v) for v in nodes]
    found = Solution(
        [0] * len(flows), [0] * len(flows), [0] * len(case.withdrawals), throughput, [0] * case.nodes, [True] * case.nodes,
        [t - out for t, out in zip(throughput, leaving, strict=True)], [0] * case.nodes, [0] * case.nodes, [0],
    )  # fmt: skip
    feeds = {v: {f.head for f in flows if f.tail == v and f.recv > 0} for v in nodes}
    reach = {v: _reached(v, feeds) for v in nodes}
    loops = sorted({tuple(u for u in nodes if u == v or (u in reach[v] and v in reach[u])) for v in nodes})
    lost_nodes = _unknown_nodes(case, throughput, feeds, loops)
    found.is_known = [v not in lost_nodes for v in nodes]
    came_in = [sum(i.carbon for i in case.injections if i.node == v and i.is_known) for v in nodes]
    waiting = list(loops)
    while waiting:
        members = next(m for m in waiting if not any(v in m for w in waiting if w != m for u in w for v in feeds[u]))
        waiting.remove(members)
        if members[0] in lost_nodes:
            for v in members:
                found.untraced[v] = came_in[v]
            continue
        _share(case, members, came_in, found)
    return found


def _reached(v: int, feeds: dict[int, set[int]]) -> set[int]:
    reached: set[int] = set()
    todo = [v]
    while todo:
        new = feeds[todo.pop()] - reached
        reached |= new
        todo += new
    return reached


def _unknown_nodes(case: Case, throughput: list[int], feeds: dict[int, set[int]], loops: list[tuple[int, ...]]) -> set[int]:
    unknown = {i.node for i in case.injections if not i.is_known} | {f.head for f in case.flows if not f.is_known}
    for v in range(case.nodes):
        items = [w for f in case.flows if f.tail == v for w in (f.send, f.recv)] + [e for n, e in case.withdrawals if n == v]
        if throughput[v] == 0 and any(items):
            unknown.add(v)
    for members in loops:
        if len(members) > 1:
            outside = sum(throughput[v] for v in members)
            outside -= sum(f.recv for f in case.flows if f.tail in members and f.head in members)
            if outside == 0:
                unknown |= set(members)
    while more := {w for v in unknown for w in feeds[v]} - unknown:
        unknown |= more
    return unknown


def _share(case: Case, members: Sequence[int], came_in: list[int], found: Solution) -> None:
    is_loop = len(members) > 1
    inner = [f for f in case.flows if is_loop and f.tail in members and f.head in members and f.recv > 0]
    total = sum(came_in[v] for v in members)
    scaled, scale = {}, Q
    if is_loop:
        exact = _solved(members, inner, found.throughput, came_in)
        scaled = {v: round(x * Q) for v, x in exact.items()}
        found.is_doubtful |= any(abs(x * Q % 1 - Fraction(1, 2)) < Fraction(1, 10_000) for x in exact.values())
    else:
        v = members[0]
        exact = {v: Fraction(total, found.throughput[v]) if found.throughput[v] else Fraction(0)}
        scaled, scale = {v: total}, max(found.throughput[v], 1)
    found.intensity |= exact
    places: list[tuple[list[int], int]] = []
    weights: list[int] = []
    energies: list[int] = []
    for v in members:
        found.carbon[v] = _half_up(scaled[v] * found.throughput[v], scale) if is_loop else total
        begin = len(energies)
        for k, f in enumerate(case.flows):
            if f.tail == v and f not in inner:
                places.append((found.delivered, k))
                energies.append(f.recv)
            elif f.tail == v:
                found.delivered[k] = _half_up(scaled[v] * f.recv, Q)
            if f.tail == v:
                places.append((found.lost, k))
                energies.append(f.send - f.recv)
        for k, (node, energy) in enumerate(case.withdrawals):
            if node == v:
                places.append((found.withdrawn_carbon, k))
                energies.append(energy)
        places.append((found.imbalance_carbon, v))
        energies.append(found.imbalance[v])
        weights += [scaled[v] * energy for energy in energies[begin:]]
    edges = [p // scale for p in accumulate(weights, initial=0)]
    for (numbers, k), before, after in zip(places, edges, edges[1:], strict=False):
        numbers[k] = after - before
    if residual := total - edges[-1]:
        largest = max(w for w, energy in zip(weights, energies, strict=True) if energy > 0)
        numbers, k = next(p for p, w, e in zip(places, weights, energies, strict=True) if e > 0 and w == largest)
        numbers[k] += residual
        found.residual[0] += abs(residual)
    for k, f in enumerate(case.flows):
        if f.tail in members and f not in inner:
            came_in[f.head] += found.delivered[k]


def _half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


def _solved(members: Sequence[int], inner: Sequence[Flow], throughput: list[int], came_in: list[int]) -> dict[int, Fraction]:
    """Gauss and Jordan."""
    rows = {v: {u: Fraction(0) for u in members} for v in members}
    right = {v: Fraction(came_in[v]) for v in members}
    for v in members:
        rows[v][v] += throughput[v]
    for f in inner:
        rows[f.head][f.tail] -= f.recv
    for k in members:
        pivot = rows[k][k]
        rows[k] = {u: a / pivot for u, a in rows[k].items()}
        right[k] /= pivot
        for v in members:
            if v != k and (factor := rows[v][k]):
                rows[v] = {u: a - factor * rows[k][u] for u, a in rows[v].items()}
                right[v] -= factor * right[k]
    return right


def _energies(limit: int) -> st.SearchStrategy[int]:
    return st.one_of(st.just(0), st.integers(1, 9), st.integers(1, limit))


@st.composite
def cases(draw: st.DrawFn, shape: str = "any", limit: int = 10**12, is_all_known: bool = False) -> Case:
    """A window; `shape`: tree (each node at most one in-flow), acyclic, loop (all nodes in one), any."""
    nodes = draw(st.integers(2 if shape == "loop" else 1, 7))
    energy, often = _energies(limit), st.just(True) if is_all_known else st.integers(0, 19).map(bool)
    ends = draw(_ends(nodes, shape))
    flows = []
    for tail, head in ends:
        recv = draw(st.integers(1, limit) if shape == "loop" else energy)
        send = draw(st.one_of(st.just(recv), st.integers(recv, recv + recv // 10), energy))
        flows.append(Flow(tail, head, send, recv, draw(often)))
    if shape == "loop":
        flows += [
            Flow(v, (v + 1) % nodes, w, w)
            for v, w in enumerate(draw(st.lists(st.integers(1, limit), min_size=nodes, max_size=nodes)))
        ]
    node = st.integers(0, nodes - 1)
    injections = []
    for v in draw(st.lists(node, max_size=5)):
        amount = draw(energy)
        carbon = draw(st.integers(0, 2 * amount))
        injections.append(Injection(v, amount, carbon, draw(often)))
    withdrawals = draw(st.lists(st.tuples(node, energy), max_size=6))
    return Case(nodes, tuple(draw(st.permutations(flows))), tuple(injections), tuple(withdrawals))


def _ends(nodes: int, shape: str) -> st.SearchStrategy[list[tuple[int, int]]]:
    if nodes == 1:
        return st.just([])
    if shape == "tree":
        return st.tuples(*(st.integers(0, v - 1) for v in range(1, nodes))).map(lambda up: [(u, v + 1) for v, u in enumerate(up)])
    pair = st.tuples(st.integers(0, nodes - 1), st.integers(0, nodes - 1)).filter(lambda p: p[0] != p[1])
    if shape == "acyclic":
        pair = pair.map(lambda p: (min(p), max(p)))
    return st.lists(pair, max_size=3 * nodes)
