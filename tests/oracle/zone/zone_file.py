"""zone.yaml and the factor table into a registry. They have been validated elsewhere: a wrong file fails in any way."""

from datetime import date
from fractions import Fraction
from typing import Any, Final
from zoneinfo import ZoneInfo

import yaml

from zonepulse.oracle.zone.carbon_sections import read_contract, read_entry, read_network
from zonepulse.oracle.zone.factor_rows import read_factors, read_gwps
from zonepulse.oracle.zone.if97 import saturated_or_at
from zonepulse.oracle.zone.registry import ALWAYS, FOREVER, Budget, Calendar, Change, Facts, Policy, Registry, Rule, Tariff
from zonepulse.oracle.zone.units import micro_units
from zonepulse.oracle.zone.yaml_times import duration_ms, instant_ms

_LOADER: Final[Any] = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
"""Every scalar stays text, so that decimals stay exact."""


def _clean(node: Any) -> Any:
    """The YAML tree with every written null as None."""
    if isinstance(node, dict):
        return {k: _clean(v) for k, v in node.items()}
    if isinstance(node, list):
        return [_clean(v) for v in node]
    return None if node in ("null", "Null", "NULL", "~", "") else node


DETECTORS: Final = frozenset(
    {"unusual", "level_shift", "night_use", "zero_run", "reverse_flow", "off_hours", "record", "wrong_unit", "wrong_ct"}
)


def _days(zone: dict[str, Any], calendars: list[dict[str, Any]]) -> dict[date, int]:
    """The days of the zone's calendar."""
    days = dict[date, int]()
    for calendar in (c for c in calendars if c["id"] == zone.get("calendar")):
        worked = [date.fromisoformat(day) for day in calendar.get("workdays") or ()]
        days |= {day: 4 for day in worked if day.weekday() > 4}
        days |= {date.fromisoformat(day): 6 for day in calendar.get("holidays") or ()}
    return days


def _detect(meter: dict[str, Any], register: dict[str, Any]) -> frozenset[str]:
    said = next((said for said in (register.get("detect"), meter.get("detect")) if said is not None), "on")
    return DETECTORS if said == "on" else frozenset() if said == "off" else frozenset(said)


def _policy(zone: dict[str, Any], calendars: list[dict[str, Any]]) -> Policy:
    vee = zone.get("vee") or {}
    return Policy(
        zone=zone["id"],
        timezone=ZoneInfo(zone.get("timezone") or "UTC"),
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
        alert_budget=float(zone.get("alert_budget") or "0.009"),
        keeps_expected=zone.get("expected") == "true",
        days=_days(zone, calendars),
    )


def _optional(text: str | None) -> Fraction | None:
    return None if text is None else Fraction(text)


_Node = dict[str, Any]


def _gj_per_tonne(steam: _Node) -> Fraction:
    """Enthalpy above the reference, rounded to 3 decimals of kJ/kg."""
    celsius = steam["temperature_c"]
    enthalpy = saturated_or_at(float(steam["pressure_mpa"]), None if celsius is None else float(celsius))
    return Fraction(round((Fraction(enthalpy) - Fraction(steam["reference_kj_per_kg"])) * 1000), 10**6)


def _facts(meter: _Node, name: str, register: _Node, site: _Node, policy: Policy, valid: tuple[int, int]) -> Facts:
    steam = register.get("steam")
    per_tonne = None if steam is None else _gj_per_tonne(steam)
    base, ratio = micro_units(register["unit"], register["carrier"], register["kind"], register.get("reference"), per_tonne)
    multiplier = Fraction(register.get("multiplier") or 1)
    modulus, max_power = _optional(register.get("modulus")), _optional(register.get("max_power"))
    modulus_micro = None if modulus is None else round(modulus * ratio) * multiplier.numerator // multiplier.denominator
    period_ms = duration_ms(register["period"]) if register.get("period") else policy.window_ms
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
        modulus_micro=modulus_micro,
        max_power_micro=None if max_power is None else round(max_power * 1_000_000),
        period_ms=period_ms,
        ef_mg=round(Fraction(register.get("ef") or 0) * 1_000_000),
        regime=(base, per_tonne, register.get("reference"), multiplier, modulus_micro, register["kind"]),
        starts_at_zero=register.get("on_reset") == "zero",
        is_stamped_at_start=register.get("stamp") == "start",
        offset_ms=duration_ms(register.get("offset") or "0s"),
        is_daily=register["kind"] == "interval" and period_ms == 86_400_000,
        counts=register.get("counts") != "false",
        detect=_detect(meter, register),
        kwp=_optional(register.get("kwp") or meter.get("kwp")),
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


