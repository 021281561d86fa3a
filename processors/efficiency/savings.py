"""Savings: bottom-up, what measures are said to save; top-down, what a baseline expects less what was used. Pure.

The uncertainty of a top-down sum is that of the model: the prediction's variance of the whole sum (coefficients and residuals), as if there
were fewer rows by (1 - r) / (1 + r) where residuals follow one another with correlation r (ASHRAE Guideline 14, annex B). A day without
weather gets the mean of the baseline's days at that time of the year; how much those days differ from one another is added in full.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from math import sqrt
from typing import Final, NamedTuple

import numpy as np

from zonepulse.processors.efficiency.baseline import CONSTANT, COOLING, HEATING, WEEKEND, Baseline, Refused, columns
from zonepulse.processors.efficiency.history import Day, History
from zonepulse.processors.efficiency.regression import Floats
from zonepulse.schemas.registry.efficiency.networks import Measure, StaticChange

NEAR_DAYS: Final = 15
"""Days of the year on either side, whose weather stands in for a day without."""


class Month(NamedTuple):
    """A month of the reporting period."""

    month: str
    saved: float
    cumulative: float
    """Since the period began (CUSUM)."""
    half_width: float
    """Of the cumulative saving's 90 % interval."""


@dataclass(frozen=True, slots=True)
class TopDown:
    """Reference less actual over a period, in the baseline's unit. Below zero: more was used than the baseline expects."""

    unit: str
    actual: float
    reference: float
    saved: float
    half_width: float
    """Of a 90 % interval."""
    days: int
    """That count."""
    days_with_substitute: int
    """Of these, without weather of their own."""
    days_without_energy: int
    """That do not count: readings do not cover them."""
    months: tuple[Month, ...]


class BottomUp(NamedTuple):
    """What measures are said to save."""

    kwh: dict[str, Fraction]
    """In the period, by carrier."""
    kwh_a: Fraction
    """A year, of the measures that save at the period's end."""
    kg_a: Fraction
    """The same, kg CO2e; of those that say it."""
    without_kg: tuple[str, ...]
    """Ids of those that do not."""


def top_down(baseline: Baseline, reported: History) -> TopDown | Refused:
    """The savings of the days of a history. All known days count."""
    expected = _Expected(baseline, reported.products)
    unknown = sum(day.energy is None for day in reported.days)
    rows: list[tuple[Day, ...]] = []
    for group in reported.groups(baseline.by):
        if baseline.by == "month" and not _is_whole_month(group):
            return Refused("whole_months", (group[0].day.strftime("%Y-%m"),))
        known = tuple(day for day in group if day.energy is not None)
        without = next((day for day in known if not expected.has_production(day)), None)
        if without is not None:
            return Refused("no_production", (without.day.isoformat(),))
        if known:
            rows.append(known)
    if not rows:
        return Refused("no_days")
    return expected.savings(rows, unknown)


def _is_whole_month(days: Sequence[Day]) -> bool:
    first, last = days[0].day, days[-1].day
    return first.day == 1 and date.fromordinal(last.toordinal() + 1).day == 1 and len(days) == last.day


