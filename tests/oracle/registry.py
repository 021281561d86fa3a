"""zone.yaml and the factor table as plain values. The file has been validated elsewhere: a wrong one fails in any way."""

import csv
import io
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, Final
from zoneinfo import ZoneInfo

import yaml

from .units import micro_units

ALWAYS: Final = -(1 << 62)
FOREVER: Final = 1 << 62
_UNIT_MS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@dataclass(frozen=True, slots=True)
class Policy:
    """The zone's settings; durations in milliseconds."""

    zone: str
    regions: tuple[str, ...]
    key: str
    window_ms: int
    tick_ms: int
    delay_ms: int
    lateness_ms: int
    future_ms: int
    max_gap_ms: int
    n_confirm: int
    tolerance_ms: int


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What one register of one meter version means, valid in [valid_from_ms, valid_to_ms)."""

    meter: str
    register: str
    valid_from_ms: int
    valid_to_ms: int
    site: str
    company: str
    node: str
    role: str
    parent: str
    key: str
    """What chooses the partition."""
    carrier: str
    direction: str
    kind: str
    unit: str
    base_unit: str
    scale: float
    multiplier: Fraction
    modulus_micro: int | None
    """Energy of the modulus, after the multiplier."""
    max_power_micro: int | None
    period_ms: int
    ef_mg: int
    regime: tuple[object, ...]
    """A series of register values ends where this changes."""

    def reg(self, value: float) -> int:
        """Micro-units on the register: one float64 product, rounded half to even. OverflowError beyond float64."""
        return round(value * self.scale)

    def energy(self, reg: int) -> int:
        """Micro-units after the multiplier."""
        return reg * self.multiplier.numerator // self.multiplier.denominator

    def is_possible(self, energy: int, duration_ms: int) -> bool:
        """0 <= energy <= 1.2 x max_power x duration, exactly."""
        return energy >= 0 and (self.max_power_micro is None or energy * 3_000_000 <= self.max_power_micro * duration_ms)

    def is_within_bound(self, energy: int, duration_ms: int) -> bool:
        """Energy <= max_power x duration, exactly; False where max_power is unknown."""
        return self.max_power_micro is not None and energy * 3_600_000 <= self.max_power_micro * duration_ms


@dataclass(frozen=True, slots=True)
class Change:
    """A known meter change: micro energy and facts of either side, None where that side is no cumulative register."""

    at_ms: int
    old: tuple[int, Facts] | None
    new: tuple[int, Facts] | None


@dataclass(frozen=True, slots=True)
class Factor:
    """A row of the factor table that a look-up may use."""

    id: str
    activity: str
    region: str
    company: str
    basis: str
    value: Fraction
    unit: str
    valid_from_ms: int
    valid_to_ms: int


@dataclass(frozen=True, slots=True)
class Rule:
    """An alert rule on zone or company."""

    id: str
    on: str
    indicator: str
    above: float | None
    below: float | None
    for_ms: int
    keep_firing_ms: int
    clear_above: float | None
    clear_below: float | None
    severity: str


@dataclass(frozen=True, slots=True)
class Registry:
    """One version of the registry."""

    policy: Policy
    meters: dict[str, list[tuple[int, int]]]
    """Meter -> its validities."""
    channels: dict[tuple[str, str], list[Facts]]
    """(meter, register) -> its facts in order of time."""
    changes: dict[tuple[str, str], list[Change]]
    factors: list[Factor]
    rules: list[Rule]
    companies: list[str] = field(default_factory=list)

    def facts_at(self, meter: str, register: str, at_ms: int) -> Facts | None:
        """The register's facts valid at an instant."""
        for facts in self.channels.get((meter, register), ()):
            if facts.valid_from_ms <= at_ms < facts.valid_to_ms:
                return facts
        return None

    def is_registered(self, meter: str, at_ms: int) -> bool:
        """Whether any version of the meter is valid then."""
        return any(start <= at_ms < end for start, end in self.meters.get(meter, ()))


def duration_ms(text: str) -> int:
    """`15m`, `60s`, `7d` in milliseconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)", text.strip())
    if match is None:
        raise ValueError(f"duration {text!r}: write a number and ms, s, m, h or d")
    return int(Fraction(match[1]) * _UNIT_MS[match[2]])


def instant_ms(text: str | None, timezone: ZoneInfo, default: int) -> int:
    """A date in the zone's time zone, or an instant with offset, as epoch milliseconds."""
    if text is None:
        return default
    at = datetime.fromisoformat(text)
    at = at if at.tzinfo is not None else at.replace(tzinfo=timezone)
    return (at - _EPOCH) // timedelta(milliseconds=1)


def _clean(node: Any) -> Any:
    """The YAML tree with every written null as None."""
    if isinstance(node, dict):
        return {k: _clean(v) for k, v in node.items()}
    if isinstance(node, list):
        return [_clean(v) for v in node]
    return None if node in ("null", "Null", "NULL", "~", "") else node


def _policy(zone: dict[str, Any]) -> Policy:
    vee = zone.get("vee") or {}
    return Policy(
        zone=zone["id"],
        regions=tuple(zone.get("factor_regions") or ()),
        key=zone.get("key") or "gateway",
        window_ms=duration_ms(zone.get("window") or "15m"),
        tick_ms=duration_ms(zone.get("tick") or "1m"),
        delay_ms=duration_ms(zone.get("delay") or "1m"),
        lateness_ms=duration_ms(zone.get("lateness") or "2h"),
        future_ms=duration_ms(zone.get("future") or "5m"),
        max_gap_ms=duration_ms(zone.get("max_gap") or "7d"),
        n_confirm=int(vee.get("n_confirm") or 3),
        tolerance_ms=duration_ms(vee.get("boundary_tolerance") or "60s"),
    )