def _rule(row: dict[str, Any]) -> Rule:
    when, clear = row["when"], row.get("clear") or {}

    def bound(of: dict[str, Any], name: str) -> float | None:
        return None if of.get(name) is None else float(of[name])

    on = row["on"] if isinstance(row["on"], list) else [row["on"]]
    return Rule(
        id=row["id"],
        on=on[0].partition(":")[0],
        only=tuple(name for _, colon, name in (one.partition(":") for one in on) if colon),
        indicator=when.get("indicator") or "",
        expr=when.get("expr") or "",
        clear_expr=clear.get("expr") or "",
        change=when.get("change") or "",
        against_ms=duration_ms(when.get("against") or "0s"),
        calendar=row.get("calendar") or "",
        unusual=when.get("unusual") == "true",
        above=bound(when, "above"),
        below=bound(when, "below"),
        for_ms=duration_ms(row.get("for") or "0s"),
        keep_firing_ms=duration_ms(row.get("keep_firing") or "0s"),
        clear_above=bound(clear, "above"),
        clear_below=bound(clear, "below"),
        severity=row.get("severity") or "warning",
    )


def _calendar(row: dict[str, Any]) -> Calendar:
    first, end = (
        ([int(hours) * 60 + int(minutes) for hours, _, minutes in (t.partition(":") for t in row["hours"])])
        if row.get("hours")
        else (0, 1440)
    )
    days = ("mon", "tue", "wed", "thu", "fri") if row.get("days") is None else row["days"]
    return Calendar(tuple(days), first, end, tuple(row.get("holidays") or ()), tuple(row.get("workdays") or ()))


def _tariff(row: dict[str, Any], timezone: ZoneInfo) -> Tariff:
    kwh = {"Wh": Fraction(1, 1000), "kWh": Fraction(1), "MWh": Fraction(1000), "GWh": Fraction(1_000_000)}[row["unit"]]
    valid = instant_ms(row["valid_from"], timezone, ALWAYS), instant_ms(row.get("valid_to"), timezone, FOREVER)
    return Tariff(row.get("company") or "", Fraction(row["price"]) / kwh, row["currency"], *valid, row.get("calendar") or "")


def _budget(row: dict[str, Any]) -> Budget:
    year, _, month = row["period"].partition("-")
    first = date(int(year), int(month or 1), 1)
    end = date(first.year + 1, 1, 1) if not month else date(first.year + first.month // 12, first.month % 12 + 1, 1)
    basis = row.get("basis") or "location"
    return Budget(row["id"], row.get("company") or "", row["period"], first, end, row["unit"], basis, Fraction(row["amount"]))


def read_registry(zone_yaml: str, factors_csv: str) -> Registry:
    """The registry from the text of zone.yaml and of the shipped factor table."""
    tree = _clean(yaml.load(zone_yaml, Loader=_LOADER))
    policy = _policy(tree["zone"], tree.get("calendars") or [])
    timezone = ZoneInfo(tree["zone"].get("timezone") or "UTC")
    sites = {s["id"]: s for s in tree.get("sites") or ()}
    rules = [_rule(row) for row in tree.get("rules") or ()]
    entries = [read_entry(row, timezone) for row in tree.get("entries") or ()]
    registry = Registry(
        policy,
        meters={},
        channels={},
        changes={},
        factors=read_factors(factors_csv, tree.get("factors") or [], timezone, tree["zone"].get("factors_as_of"))
        + read_gwps({e.carrier for e in entries}, tree["zone"].get("gwp")),
        rules=rules,
        companies=[c["id"] for c in tree.get("companies") or ()],
        places={(s.get("company") or "", s.get("node") or "") for s in sites.values()},
        sites={s["id"]: (s.get("company") or "", s.get("node") or "") for s in sites.values()},
        calendars={row["id"]: _calendar(row) for row in tree.get("calendars") or ()},
        tariffs=[_tariff(row, timezone) for row in tree.get("tariffs") or () if row["carrier"] == "electricity"],
        budgets=[_budget(row) for row in tree.get("budgets") or ()],
        network=read_network(tree.get("network") or {}, timezone),
        contracts=[read_contract(row, timezone) for row in tree.get("contracts") or ()],
        entries=entries,
    )
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
    by_begin = sorted(tree.get("meters") or (), key=lambda meter: instant_ms(meter.get("valid_from"), timezone, ALWAYS))
    registry.gateways.update({meter["id"]: meter.get("gateway") or "" for meter in by_begin})
    _add_changes(registry, tree.get("meter_changes") or [], timezone)
    return registry
