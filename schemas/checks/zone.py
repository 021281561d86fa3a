"""What must hold between the entities of a registry: settings, identities, references, validities, meter changes.

`check_registry` reports; it never raises. Placeholders of values that could not be read ('' and the like) are passed over.
"""

from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from zonepulse.schemas.factors.series import end_ms
from zonepulse.schemas.problems import Report, nearest
from zonepulse.schemas.registry.calendars import CALENDARS
from zonepulse.schemas.registry.model import (
    ALWAYS,
    FOREVER,
    Contract,
    Edge,
    Factor,
    MeterChange,
    MeterVersion,
    Registry,
    Series,
    ZonePolicy,
)
from zonepulse.schemas.registry.sections import LISTS, SECTIONS, entities_of
from zonepulse.schemas.units import LIMIT_REG, MS_PER_HOUR
from zonepulse.schemas.values import instant_text

_MINUTE_MS: Final = 60_000


def check_registry(registry: Registry, shipped: int, report: Report) -> None:
    """Report every mistake that shows only between entities. The first `shipped` factors are the shipped table."""
    _check_policy(registry.zone, report)
    _check_identities(registry, shipped, report)
    _check_references(registry, shipped, report)
    _check_validities(registry, shipped, report)
    _check_parents(registry.meters, report)
    _check_changes(registry, report)
    for i, factor in enumerate(registry.factors[shipped:]):
        check_factor(factor, f"factors[{i}]", registry.zone, report)


def _check_policy(zone: ZonePolicy, report: Report) -> None:
    if not _is_window(zone.window_ms):
        report.add("zone.window", f"{zone.window_ms} ms is no ledger interval", "use 1m to 60m that divides an hour, such as 15m")
    elif not zone.tick_ms or zone.window_ms % zone.tick_ms:
        report.add("zone.tick", f"{zone.tick_ms} ms does not divide the window", "use a tick that divides it, such as 1m")
    for name, value in (("live", zone.live_ms), ("idle", zone.idle_ms), ("max_gap", zone.max_gap_ms)):
        if not value:
            report.add(f"zone.{name}", "is zero", "write a duration above zero")
    if zone.n_confirm < 1:
        report.add("zone.vee.n_confirm", "is zero", "write how many readings confirm a new series, such as 3")
    _check_unique(((f"zone.factor_regions[{i}]", r) for i, r in enumerate(zone.factor_regions)), report)


def _is_window(length_ms: int) -> bool:
    return _MINUTE_MS <= length_ms <= MS_PER_HOUR and MS_PER_HOUR % length_ms == 0


def _check_identities(registry: Registry, shipped: int, report: Report) -> None:
    for section in SECTIONS:
        ids = list[tuple[str, str]]()
        for part in section.parts or (section,):
            if part.type is str:
                _check_unique(((f"{part.name}[{i}]", one) for i, one in enumerate(entities_of(registry, part))), report)
            elif part.identity == ("id",) and not part.is_versioned:
                entities = entities_of(registry, part)[shipped if part.name == "factors" else 0 :]
                ids += [(f"{part.name}[{i}].id", one.id) for i, one in enumerate(entities)]
        _check_unique(ids, report)
    known = {f.id for f in registry.factors[:shipped]}
    for i, contract in enumerate(registry.contracts):
        if contract.id and contract.id in {f.id for f in registry.factors}:
            report.add(
                f"contracts[{i}].id", f"{contract.id!r} is a factor's", "give it another id: results name either as their factor"
            )
    for i, factor in enumerate(registry.factors[shipped:]):
        if factor.id in known:
            report.add(f"factors[{i}].id", f"{factor.id!r} is in the shipped table", "choose an id of your own")


def _check_unique(named: Iterable[tuple[str, str]], report: Report) -> None:
    first: dict[str, str] = {}
    for path, name in named:
        if name and name in first:
            report.add(path, f"{name!r} stands twice, first on line {report.line(first[name])}", "keep one, or give it another id")
        first.setdefault(name, path)