class _Expected:
    """What a baseline expects of days."""

    def __init__(self, baseline: Baseline, products: Sequence[str]) -> None:
        self._baseline, self._products = baseline, products
        self._names = [variable.name for variable in baseline.variables]
        self._coefficients = np.array([variable.coefficient for variable in baseline.variables])
        self._covariance = np.array(baseline.covariance)
        self._has_weather = HEATING in self._names or COOLING in self._names
        self._past = [(date.fromisoformat(day), c) for day, c in baseline.temperatures]
        self._needed = [name for name in self._names if name not in (CONSTANT, HEATING, COOLING, WEEKEND)]
        r = max(0.0, baseline.autocorrelation)
        self._inflation = (1 + r) / (1 - r)

    def has_production(self, day: Day) -> bool:
        """Whether what is made on a day is known, as far as it counts."""
        return all(name in self._products and day.production[self._products.index(name)] is not None for name in self._needed)

    def savings(self, rows: Sequence[tuple[Day, ...]], unknown: int) -> TopDown:
        """Sums over rows, month by month."""
        x, variance = np.zeros(len(self._names)), 0.0
        actual = reference = spread = 0.0
        substitutes, months = 0, dict[str, Month]()
        for days in rows:
            own, apart, substituted = self._sums(days)
            used, expected = sum(day.energy or 0.0 for day in days), float(own @ self._coefficients)
            x, spread = x + own, spread + apart
            # a row of the model is the mean of its days, with variance / days
            variance += self._baseline.variance * len(days)
            actual, reference, substitutes = actual + used, reference + expected, substitutes + substituted
            month = days[0].day.strftime("%Y-%m")
            saved = expected - used + (months[month].saved if month in months else 0.0)
            months[month] = Month(month, saved, reference - actual, self._half_width(x, variance, spread))
        count = sum(map(len, rows))
        half_width = self._half_width(x, variance, spread)
        return TopDown(
            self._baseline.unit,
            actual,
            reference,
            reference - actual,
            half_width,
            count,
            substitutes,
            unknown,
            tuple(months.values()),
        )

    def _half_width(self, x: Floats, variance: float, spread: float) -> float:
        of_model = self._inflation * (float(x @ self._covariance @ x) + variance)
        return self._baseline.quantile * sqrt(of_model + spread**2)

    def _sums(self, days: Sequence[Day]) -> tuple[Floats, float, int]:
        """The variables summed over days, the spread of what stands in for their weather (energy), and for how many days it does."""
        without = [day for day in days if day.temperature_c is None] if self._has_weather else []
        total = self._rows([day for day in days if day not in without]).sum(axis=0)
        spread = 0.0
        for day in without:
            pool = self._rows([day._replace(temperature_c=c) for c in self._near(day.day)])
            total = total + pool.mean(axis=0)
            spread += float(np.std(pool @ self._coefficients))
        return total, spread, len(without)

    def _rows(self, days: Sequence[Day]) -> Floats:
        one = self._baseline
        return columns(self._names, self._products, days, one.heating_c or 0, one.cooling_c or 0)

    def _near(self, day: date) -> list[float]:
        """Temperatures of the baseline at this time of the year; where it has none of it, of its nearest days."""
        apart = [min(gap := (past - day).days % 365, 365 - gap) for past, _ in self._past]
        reach = max(NEAR_DAYS, min(apart))
        return [c for (_, c), days in zip(self._past, apart, strict=True) if days <= reach]


def bottom_up(measures: Iterable[Measure], first: date, end: date) -> BottomUp:
    """What implemented measures save in [first, end): each day its part of the year's."""
    kwh: dict[str, Fraction] = {}
    kwh_a, kg_a, without_kg = Fraction(0), Fraction(0), list[str]()
    for measure in (one for one in measures if one.status == "implemented"):
        starts = date.fromisoformat(measure.starts)
        years = _years(max(first, starts), end)
        for carrier, amount in measure.kwh_a:
            kwh[carrier] = kwh.get(carrier, Fraction(0)) + amount * years
        if starts < end:
            kwh_a += sum(amount for _, amount in measure.kwh_a)
            kg_a += measure.kg_a or 0
            without_kg += [measure.id] if measure.kg_a is None else []
    return BottomUp(kwh, kwh_a, kg_a, tuple(without_kg))


def _years(first: date, end: date) -> Fraction:
    """The length of [first, end) in years of the calendar; 0 where it is empty."""
    total = Fraction(0)
    for year in range(first.year, end.year + 1):
        begins, ends = date(year, 1, 1), date(year + 1, 1, 1)
        total += Fraction(max(0, (min(end, ends) - max(first, begins)).days), (ends - begins).days)
    return total


def baseline_span(base_year: int, first: date, end: date, changes: Iterable[StaticChange]) -> tuple[date, date] | Refused:
    """The twelve months that the reporting period [first, end) is compared with.

    They are the base year, or the twelve months from the latest static change on before the period; a change within either has no answer.
    """
    begins = date(base_year, 1, 1)
    ends = date(base_year + 1, 1, 1)
    for at, what in sorted((date.fromisoformat(one.on), one.what) for one in changes):
        if first < at < end:
            return Refused("static_change", (at.isoformat(), what))
        if at <= begins or at >= end:
            continue
        begins, ends = at, _a_year_later(at)
        if ends > first:
            return Refused("new_baseline", (at.isoformat(), what, ends.isoformat()))
    if ends > first:
        return Refused("late", (ends.isoformat(), first.isoformat()))
    return begins, ends


def _a_year_later(day: date) -> date:
    return date(day.year + 1, 3, 1) if (day.month, day.day) == (2, 29) else day.replace(year=day.year + 1)
