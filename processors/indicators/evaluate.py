"""Indicators of an entity in a period: exact values, how well they are known, and what their thresholds say. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from zonepulse.processors.indicators.answers import Answer, Known, Missing
from zonepulse.processors.indicators.facts import Facts
from zonepulse.processors.indicators.measured import Measured
from zonepulse.processors.indicators.sums import Entity, Sums
from zonepulse.schemas.indicators.conversions import ELECTRICITY_VALUES, Electricity
from zonepulse.schemas.indicators.formulas import Formula, Name, Number, Operation, names_in
from zonepulse.schemas.indicators.model import Indicator, Threshold
from zonepulse.schemas.indicators.periods import KINDS, Period
from zonepulse.schemas.indicators.quantities import QUANTITIES

LEAST_COVERED: Final = Fraction(9, 10)
MOST_ESTIMATED: Final = Fraction(1, 10)
"""Beyond either a value is provisional (set data-quality)."""
_EITHER: Final = ("energy_tce", "clean_electricity_tce")
"""Quantities that depend on how electricity counts; formulas with one have a value for each way."""

Verdict = Literal["met", "missed", "none", "unverified", "case_by_case", "unknown_size"]
"""none: no threshold; unverified: the threshold, or the indicator's definition, is; case_by_case: for a zone of this size no bound is set;
unknown_size: the zone's size is not given."""
Get = Callable[[str, Electricity], Answer]


@dataclass(frozen=True, slots=True)
class Value:
    """An indicator's value."""

    value: Fraction
    electricity: Electricity | None
    """How electricity counts in it; None where that makes no difference."""
    covered: Fraction | None
    """The least of its quantities'; None where all were given by hand."""
    estimated: Fraction | None
    """The most of its quantities'."""
    verdict: Verdict
    threshold: Threshold | None
    gap: Fraction | None
    """What its numerator must change by to reach the threshold, in the indicator's `gap_unit`; below 0: a cut. None where it is met."""

    @property
    def is_provisional(self) -> bool:
        """Whether too little was covered, or too much estimated."""
        return (self.covered is not None and self.covered < LEAST_COVERED) or (
            self.estimated is not None and self.estimated > MOST_ESTIMATED
        )


@dataclass(frozen=True, slots=True)
class Result:
    """An indicator of an entity: values, or everything that is missing."""

    indicator: Indicator
    entity: Entity
    values: tuple[Value, ...]
    missing: tuple[Missing, ...]


def evaluate(
    indicators: Sequence[Indicator], sums: Sums, facts: Facts, entity: Entity, period: Period, *, judge_unverified: bool = False
) -> list[Result]:
    """Each indicator that is one of such an entity, in order. `judge_unverified`: thresholds of confidence L are judged as well."""
    measured = Measured(sums, facts, entity)

    def get(quantity: str, electricity: Electricity) -> Answer:
        if QUANTITIES[quantity].how == "measured":
            return measured.get(quantity, electricity)
        return facts.given.of(entity, facts.companies, quantity, period)

    out = []
    for indicator in (one for one in indicators if one.of in (entity.kind, "both")):
        if KINDS.index(period.kind) < KINDS.index(indicator.period):
            out.append(Result(indicator, entity, (), (Missing(indicator.id, "short", (indicator.period,)),)))
            continue
        names = tuple(dict.fromkeys(names_in(indicator.formula)))
        values, missing = [], dict[Missing, None]()
        for way in ways_of(indicator):
            found = {name: get(name, way or "equal") for name in names}
            size = _size(period, get, way or "equal")
            answer = value_of(indicator, found, size, way, judge_unverified=judge_unverified)
            if isinstance(answer, Value):
                values.append(answer)
            else:
                missing |= dict.fromkeys(answer)
        out.append(Result(indicator, entity, tuple(values), tuple(missing)))
    return out


def ways_of(indicator: Indicator) -> tuple[Electricity | None, ...]:
    """How electricity counts in it: a value for each way; None where that makes no difference."""
    return ELECTRICITY_VALUES if any(name in _EITHER for name in names_in(indicator.formula)) else (None,)