def _check_references(registry: Registry, shipped: int, report: Report) -> None:
    _check_declared_references(registry, report)
    company = partial(_refer, report, "company", "companies", {c.id for c in registry.companies})
    site = partial(_refer, report, "site", "sites", {s.id for s in registry.sites})
    gateway = partial(_refer, report, "gateway", "gateways", {g.id for g in registry.gateways})
    meter = partial(_refer, report, "meter", "meters", {m.id for m in registry.meters})
    nodes = set(registry.network.nodes)
    node = partial(_refer, report, "node", "network.nodes", nodes)
    calendars = {c.id for c in entities_of(registry, CALENDARS)}
    _refer(report, "calendar", "calendars", calendars, "zone.calendar", registry.zone.calendar)
    for i, s in enumerate(registry.sites):
        if nodes:
            node(f"sites[{i}].node", s.node)
    for i, m in enumerate(registry.meters):
        site(f"meters[{i}].site", m.site)
        gateway(f"meters[{i}].gateway", m.gateway)
        meter(f"meters[{i}].parent", m.parent)
    for i, factor in enumerate(registry.factors[shipped:]):
        company(f"factors[{i}].company", factor.company)
    for i, contract in enumerate(registry.contracts):
        company(f"contracts[{i}].company", contract.company)
    for i, entry in enumerate(registry.entries):
        company(f"entries[{i}].company", entry.company)


def _check_declared_references(registry: Registry, report: Report) -> None:
    """An entity does not name itself."""
    sections = {section.name: section for section in LISTS}
    ids = {name: {section.name_of(e) for e in entities_of(registry, section)} for name, section in sections.items()}
    for section in LISTS:
        for field in (field for field in section.fields if field.of):
            for i, entity in enumerate(entities_of(registry, section)):
                path, found = f"{section.name}[{i}].{field.path}", getattr(entity, field.attribute)
                known = ids[field.of] - {section.name_of(entity)} if field.of == section.name else ids[field.of]
                named = [(path, found)] if isinstance(found, str) else [(f"{path}[{j}]", name) for j, name in enumerate(found)]
                for at, name in named:
                    _refer(report, sections[field.of].kind, field.of, known, at, name)


def _refer(report: Report, what: str, section: str, known: set[str], path: str, name: str) -> None:
    if name and name not in known:
        report.add(path, f"unknown {what} {name!r}", nearest(name, known, f"add it to {section}"))


def _check_validities(registry: Registry, shipped: int, report: Report) -> None:
    zone = registry.zone
    named: list[tuple[str, MeterVersion | Factor | Edge | Contract]] = [(f"meters[{i}]", m) for i, m in enumerate(registry.meters)]
    named += [(f"factors[{i}]", f) for i, f in enumerate(registry.factors[shipped:])]
    named += [(f"network.edges[{i}]", e) for i, e in enumerate(registry.network.edges)]
    named += [(f"contracts[{i}]", c) for i, c in enumerate(registry.contracts)]
    for path, entity in named:
        series = entity.series if isinstance(entity, Factor) else None
        if series is None or entity.valid_from_ms != series.first_ms:  # the edges of the series itself: check_series
            check_edge(f"{path}.valid_from", entity.valid_from_ms, zone, report)
        if series is None or entity.valid_to_ms != end_ms(series):
            check_edge(f"{path}.valid_to", entity.valid_to_ms, zone, report)
        is_told = series is not None and not series.values
        if entity.valid_from_ms >= entity.valid_to_ms and not is_told:
            report.add(
                f"{path}.valid_to", "the validity ends before it begins, or is empty", "let valid_to be later than valid_from"
            )
    _check_overlaps(registry, report)


def check_edge(path: str, at_ms: int, zone: ZonePolicy, report: Report) -> None:
    """Report an instant inside a window."""
    if at_ms in (ALWAYS, FOREVER) or not _is_window(zone.window_ms) or at_ms % zone.window_ms == 0:
        return
    local = ZoneInfo(zone.timezone)
    before = at_ms - at_ms % zone.window_ms
    edges = f"{instant_text(before, local)} or {instant_text(before + zone.window_ms, local)}"
    report.add(path, f"{instant_text(at_ms, local)} is no edge of a window", f"use {edges}")


