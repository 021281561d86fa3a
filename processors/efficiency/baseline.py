"""Baselines: what a company's energy depends on, by linear regression over twelve months (EnPI of ISO 50006: a statistical model).

Candidates are a constant with any of: each product, heating and cooling degree days, weekends. The balance temperatures, where heating and
cooling begin, are the whole degrees with the least squares. Of the candidates whose variables all count (p below SIGNIFICANT, and more
production, heating or cooling uses more energy) the one with the least BIC holds. Months, which differ in length, are weighted by their
days.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from math import isfinite, log, sqrt
from typing import Final, Literal, NamedTuple

import numpy as np

from zonepulse.processors.efficiency.acceptance import Judged, Statistic, judge
from zonepulse.processors.efficiency.history import By, Day, History
from zonepulse.processors.efficiency.regression import Floats, Regression, regress, squares

Why = Literal[
    "no_variables",
    "short",
    "late",
    "gaps",
    "no_use",
    "mean",
    "not_accepted",
    "static_change",
    "new_baseline",
    "no_production",
    "no_days",
    "whole_months",
]
"""no_variables: neither weather nor production; short: less than twelve months; late: they are not over when the reporting period begins;
gaps: too many days without energy or variables; no_use: no energy is used; mean: nothing explains it better than its mean; not_accepted:
the model is not good enough; static_change: one lies within; new_baseline: one leaves no twelve months before the period; no_production:
not of a day that is to be explained; no_days: no day has energy; whole_months: a model of months explains whole months."""
LEAST_DAYS: Final = 365
MOST_MISSING: Final = 0.1
"""Part of the days that may lack something."""
SIGNIFICANT: Final = 0.1
"""A variable's p-value, to be in a model. Our choice, no norm's."""
_LEAST_FREE: Final = 5
"""Rows more than variables."""
_SAME: Final = 1e-9
"""Of the mean: energy that varies less does not vary."""
_HEATING_C: Final = range(5, 23)
_COOLING_C: Final = range(10, 31)
_LEAST_SIDE: Final = 10
"""Days on either side of a balance temperature: with fewer there is nothing to find it by."""
CONSTANT: Final = "constant"
HEATING: Final = "heating_degree_days"
COOLING: Final = "cooling_degree_days"
WEEKEND: Final = "weekend"


class Refused(NamedTuple):
    """Why there is no baseline, or no saving. `about` is what is to be named."""

    why: Why
    about: tuple[str, ...] = ()


class Variable(NamedTuple):
    """A term of the model."""

    name: str
    coefficient: float
    standard_error: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Baseline:
    """A fitted model. Energy is that of a day, in `unit`; a model of months has the means of their days."""

    library: str
    by: By
    unit: str
    first: str
    end: str
    """ISO dates: [first, end)."""
    rows: int
    days: int
    missing_days: int
    variables: tuple[Variable, ...]
    """The constant first."""
    heating_c: int | None
    cooling_c: int | None
    """Balance temperatures."""
    r2: float
    r2_adjusted: float
    f_p_value: float
    cv_rmse: float
    nmbe: float
    cv_rmse_monthly: float
    nmbe_monthly: float
    variance: float
    """Of the residuals."""
    covariance: tuple[tuple[float, ...], ...]
    """Of the coefficients."""
    autocorrelation: float
    """Of residuals that follow one another."""
    quantile: float
    """Of Student's t: a 90 % interval."""
    temperatures: tuple[tuple[str, float], ...]
    """(day, C) of the baseline, which stand in for days without weather; empty where the model has no degree days."""
    judged: tuple[Judged, ...]

    @property
    def is_accepted(self) -> bool:
        """Whether no criterion is missed."""
        return all(one.verdict != "missed" for one in self.judged)


class _Row(NamedTuple):
    """The known days of a day or month."""

    days: tuple[Day, ...]
    energy: float


def refusal(baseline: Baseline) -> Refused | None:
    """Why nothing is counted with a model that was fitted, if so."""
    missed = [one for one in baseline.judged if one.verdict == "missed"]
    texts = (f"{j.criterion.statistic} {j.value:.3g} {'>' if j.criterion.is_most else '<'} {j.criterion.bound:g}" for j in missed)
    return Refused("not_accepted", tuple(texts)) if missed else None


def fit(history: History, by: By, *, judge_unverified: bool = False) -> Baseline | Refused:
    """The model of all days of a history, or why there is none. A model that is not accepted is returned: see `refusal`."""
    if (problem := _problem(history)) is not None:
        return problem
    by = "month" if history.finest == "month" else by
    has_weather = _count_with_weather(history) >= (1 - MOST_MISSING) * len(history.days)
    rows = list(_rows(history, by, has_weather))
    chosen = _chosen(rows, history, by, has_weather)
    if chosen is None:
        return Refused("mean", _tried(history, has_weather))
    return _baseline(rows, history, by, *chosen, judge_unverified=judge_unverified)


