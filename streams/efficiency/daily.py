"""Days of the zone's calendar from the store's final rows: what companies use and make. Pure but for `ask`."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any, Final
from zoneinfo import ZoneInfo

from zonepulse.processors.efficiency.baseline import Refused
from zonepulse.processors.efficiency.history import By, History, daily_means, days_between, history
from zonepulse.processors.indicators.facts import facts_of
from zonepulse.schemas.carriers import PRODUCT
from zonepulse.schemas.factors.shipped import UNVERIFIED, load_factors, shipped_factors_csv
from zonepulse.schemas.indicators.periods import midnight_ms, parse_period
from zonepulse.schemas.registry.inputs import INPUTS, Input
from zonepulse.schemas.registry.model import Registry, Series
from zonepulse.schemas.registry.sections import entities_of
from zonepulse.schemas.tables.ddl import LIVE_RUN
from zonepulse.schemas.units import MICRO
from zonepulse.streams.indicators.store import Ask
from zonepulse.streams.indicators.stored_days import LEAST_COVERED, Span, day_ms, series_days

_USE: Final = ("energy_micro", "scope = 0")
_PRODUCTS: Final = """\
SELECT company, carrier, toString(toDate(t.start, {timezone:String})) AS day, sum(toInt128(t.value_micro)) AS micro,
    sum(t.covered_ms) AS covered_ms
FROM (SELECT * FROM intervals_final WHERE run = {run:String} AND zone = {zone:String} AND role = 'production'
    AND start >= fromUnixTimestamp64Milli({from_ms:Int64}) AND start < fromUnixTimestamp64Milli({to_ms:Int64})
    AND company IN {companies:Array(String)}) AS t
WHERE t.value_micro IS NOT NULL AND startsWith(carrier, 'product:')
GROUP BY company, carrier, day"""
_INTENSITY: Final = """\
SELECT entity, carrier, sum(toInt128(t.co2e_mg)) AS co2e_mg, sum(toInt128(t.energy_micro)) AS energy_micro
FROM (SELECT * FROM totals_final WHERE run = {run:String} AND zone = {zone:String} AND entity_kind = 'company' AND scope IN (1, 2)
    AND basis = 'location' AND carrier != '' AND start >= fromUnixTimestamp64Milli({from_ms:Int64})
    AND start < fromUnixTimestamp64Milli({to_ms:Int64}) AND entity IN {companies:Array(String)}) AS t
WHERE t.energy_micro IS NOT NULL AND t.co2e_mg IS NOT NULL GROUP BY entity, carrier"""
_KWH_PER_GJ: Final = Fraction(10**9, 3_600_000)
_PRODUCT_UNITS: Final = "product_units"
DailyUse = Mapping[tuple[str, str], Mapping[date, float]]
"""(company, carrier) -> day -> base units; days that readings do not cover are left out."""


@dataclass(frozen=True, slots=True)
class Meters:
    """What was metered in a span of days."""

    first: date
    end: date
    use: DailyUse


def metered_days(registry: Registry, companies: tuple[str, ...], first: date, end: date, ask: Ask) -> Meters:
    """The live run's use of every day of [first, end), by company and carrier, and what was made. Raises what `ask` raises."""
    timezone, use = registry.zone.timezone, defaultdict[tuple[str, str], dict[date, float]](dict)
    for key, found in series_days(registry, "company", companies, Span(first, end, timezone), _USE, ask).items():
        if found.begins is not None:
            use[key.entity, key.carrier] = {day: micro / MICRO for day, micro in found.micro.items()}
    counted = _counters(registry)
    for row in ask(_PRODUCTS, _parameters(registry, companies, first, end)):
        product, day = (row["company"], row["carrier"]), date.fromisoformat(row["day"])
        begins = midnight_ms(day, ZoneInfo(timezone))
        ends = begins + day_ms(day, timezone)
        wanted_ms = sum(max(0, min(ends, to_ms) - max(begins, from_ms)) for from_ms, to_ms in counted.get(product, ()))
        if wanted_ms and row["covered_ms"] >= LEAST_COVERED * wanted_ms:
            use[product][day] = row["micro"] / MICRO
    return Meters(first, end, use)