def check_series(series: Series, path: str, zone: ZonePolicy, report: Report) -> None:
    """Report a series whose steps do not lie on window edges, or that holds what is negative."""
    check_edge(f"{path}.from", series.first_ms, zone, report)
    is_read = not any(p.path == f"{path}.step" for p in report.problems)
    if is_read and zone.window_ms and series.step_ms % zone.window_ms:
        report.add(
            f"{path}.step", f"{series.step_ms} ms is no multiple of the window", "use a step that holds whole windows, such as 1h"
        )
    for i, value in enumerate(series.values):
        if value is not None and value < 0:
            report.add(f"{path}.values[{i}]", "is negative", "write zero or more, or null where there is none")


def _check_overlaps(registry: Registry, report: Report) -> None:
    versions: dict[str, list[tuple[int, MeterVersion]]] = defaultdict(list)
    for i, version in enumerate(registry.meters):
        versions[version.id].append((i, version))
    for meter, numbered in versions.items():
        numbered.sort(key=lambda n: n[1].valid_from_ms)
        for (i, one), (j, other) in pairwise(numbered):
            if meter and one.valid_to_ms > other.valid_from_ms:
                what = f"{meter!r} is also valid then by meters[{i}] on line {report.line(f'meters[{i}]')}"
                report.add(f"meters[{j}].valid_from", what, "end the earlier version where the later one begins")


def _check_parents(meters: tuple[MeterVersion, ...], report: Report) -> None:
    parent_of = {m.id: m.parent for m in meters if m.parent}
    for i, version in enumerate(meters):
        if version.role == "sub" and not version.parent:
            report.add(f"meters[{i}].parent", f"{version.id!r} is a sub meter of nothing", "name its parent, or make it role: main")
        if version.parent and _is_in_own_chain(version.id, parent_of):
            report.add(f"meters[{i}].parent", f"{version.id!r} is part of itself", "break the circle of parents")


def _is_in_own_chain(meter: str, parent_of: dict[str, str]) -> bool:
    at, seen = parent_of.get(meter, ""), set[str]()
    while at and at != meter and at not in seen:
        seen.add(at)
        at = parent_of.get(at, "")
    return at == meter


def _check_changes(registry: Registry, report: Report) -> None:
    seen: dict[tuple[str, str, int], str] = {}
    known = {m.id for m in registry.meters}
    for i, change in enumerate(registry.meter_changes):
        path, key = f"meter_changes[{i}]", (change.meter, change.register, change.at_ms)
        if key in seen:
            report.add(path, f"the same change stands twice, first on line {report.line(seen[key])}", "keep one of the two")
        seen.setdefault(key, path)
        if change.meter in known and change.at_ms != ALWAYS:
            _check_change(change, path, registry, report)


def _check_change(change: MeterChange, path: str, registry: Registry, report: Report) -> None:
    versions = [m for m in registry.meters if m.id == change.meter]
    ids = {r.id for m in versions for r in m.registers}
    if change.register not in ids:
        remedy = nearest(change.register, ids, f"its registers: {', '.join(sorted(ids))}")
        report.add(f"{path}.register", f"{change.meter!r} has no register {change.register!r}", remedy)
        return
    found = [
        r for m in versions if m.valid_from_ms <= change.at_ms <= m.valid_to_ms for r in m.registers if r.id == change.register
    ]
    if not found:
        report.add(f"{path}.at", f"{change.meter!r} is not valid then", "mend the time, or the validity of the meter")
    for name, value in (("old_final", change.old_final), ("new_initial", change.new_initial)):
        if any(abs(value) * r.scale >= LIMIT_REG for r in found):
            report.add(f"{path}.{name}", f"{value} is more than a register can hold", "write it in the register's unit")
        elif any(r.modulus is not None and value >= r.modulus for r in found):
            report.add(
                f"{path}.{name}", f"{value} is not below the modulus", "write what the register showed, before the multiplier"
            )
    if any(r.kind != "cumulative" for r in found):
        report.add(
            f"{path}.register", f"{change.register!r} is not cumulative", "remove the change: only registers that count up need one"
        )


def check_factor(factor: Factor, path: str, zone: ZonePolicy, report: Report) -> None:
    """What shows of a factor by itself."""
    if factor.series is not None:
        check_series(factor.series, f"{path}.series", zone, report)
    if factor.value < 0:
        report.add(f"{path}.value", "is negative", "write a mass of zero or more")
    if bool(factor.region) == bool(factor.company):
        report.add(path, "needs exactly one of `company` and `region`", "name whose own factor it is, or the region it stands for")
