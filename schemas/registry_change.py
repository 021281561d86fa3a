"""What a new registry version may change: only what is valid from the end of the latest closed window on.

Names, sectors, rules and other facts that no booked row holds may change at any time. Restating the past belongs to replay.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from zonepulse.schemas.factor_choices import Choice, choices
from zonepulse.schemas.factors import channel_bears
from zonepulse.schemas.problems import Problem, Report
from zonepulse.schemas.registry import MeterChange, Registry
from zonepulse.schemas.values import instant_text

H = TypeVar("H", bound=Hashable)
_FIXED: Final = ("id", "window_ms", "tick_ms", "key")
"""Settings of a zone that its stored state is made with."""


def diff(old: Registry, new: Registry) -> list[str]:
    """What changed, one line an entity: `+ meters X`, `- sites Y`, `~ companies Z`."""
    lines = [f"~ zone {new.zone.id}"] if old.zone != new.zone else []
    for section in ("companies", "sites", "gateways", "meters", "meter_changes", "factors", "rules", "contracts", "entries"):
        lines += _changed(section, _by_id(getattr(old, section)), _by_id(getattr(new, section)))
    for section in ("nodes", "edges", "sources"):
        was, now = ({e if isinstance(e, str) else e.id: e for e in getattr(r.network, section)} for r in (old, new))
        lines += _changed(f"network.{section}", was, now)
    return lines + _changed("extra", {k: (v,) for k, v in old.extra.items()}, {k: (v,) for k, v in new.extra.items()})


def check_applicable(old: Registry, new: Registry, latest_closed_ms: int, *, file: str = "zone.yaml") -> list[Problem]:
    """Why `new` may not follow `old` at run time; empty where it may.

    `latest_closed_ms` is the end of the latest closed window. Meter changes may go back to `lateness` before it.
    """
    report = Report(file)
    for name in _FIXED:
        was, now = getattr(old.zone, name), getattr(new.zone, name)
        if was != now:
            remedy = f"keep {was!r}; another one needs a new zone (its own topic prefix) or a replay"
            report.add(f"zone.{name.removesuffix('_ms')}", f"cannot change from {was!r} to {now!r} at run time", remedy)
    since = instant_text(latest_closed_ms, ZoneInfo(old.zone.timezone))
    _check_meters(old, new, latest_closed_ms, since, report)
    _check_meter_changes(old, new, latest_closed_ms, report)
    _check_factors(old, new, latest_closed_ms, since, report)
    return report.problems


def _check_meters(old: Registry, new: Registry, closed_ms: int, since: str, report: Report) -> None:
    remedy = (
        f"let the change begin at {since} or later (a new version of the meter, on another site if need be), or replay the past"
    )
    for meter in _differing(_booked(old, closed_ms), _booked(new, closed_ms)):
        report.add(f"meters.{meter}", "changes what was valid in closed windows", remedy)


def _booked(registry: Registry, closed_ms: int) -> dict[str, frozenset[Hashable]]:
    """Per meter: its versions as far as closed windows saw them, with the company and node that their rows name."""
    site = {s.id: (s.company, s.node) for s in registry.sites}
    facts: dict[str, set[Hashable]] = {}
    for version in registry.meters:
        if version.valid_from_ms < closed_ms:
            seen = replace(version, valid_to_ms=min(version.valid_to_ms, closed_ms))
            facts.setdefault(version.id, set()).add((seen, site.get(version.site)))
    return {meter: frozenset(seen) for meter, seen in facts.items()}


def _check_meter_changes(old: Registry, new: Registry, closed_ms: int, report: Report) -> None:
    limit_ms = closed_ms - old.zone.lateness_ms
    limit = instant_text(limit_ms, ZoneInfo(old.zone.timezone))
    settled = [_settled(r.meter_changes, limit_ms) for r in (old, new)]
    for meter, register, at_ms in _differing(*settled):
        at = instant_text(at_ms, ZoneInfo(old.zone.timezone))
        what = f"{register} at {at} is added, removed or altered too late"
        report.add(
            f"meter_changes.{meter}",
            what,
            f"changes may go back to {limit} (lateness before the latest closed window); replay older ones",
        )


def _settled(changes: Iterable[MeterChange], limit_ms: int) -> dict[tuple[str, str, int], MeterChange]:
    return {(c.meter, c.register, c.at_ms): c for c in changes if c.at_ms < limit_ms}


def _check_factors(old: Registry, new: Registry, closed_ms: int, since: str, report: Report) -> None:
    """Compare what look-ups of the old registry's channels found before `closed_ms`."""
    for carrier, company, base_unit in sorted(_looked_up(old, closed_ms)):
        was, now = (
            [
                _answer(c, closed_ms)
                for c in choices(r.factors, carrier, company, r.zone.factor_regions, base_unit)
                if c.from_ms < closed_ms
            ]
            for r in (old, new)
        )
        if was != now:
            whose = company or "the zone"
            remedy = f"let a factor or factor_regions change at {since} or later, or replay the past"
            report.add("factors", f"the factor of {carrier} ({base_unit}) for {whose} changes in closed windows", remedy)


def _looked_up(registry: Registry, closed_ms: int) -> set[tuple[str, str, str]]:
    company_of = {s.id: s.company for s in registry.sites}
    keys = {
        (r.carrier, company_of.get(m.site, ""), r.base_unit)
        for m in registry.meters
        if m.valid_from_ms < closed_ms
        for r in m.registers
        if channel_bears(m.role, r.carrier, r.direction)
    }
    return keys | {(carrier, "", base_unit) for carrier, _, base_unit in keys if carrier == "electricity"}


def _answer(choice: Choice, closed_ms: int) -> tuple[Hashable, ...]:
    factors = tuple(f.id for f in choice.factors)
    return choice.from_ms, min(choice.to_ms, closed_ms), choice.rung, choice.kg_per_base, factors


def _differing(old: Mapping[H, object], new: Mapping[H, object]) -> list[H]:
    return [key for key in {**old, **new} if old.get(key) != new.get(key)]


def _by_id(entities: Iterable[Any]) -> dict[str, tuple[object, ...]]:
    groups: dict[str, tuple[object, ...]] = {}
    for entity in entities:
        name = f"{entity.meter} {entity.register} {entity.at_ms}" if isinstance(entity, MeterChange) else entity.id
        groups[name] = (*groups.get(name, ()), entity)
    return groups


def _changed(section: str, old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    signs = {name: "+" if name not in old else "-" if name not in new else "~" for name in _differing(old, new)}
    return [f"{sign} {section} {name}" for name, sign in signs.items()]
