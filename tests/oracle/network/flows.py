"""One window of the network: from interval rows to injections, items and their carbon.

Out items of a node share in this order: forward flows (delivered, lost), backward flows (delivered, lost), loads by company, charges,
exports, imbalance.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from zonepulse.oracle.carbon.factors import FactorTable, emission_mg
from zonepulse.oracle.carbon.plan import Key, Plan
from zonepulse.oracle.metering.fold import Row
from zonepulse.oracle.network.network import Inlet, Load, Metered, Rows, Topology, Way
from zonepulse.oracle.network.tracing import Injection, Item, Trace


class Flow(NamedTuple):
    """One direction of an edge."""

    way: Way
    sent: Metered
    received: Metered
    delivered: Item
    lost: Item


class Given(NamedTuple):
    """What a source injects, and its carbon."""

    inlet: Inlet
    metered: Metered
    carbon: int | None


class Taken(NamedTuple):
    """What a storage is charged with, or the grid takes."""

    inlet: Inlet
    metered: Metered
    item: Item


class Used(NamedTuple):
    """What a company uses at a node; below 0 it gives `unmetered` energy, which nobody knows the origin of: it enters nothing."""

    load: Load
    metered: Metered
    item: Item


@dataclass(frozen=True)
class Solved:
    """A window of the network with all carbon traced."""

    forward: list[Flow]
    back: list[Flow]
    given: list[Given]
    taken: list[Taken]
    used: list[Used]
    trace: Trace
    source_mg: int

    def terms_of(self, node: str) -> list[Metered]:
        """All that enters and leaves a node, as it is metered."""
        flows = [flow.received for flow in (*self.forward, *self.back) if node in (flow.way.sender, flow.way.receiver)]
        given = [one.metered for one in self.given if one.inlet.source.node == node]
        taken = [one.metered for one in self.taken if one.inlet.source.node == node]
        return [*flows, *given, *taken, *(used.metered for used in self.used if used.load.node == node)]

    def charge(self, storage: str) -> tuple[int, int]:
        """Energy and carbon that a storage is charged with; carbon 0 at an unknown node."""
        found = next(t for t in self.taken if t.inlet.source.id == storage)
        return found.item.weight, found.item.carbon or 0


def solve(
    topology: Topology, nodes: list[str], plan: Plan, rows: Rows, factors: FactorTable, start_ms: int, out: Mapping[str, int]
) -> Solved:
    """`out` is the carbon of every storage's discharge."""
    forward, back = ([_flow(way, rows) for way in ways] for ways in (topology.forward, topology.back))
    given = [_given(inlet, plan, rows, factors, start_ms, out) for inlet in topology.inlets]
    used = [_used(load, rows) for load in topology.loads]
    taken = [_taken(i, rows) for kind in ("storage", "grid_import") for i in topology.inlets if i.source.kind == kind]
    injections = [Injection(g.inlet.source.node, g.metered.value, g.carbon) for g in given]
    items = [item for flow in (*forward, *back) for item in (flow.delivered, flow.lost)]
    items += [u.item for u in used] + [t.item for t in taken]
    blind = {flow.way.receiver for flow in (*forward, *back) if flow.received.value is None}
    trace = Trace(nodes, injections, items, blind)
    return Solved(forward, back, given, taken, used, trace, sum(g.carbon or 0 for g in given))


def _flow(way: Way, rows: Rows) -> Flow:
    sent, received = way.flow(rows)
    delivered = Item(way.sender, received.energy, to=way.receiver)
    return Flow(way, sent, received, delivered, Item(way.sender, sent.energy - received.energy))


def _given(inlet: Inlet, plan: Plan, rows: Rows, factors: FactorTable, start_ms: int, out: Mapping[str, int]) -> Given:
    metered, source = inlet.gives.flow(rows), inlet.source
    carbon: int | None = 0
    if source.kind == "grid_import" and inlet.gives.signs:
        answer = factors.at("", "electricity", "kWh", start_ms)
        carbon = emission_mg(metered.energy, answer.factor_mg) if answer else None
    elif source.kind == "storage":
        carbon = out[source.id]
    elif metered.energy > 0:
        carbon = sum(_own_mg(key, plan, rows.get(key)) for key, _ in inlet.gives.signs)
    return Given(inlet, metered, None if metered.value is None else carbon)


def _own_mg(key: Key, plan: Plan, row: Row | None) -> int:
    """Emission of a generation register by its own factor."""
    return 0 if row is None or row.value is None else emission_mg(row.value, plan.facts[key].ef_mg)


def _taken(inlet: Inlet, rows: Rows) -> Taken:
    metered = inlet.takes.flow(rows)
    return Taken(inlet, metered, Item(inlet.source.node, metered.energy))


def _used(load: Load, rows: Rows) -> Used:
    metered = load.terms.signed(rows)
    return Used(load, metered, Item(load.node, max(0, metered.energy)))