def _problem(history: History) -> Refused | None:
    days = history.days
    if len(days) < LEAST_DAYS:
        return Refused("short", (str(len(days)),))
    known = [day for day in days if day.is_known]
    with_weather = _count_with_weather(history)
    if not history.products and not with_weather:
        return Refused("no_variables")
    if len(days) - len(known) > MOST_MISSING * len(days):
        return Refused("gaps", ("energy or production", str(len(days) - len(known))))
    if not history.products and len(days) - with_weather > MOST_MISSING * len(days):
        return Refused("gaps", ("weather", str(len(days) - with_weather)))
    return Refused("no_use") if sum(day.energy or 0.0 for day in known) <= 0 else None


def _count_with_weather(history: History) -> int:
    return sum(day.is_known and day.temperature_c is not None for day in history.days)


def _tried(history: History, has_weather: bool) -> tuple[str, ...]:
    return (*history.products, *(("degree days",) if has_weather else ()), "weekends")


def _rows(history: History, by: By, has_weather: bool) -> Iterator[_Row]:
    for group in history.groups(by):
        known = tuple(day for day in group if day.is_known and (day.temperature_c is not None or not has_weather))
        if known and len(known) >= (1 - MOST_MISSING) * len(group):
            yield _Row(known, float(np.mean([day.energy for day in known])))


def columns(names: Sequence[str], products: Sequence[str], days: Sequence[Day], heating_c: float, cooling_c: float) -> Floats:
    """A row for each day with the variables of a model; NaN where one is not known. Shape (days, names)."""
    temperature_c = np.array([np.nan if day.temperature_c is None else day.temperature_c for day in days])
    known: dict[str, Callable[[], Floats]] = {
        CONSTANT: lambda: np.ones(len(days)),
        HEATING: lambda: np.maximum(0.0, heating_c - temperature_c),
        COOLING: lambda: np.maximum(0.0, temperature_c - cooling_c),
        WEEKEND: lambda: np.array([float(day.day.weekday() >= 5) for day in days]),
    }

    def production(name: str) -> Floats:
        made = (day.production[products.index(name)] for day in days)
        return np.array([np.nan if value is None else value for value in made])

    return np.column_stack([known[name]() if name in known else production(name) for name in names])


def _chosen(
    rows: Sequence[_Row], history: History, by: By, has_weather: bool
) -> tuple[tuple[str, ...], int | None, int | None, Regression] | None:  # fmt: skip
    """Names, balance temperatures and the fit; None: no candidate's variables all count.

    A balance temperature counts as a term; a candidate that is no better than the mean is none.
    """
    optional = (*history.products, *((HEATING, COOLING) if has_weather else ()), *((WEEKEND,) if by == "day" else ()))
    energy, weights = np.array([row.energy for row in rows]), np.array([float(len(row.days)) for row in rows])
    if np.ptp(energy) <= _SAME * np.mean(energy):
        return None
    made, candidates = _Columns(rows, history.products), []
    of_mean = _bic(np.ones((len(rows), 1)), 1, energy, weights)
    sizes = range(1, min(len(optional), len(rows) - _LEAST_FREE) + 1)
    for some in (names for size in sizes for names in combinations(optional, size)):
        heating_c, cooling_c = made.balances(some, energy, weights)
        if (heating_c is None and HEATING in some) or (cooling_c is None and COOLING in some):
            continue
        chosen = (CONSTANT, *some)
        matrix = made.matrix(chosen, heating_c, cooling_c)
        bic = _bic(matrix, len(chosen) + (HEATING in some) + (COOLING in some), energy, weights)
        if bic < of_mean and np.linalg.matrix_rank(matrix) == len(chosen):
            candidates.append((bic, chosen, heating_c, cooling_c))
    for _, names, heating_c, cooling_c in sorted(candidates, key=lambda one: (one[0], one[1])):
        result = regress(made.matrix(names, heating_c, cooling_c), energy, weights)
        counts = zip(names[1:], result.coefficients[1:], result.p_values[1:], strict=True)
        if all(p < SIGNIFICANT and (value > 0 or name == WEEKEND) for name, value, p in counts):
            return names, heating_c, cooling_c, result
    return None


