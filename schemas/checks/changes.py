"""What a new registry version may change: only what is valid from the end of the latest closed window on.

Names, sectors, rules and other facts that no booked row holds may change at any time. What would change closed windows is refused,
and the refusal offers a restatement: a replay with the new file, whose rows stand beside the live ones under a run of their own.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from zonepulse.schemas.checks.factor_notices import Look
from zonepulse.schemas.checks.network_changes import check_network_change
from zonepulse.schemas.factors.choices import Choice, choices, who_answers
from zonepulse.schemas.factors.shipped import LOOKUP_BASES, RESIDUAL_BASES, channel_bears
from zonepulse.schemas.messages.partitioner import partition_key
from zonepulse.schemas.problems import Problem, Report
from zonepulse.schemas.registry.model import MeterChange, Registry
from zonepulse.schemas.registry.section import Section
from zonepulse.schemas.registry.sections import LISTS, entities_of
from zonepulse.schemas.values import duration_text, instant_text

H = TypeVar("H", bound=Hashable)
_FIXED: Final = (
    "id", "timezone", "window_ms", "tick_ms", "delay_ms", "key", "lateness_ms", "future_ms", "max_gap_ms", "n_confirm",
    "boundary_tolerance_ms",
)  # fmt: skip
"""Settings of a zone that its stored state is made with: what was accepted, settled, held and booked under others cannot be judged anew."""
_OF_VEE: Final = ("n_confirm", "boundary_tolerance_ms")
RESTATE: Final = "restate the past"
"""What a remedy says where a replay can do what is refused."""


def diff(old: Registry, new: Registry) -> list[str]:
    """What changed, one line an entity: `+ meters X`, `- sites Y`, `~ companies Z`."""
    lines = [f"~ zone {new.zone.id}"] if old.zone != new.zone else []
    for section in LISTS:
        lines += _changed(section.name, *(_named(section, entities_of(registry, section)) for registry in (old, new)))
    known = {section.name for section in LISTS}
    return lines + _changed("extra", *({k: (v,) for k, v in r.extra.items() if k not in known} for r in (old, new)))


def check_applicable(old: Registry, new: Registry, latest_closed_ms: int, *, file: str = "zone.yaml") -> list[Problem]:
    """Why `new` may not follow `old` at run time; empty where it may.

    `latest_closed_ms` is the end of the latest closed window. Meter changes may go back to `lateness` before it.
    """
    report = Report(file)
    _check_settings(old, new, report)
    since = instant_text(latest_closed_ms, ZoneInfo(old.zone.timezone))
    _check_meters(old, new, latest_closed_ms, since, report)
    _check_keys(old, new, report)
    _check_meter_changes(old, new, latest_closed_ms, report)
    _check_factors(old, new, latest_closed_ms, since, report)
    check_network_change(old, new, latest_closed_ms, since, restate(file), report)
    for section in LISTS:
        _check_booked(section, old, new, latest_closed_ms, since, report)
    return report.problems


def check_settings(old: Registry, new: Registry, *, file: str = "zone.yaml") -> list[Problem]:
    """What of `check_applicable` holds before any window is closed: readings may have been taken in already."""
    report = Report(file)
    _check_settings(old, new, report)
    return report.problems


def _check_settings(old: Registry, new: Registry, report: Report) -> None:
    for name in _FIXED:
        was, now = (_setting_text(name, getattr(r.zone, name)) for r in (old, new))
        if was != now:
            key = ("vee." if name in _OF_VEE else "") + name.removesuffix("_ms")
            remedy = (
                f"keep {was}; another one needs a topic prefix of its own (ZONEPULSE_TOPIC_PREFIX), or a run of its own beside the live"
                f" one: `zonepulse replay file --zone {report.file} READINGS`"
            )
            report.add(f"zone.{key}", f"cannot change from {was} to {now} at run time", remedy)


def _setting_text(name: str, value: object) -> str:
    """As zone.yaml writes it."""
    return duration_text(value) if name.endswith("_ms") and isinstance(value, int) else repr(value)


def restate(file: str) -> str:
    """What to do for a change of the past: the end of a remedy."""
    return f"{RESTATE}: `zonepulse replay plan --registry {file} --from TIME --to TIME`"


def _check_keys(old: Registry, new: Registry, report: Report) -> None:
    """A meter's partition cannot change while it is valid: the old one and the new one would both own its series."""
    known = _key_changes(old)
    for meter, at_ms, was, now in _key_changes(new):
        if (meter, at_ms, was, now) not in known:
            at = instant_text(at_ms, ZoneInfo(new.zone.timezone))
            what = f"its readings would move from key {was!r} to {now!r} at {at}, while it is valid (zone.key: {new.zone.key})"
            report.add(f"meters.{meter}", what, f"keep {was!r}, or end the meter then and go on with one of another id")


def _key_changes(registry: Registry) -> list[tuple[str, int, str, str]]:
    """(meter, instant, key before, key after) wherever a version follows another without a gap, with another key."""
    versions = sorted(registry.meters, key=lambda m: (m.id, m.valid_from_ms))
    keys = [partition_key(registry.zone, m) for m in versions]
    return [
        (m.id, n.valid_from_ms, keys[i], keys[i + 1])
        for i, (m, n) in enumerate(pairwise(versions))
        if m.id == n.id and m.valid_to_ms == n.valid_from_ms and keys[i] != keys[i + 1]
    ]


