"""What every channel of a registry must keep: quantities that cannot overflow, and a factor for what bears emissions."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Final
from zoneinfo import ZoneInfo

from zonepulse.schemas.carriers import ELECTRICITY, REFRIGERANT, activity_of, carrier_of, is_entered
from zonepulse.schemas.carriers import carrier as declared
from zonepulse.schemas.checks.notices import counted_directions
from zonepulse.schemas.factors.choices import Choice, choices, who_answers
from zonepulse.schemas.factors.gwp import REPORTS, gases
from zonepulse.schemas.factors.shipped import (
    LOOKUP_BASES,
    OWN_RUNG,
    RESIDUAL_BASES,
    channel_bears,
)
from zonepulse.schemas.problems import Report, nearest, step
from zonepulse.schemas.registry.calendar import DAY_MS
from zonepulse.schemas.registry.model import Entry, Factor, MeterVersion, Register, Registry
from zonepulse.schemas.units import LIMIT_ENERGY, MICRO, MS_PER_HOUR
from zonepulse.schemas.values import instant_text

POWER_HEADROOM: Final = 4_320_000
"""ms of an hour x the 1.2 that VEE allows: a bound of power x time is computed in this."""


def check_channels(registry: Registry, report: Report) -> None:
    """Report channels that could overflow, contradict themselves, or bear emissions that no factor describes."""
    for path, _, register in _channels(registry):
        _check_quantities(register, path, report)
        _check_reference(register, path, report)
        _check_period(register, registry.zone.max_gap_ms, path, report)
        if register.ef_kg < 0 or (register.ef_kg and register.direction != "generation"):
            report.add(
                f"{path}.ef", "belongs to registers of direction generation, zero or more", "remove it, or mend the direction"
            )
    _check_counted_twice(registry, report)
    _check_base_units(registry, report)
    _check_emissions(registry, report)


def _channels(registry: Registry) -> Iterator[tuple[str, MeterVersion, Register]]:
    for i, version in enumerate(registry.meters):
        for register in version.registers:
            yield step(f"meters[{i}].registers", register.id), version, register


def _check_quantities(register: Register, path: str, report: Report) -> None:
    quantities = {"multiplier": register.multiplier, "modulus": register.modulus, "max_power": register.max_power}
    bad = {name for name, value in quantities.items() if value is not None and value <= 0}
    for name in bad:
        report.add(f"{path}.{name}", "is not above zero", "write a number above zero, or leave it out")
    if not register.period_ms:
        report.add(f"{path}.period", "is zero", "write how often the meter reports, such as 15m")
    if register.multiplier.numerator * register.multiplier.denominator >= LIMIT_ENERGY:
        report.add(f"{path}.multiplier", "has too many digits to multiply exactly", "write at most nine significant digits")
    if register.modulus is not None and not bad and register.modulus * register.scale * register.multiplier >= LIMIT_ENERGY:
        limit = Fraction(LIMIT_ENERGY) / register.scale / register.multiplier
        what = "modulus x multiplier does not fit 64 bits in micro-units"
        report.add(f"{path}.modulus", what, f"it must be below {_short(limit)}; mend modulus, multiplier or unit")
    if register.max_power * MICRO * POWER_HEADROOM >= LIMIT_ENERGY:
        limit = Fraction(LIMIT_ENERGY, MICRO * POWER_HEADROOM)
        report.add(
            f"{path}.max_power", "does not fit 64 bits in micro-units", f"write it in base units per hour, below {_short(limit)}"
        )


def _check_period(register: Register, max_gap_ms: int, path: str, report: Report) -> None:
    """Report keys of a kind that has no use for them, and periods without a grid."""
    if register.on_reset == "zero" and register.kind != "cumulative":
        report.add(f"{path}.on_reset", f"belongs to kind cumulative, not to {register.kind}", "remove it: only counters begin anew")
    if register.kind != "interval":
        for key, is_said in (("stamp", register.stamp != "end"), ("offset", register.offset_ms != 0)):
            if is_said:
                report.add(f"{path}.{key}", f"belongs to kind interval, not to {register.kind}", "remove it, or mend the kind")
        return
    period, is_day = register.period_ms, register.period_ms == DAY_MS
    if not is_day and not (0 < period <= MS_PER_HOUR and MS_PER_HOUR % period == 0):
        what = f"{period} ms is no period of energy values"
        report.add(f"{path}.period", what, "write one that divides an hour, such as 15m or 60m, or 1d for the calendar day")
    elif period > max_gap_ms:
        report.add(f"{path}.period", "is longer than max_gap", "write a larger zone.max_gap, such as 7d, or a shorter period")
    if register.offset_ms >= period > 0:
        report.add(f"{path}.offset", "is not less than the period", "write how far its periods begin behind the local hour or day")


def _check_counted_twice(registry: Registry, report: Report) -> None:
    """Report two registers of one meter that count the same: the total and its tariffs, most often."""
    for i, version in enumerate(registry.meters):
        first: dict[tuple[str, str], str] = {}
        for register in version.registers:
            key = register.carrier, register.direction
            if not register.counts or register.direction not in counted_directions(version.role, register.carrier):
                continue
            if key in first:
                what = f"{register.carrier} {register.direction} of {version.id!r} is counted twice, by {first[key]!r} and {register.id!r}"
                remedy = (
                    f"add `counts: false` to what is part of the other, such as a tariff register beside the total {first[key]!r}"
                )
                report.add(f"{step(f'meters[{i}].registers', register.id)}.counts", what, remedy)
            first.setdefault(key, register.id)


def _check_reference(register: Register, path: str, report: Report) -> None:
    if register.reference is None or not register.base_unit:
        return
    if not declared(register.carrier).is_gas:
        report.add(
            f"{path}.reference", f"{register.carrier} has no reference temperature", "remove it: it belongs to fuel gas in m3"
        )
    elif register.unit.startswith("Nm3") and register.reference != "0C":
        report.add(f"{path}.reference", "Nm3 is at 0 C by definition", "remove it, or write the unit m3")


def _check_base_units(registry: Registry, report: Report) -> None:
    """Report a company's carrier whose counting channels have two base units: their sum would mean nothing.

    Across companies that is a notice only (registry_notices.py): every company's rows are right, the zone's sum of the carrier is not.
    """
    company_of = {s.id: s.company for s in registry.sites}
    first: dict[tuple[str, str], tuple[str, str]] = {}
    for path, version, register in _channels(registry):
        key = (company_of.get(version.site, ""), register.carrier)
        counts = register.counts and register.direction in counted_directions(version.role, register.carrier)
        if register.base_unit and counts:
            base_unit, where = first.setdefault(key, (register.base_unit, path))
            if base_unit != register.base_unit:
                what = f"counts {register.carrier} in {register.base_unit}, line {report.line(where)} in {base_unit}"
                report.add(
                    f"{path}.unit", what, f"transmit both in one of them, such as {base_unit}, or give one a carrier of its own"
                )


def _check_emissions(registry: Registry, report: Report) -> None:
    """Report once for every (carrier, company, base unit), at its first channel; and for every entry."""
    company_of = {s.id: s.company for s in registry.sites}
    done: set[tuple[str, str, str]] = set()
    for path, version, register in _channels(registry):
        company = who_answers(registry.factors, register.carrier, company_of.get(version.site, ""))
        key = (register.carrier, company, register.base_unit)
        bears = register.counts and channel_bears(version.role, register.carrier, register.direction)
        if register.base_unit and bears and key not in done:
            done.add(key)
            _check_factors(registry, *key, f"{path}.carrier", report)
    for i, entry in enumerate(registry.entries):
        if is_entered(entry.carrier):
            _check_entry(registry, entry, f"entries[{i}].carrier", report)
    for company in sorted({who_answers(registry.factors, ELECTRICITY, c.id) for c in registry.companies}):
        found = choices(registry.factors, ELECTRICITY, company, registry.zone.factor_regions, "kWh", RESIDUAL_BASES)
        _check_ambiguous(registry, found, "zone.factor_regions", report)


def _check_factors(registry: Registry, carrier: str, company: str, base_unit: str, path: str, report: Report) -> None:
    found = choices(registry.factors, carrier, company, registry.zone.factor_regions, base_unit)
    if not any(choice.factors for choice in found):
        report.add(path, *_why_no_factor(registry, carrier, company, base_unit))
    _check_ambiguous(registry, found, path, report)


def _check_ambiguous(registry: Registry, found: list[Choice], path: str, report: Report) -> None:
    """Report each set of factors that answer together, once."""
    told: set[str] = set()
    for choice in found:
        ids = " and ".join(repr(f.id) for f in choice.factors)
        if len(choice.factors) > 1 and ids not in told:
            told.add(ids)
            since = instant_text(choice.from_ms, ZoneInfo(registry.zone.timezone))
            remedy = "end one where the other begins"
            if choice.rung != OWN_RUNG:
                remedy += f", or give yours a region of its own, ahead of {choice.rung} in factor_regions"
            report.add(path, f"{ids} all apply from {since} (rung {choice.rung})", remedy)


def _check_entry(registry: Registry, entry: Entry, path: str, report: Report) -> None:
    """Report an entry without a factor at its time."""
    gas = entry.carrier.removeprefix(REFRIGERANT)
    if gas != entry.carrier and not registry.zone.gwp:
        what = f"{entry.carrier!r} needs to know which GWPs count"
        report.add(path, what, f"write `gwp: AR5` into `zone`, the IPCC report that you account by ({', '.join(REPORTS)})")
        return
    found = choices(registry.factors, entry.carrier, entry.company, registry.zone.factor_regions, "kg")
    _check_ambiguous(registry, found, path, report)
    if any(choice.factors and choice.from_ms <= entry.at_ms < choice.to_ms for choice in found):
        return
    add = f"add a factor of {entry.carrier} in kgCO2e/kg to `factors`"
    if any(choice.factors for choice in found):
        at = instant_text(entry.at_ms, ZoneInfo(registry.zone.timezone))
        report.add(path, f"no factor of {entry.carrier!r} is valid at {at}", f"{add} that is, or mend `at`")
    elif gas != entry.carrier:
        report.add(path, f"{registry.zone.gwp} has no GWP of {gas!r}", nearest(gas, gases(registry.zone.gwp), add))
    else:
        report.add(path, *_why_no_factor(registry, entry.carrier, entry.company, "kg"))


def _why_no_factor(registry: Registry, carrier: str, company: str, base_unit: str) -> tuple[str, str]:
    """What is wrong, and the remedy: the first obstacle that keeps every factor of the activity away."""
    activity = activity_of(carrier)
    rungs = {OWN_RUNG, *registry.zone.factor_regions}
    add = f"add a factor of {activity} to `factors`, in kgCO2/{base_unit}"
    left = [f for f in registry.factors if f.activity == activity]
    if not left:
        carriers = {carrier_of(f.activity) for f in registry.factors} - {carrier}
        return f"no factor of {activity!r} exists", nearest(carrier, carriers, add)
    here = [f for f in left if (f.company == company if f.company else f.region in rungs)]
    if not here:
        return f"no factor of {activity!r} is for this company or these factor_regions: {_ids(left)}", add
    fitting = [f for f in here if f.base_unit == base_unit]
    if not fitting:
        return (
            f"no factor of {activity!r} fits {base_unit}: {_ids(here)} count {_units(here)}",
            f"{add}, or mend the channel's unit",
        )
    based = [f for f in fitting if f.basis in LOOKUP_BASES]
    if not based:
        bases = " and ".join(sorted({f.basis for f in fitting}))
        return f"no factor of {activity!r} has basis location or default: {_ids(fitting)} ({bases} is another quantity)", add
    # Any other than an unverified factor would have been found.
    return f"the only factor of {activity!r} is unverified (confidence L): {_ids(based)}", f"{add}, with its source"


def _ids(factors: list[Factor]) -> str:
    shown = ", ".join(f.id for f in factors[:3])
    return shown if len(factors) <= 3 else f"{shown} and {len(factors) - 3} more"


def _units(factors: list[Factor]) -> str:
    return " and ".join(sorted({f.base_unit for f in factors if f.base_unit}))


def _short(value: Fraction) -> str:
    return f"{float(value):.6g}"