class _Columns:
    """The variables' columns, each made once."""

    def __init__(self, rows: Sequence[_Row], products: Sequence[str]) -> None:
        self._days, self._products = [day for row in rows for day in row.days], products
        self._lengths = np.array([len(row.days) for row in rows])
        self._starts = np.cumsum([0, *self._lengths[:-1]])
        self._made: dict[tuple[str, int], Floats] = {}
        known = sorted(day.temperature_c for day in self._days if day.temperature_c is not None)
        low, high = (known[_LEAST_SIDE - 1], known[-_LEAST_SIDE]) if len(known) >= 2 * _LEAST_SIDE else (0.0, 0.0)
        self._heating_c = [c for c in _HEATING_C if low < c <= high]
        self._cooling_c = [c for c in _COOLING_C if low <= c < high]

    def matrix(self, names: Sequence[str], heating_c: int | None, cooling_c: int | None) -> Floats:
        """Shape (rows, names)."""
        balances = {HEATING: heating_c or 0, COOLING: cooling_c or 0}
        return np.column_stack([self._column(name, balances.get(name, 0)) for name in names])

    def _column(self, name: str, balance_c: int) -> Floats:
        if (name, balance_c) not in self._made:
            daily = columns([name], self._products, self._days, balance_c, balance_c)[:, 0]
            self._made[name, balance_c] = np.add.reduceat(daily, self._starts) / self._lengths
        return self._made[name, balance_c]

    def balances(self, names: Sequence[str], energy: Floats, weights: Floats) -> tuple[int | None, int | None]:
        """The balance temperatures with the least squares; heating ends where cooling begins, or below."""
        heating: Sequence[int | None] = self._heating_c if HEATING in names else [None]
        cooling: Sequence[int | None] = self._cooling_c if COOLING in names else [None]
        pairs = [(h, c) for h in heating for c in cooling if h is None or c is None or h <= c]
        if not pairs:
            return None, None
        if len(pairs) == 1:
            return pairs[0]
        return min(pairs, key=lambda pair: squares(self.matrix((CONSTANT, *names), *pair), energy, weights))


def _bic(matrix: Floats, terms: int, energy: Floats, weights: Floats) -> float:
    """Bayesian information criterion, less a constant."""
    n = len(energy)
    return n * log(max(squares(matrix, energy, weights), 1e-300) / n) + terms * log(n)


def _baseline(
    rows: Sequence[_Row], history: History, by: By, names: Sequence[str], heating_c: int | None, cooling_c: int | None, result: Regression,
    *, judge_unverified: bool,
) -> Baseline:  # fmt: skip
    energy = np.array([row.energy for row in rows])
    residuals = energy - result.fitted
    numbers = zip(names, result.coefficients, result.standard_errors, result.p_values, strict=True)
    variables = tuple(Variable(name, float(value), float(error), float(p)) for name, value, error, p in numbers)
    cv_rmse, nmbe = _errors(energy, residuals, len(names))
    cv_monthly, nmbe_monthly = (cv_rmse, nmbe) if by == "month" else _monthly_errors(rows, residuals, len(names))
    statistics: Mapping[Statistic, float] = {
        "cv_rmse_monthly": cv_monthly,
        "nmbe_monthly": nmbe_monthly,
        "r2": result.r2,
        "f_p_value": result.f_p_value,
        "largest_p_value": max(one.p_value for one in variables[1:]),
    }
    assert all(map(isfinite, statistics.values()))
    has_weather = HEATING in names or COOLING in names
    temperatures = ((day.day.isoformat(), day.temperature_c) for day in history.days)
    return Baseline(
        library=result.library,
        by=by,
        unit=history.unit,
        first=history.days[0].day.isoformat(),
        end=date.fromordinal(history.days[-1].day.toordinal() + 1).isoformat(),
        rows=len(rows),
        days=sum(len(row.days) for row in rows),
        missing_days=len(history.days) - sum(len(row.days) for row in rows),
        variables=variables,
        heating_c=heating_c,
        cooling_c=cooling_c,
        r2=statistics["r2"],
        r2_adjusted=result.r2_adjusted,
        f_p_value=statistics["f_p_value"],
        cv_rmse=cv_rmse,
        nmbe=nmbe,
        cv_rmse_monthly=cv_monthly,
        nmbe_monthly=nmbe_monthly,
        variance=result.variance,
        covariance=tuple(tuple(map(float, row)) for row in result.covariance),
        autocorrelation=float(np.sum(residuals[1:] * residuals[:-1]) / max(float(np.sum(residuals**2)), 1e-300)),
        quantile=result.quantile,
        temperatures=tuple((day, c) for day, c in temperatures if c is not None) if has_weather else (),
        judged=judge(statistics, judge_unverified),
    )


def _errors(measured: Floats, residuals: Floats, terms: int) -> tuple[float, float]:
    """CV(RMSE) and NMBE (ASHRAE Guideline 14): with n - p degrees of freedom, relative to the mean."""
    free, mean = max(1, len(measured) - terms), float(np.mean(measured))
    return sqrt(float(np.sum(residuals**2)) / free) / mean, float(np.sum(residuals)) / free / mean


def _monthly_errors(rows: Sequence[_Row], residuals: Floats, terms: int) -> tuple[float, float]:
    """The same of the months' sums."""
    months: dict[tuple[int, int], list[float]] = {}
    for row, residual in zip(rows, residuals, strict=True):
        month = months.setdefault((row.days[0].day.year, row.days[0].day.month), [0.0, 0.0])
        month[0] += row.energy
        month[1] += float(residual)
    sums = np.array(list(months.values()))
    return _errors(sums[:, 0], sums[:, 1], terms)
