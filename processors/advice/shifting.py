"""Load that could move within its day into hours of lower intensity or price, within what the company has been seen to do. Pure.

In each hour of the day, on working days and weekends apart, the use of the year lies between its 10 % and 90 % quantile four times in five.
An hour may give down to the lower and take up to the upper one; the day's sum stays. What is moved first is what gains most, so that no
other exchange within these bounds saves more.
"""

from datetime import date
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from zonepulse.processors.advice.hours import HOUR_MS, LEAST_COVERED, MOST_WINDOWS, Absent, Advice, Floats, Hours, Said, Window

DAYS_A_YEAR: Final = 365
_LOW, _HIGH = 0.1, 0.9
By = Literal["intensity", "price"]


def shift(hours: Hours, by: By) -> Advice | Absent:
    """Of every day that is known whole. `by` intensity: kg are saved; price: CNY."""
    kind = f"shift_by_{by}"
    if (absent := hours.too_few(kind)) is not None:
        return absent
    worth = hours.g_per_kwh if by == "intensity" else hours.cny_per_kwh
    known = hours.known & np.isfinite(worth)
    low_kwh, high_kwh = _bounds(hours)
    days, windows = list[_Day](), list[Window]()
    starts = np.flatnonzero(np.diff(hours.day, prepend=hours.day[0] - 1))
    for begin, end in zip(starts, [*starts[1:], len(hours.day)], strict=True):
        if end - begin < 23 or not known[begin:end].all():
            continue
        moved, gain, best = _move(hours.use_kwh[begin:end], low_kwh[begin:end], high_kwh[begin:end], worth[begin:end])
        g, cny = (_difference(values[begin:end], best) for values in (hours.g_per_kwh, hours.cny_per_kwh))
        days.append(_Day(int(begin), int(end), moved, gain, g, cny, best))
        windows += [Window(hours.start_ms(int(begin) + i), hours.start_ms(int(begin) + i) + HOUR_MS, kwh) for i, _, kwh in best[:1]]
    if len(days) < LEAST_COVERED * DAYS_A_YEAR:
        return Absent(kind, Said("few_days_intensity" if by == "intensity" else "few_days_price", (len(days),)))
    moved = sum(day.moved for day in days)
    if sum(day.gain for day in days) <= 0:
        return Absent(kind, Said("flat_intensity" if by == "intensity" else "flat_price"))
    scale = DAYS_A_YEAR / len(days)
    g, cny = sum(day.g for day in days), sum(day.cny for day in days)
    return Advice(
        kind,
        moved * scale,
        g / 1000 * scale if np.isfinite(g) else None,
        cny * scale if np.isfinite(cny) else None,
        "low",
        Said("who_can_wait"),
        {
            "days": len(days),
            "moved_kwh": float(moved),
            "saved_g": float(g) if np.isfinite(g) else None,
            "saved_cny": float(cny) if np.isfinite(cny) else None,
            "by_day": [_day_row(hours, day) for day in days],
            "greatest_day": _hour_rows(hours, max(days, key=lambda day: day.moved), low_kwh, high_kwh),
        },
        tuple(sorted(windows, key=lambda one: -one.kwh)[:MOST_WINDOWS]),
    )


def _bounds(hours: Hours) -> tuple[Floats, Floats]:
    """The lower and upper quantile of each hour's kind."""
    low, high = np.zeros(len(hours.use_kwh)), np.zeros(len(hours.use_kwh))
    group = hours.hour + 24 * hours.is_weekend
    for one in np.unique(group):
        mine = group == one
        values = hours.use_kwh[mine & hours.known]
        if len(values):
            low[mine], high[mine] = np.quantile(values, [_LOW, _HIGH])
    return low, high


Moves = list[tuple[int, int, float]]
"""(from hour, to hour, kWh), the greatest first."""


class _Day(NamedTuple):
    """What moves in the hours [begin, end)."""

    begin: int
    end: int
    moved: float
    gain: float
    g: float
    cny: float
    moves: Moves


def _day_row(hours: Hours, day: _Day) -> dict[str, Any]:
    return {
        "day": date.fromordinal(int(hours.day[day.begin])).isoformat(),
        "moved_kwh": float(day.moved),
        "saved_g": float(day.g) if np.isfinite(day.g) else None,
        "saved_cny": float(day.cny) if np.isfinite(day.cny) else None,
    }


def _hour_rows(hours: Hours, day: _Day, low: Floats, high: Floats) -> list[dict[str, Any]]:
    """The hours of a day, each with what it gives to others and takes from them."""
    gives, takes = np.zeros(day.end - day.begin), np.zeros(day.end - day.begin)
    for source, target, kwh in day.moves:
        gives[source] += kwh
        takes[target] += kwh
    rows = []
    for i in range(day.begin, day.end):
        g, cny = hours.g_per_kwh[i], hours.cny_per_kwh[i]
        rows.append({
            "day": date.fromordinal(int(hours.day[i])).isoformat(), "hour": int(hours.hour[i]), "use_kwh": float(hours.use_kwh[i]),
            "low_kwh": float(low[i]), "high_kwh": float(high[i]), "g_per_kwh": float(g) if np.isfinite(g) else None,
            "cny_per_kwh": float(cny) if np.isfinite(cny) else None, "gives_kwh": float(gives[i - day.begin]),
            "takes_kwh": float(takes[i - day.begin]),
        })  # fmt: skip
    return rows


def _move(use: Floats, low: Floats, high: Floats, worth: Floats) -> tuple[float, float, Moves]:
    """What moves in a day, what that gains, and the moves."""
    give, take = np.maximum(0, use - low), np.maximum(0, high - use)
    order = np.argsort(worth, kind="stable")
    cheap, dear = 0, len(order) - 1
    moves: Moves = []
    while cheap < dear and worth[order[dear]] > worth[order[cheap]]:
        source, target = int(order[dear]), int(order[cheap])
        kwh = min(float(give[source]), float(take[target]))
        if kwh > 0:
            give[source] -= kwh
            take[target] -= kwh
            moves.append((source, target, kwh))
        if give[source] <= 0:
            dear -= 1
        else:
            cheap += 1
    moves.sort(key=lambda move: -move[2])
    return sum(kwh for _, _, kwh in moves), _difference(worth, moves), moves


def _difference(values: Floats, moves: Moves) -> float:
    return float(sum(kwh * (values[source] - values[target]) for source, target, kwh in moves))
