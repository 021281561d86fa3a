"""What a baseline is made of: days of the zone's calendar, each with its energy, temperature and production. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from zonepulse.schemas.indicators.periods import midnight_ms
from zonepulse.schemas.registry.calendar import DAY_MS
from zonepulse.schemas.registry.model import Series

By = Literal["day", "month"]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LEAST_COVERED: Final = 0.9
"""Part of a day that a temperature or energy has to cover to stand for the day (set data-quality of the indicators)."""


class Day(NamedTuple):
    """One day of the calendar."""

    day: date
    energy: float | None
    """In the history's unit; None where readings do not cover the day."""
    temperature_c: float | None
    """Mean of the air outdoors."""
    production: tuple[float | None, ...] = ()
    """Of each of the history's products."""

    @property
    def is_known(self) -> bool:
        """Whether energy and production of it are known."""
        return self.energy is not None and None not in self.production


@dataclass(frozen=True, slots=True)
class History:
    """Consecutive days of one company and carrier."""

    unit: str
    products: tuple[str, ...]
    days: tuple[Day, ...]
    finest: By = "day"
    """month: production is known by month only, its days show the month's mean."""

    def between(self, first: date, end: date) -> "History":
        """Its days of [first, end)."""
        return replace(self, days=tuple(day for day in self.days if first <= day.day < end))

    def groups(self, by: By) -> Iterator[tuple[Day, ...]]:
        """Its days one by one, or month by month."""
        if by == "day":
            yield from ((day,) for day in self.days)
        else:
            yield from (tuple(days) for _, days in groupby(self.days, lambda day: (day.day.year, day.day.month)))


def days_between(first: date, end: date) -> Iterator[date]:
    """The days of [first, end)."""
    return (first + timedelta(days=i) for i in range((end - first).days))


def daily_means(series: Series, timezone: str, first: date, end: date) -> dict[date, float]:
    """Means of a series over each day of [first, end) of a time zone; days that it covers too little are left out.

    A day has 23 or 25 hours where clocks change. Of a series of daily values each belongs to one day of the calendar, however long.
    """
    zone = ZoneInfo(timezone)
    if series.step_ms == DAY_MS:
        begins = (_EPOCH + timedelta(milliseconds=series.first_ms)).astimezone(zone).date()
        values = {begins + timedelta(days=i): value for i, value in enumerate(series.values)}
        return {day: float(value) for day in days_between(first, end) if (value := values.get(day)) is not None}
    found = {}
    for day in days_between(first, end):
        mean = _mean(series, midnight_ms(day, zone), midnight_ms(day + timedelta(days=1), zone))
        if mean is not None:
            found[day] = mean
    return found


def _mean(series: Series, from_ms: int, to_ms: int) -> float | None:
    total, covered_ms = 0.0, 0
    begin = max(0, (from_ms - series.first_ms) // series.step_ms)
    for i in range(begin, min(len(series.values), -((series.first_ms - to_ms) // series.step_ms))):
        value, at_ms = series.values[i], series.first_ms + i * series.step_ms
        if value is not None:
            inside_ms = min(to_ms, at_ms + series.step_ms) - max(from_ms, at_ms)
            total, covered_ms = total + float(value) * inside_ms, covered_ms + inside_ms
    return total / covered_ms if covered_ms >= LEAST_COVERED * (to_ms - from_ms) else None


def history(
    unit: str, first: date, end: date, energy: Mapping[date, float], temperature_c: Mapping[date, float],
    production: Mapping[str, Mapping[date, float]], finest: By = "day",
) -> History:  # fmt: skip
    """The days of [first, end), each with what is known of it."""
    products = tuple(sorted(production))
    days = (
        Day(day, energy.get(day), temperature_c.get(day), tuple(production[name].get(day) for name in products))
        for day in days_between(first, end)
    )
    return History(unit, products, tuple(days), finest)
