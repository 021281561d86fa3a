"""Night and weekend base load against the company's own best month. Pure."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from zonepulse.processors.advice.hours import (
    HOUR_MS,
    MOST_WINDOWS,
    Absent,
    Advice,
    Confidence,
    Hours,
    Said,
    Window,
    mean_or_none,
    month_text,
    product_sum,
)

NIGHT_HOURS: Final = 5
"""From midnight."""
_LEAST_HOURS: Final = 100
"""Of a month, to count."""
_MANY_MONTHS: Final = 11
_FEW_MONTHS: Final = 6
_NEAR: Final = 1.1
_MOST_SEASON: Final = 0.6
"""Of the variance of the months. Our choice."""


def night_base_load(hours: Hours) -> Advice | Absent:
    """From 0:00 to 5:00 on every day."""
    return _base_load("night_base_load", hours, hours.hour < NIGHT_HOURS)


def weekend_base_load(hours: Hours) -> Advice | Absent:
    """The rest of Saturdays and Sundays."""
    return _base_load("weekend_base_load", hours, hours.is_weekend & (hours.hour >= NIGHT_HOURS))


def _base_load(kind: str, hours: Hours, chosen: npt.NDArray[np.bool_]) -> Advice | Absent:
    """Each month's median less the best month's, times the hours of the month."""
    if (absent := hours.too_few(kind)) is not None:
        return absent
    months, known = hours.months(), chosen & hours.known
    rows = []
    for month in map(int, np.unique(months)):
        mine = known & (months == month)
        if mine.sum() >= _LEAST_HOURS:
            rows.append((month, int((chosen & (months == month)).sum()), float(np.median(hours.use_kwh[mine])), mine))
    if len(rows) < _FEW_MONTHS:
        return Absent(kind, Said("too_few_months", (len(rows), _LEAST_HOURS, _FEW_MONTHS)))
    lowest = sorted(rows, key=lambda row: row[2])
    best_month, _, best_kw, _ = lowest[0]
    parts: list[dict[str, Any]] = [
        {
            "month": month_text(month),
            "hours": count,
            "median_kw": median_kw,
            "kwh": count * (median_kw - best_kw),
            "g_per_kwh": mean_or_none(hours.g_per_kwh[mine]),
            "cny_per_kwh": mean_or_none(hours.cny_per_kwh[mine]),
        }
        for month, count, median_kw, mine in rows
    ]
    kg = product_sum([(part["kwh"] / 1000, part["g_per_kwh"]) for part in parts])
    confidence, because = _confidence(len(rows), lowest[1][2] <= _NEAR * best_kw, _season([(row[0], row[2]) for row in rows]))
    low_kw, high_kw = np.quantile(hours.use_kwh[known], [0.25, 0.75])
    return Advice(
        kind,
        float(sum(part["kwh"] for part in parts)),
        kg,
        product_sum([(part["kwh"], part["cny_per_kwh"]) for part in parts]),
        confidence,
        because,
        {
            "best_month": month_text(best_month),
            "best_kw": best_kw,
            "lower_quartile_kw": float(low_kw),
            "upper_quartile_kw": float(high_kw),
            "months": parts,
        },
        _windows(hours, known & (months != best_month), best_kw),
    )


def _season(medians: Sequence[tuple[int, float]]) -> float:
    """Part of the variance of the months' medians that a wave of one year explains."""
    months, kw = np.array([month for month, _ in medians]), np.array([value for _, value in medians])
    angle = 2 * np.pi * months / 12
    wave = np.column_stack([np.ones(len(kw)), np.cos(angle), np.sin(angle)])
    coefficients, *_ = np.linalg.lstsq(wave, kw, rcond=None)
    variance = float(np.var(kw))
    return 1 - float(np.mean((kw - wave @ coefficients) ** 2)) / variance if variance > 0 else 0.0


def _confidence(months: int, is_near: bool, season: float) -> tuple[Confidence, Said]:
    if season >= _MOST_SEASON:
        return "low", Said("season")
    if months >= _MANY_MONTHS and is_near:
        return "high", Said("near_best")
    if months >= _MANY_MONTHS:
        return "medium", Said("lone_best")
    return "low", Said("few_months", (months,))


def _windows(hours: Hours, chosen: npt.NDArray[np.bool_], best_kw: float) -> tuple[Window, ...]:
    """The days with the most above the best month's median in the chosen hours, the greatest first."""
    at = np.flatnonzero(chosen & (hours.use_kwh > best_kw))
    if not len(at):
        return ()
    days, inverse = np.unique(hours.day[at], return_inverse=True)
    excess = np.bincount(inverse, hours.use_kwh[at] - best_kw)
    found = []
    for i in np.argsort(-excess, kind="stable")[:MOST_WINDOWS]:
        mine = at[hours.day[at] == days[i]]
        found.append(Window(hours.start_ms(int(mine[0])), hours.start_ms(int(mine[-1])) + HOUR_MS, float(excess[i])))
    return tuple(found)