def _counters(registry: Registry) -> dict[tuple[str, str], list[tuple[int, int]]]:
    """(company, product) -> the validity of each register that counts it, so that none is left out in silence."""
    company_of, found = (
        {site.id: site.company for site in registry.sites},
        defaultdict[tuple[str, str], list[tuple[int, int]]](list),
    )
    for meter in registry.meters:
        for register in meter.registers if meter.role == "production" else ():
            if register.carrier.startswith(PRODUCT):
                found[company_of[meter.site], register.carrier].append((meter.valid_from_ms, meter.valid_to_ms))
    return found


def stored_intensity(
    registry: Registry, companies: tuple[str, ...], first: date, end: date, ask: Ask
) -> dict[tuple[str, str], Fraction]:  # fmt: skip
    """kg CO2e by location of a base unit that was used in [first, end), by company and carrier. Raises what `ask` raises."""
    rows = ask(_INTENSITY, _parameters(registry, companies, first, end))
    return {
        (row["entity"], row["carrier"]): Fraction(row["co2e_mg"], row["energy_micro"]) for row in rows if row["energy_micro"] > 0
    }


def _parameters(registry: Registry, companies: tuple[str, ...], first: date, end: date) -> dict[str, Any]:
    zone = ZoneInfo(registry.zone.timezone)
    return {
        "run": LIVE_RUN,
        "zone": registry.zone.id,
        "timezone": registry.zone.timezone,
        "from_ms": midnight_ms(first, zone),
        "to_ms": midnight_ms(end, zone),
        "companies": list(companies),
    }


def company_history(registry: Registry, company: str, carrier: str, meters: Meters, weather: Series | None) -> History | Refused:
    """The days of a company's carrier, with what was made and the weather."""
    unit = facts_of(registry).base_units.get(company, {}).get(carrier)
    if unit is None:
        return Refused("no_use")
    temperature = daily_means(weather, registry.zone.timezone, meters.first, meters.end) if weather else {}
    products: dict[str, Mapping[date, float]] = {
        name: days for (owner, name), days in meters.use.items() if owner == company and name.startswith(PRODUCT)
    }
    finest: By = "day"
    if not products:
        given, finest = _given(registry, company)
        products = {_PRODUCT_UNITS: given} if given else {}
    return history(unit, meters.first, meters.end, meters.use.get((company, carrier), {}), temperature, products, finest)


def _given(registry: Registry, company: str) -> tuple[dict[date, float], By]:
    """Products given by hand: a month's are shown as its mean, and only months can be made of them."""
    inputs: tuple[Input, ...] = entities_of(registry, INPUTS)
    replaced = {one.replaces for one in inputs}
    own = [one for one in inputs if (one.quantity, one.company) == (_PRODUCT_UNITS, company) and one.id not in replaced]
    periods = [(parse_period(one.period), float(one.value)) for one in own]
    finest: By = "month" if any(period.kind != "day" for period, _ in periods) else "day"
    found = dict[date, float]()
    for period, value in sorted(periods, key=lambda one: one[0].kind != "month"):
        if period.kind != "year":
            length = (period.end - period.first).days
            found |= {day: value / length for day in days_between(period.first, period.end)}
    return found, finest


def kwh_per_unit(carrier: str, unit: str) -> Fraction | None:
    """kWh in a base unit, from the net calorific value that the shipped factors of a fuel hold; None where none is verified."""
    if unit in ("kWh", "GJ"):
        return Fraction(1) if unit == "kWh" else _KWH_PER_GJ
    verified = [
        one for one in load_factors(shipped_factors_csv(), "UTC") if one.activity == carrier and one.confidence != UNVERIFIED
    ]
    kg_per = {one.base_unit: one.kg_per_base for one in verified if one.basis == "default"}
    return kg_per[unit] / kg_per["GJ"] * _KWH_PER_GJ if {unit, "GJ"} <= kg_per.keys() else None