def _check_meters(old: Registry, new: Registry, closed_ms: int, since: str, report: Report) -> None:
    remedy = f"let the change begin at {since} or later (a new version of the meter), or {restate(report.file)}"
    for meter in _differing(_booked(old, closed_ms), _booked(new, closed_ms)):
        report.add(f"meters.{meter}", "changes what was valid in closed windows", remedy)


def _booked(registry: Registry, closed_ms: int) -> dict[str, frozenset[Hashable]]:
    """Per meter: its versions as far as closed windows saw them, with the company and node that their rows name."""
    site = {s.id: (s.company, s.node) for s in registry.sites}
    facts: dict[str, set[Hashable]] = {}
    for version in registry.meters:
        if version.valid_from_ms < closed_ms:
            registers = tuple(replace(r, detect=None, kwp=None) for r in version.registers)
            seen = replace(version, registers=registers, valid_to_ms=min(version.valid_to_ms, closed_ms))
            facts.setdefault(version.id, set()).add((seen, site.get(version.site)))
    return {meter: frozenset(seen) for meter, seen in facts.items()}


def _check_booked(section: Section, old: Registry, new: Registry, closed_ms: int, since: str, report: Report) -> None:
    """Report what changes among entities that closed windows were booked with."""
    booked = section.booked
    if booked is None:
        return
    was, now = (_named(section, (e for e in entities_of(r, section) if booked.from_ms(e) < closed_ms)) for r in (old, new))
    for name in _differing(was, now):
        remedy = f"{booked.remedy.format(since=since)}, or {restate(report.file)}"
        report.add(f"{section.name}.{name}", "is added, removed or altered in closed windows", remedy)


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
            f"changes may go back to {limit} (lateness before the latest closed window); for older ones {restate(report.file)}",
        )


def _settled(changes: Iterable[MeterChange], limit_ms: int) -> dict[tuple[str, str, int], MeterChange]:
    return {(c.meter, c.register, c.at_ms): c for c in changes if c.at_ms < limit_ms}


def _check_factors(old: Registry, new: Registry, closed_ms: int, since: str, report: Report) -> None:
    """Compare what look-ups of the old registry's channels and entries found before `closed_ms`."""
    before, after = (_Answers(r, closed_ms) for r in (old, new))
    differ: dict[tuple[Look, Look], bool] = {}
    for carrier, company, base_unit, bases in sorted(_looked_up(old, closed_ms)):
        look = carrier, company, base_unit, bases
        pair = before.shared(look), after.shared(look)
        if pair not in differ:
            differ[pair] = before.of(pair[0]) != after.of(pair[1])
        if differ[pair]:
            whose, which = company or "the zone", "residual factor" if bases == RESIDUAL_BASES else "factor"
            remedy = f"let a factor or factor_regions change at {since} or later, or {restate(report.file)}"
            report.add("factors", f"the {which} of {carrier} ({base_unit}) for {whose} changes in closed windows", remedy)


class _Answers:
    """What a registry's look-ups find before `closed_ms`."""

    def __init__(self, registry: Registry, closed_ms: int) -> None:
        self._registry, self._closed_ms = registry, closed_ms

    def shared(self, look: Look) -> Look:
        """The look-up without a company that has nothing of its own: its answers are everybody's."""
        carrier, company, base_unit, bases = look
        return carrier, who_answers(self._registry.factors, carrier, company), base_unit, bases

    def of(self, look: Look) -> list[tuple[Hashable, ...]]:
        """Spans before `closed_ms`, with rung and factor."""
        carrier, company, base_unit, bases = look
        registry = self._registry
        found = choices(registry.factors, carrier, company, registry.zone.factor_regions, base_unit, bases)
        return [_answer(c, self._closed_ms) for c in found if c.from_ms < self._closed_ms]


def _looked_up(registry: Registry, closed_ms: int) -> set[Look]:
    company_of = {s.id: s.company for s in registry.sites}
    keys = {
        (r.carrier, company_of.get(m.site, ""), r.base_unit)
        for m in registry.meters
        if m.valid_from_ms < closed_ms
        for r in m.registers
        if r.counts and channel_bears(m.role, r.carrier, r.direction)
    }
    entered = {(entry.carrier, entry.company, "kg") for entry in registry.entries if entry.at_ms < closed_ms}
    electric = {key for key in keys if key[0] == "electricity"}
    electric |= {(carrier, "", base_unit) for carrier, _, base_unit in electric}
    return {(*key, LOOKUP_BASES) for key in keys | entered | electric} | {(*key, RESIDUAL_BASES) for key in electric}


def _answer(choice: Choice, closed_ms: int) -> tuple[Hashable, ...]:
    factors = tuple(f.id for f in choice.factors)
    return choice.from_ms, min(choice.to_ms, closed_ms), choice.rung, choice.kg_per_base, factors


def _differing(old: Mapping[H, object], new: Mapping[H, object]) -> list[H]:
    return [key for key in {**old, **new} if old.get(key) != new.get(key)]


def _named(section: Section, entities: Iterable[Any]) -> dict[str, tuple[object, ...]]:
    groups: dict[str, tuple[object, ...]] = {}
    for entity in entities:
        name = section.name_of(entity, " ")
        groups[name] = (*groups.get(name, ()), entity)
    return groups


def _changed(section: str, old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    signs = {name: "+" if name not in old else "-" if name not in new else "~" for name in _differing(old, new)}
    return [f"{sign} {section} {name}" for name, sign in signs.items()]
