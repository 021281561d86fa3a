"""zone.yaml and the factor table into a registry. They have been validated elsewhere: a wrong file fails in any way."""

import csv
import io
import re
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, Final
from zoneinfo import ZoneInfo

import yaml

from zonepulse.oracle.registry import ALWAYS, FOREVER, Change, Factor, Facts, Policy, Registry, Rule
from zonepulse.oracle.units import micro_units

_LOADER: Final[Any] = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
"""Every scalar stays text, so that decimals stay exact."""
_UNIT_MS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


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


_Node = dict[str, Any]


def _facts(meter: _Node, name: str, register: _Node, site: _Node, policy: Policy, valid: tuple[int, int]) -> Facts:
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
    tree = _clean(yaml.load(zone_yaml, Loader=_LOADER))
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
