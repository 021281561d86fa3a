"""Photovoltaics and battery of several sizes, simulated hour by hour over a company's own year. Pure.

What a kW yields in each hour is given: measured nearby, or somebody's model. Load and yield are joined by the instant, not by the clock on
the wall. What is generated is used at once, stored, or exported; nothing is lost but in the battery.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from zonepulse.processors.advice.hours import HOUR_MS, Absent, Advice, Floats, Hours, Said

SIZES: Final = (0.1, 0.25, 0.5, 1.0, 1.5)
"""PV, kW per kW of the greatest hour."""
STORES: Final = (0.0, 0.5, 1.0, 2.0)
"""Battery, kWh per kW of PV."""
LEAST_SHARE: Final = 0.8
"""Of what is generated, that the company itself uses: the largest PV with it is advised. Our choice."""
MOST_OFF_H: Final = 1.0
"""The yield's centre may lie so far from solar noon."""
_EFFICIENCY: Final = 0.9
"""Of a battery, there and back."""
_HOURS_TO_FILL: Final = 2.0


class Prices(NamedTuple):
    """What it costs, in CNY; None: not given, and nothing is said of payback."""

    pv_per_kw: float | None = None
    battery_per_kwh: float | None = None
    feed_in_per_kwh: float | None = None


class Run(NamedTuple):
    """One simulated year, kWh. Generated = used + exported + lost + without_load."""

    generated: float
    used: float
    exported: float
    lost: float
    """In the battery, with what is left in it."""
    without_load: float
    """Of hours in which the load is not known."""
    without_intensity: float
    """Of what is used, in hours whose intensity is not known: it is in no kg."""
    kg: float | None
    cny: float | None
    peak_kw: float
    """Greatest hour drawn from the grid."""


def solar_noon_off_h(first_ms: int, yield_kwh: Floats, longitude: float) -> float:
    """Hours from the place's mean solar noon to the centre of what is generated, -12 to 12; later is above zero."""
    hour = (first_ms / HOUR_MS + np.arange(len(yield_kwh)) + 0.5 + longitude / 15) % 24
    angle = np.angle(np.sum(yield_kwh * np.exp(2j * np.pi * (hour - 12) / 24)))
    return float(angle * 12 / np.pi)


def simulate(hours: Hours, yield_kwh: Floats, pv_kw: float, battery_kwh: float, prices: Prices) -> Run:
    """A year with so much PV and battery. `yield_kwh`: of a kW in each of the hours."""
    generated = yield_kwh * pv_kw
    load = np.where(hours.known, hours.use_kwh, 0.0)
    counted = np.where(hours.known, generated, 0.0)
    direct = np.minimum(load, counted)
    surplus, deficit = counted - direct, load - direct
    given, taken = _battery(surplus, deficit, battery_kwh) if battery_kwh else (np.zeros_like(load), np.zeros_like(load))
    used = direct + given
    exported = surplus - taken
    priced = bool(np.isfinite(hours.cny_per_kwh[hours.known]).all())
    has_g = np.isfinite(hours.g_per_kwh)
    kg = float(np.nansum(used * hours.g_per_kwh)) / 1000 if has_g.any() else None
    cny = float(np.sum(used[hours.known] * hours.cny_per_kwh[hours.known])) if priced else None
    if cny is not None and prices.feed_in_per_kwh is not None:
        cny += float(exported.sum()) * prices.feed_in_per_kwh
    return Run(
        float(generated.sum()), float(used.sum()), float(exported.sum()), float(taken.sum() - given.sum()),
        float(generated.sum() - counted.sum()), float(used[~has_g].sum()), kg, cny, float((deficit - given).max()),
    )  # fmt: skip


def _battery(surplus: Floats, deficit: Floats, kwh: float) -> tuple[Floats, Floats]:
    """What the battery gives and takes in each hour: it fills from surplus and empties into deficit, losses are borne as it fills."""
    given, taken = np.zeros_like(surplus), np.zeros_like(surplus)
    held, power = 0.0, kwh / _HOURS_TO_FILL
    for i in range(len(surplus)):
        taken[i] = min(surplus[i], power, (kwh - held) / _EFFICIENCY)
        held += taken[i] * _EFFICIENCY
        given[i] = min(deficit[i], power, held)
        held -= given[i]
    return given, taken


