"""Whether a model is good enough to count savings with: what was asked of it, with source and confidence.

What is unverified (L) is shown without a verdict, unless it is switched on. No verified bound for daily values is known: a model of days is
judged by its months.
"""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

Statistic = Literal["cv_rmse_monthly", "nmbe_monthly", "r2", "f_p_value", "largest_p_value"]
Verdict = Literal["met", "missed", "unverified"]


class Criterion(NamedTuple):
    """A bound on a statistic: the most that its absolute value may be, or the least that it may be."""

    statistic: Statistic
    is_most: bool
    bound: float
    source: str
    confidence: Literal["H", "M", "L"]


class Judged(NamedTuple):
    """A criterion, what was found, and what follows."""

    criterion: Criterion
    value: float
    verdict: Verdict


_ASHRAE: Final = "ASHRAE Guideline 14, IPMVP"
_SEP: Final = "US Superior Energy Performance"
CRITERIA: Final = (
    Criterion("cv_rmse_monthly", True, 0.15, _ASHRAE, "M"),
    Criterion("nmbe_monthly", True, 0.05, _ASHRAE, "M"),
    Criterion("r2", False, 0.5, _SEP, "L"),
    Criterion("f_p_value", True, 0.1, _SEP, "L"),
    Criterion("largest_p_value", True, 0.2, _SEP, "L"),
)


def judge(statistics: Mapping[Statistic, float], judge_unverified: bool) -> tuple[Judged, ...]:
    """Each criterion with its verdict."""
    return tuple(
        Judged(one, statistics[one.statistic], _verdict(one, statistics[one.statistic], judge_unverified)) for one in CRITERIA
    )


def _verdict(criterion: Criterion, value: float, judge_unverified: bool) -> Verdict:
    if criterion.confidence == "L" and not judge_unverified:
        return "unverified"
    is_met = abs(value) <= criterion.bound if criterion.is_most else value >= criterion.bound
    return "met" if is_met else "missed"
