"""A company's hours: what it used, how much carbon the grid's electricity had, what it cost. And what advice is. Pure.

Hours are those of UTC, so that none is lost or doubled where clocks change; the hour of the day and the day are the zone's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Confidence = Literal["high", "medium", "low"]
HOUR_MS: Final = 3_600_000
HOURS_A_YEAR: Final = 8_760
LEAST_COVERED: Final = 0.9
"""Part of the year's hours that advice needs."""
MOST_WINDOWS: Final = 5


Reason = Literal[
    "season", "near_best", "lone_best", "few_months", "who_can_wait", "simulated", "exports_more", "billed", "at_most",
    "too_few_hours", "too_few_months", "few_days_intensity", "few_days_price", "flat_intensity", "flat_price", "no_yield", "yield_gaps",
    "no_longitude", "noon_off", "few_reactive", "no_rule", "none_below", "no_profile", "all_matched",
]  # fmt: skip
"""Why advice is as sure as it is, and why there is none."""


class Said(NamedTuple):
    """A reason, and what it names; people read it in their language."""

    why: Reason
    about: tuple[int | float | str, ...] = ()


class Window(NamedTuple):
    """Hours that show it, [from_ms, to_ms), and the energy that could be saved or moved in them."""

    from_ms: int
    to_ms: int
    kwh: float


@dataclass(frozen=True, slots=True)
class Advice:
    """Something to do. Amounts of a year; None: there is no emission factor, or no tariff, to work it out with."""

    kind: str
    kwh_a: float
    kg_a: float | None
    cny_a: float | None
    confidence: Confidence
    because: Said
    """Of the confidence."""
    calculation: Mapping[str, Any]
    """What the amounts are made of: they can be worked out again by hand."""
    windows: tuple[Window, ...] = ()


class Absent(NamedTuple):
    """Advice that cannot be given, and why."""

    kind: str
    why: Said


@dataclass(frozen=True, slots=True)
class Hours:
    """Consecutive hours; NaN where something is not known."""

    first_ms: int
    use_kwh: Floats
    import_kwh: Floats
    g_per_kwh: Floats
    """Of what was drawn from the grid, by location."""
    cny_per_kwh: Floats
    timezone: str
    hour: npt.NDArray[np.int64] = field(init=False)
    """Of the local day, 0 to 23."""
    day: npt.NDArray[np.int64] = field(init=False)
    """Ordinal of the local day (date.fromordinal)."""

    def __post_init__(self) -> None:
        zone = ZoneInfo(self.timezone)
        begin = datetime.fromtimestamp(self.first_ms / 1000, UTC)
        local = [(begin + timedelta(hours=i)).astimezone(zone) for i in range(len(self.use_kwh))]
        object.__setattr__(self, "hour", np.array([one.hour for one in local], np.int64))
        object.__setattr__(self, "day", np.array([one.toordinal() for one in local], np.int64))

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Hours whose use is known."""
        return np.isfinite(self.use_kwh)

    @property
    def is_weekend(self) -> npt.NDArray[np.bool_]:
        """Saturdays and Sundays: ordinal 1 is a Monday."""
        return (self.day - 1) % 7 >= 5

    def months(self) -> npt.NDArray[np.int64]:
        """year x 12 + month - 1 of each hour."""
        days, inverse = np.unique(self.day, return_inverse=True)
        return np.array([(d := date.fromordinal(int(day))).year * 12 + d.month - 1 for day in days], np.int64)[inverse]

    def by_month(self, chosen: npt.NDArray[np.bool_], **values: Floats) -> list[dict[str, Any]]:
        """Sums of values over the chosen hours of each month, a row a month; None where one of them is not known."""
        months, rows = self.months(), []
        for month in map(int, np.unique(months)):
            mine = chosen & (months == month)
            sums = {name: float(value[mine].sum()) for name, value in values.items()}
            rows.append({"month": month_text(month)} | {name: one if np.isfinite(one) else None for name, one in sums.items()})
        return rows

    def start_ms(self, i: int) -> int:
        """Where an hour begins."""
        return self.first_ms + i * HOUR_MS

    def too_few(self, kind: str) -> Absent | None:
        """Why there is no advice at all: too little of twelve months is known."""
        known, needed = int(self.known.sum()), int(LEAST_COVERED * HOURS_A_YEAR)
        if known >= needed:
            return None
        return Absent(kind, Said("too_few_hours", (known, needed)))


def mean_or_none(values: Floats) -> float | None:
    """The mean of what is known; None where nothing is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def product_sum(parts: Sequence[tuple[float, float | None]]) -> float | None:
    """The sum of amounts times values; None where a value is missing."""
    total = 0.0
    for amount, value in parts:
        if value is None:
            return None
        total += amount * value
    return total


def month_text(month: int) -> str:
    """2026-03."""
    return f"{month // 12:04}-{month % 12 + 1:02}"