def solar(hours: Hours, yield_kwh: Floats | None, longitude: float | None, prices: Prices) -> Advice | Absent:
    """The size that is advised, and what all the others would do."""
    kind = "photovoltaics"
    if (absent := hours.too_few(kind)) is not None:
        return absent
    if yield_kwh is None:
        return Absent(kind, Said("no_yield"))
    if not np.isfinite(yield_kwh).all() or (yield_kwh < 0).any():
        return Absent(kind, Said("yield_gaps", (int((~(yield_kwh >= 0)).sum()),)))
    if longitude is None:
        return Absent(kind, Said("no_longitude"))
    off_h = solar_noon_off_h(hours.first_ms, yield_kwh, longitude)
    if abs(off_h) > MOST_OFF_H:
        return Absent(kind, Said("noon_off", (off_h, longitude)))
    peak_kw = float(np.max(hours.use_kwh[hours.known]))
    sizes = [(part * peak_kw, simulate(hours, yield_kwh, part * peak_kw, 0.0, prices)) for part in SIZES]
    fitting = [(kw, run) for kw, run in sizes if run.used >= LEAST_SHARE * run.generated]
    pv_kw, alone = fitting[-1] if fitting else sizes[0]
    stores = [(kwh * pv_kw, simulate(hours, yield_kwh, pv_kw, kwh * pv_kw, prices)) for kwh in STORES]
    return Advice(
        kind,
        alone.used,
        alone.kg,
        alone.cny,
        "medium" if fitting else "low",
        Said("simulated") if fitting else Said("exports_more", (1 - LEAST_SHARE,)),
        {
            "pv_kw": pv_kw,
            "yield_kwh_per_kw": float(yield_kwh.sum()),
            "greatest_hour_kw": peak_kw,
            "solar_noon_off_h": off_h,
            "sizes": [_row({"pv_kw": kw}, run, _cost(kw, prices.pv_per_kw)) for kw, run in sizes],
            "by_month": _by_month(hours, yield_kwh, pv_kw),
            "batteries": [_battery_row(kwh, run, alone, prices) for kwh, run in stores],
            "battery_efficiency": _EFFICIENCY,
            "battery_hours_to_fill": _HOURS_TO_FILL,
            "least_share": LEAST_SHARE,
            "pv_cny_per_kw": prices.pv_per_kw,
            "battery_cny_per_kwh": prices.battery_per_kwh,
            "feed_in_cny_per_kwh": prices.feed_in_per_kwh,
        },
    )


def _by_month(hours: Hours, yield_kwh: Floats, pv_kw: float) -> list[dict[str, Any]]:
    """The advised PV alone, month by month: load, what is generated while it is known, used and exported, and what use is worth."""
    generated = yield_kwh * pv_kw
    used, has_g = np.minimum(hours.use_kwh, generated), np.isfinite(hours.g_per_kwh)
    kg = np.where(has_g, used * hours.g_per_kwh / 1000, 0.0 if has_g.any() else np.nan)
    return hours.by_month(
        hours.known, load=hours.use_kwh, generated=generated, used=used, exported=generated - used, kg=kg,
        cny_saved=used * hours.cny_per_kwh,
    )  # fmt: skip


def _cost(amount: float, price: float | None) -> float | None:
    return None if price is None else amount * price


def _row(what: dict[str, float], run: Run, cost: float | None) -> dict[str, Any]:
    return what | run._asdict() | {"cost_cny": cost, "payback_years": cost / run.cny if cost is not None and run.cny else None}


def _battery_row(kwh: float, run: Run, alone: Run, prices: Prices) -> dict[str, Any]:
    """A battery's payback is that of what it adds to PV alone."""
    cost, added = _cost(kwh, prices.battery_per_kwh), None if run.cny is None or alone.cny is None else run.cny - alone.cny
    pays = cost is not None and added is not None and added > 0
    return (
        {"battery_kwh": kwh}
        | run._asdict()
        | {"cost_cny": cost, "payback_years": cost / added if pays and cost and added else None}
    )


def yields(first_ms: int, count: int, series_first_ms: int, step_ms: int, values: Sequence[float | None]) -> Floats:
    """What a kW yields in each hour, from a series of kWh per step; NaN where a step of the hour is missing. Sums are kept."""
    out = np.zeros(count)
    for i in range(count):
        for at in range(first_ms + i * HOUR_MS, first_ms + (i + 1) * HOUR_MS, min(step_ms, HOUR_MS)):
            step = (at - series_first_ms) // step_ms
            value = values[step] if 0 <= step < len(values) else None
            out[i] += np.nan if value is None else value * min(1.0, HOUR_MS / step_ms)
    return out