def _size(period: Period, get: Get, electricity: Electricity) -> Fraction | None:
    """What the zone uses in a year, tce: given, or that of the period if it is a year; None: not known."""
    given = get("annual_energy_tce", electricity)
    if isinstance(given, Missing) and period.kind == "year":
        given = get("energy_tce", electricity)
    return given.value if isinstance(given, Known) else None


def value_of(
    indicator: Indicator,
    quantities: dict[str, Answer],
    size_tce: Fraction | None,
    electricity: Electricity | None = None,
    *,
    judge_unverified: bool = False,
) -> Value | list[Missing]:
    """One value, or what is missing for it."""
    missing = [answer for answer in quantities.values() if isinstance(answer, Missing)]
    known = {name: answer for name, answer in quantities.items() if isinstance(answer, Known)}
    if missing:
        return missing
    numbers = {name: answer.value for name, answer in known.items()}
    value = computed(indicator.formula, numbers)
    if isinstance(value, str):
        return [Missing(value, "zero")]
    covered = [answer.covered for answer in known.values() if answer.covered is not None]
    estimated = [answer.estimated for answer in known.values() if answer.estimated is not None]
    verdict, threshold = _judged(indicator, value, size_tce, judge_unverified)
    gap = _gap(indicator.formula, numbers, value, threshold) if verdict == "missed" else None
    return Value(value, electricity, min(covered, default=None), max(estimated, default=None), verdict, threshold, gap)


def computed(formula: Formula, numbers: dict[str, Fraction]) -> Fraction | str:
    """The exact value; where a divisor is zero, the quantities that it is made of, as text."""
    if isinstance(formula, Number):
        return formula.value
    if isinstance(formula, Name):
        return numbers[formula.quantity]
    left, right = computed(formula.left, numbers), computed(formula.right, numbers)
    if isinstance(left, str) or isinstance(right, str):
        return left if isinstance(left, str) else right
    if formula.operator == "/":
        return left / right if right else ", ".join(names_in(formula.right)) or "0"
    return left + right if formula.operator == "+" else left - right if formula.operator == "-" else left * right


def _judged(
    indicator: Indicator, value: Fraction, size_tce: Fraction | None, judge_unverified: bool
) -> tuple[Verdict, Threshold | None]:
    if not indicator.thresholds:
        return "none", None
    if size_tce is None and any(_depends_on_size(one) for one in indicator.thresholds):
        return "unknown_size", None
    threshold = next((one for one in indicator.thresholds if _holds_for(one, size_tce)), None)
    if threshold is None:
        return "none", None
    bound = bound_of(threshold)
    if bound is None:
        return "case_by_case", threshold
    if "L" in (indicator.confidence, threshold.confidence) and not judge_unverified:
        return "unverified", threshold
    is_met = value <= bound if threshold.at_most is not None else value >= bound
    return "met" if is_met else "missed", threshold


def bound_of(threshold: Threshold) -> Fraction | None:
    """The number that it compares with; None: decided case by case."""
    return threshold.at_most if threshold.at_most is not None else threshold.at_least


def _depends_on_size(threshold: Threshold) -> bool:
    return threshold.size_from_tce is not None or threshold.size_below_tce is not None


def _holds_for(threshold: Threshold, size_tce: Fraction | None) -> bool:
    if size_tce is None:
        return not _depends_on_size(threshold)
    low, high = threshold.size_from_tce, threshold.size_below_tce
    return (low is None or low <= size_tce) and (high is None or size_tce < high)


def _gap(formula: Formula, numbers: dict[str, Fraction], value: Fraction, threshold: Threshold | None) -> Fraction | None:
    """Of a quotient, (bound - value) x divisor."""
    bound = bound_of(threshold) if threshold else None
    if bound is None or not isinstance(formula, Operation) or formula.operator != "/":
        return None
    divisor = computed(formula.right, numbers)
    return None if isinstance(divisor, str) else (bound - value) * divisor