def _optional(text: str | None) -> Fraction | None:
    return None if text is None else Fraction(text)


def _facts(meter: dict[str, Any], name: str, register: dict[str, Any], site: dict[str, Any], policy: Policy, valid: tuple[int, int]) -> Facts:
    base, ratio = micro_units(register["unit"], register["carrier"], register["kind"], register.get("reference"))
    multiplier = Fraction(register.get("multiplier") or 1)
    modulus, max_power = _optional(register.get("modulus")), _optional(register.get("max_power"))
    keys = {"gateway": meter.get("gateway") or meter["site"], "site": meter["site"], "meter": meter["id"]}
    return Facts(
        meter=meter["id"],
        register=name,
        valid_from_ms=valid[0],
        valid_to_ms=valid[1],
        site=meter["site"],
        company=site.get("company") or "",
        node=site.get("node") or "",
        role=meter["role"],
        parent=meter.get("parent") or "",
        key=keys[policy.key],
        carrier=register["carrier"],
        direction=register["direction"],
        kind=register["kind"],
        unit=register["unit"],
        base_unit=base,
        scale=float(ratio),
        multiplier=multiplier,
        modulus_micro=None if modulus is None else round(modulus * ratio) * multiplier.numerator // multiplier.denominator,
        max_power_micro=None if max_power is None else round(max_power * 1_000_000),
        period_ms=duration_ms(register["period"]) if register.get("period") else policy.window_ms,
        ef_mg=round(Fraction(register.get("ef") or 0) * 1_000_000),
        regime=(register["unit"], ratio, multiplier, modulus, register["kind"]),
    )


def _side(registry: Registry, meter: str, register: str, instants: tuple[int, int], value: str) -> tuple[int, Facts] | None:
    """One side of a change, converted by the version valid at the first of the instants at which there is one."""
    found = [f for f in (registry.facts_at(meter, register, at) for at in instants) if f is not None]
    if not found or found[0].kind != "cumulative":
        return None
    return found[0].energy(found[0].reg(float(value))), found[0]


def _add_changes(registry: Registry, changes: list[dict[str, Any]], timezone: ZoneInfo) -> None:
    for row in changes:
        meter, register = row["meter"], row["register"]
        at = instant_ms(row["at"], timezone, 0)
        old = _side(registry, meter, register, (at - 1, at), row["old_final"])
        new = _side(registry, meter, register, (at, at - 1), row["new_initial"])
        if old is not None or new is not None:
            registry.changes.setdefault((meter, register), []).append(Change(at, old, new))
    for found in registry.changes.values():
        found.sort(key=lambda c: c.at_ms)


def _factor(row: dict[str, Any], timezone: ZoneInfo) -> Factor:
    return Factor(
        id=row["id"],
        activity=row["activity"],
        region=row.get("region") or "",
        company=row.get("company") or "",
        basis=row.get("basis") or "default",
        value=Fraction(row["value"]),
        unit=row["unit"],
        valid_from_ms=instant_ms(row.get("valid_from") or None, timezone, ALWAYS),
        valid_to_ms=instant_ms(row.get("valid_to") or None, timezone, FOREVER),
    )


def _rule(row: dict[str, Any]) -> Rule:
    when, clear = row["when"], row.get("clear") or {}

    def bound(of: dict[str, Any], name: str) -> float | None:
        return None if of.get(name) is None else float(of[name])

    return Rule(
        id=row["id"],
        on=row["on"],
        indicator=when["indicator"],
        above=bound(when, "above"),
        below=bound(when, "below"),
        for_ms=duration_ms(row.get("for") or "0s"),
        keep_firing_ms=duration_ms(row.get("keep_firing") or "0s"),
        clear_above=bound(clear, "above"),
        clear_below=bound(clear, "below"),
        severity=row.get("severity") or "warning",
    )


def read_registry(zone_yaml: str, factors_csv: str) -> Registry:
    """The registry from the text of zone.yaml and of the shipped factor table."""
    tree = _clean(yaml.load(zone_yaml, Loader=yaml.BaseLoader))
    policy = _policy(tree["zone"])
    timezone = ZoneInfo(tree["zone"].get("timezone") or "UTC")
    sites = {s["id"]: s for s in tree.get("sites") or ()}
    rows = [*csv.DictReader(io.StringIO(factors_csv)), *(tree.get("factors") or ())]
    usable = [_factor(row, timezone) for row in rows if (row.get("confidence") or "H") != "L"]
    rules = [_rule(row) for row in tree.get("rules") or () if row["on"] in ("zone", "company")]
    companies = [c["id"] for c in tree.get("companies") or ()]
    registry = Registry(policy, {}, {}, {}, usable, rules, companies)
    for meter in tree.get("meters") or ():
        valid = (
            instant_ms(meter.get("valid_from"), timezone, ALWAYS),
            instant_ms(meter.get("valid_to"), timezone, FOREVER),
        )
        registry.meters.setdefault(meter["id"], []).append(valid)
        for name, register in (meter.get("registers") or {}).items():
            facts = _facts(meter, name, register, sites[meter["site"]], policy, valid)
            registry.channels.setdefault((meter["id"], name), []).append(facts)
    for versions in registry.channels.values():
        versions.sort(key=lambda f: f.valid_from_ms)
    _add_changes(registry, tree.get("meter_changes") or [], timezone)
    return registry
