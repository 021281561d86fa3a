"""What the network, contracts and entries of a registry must keep, with its meters. References are checked in zone.py."""

from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from typing import Final
from zoneinfo import ZoneInfo

from zonepulse.schemas.carriers import PROCESS, REFRIGERANT, is_entered
from zonepulse.schemas.checks.zone import check_series
from zonepulse.schemas.problems import Report
from zonepulse.schemas.registry.model import ALWAYS, Contract, Edge, Entry, MeterVersion, Registry, Source, ZonePolicy
from zonepulse.schemas.units import LIMIT_ENERGY, LIMIT_REG, MICRO

_ROLE_OF: Final = {
    "grid_import": "boundary",
    "pv": "generation",
    "chp": "generation",
    "generation": "generation",
    "storage": "storage",
}
_KINDS_OF: Final = {"boundary": "grid_import", "generation": "pv, chp or generation", "storage": "storage"}


def check_network(registry: Registry, report: Report) -> None:
    """Report every mistake in the network, the contracts and the entries that shows without their references."""
    for i, edge in enumerate(registry.network.edges):
        _check_line(edge, f"network.edges[{i}]", registry, report)
    for i, source in enumerate(registry.network.sources):
        _check_source(source, f"network.sources[{i}]", registry, report)
    _check_sources_of_meters(registry, report)
    for i, contract in enumerate(registry.contracts):
        _check_contract(contract, f"contracts[{i}]", registry.zone, report)
    for i, entry in enumerate(registry.entries):
        _check_entry(entry, f"entries[{i}]", report)


def _check_line(edge: Edge, path: str, registry: Registry, report: Report) -> None:
    if edge.from_node and edge.from_node == edge.to_node:
        report.add(f"{path}.to", f"{edge.to_node!r} is also where it begins", "name the node at its other end, or remove it")
    for key, meter in (("meter_from", edge.meter_from), ("meter_to", edge.meter_to)):
        versions = [m for m in registry.meters if m.id == meter and meter]
        if versions and not any(set(_directions(m)) & {"import", "export"} for m in versions):
            what = f"{meter!r} has no electricity register of direction import or export"
            report.add(f"{path}.{key}", what, "add one to the meter, or name the meter that measures this line")


def _check_source(source: Source, path: str, registry: Registry, report: Report) -> None:
    is_read = not any(p.path == f"{path}.kind" for p in report.problems)
    for version in (m for m in registry.meters if m.id == source.meter and source.meter and is_read):
        if version.role != _ROLE_OF[source.kind]:
            fitting = _KINDS_OF.get(version.role)
            remedy = f"write kind: {fitting}" if fitting else f"name a meter of role {_ROLE_OF[source.kind]}"
            report.add(f"{path}.kind", f"{source.kind} does not fit {version.id!r}, a {version.role} meter", remedy)
            return
    if source.initial_micro >= LIMIT_REG or source.initial_mg >= LIMIT_ENERGY:
        report.add(f"{path}.initial", "is more than a storage can hold", "write kWh, and g CO2e per kWh")


def _check_sources_of_meters(registry: Registry, report: Report) -> None:
    """Every electricity meter of role boundary, generation or storage at a node of the network is one source, at that node."""
    listed: dict[str, tuple[int, Source]] = {}
    for i, source in enumerate(registry.network.sources):
        if source.meter and source.meter in listed:
            first = report.line(f"network.sources[{listed[source.meter][0]}]")
            what = f"{source.meter!r} is a source already, on line {first}"
            report.add(f"network.sources[{i}].meter", what, "list each meter once; a meter that moved gets another id")
        listed.setdefault(source.meter, (i, source))
    for i, version, node in _feeding(registry):
        if version.id and version.id not in listed:
            what = f"{version.id!r} feeds node {node!r} and is no source of the network"
            kind = _KINDS_OF[version.role]
            report.add(f"meters[{i}].id", what, f"add {{node: {node}, kind: {kind}, meter: {version.id}}} to network.sources")
        elif version.id and listed[version.id][1].node != node:
            j, source = listed[version.id]
            if source.node in registry.network.nodes:
                what = f"{version.id!r} stands at node {node!r}, by its site {version.site!r}"
                report.add(f"network.sources[{j}].node", what, f"write node: {node}, or move the site")


def _feeding(registry: Registry) -> Iterator[tuple[int, MeterVersion, str]]:
    """(place in the registry, version, node) of electricity meters that are sources."""
    node_of = {site.id: site.node for site in registry.sites}
    seen: set[tuple[str, str]] = set()
    for i, version in enumerate(registry.meters):
        node = node_of.get(version.site, "")
        is_new = (version.id, node) not in seen
        if is_new and node in registry.network.nodes and version.role in _KINDS_OF and any(_directions(version)):
            seen.add((version.id, node))
            yield i, version, node


def _directions(version: MeterVersion) -> list[str]:
    return [r.direction for r in version.registers if r.carrier == "electricity" and r.counts]


def _check_contract(contract: Contract, path: str, zone: ZonePolicy, report: Report) -> None:
    if contract.ef_mg < 0:
        report.add(f"{path}.ef", "is negative", "write kg CO2e per kWh, 0 for green power")
    if contract.hourly is not None:
        check_series(contract.hourly, f"{path}.hourly", zone, report)
    elif contract.energy_micro < 0:
        report.add(f"{path}.mwh", "is negative", "write how many MWh it covers")
    if max(contract.energy_micro, contract.energy_micro * contract.ef_mg // MICRO) >= LIMIT_ENERGY:
        report.add(path, "covers more than can be counted in 64 bits", "write MWh in `mwh`, kWh in `hourly`, kg per kWh in `ef`")
    if contract.kind == "gec" and contract.vintage is not None and contract.valid_from_ms != ALWAYS:
        began = _year_begins_ms(contract.vintage, zone.timezone)
        if began is None:
            report.add(f"{path}.vintage", f"{contract.vintage} is no year", "write the year in which the energy was generated")
        elif contract.valid_from_ms < began:
            what = f"a certificate of {contract.vintage} cannot cover what was used before"
            report.add(f"{path}.valid_from", what, f"let it begin at {contract.vintage}-01-01 or later, or mend the vintage")


def _year_begins_ms(year: int, timezone: str) -> int | None:
    if not 1900 <= year <= 2200:
        return None
    return round(datetime(year, 1, 1, tzinfo=ZoneInfo(timezone)).timestamp()) * 1000


def _check_entry(entry: Entry, path: str, report: Report) -> None:
    if entry.carrier and not is_entered(entry.carrier):
        remedy = f"write {REFRIGERANT}R-410A or {PROCESS}shielding_gas; what meters count needs no entry"
        report.add(f"{path}.carrier", f"{entry.carrier!r} cannot be entered", remedy)
    if not 0 < entry.value_micro < LIMIT_REG:
        remedy = "write what escaped, in kg; to correct an entry, change it and say why"
        report.add(f"{path}.kg", f"{float(Fraction(entry.value_micro, MICRO)):.6g} kg is no amount", remedy)
