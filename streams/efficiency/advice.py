"""Advice for a company from the store's rows of its last twelve months."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np

from zonepulse.processors.advice.base_load import night_base_load, weekend_base_load
from zonepulse.processors.advice.grid import PowerFactorRule, power_factor, unmatched
from zonepulse.processors.advice.hours import HOUR_MS, HOURS_A_YEAR, LEAST_COVERED, Absent, Advice, Floats, Hours
from zonepulse.processors.advice.shifting import shift
from zonepulse.processors.advice.solar import Prices as SolarPrices
from zonepulse.processors.advice.solar import solar, yields
from zonepulse.processors.detection.prices import Prices
from zonepulse.schemas.carriers import ELECTRICITY
from zonepulse.schemas.indicators.periods import midnight_ms
from zonepulse.schemas.registry.model import Registry, Series
from zonepulse.schemas.tables.ddl import LIVE_RUN
from zonepulse.schemas.units import MICRO
from zonepulse.schemas.values import instant_text
from zonepulse.streams.efficiency.advice_words import AdviceWords
from zonepulse.streams.indicators.store import Ask

_MINE: Final = """\
SELECT * FROM totals_final WHERE run = {run:String} AND zone = {zone:String} AND entity_kind = 'company' AND entity = {company:String}
    AND start >= fromUnixTimestamp64Milli({from_ms:Int64}) AND start < fromUnixTimestamp64Milli({to_ms:Int64})"""
_HOURLY: Final = f"""\
SELECT intDiv(toUnixTimestamp64Milli(t.start), 3600000) AS hour, scope, basis, sum(toInt128(t.energy_micro)) AS energy_micro,
    sum(toInt128(t.co2e_mg)) AS co2e_mg, sum(t.covered_ms) AS covered_ms, sum(t.expected_ms) AS expected_ms, count() AS windows
FROM ({_MINE} AND carrier = 'electricity') AS t
GROUP BY hour, scope, basis"""
_MARKET: Final = f"""\
SELECT sum(kwh) AS energy_micro, sum(mg) AS co2e_mg
FROM (
    SELECT sumIf(toInt128(t.energy_micro), is_import) - sumIf(toInt128(t.energy_micro), NOT is_import) AS kwh,
        sumIf(toInt128(t.co2e_mg), is_import) - sumIf(toInt128(t.co2e_mg), NOT is_import) AS mg,
        countIf(is_import AND t.co2e_mg IS NOT NULL) AS known
    FROM (SELECT *, carrier = 'electricity' AS is_import
        FROM ({_MINE} AND scope = 2 AND basis = 'market' AND (carrier = 'electricity' OR startsWith(carrier, 'contract:')))) AS t
    GROUP BY t.start)
WHERE known > 0 AND kwh > 0"""
"""A window's import less what contracts took of it, where the emissions of both are known."""
_MONTHLY: Final = f"""\
SELECT formatDateTime(t.start, '%Y-%m', {{timezone:String}}) AS month, carrier, sum(toInt128(t.energy_micro)) AS energy_micro
FROM ({_MINE} AND carrier IN ('electricity', 'reactive') AND scope = 0) AS t
GROUP BY month, carrier"""
_CURRENCY: Final = "CNY"


