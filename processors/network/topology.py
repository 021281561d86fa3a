"""The electricity network as arrays: which channels measure its flows, injections and withdrawals in the windows of one epoch.

A *term* sums channels (accumulators that hold one channel each): one end of an edge in one direction, an injection, a charge, an export,
the use of a company at a node. Flow f of E edges is edge f forward for f < E, edge f - E back otherwise.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zonepulse.processors.accounting.plan import USE_SIGN, AggregationPlan, channel_accumulator, counted_flow
from zonepulse.processors.network.flow_tracing import Network as Tracer
from zonepulse.schemas.registry.model import Edge, MeterVersion, Register, Registry, Source

Ints = NDArray[np.int64]
INJECTION: Final = {"grid_import": "import", "storage": "discharge"}
"""Direction of the registers that a source injects by; `generation` for every other kind."""
_USERS: Final = ("main", "sub", "generation", "storage")


@dataclass(slots=True)
class Terms:
    """Signed sums of accumulators: term k is `accumulators[first[k]:first[k + 1]]`."""

    rows: list[list[tuple[int, int]]] = field(default_factory=list)

    def add(self, accumulators: Iterable[tuple[int, int]]) -> int:
        """A term of (accumulator, sign); its number."""
        self.rows.append(list(accumulators))
        return len(self.rows) - 1

    def arrays(self) -> tuple[Ints, Ints, Ints]:
        """first, accumulators, signs."""
        first = np.cumsum([0, *(len(r) for r in self.rows)]).astype(np.int64)
        flat = np.array([c for r in self.rows for c in r], np.int64).reshape(-1, 2)
        return first, flat[:, 0].copy(), flat[:, 1].copy()


@dataclass(slots=True)
class Topology:
    """One epoch. Positions: `edges` in Registry.network.edges, `pairs` in load_pairs; terms by flow, source and pair."""

    tracer: Tracer
    edges: Ints
    tail: Ints
    head: Ints
    recv: Ints
    send: Ints
    injected: Ints
    charged: Ints
    """Of storages."""
    exported: Ints
    """Of grid sources."""
    used: Ints
    first: Ints
    accumulators: Ints
    signs: Ints
    generator_accumulators: Ints
    """Accumulators of generation registers, with their source and mg CO2e per kWh."""
    generator_source: Ints
    generator_mg: Ints


def load_pairs(registry: Registry) -> list[tuple[str, str]]:
    """(company, node) of every site in the network, '' for sites without company first, then in the registry's order."""
    order = {"": 0} | {c.id: i + 1 for i, c in enumerate(registry.companies)}
    nodes = {node: i for i, node in enumerate(registry.network.nodes)}
    found = {(s.company, s.node) for s in registry.sites if s.node in nodes}
    return sorted(found, key=lambda pair: (order[pair[0]], nodes[pair[1]]))


class Topologies:
    """The topology of any window of a registry version, compiled when first asked for."""

    def __init__(self, registry: Registry, plan: AggregationPlan) -> None:
        self._registry, self._accumulators = registry, {name: i for i, name in enumerate(plan.accumulators)}
        self.pairs = load_pairs(registry)
        self.nodes = {node: i for i, node in enumerate(registry.network.nodes)}
        validities = [(m.valid_from_ms, m.valid_to_ms) for m in registry.meters]
        validities += [(e.valid_from_ms, e.valid_to_ms) for e in registry.network.edges]
        self._edges_ms = sorted({ms for validity in validities for ms in validity})
        self._known: dict[int, Topology] = {}

    def at(self, start_ms: int) -> Topology:
        """The topology of the window that starts then."""
        epoch = bisect_right(self._edges_ms, start_ms)
        if epoch not in self._known:
            self._known[epoch] = self._compile(start_ms)
        return self._known[epoch]

    def _compile(self, at_ms: int) -> Topology:
        registry, terms = self._registry, Terms()
        meters = {m.id: m for m in registry.meters if m.valid_from_ms <= at_ms < m.valid_to_ms}
        valid = [(i, e) for i, e in enumerate(registry.network.edges) if e.valid_from_ms <= at_ms < e.valid_to_ms]

        def term(meter: str, direction: str) -> int:
            return terms.add((accumulator, 1) for _, accumulator in self._registers(meters.get(meter), direction))

        tail, head, recv, send = [], [], [], []
        for direction in ("import", "export"):
            for _, edge in valid:
                ends = _ends(edge) if direction == "import" else _ends(edge)[::-1]
                (from_node, sender), (to_node, receiver) = ends
                tail.append(self.nodes[from_node])
                head.append(self.nodes[to_node])
                send.append(term(sender, direction))
                recv.append(term(receiver, direction))
        sources = registry.network.sources
        injected = [term(s.meter, injects(s)) for s in sources]
        charged = [term(s.meter, "charge") for s in sources if s.kind == "storage"]
        exported = [term(s.meter, "export") for s in sources if s.kind == "grid_import"]
        used = [terms.add(accumulators) for accumulators in self._uses(meters)]
        generators = [
            (accumulator, k, round(register.ef_kg * 1_000_000))
            for k, s in enumerate(sources)
            if injects(s) == "generation"
            for register, accumulator in self._registers(meters.get(s.meter), "generation")
        ]
        made = np.array(generators, np.int64).reshape(-1, 3).T
        at = self.nodes
        pair_nodes = [at[node] for _, node in self.pairs]
        tracer = Tracer(
            len(at), tail, head, [at[s.node] for s in sources],
            [*pair_nodes, *(at[s.node] for s in sources if s.kind == "storage"), *(at[s.node] for s in sources if s.kind == "grid_import")],
        )  # fmt: skip
        lists = ([i for i, _ in valid], tail, head, recv, send, injected, charged, exported, used)
        edges, *others = (np.array(x, np.int64) for x in lists)
        return Topology(tracer, edges, *others, *terms.arrays(), made[0].copy(), made[1].copy(), made[2].copy())  # type: ignore[call-arg]

    def _registers(self, meter: MeterVersion | None, direction: str) -> list[tuple[Register, int]]:
        """The electricity registers of a direction, with the accumulator of each."""
        if meter is None:
            return []
        found = [r for r in meter.registers if r.carrier == "electricity" and r.direction == direction and r.counts]
        return [(r, self._accumulators[channel_accumulator(meter.id, r.id)]) for r in found]

    def _uses(self, meters: dict[str, MeterVersion]) -> list[list[tuple[int, int]]]:
        """By pair: the accumulators of the channels that count as its use, signed."""
        site = {s.id: (s.company, s.node) for s in self._registry.sites}
        out: dict[tuple[str, str], list[tuple[int, int]]] = {pair: [] for pair in self.pairs}
        for meter in meters.values():
            is_part = meter.role == "sub" and meter.parent in meters
            if meter.role not in _USERS or site[meter.site] not in out or is_part:
                continue
            for register in meter.registers:
                flow = counted_flow(meter.role, register)
                if register.carrier == "electricity" and flow is not None:
                    out[site[meter.site]].append((self._accumulators[channel_accumulator(meter.id, register.id)], USE_SIGN[flow]))
        return list(out.values())


def injects(source: Source) -> str:
    """Direction of the registers by which a source injects."""
    return INJECTION.get(source.kind, "generation")


def _ends(edge: Edge) -> tuple[tuple[str, str], tuple[str, str]]:
    """(node, meter) of the sending and of the receiving end of the forward flow."""
    return (edge.from_node, edge.meter_from), (edge.to_node, edge.meter_to)
