"""What a model is judged by: a bound is met at its very value, and what is no number is met by nothing."""

from math import nan

import pytest

from zonepulse.processors.efficiency.acceptance import CRITERIA, Statistic, judge


def verdicts(r2: float, others: float = 0.0) -> dict[Statistic, str]:
    values: dict[Statistic, float] = {one.statistic: others for one in CRITERIA} | {"r2": r2}
    return {one.criterion.statistic: one.verdict for one in judge(values, judge_unverified=True)}


@pytest.mark.parametrize(("r2", "verdict"), [(0.49, "missed"), (0.5, "met"), (0.9, "met"), (-0.9, "missed"), (nan, "missed")])
def test_r2_is_met_from_its_bound_on(r2: float, verdict: str) -> None:
    assert verdicts(r2)["r2"] == verdict


@pytest.mark.parametrize(
    ("nmbe", "verdict"), [(0.05, "met"), (-0.05, "met"), (0.051, "missed"), (-0.051, "missed"), (nan, "missed")]
)
def test_nmbe_is_met_on_either_side(nmbe: float, verdict: str) -> None:
    assert verdicts(0.9, nmbe)["nmbe_monthly"] == verdict