_NO_PRICES: Final = SolarPrices()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the company, or its adviser, knows besides."""

    pv_kwh_per_kw: Series | None = None
    longitude: float | None = None
    prices: SolarPrices = _NO_PRICES
    power_factor: PowerFactorRule | None = None


def advice(registry: Registry, company: str, end: date, wanted: Wanted, ask: Ask) -> list[Advice | Absent]:
    """Every kind of advice for the 365 days before `end`, or why there is none. Raises what `ask` raises."""
    zone = ZoneInfo(registry.zone.timezone)
    to_ms = midnight_ms(end, zone) // HOUR_MS * HOUR_MS
    first_ms = to_ms - HOURS_A_YEAR * HOUR_MS
    parameters = {"run": LIVE_RUN, "zone": registry.zone.id, "company": company, "from_ms": first_ms, "to_ms": to_ms}
    rows = ask(_HOURLY, parameters)
    hours = _hours(registry, company, first_ms, rows)
    months = _months(ask(_MONTHLY, parameters | {"timezone": registry.zone.timezone}))
    prices = {month: _month_price(hours, month) for month in months}
    pv = wanted.pv_kwh_per_kw
    values = None if pv is None else [None if value is None else float(value) for value in pv.values]
    yield_kwh = None if pv is None or values is None else yields(first_ms, HOURS_A_YEAR, pv.first_ms, pv.step_ms, values)
    return [
        night_base_load(hours),
        weekend_base_load(hours),
        shift(hours, "intensity"),
        shift(hours, "price"),
        solar(hours, yield_kwh, wanted.longitude, wanted.prices),
        power_factor(months, prices, wanted.power_factor),
        unmatched(hours, _contracted(registry, company, first_ms), _residual(ask(_MARKET, parameters))),
    ]


def _hours(registry: Registry, company: str, first_ms: int, rows: list[dict[str, Any]]) -> Hours:
    use, drawn, g = (np.full(HOURS_A_YEAR, np.nan) for _ in range(3))
    for row in rows:
        i = int(row["hour"]) - first_ms // HOUR_MS
        received_ms = row["covered_ms"] * row["windows"] * registry.zone.window_ms
        is_known = (
            row["energy_micro"] is not None and row["expected_ms"] and received_ms >= LEAST_COVERED * row["expected_ms"] * HOUR_MS
        )
        if not is_known:
            continue
        if row["scope"] == 0:
            use[i] = row["energy_micro"] / MICRO
        elif (row["scope"], row["basis"]) == (2, "location"):
            drawn[i] = row["energy_micro"] / MICRO
            if row["co2e_mg"] is not None and row["energy_micro"] > 0:
                g[i] = row["co2e_mg"] * 1000 / row["energy_micro"]
    return Hours(first_ms, use, drawn, g, _prices(registry, company, first_ms), registry.zone.timezone)


def _prices(registry: Registry, company: str, first_ms: int) -> Floats:
    """CNY per kWh of each hour, by the tariff that holds as it begins: the company's own, else everybody's; NaN where there is none."""
    prices, out = Prices(registry), np.full(HOURS_A_YEAR, np.nan)
    for i in range(HOURS_A_YEAR):
        price = prices.at(ELECTRICITY, "kWh", company, first_ms + i * HOUR_MS)
        if price is not None and price.tariff.currency == _CURRENCY:
            out[i] = float(price.of_unit)
    return out


def _months(rows: list[dict[str, Any]]) -> dict[str, tuple[float, float]]:
    """kWh and kvarh of the months that have both."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        if row["energy_micro"] is not None:
            found.setdefault(row["month"], {})[row["carrier"]] = row["energy_micro"] / MICRO
    return {month: (one[ELECTRICITY], one["reactive"]) for month, one in found.items() if len(one) == 2}


def _month_price(hours: Hours, month: str) -> float | None:
    year, number = map(int, month.split("-"))
    prices = hours.cny_per_kwh[hours.months() == year * 12 + number - 1]
    return float(prices.mean()) if len(prices) and np.isfinite(prices).all() else None


def _contracted(registry: Registry, company: str, first_ms: int) -> Floats:
    """kWh of each hour that the company's contracts with a profile deliver."""
    out = np.zeros(HOURS_A_YEAR)
    for one in registry.contracts:
        if one.company == company and one.hourly is not None:
            series = one.hourly
            profile = yields(
                first_ms, HOURS_A_YEAR, series.first_ms, series.step_ms, [float(value or 0) for value in series.values]
            )
            out += np.nan_to_num(profile)
    return out


def _residual(rows: list[dict[str, Any]]) -> float | None:
    """g per kWh on the market basis of what no contract covers; None where it is not known."""
    (row,) = rows
    return row["co2e_mg"] * 1000 / row["energy_micro"] if row["energy_micro"] else None


def document(one: Advice | Absent, zone: ZoneInfo, say: AdviceWords) -> Mapping[str, Any]:
    """For machines; `name`, `because`, `missing` and the formula are in the reader's language."""
    name = {"kind": one.kind, "name": say(one.kind)}
    if isinstance(one, Absent):
        return name | {"missing": say.said(one.why)}
    windows = [{"from": instant_text(w.from_ms, zone), "to": instant_text(w.to_ms, zone), "kwh": w.kwh} for w in one.windows]
    calculation = {"formula": say(f"formula_{one.kind}"), **one.calculation}
    return name | asdict(one) | {"because": say.said(one.because), "calculation": calculation, "windows": windows}
