"""What a new registry version may change of the network and the contracts: nothing that closed windows were booked with."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace

from zonepulse.schemas.problems import Report
from zonepulse.schemas.registry.model import Contract, Edge, Network, Registry, Source


def check_network_change(old: Registry, new: Registry, closed_ms: int, since: str, restate: str, report: Report) -> None:
    """Report what would change closed windows. `since` is their end as text, `restate` how the past is run again."""
    if old.network != new.network and old.network == Network():
        if any(_seen(new, closed_ms)):
            remedy = f"let its meters have versions from {since} on, at sites of their own with nodes, or {restate}"
            report.add("network", "adds flow tracing to closed windows", remedy)
    else:
        _check_topology(
            old, new, closed_ms, f"let the change begin at {since} or later, new ones last in their list, or {restate}", report
        )
    for contract in _differing(_contracts(old, closed_ms), _contracts(new, closed_ms)):
        remedy = f"end it at {since} or later and write another contract for the rest, or {restate}"
        report.add(f"contracts.{contract}", "changes what closed windows were matched with", remedy)


def _check_topology(old: Registry, new: Registry, closed_ms: int, remedy: str, report: Report) -> None:
    names = ("nodes", "edges", "sources")
    for name, was, now in zip(names, _seen(old, closed_ms), _seen(new, closed_ms), strict=True):
        changed = _differing(_by_id(was), _by_id(now))
        for entity in changed:
            report.add(f"network.{name}.{entity}", "changes the network of closed windows", remedy)
        if not changed and was != now:
            report.add(
                f"network.{name}", "another order rounds the flows of closed windows in another way", f"keep the order; {remedy}"
            )


def _seen(registry: Registry, closed_ms: int) -> tuple[Sequence[str | Edge | Source], ...]:
    """Nodes, edges and sources as far as windows before `closed_ms` saw them, in order."""
    network = registry.network
    metered = {m.id for m in registry.meters if m.valid_from_ms < closed_ms}
    sites = {m.site for m in registry.meters if m.valid_from_ms < closed_ms}
    edges = [replace(e, valid_to_ms=min(e.valid_to_ms, closed_ms)) for e in network.edges if e.valid_from_ms < closed_ms]
    sources = [s for s in network.sources if s.meter in metered]
    used = {site.node for site in registry.sites if site.id in sites} | {s.node for s in sources}
    used |= {node for e in edges for node in (e.from_node, e.to_node)}
    return [node for node in network.nodes if node in used], edges, sources


def _contracts(registry: Registry, closed_ms: int) -> dict[str, Hashable]:
    """Contracts that closed windows drew on, without what no booked row holds, and the contracts that came before each."""
    found = sorted((c for c in registry.contracts if c.valid_from_ms < closed_ms), key=lambda c: (c.valid_to_ms, c.id))
    return {c.id: (_clipped(c, closed_ms), tuple(b.id for b in found[:i] if b.company == c.company)) for i, c in enumerate(found)}


def _clipped(contract: Contract, closed_ms: int) -> Contract:
    """As closed windows saw it."""
    hourly, energy = contract.hourly, contract.energy_micro
    if hourly is not None:
        steps = max(0, -((hourly.first_ms - closed_ms) // hourly.step_ms))
        hourly, energy = replace(hourly, values=hourly.values[:steps]), 0
    end_ms = min(contract.valid_to_ms, closed_ms)
    return replace(contract, kind="ppa", vintage=None, evidence="", valid_to_ms=end_ms, hourly=hourly, energy_micro=energy)


def _differing(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    return [key for key in {**old, **new} if old.get(key) != new.get(key)]


def _by_id(entities: Iterable[str | Edge | Source]) -> dict[str, object]:
    return {e if isinstance(e, str) else e.id: e for e in entities}
