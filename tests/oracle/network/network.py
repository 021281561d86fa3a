"""The zone's network as it is metered while the same versions are valid: which registers say what each flow, source and load is.

Decisions: registers are those of electricity of the named direction. Loads stand for every (company, node) with a site there, with
registers or without. A sum of registers below 0 (a wrong meter change can make one) counts as 0 everywhere but in loads.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from zonepulse.oracle.carbon.plan import Key, Plan
from zonepulse.oracle.metering.fold import Row
from zonepulse.oracle.zone.registry import Registry, Source

Rows = Mapping[Key, Row]
_SIGNS = {"import": 1, "generation": 1, "discharge": 1, "export": -1, "charge": -1}
_INJECTING = {"grid_import": "import", "storage": "discharge"}
_TAKING = {"grid_import": "export", "storage": "charge"}


class Metered(NamedTuple):
    """What some registers say: `value` is None where they are there and none is covered, 0 where there are none."""

    value: int | None
    estimated: int
    covered_ms: int = 0
    expected: int = 0

    @property
    def energy(self) -> int:
        """The value, 0 where it is not known."""
        return self.value or 0

    def plus(self, *others: "Metered") -> "Metered":
        """Everything added; what is not known counts as 0."""
        all_of = (self, *others)
        value = None if all(m.value is None for m in all_of) else sum(m.energy for m in all_of)
        estimated, covered_ms = sum(m.estimated for m in all_of), sum(m.covered_ms for m in all_of)
        return Metered(value, estimated, covered_ms, sum(m.expected for m in all_of))

    def minus(self, other: "Metered") -> "Metered":
        """Energies subtracted, coverage added."""
        return self.plus(other._replace(value=None if other.value is None else -other.value, estimated=-other.estimated))


@dataclass(frozen=True)
class Terms:
    """Registers with their signs."""

    signs: tuple[tuple[Key, int], ...] = ()

    def signed(self, rows: Rows) -> Metered:
        """Their sum; None where none is covered, be it that there are none."""
        found = [(sign, row) for key, sign in self.signs if (row := rows.get(key)) is not None]
        covered = [(sign, row.value, row.estimated) for sign, row in found if row.value is not None]
        return Metered(
            sum(sign * value for sign, value, _ in covered) if covered else None,
            sum(sign * estimated for sign, _, estimated in covered),
            sum(row.covered_ms for _, row in found),
            len(self.signs),
        )

    def flow(self, rows: Rows) -> Metered:
        """Energy that flows one way."""
        found = self.signed(rows)
        if found.value is None:
            return found if self.signs else found._replace(value=0)
        return found._replace(value=max(0, found.value))


@dataclass(frozen=True)
class Way:
    """One direction of an edge, with the registers at both ends."""

    edge: str
    sender: str
    receiver: str
    sent: Terms
    received: Terms

    def flow(self, rows: Rows) -> tuple[Metered, Metered]:
        """What leaves the sender and what reaches the receiver; an end that does not know says what the other says."""
        ends = [terms.flow(rows) for terms in (self.sent, self.received) if terms.signs]
        known = [end for end in ends if end.value is not None]
        if len(known) == 2:
            sent, received = known
        elif known or ends:
            sent = received = (known or ends)[0]
        else:
            sent = received = Metered(0, 0)
        covered_ms, expected = sum(end.covered_ms for end in ends), sum(end.expected for end in ends)
        return Metered(sent.value, sent.estimated), Metered(received.value, received.estimated, covered_ms, expected)


class Inlet(NamedTuple):
    """A source with the registers of what it gives and of what it takes."""

    source: Source
    gives: Terms
    takes: Terms


class Load(NamedTuple):
    """A company's use at a node."""

    company: str
    node: str
    terms: Terms


@dataclass(frozen=True)
class Topology:
    """The network of windows that start at one instant."""

    forward: tuple[Way, ...]
    back: tuple[Way, ...]
    inlets: tuple[Inlet, ...]
    loads: tuple[Load, ...]
    channels: frozenset[Key]


def topology_at(registry: Registry, plan: Plan, at_ms: int) -> Topology:
    """The network at an instant; `plan` is the plan of that instant."""

    def of(meter: str, direction: str) -> Terms:
        found = [(key, 1) for key, f in plan.facts.items() if f.meter == meter and _is_electric(plan, key, direction)]
        return Terms(tuple(found))

    network = registry.network
    edges = [edge for edge in network.edges if edge.valid_from_ms <= at_ms < edge.valid_to_ms]
    forward = [Way(e.id, e.from_node, e.to_node, of(e.meter_from, "import"), of(e.meter_to, "import")) for e in edges]
    back = [Way(e.id, e.to_node, e.from_node, of(e.meter_to, "export"), of(e.meter_from, "export")) for e in edges]
    inlets = [
        Inlet(s, of(s.meter, _INJECTING.get(s.kind, "generation")), of(s.meter, _TAKING.get(s.kind, ""))) for s in network.sources
    ]
    loads = [
        Load(company, node, _use(plan, company, node))
        for node in network.nodes
        for company in ("", *registry.companies)
        if (company, node) in registry.places
    ]
    terms = [t for way in (*forward, *back) for t in (way.sent, way.received)]
    terms += [t for inlet in inlets for t in (inlet.gives, inlet.takes)] + [load.terms for load in loads]
    return Topology(tuple(forward), tuple(back), tuple(inlets), tuple(loads), frozenset(_keys(terms)))


def _keys(terms: Iterable[Terms]) -> set[Key]:
    return {key for some in terms for key, _ in some.signs}


def _is_electric(plan: Plan, key: Key, direction: str) -> bool:
    facts = plan.facts[key]
    return facts.counts and facts.carrier == "electricity" and facts.direction == direction


def _use(plan: Plan, company: str, node: str) -> Terms:
    """Import + generation - export - charge + discharge of what counts for the company there."""
    found = []
    for key in plan.pools:
        facts = plan.facts[key]
        is_here = (facts.company, facts.node) == (company, node)
        if is_here and facts.carrier == "electricity" and facts.role in ("main", "sub", "generation", "storage"):
            found.append((key, _SIGNS[facts.direction]))
    return Terms(tuple(found))
