"""The checks of metered values at and around their published limits."""

import math

import pytest

from zonepulse.processors.vee.checks import (
    Outcome,
    clock_action,
    clock_check,
    high_low_check,
    kvarh_check,
    max_energy_check,
    ratio_check,
    spike_check,
    stuck_check,
    stuck_register_check,
    sum_check,
    unit_step_check,
)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_clock_exactly_three_minutes_off_passes_and_a_second_more_fails(sign: int) -> None:
    assert clock_check(180 * sign) is Outcome.PASS
    assert clock_check(181 * sign) is Outcome.FAIL


@pytest.mark.parametrize(
    ("offset_s", "action"),
    [(0, "none"), (19.9, "none"), (20, "correct"), (-900, "correct"), (900.1, "investigate"), (-3600, "investigate")],
)
def test_a_clock_is_corrected_inside_the_range_and_investigated_above(offset_s: float, action: str) -> None:
    assert clock_action(offset_s) == action


def test_a_spike_needs_more_than_2_8_times_the_third_highest() -> None:
    assert spike_check([11, 11, 11, 30.8]).outcome is Outcome.PASS
    assert spike_check([11, 11, 11, 30.9]).outcome is Outcome.FAIL


def test_the_third_highest_counts_equal_values_separately() -> None:
    assert spike_check([40, 40, 10]).third_highest == 10
    assert spike_check([40, 40, 40]).ratio == 0


def test_a_day_of_few_pulses_or_fewer_than_three_values_is_skipped() -> None:
    assert spike_check([0, 0, 10]).outcome is Outcome.SKIPPED
    assert spike_check([90, None, 1]).outcome is Outcome.SKIPPED
    assert spike_check([90, None, 1]).third_highest is None


def test_a_third_highest_of_zero_is_not_divided_by_and_its_outcome_can_be_chosen() -> None:
    found = spike_check([0, 0, 0, 5, 50])
    assert (found.outcome, found.third_highest, found.ratio) == (Outcome.FAIL, 0, None)
    assert spike_check([0, 0, 0, 5, 50], third_zero=Outcome.SUSPECT).outcome is Outcome.SUSPECT


def test_a_sum_may_differ_from_the_register_by_its_limit_in_either_direction() -> None:
    assert sum_check(1080, 1000, 80).outcome is Outcome.PASS
    assert sum_check(920, 1000, 80).outcome is Outcome.PASS
    below = sum_check(919, 1000, 80)
    assert (below.outcome, below.difference, below.limit) == (Outcome.FAIL, 81, 80)


def test_use_may_deviate_by_a_quarter_up_or_down_from_a_positive_reference() -> None:
    assert high_low_check(75, 100) is Outcome.PASS
    assert high_low_check(74.9, 100) is Outcome.FAIL
    assert high_low_check(5, 0) is Outcome.SKIPPED
    assert high_low_check(5, None) is Outcome.SKIPPED


def test_reactive_pulses_matter_only_without_active_energy() -> None:
    assert kvarh_check(0, 5) is Outcome.FAIL
    assert kvarh_check(0.1, 500) is Outcome.PASS
    assert kvarh_check(None, 500) is Outcome.SKIPPED


def test_energy_above_capacity_is_actual_up_to_a_fifth_and_then_estimated() -> None:
    assert max_energy_check(0, 100) is Outcome.USE_ACTUAL
    assert max_energy_check(120, 100) is Outcome.USE_ACTUAL
    assert max_energy_check(120.01, 100) is Outcome.ESTIMATE
    assert max_energy_check(-0.1, 100) is Outcome.FAIL


def test_power_above_five_quarters_of_the_rating_questions_the_ratio() -> None:
    assert ratio_check(125, 100) is Outcome.PASS
    assert ratio_check(-125.1, 100) is Outcome.RATIO_SUSPECT


@pytest.mark.parametrize(
    ("factor", "matched"), [(80, 80), (1 / 80, 80), (40 * 1.1, 40), (1000, 1000), (60, None), (1, None), (1e6, None)]
)
def test_a_level_step_is_matched_to_the_nearest_factor_in_either_direction(factor: float, matched: float | None) -> None:
    found = unit_step_check(2400, 2400 * factor)
    assert found.matched == matched
    assert found.outcome == ("pass" if matched is None else "suspect")
    assert found.log10_ratio is not None
    assert math.isclose(10**found.log10_ratio, factor)


@pytest.mark.parametrize(("history", "new"), [(0, 10), (10, 0), (10, -1)])
def test_a_level_of_zero_has_no_ratio(history: float, new: float) -> None:
    assert unit_step_check(history, new).outcome is Outcome.SKIPPED


def test_a_stuck_stretch_is_found_anywhere_among_the_samples() -> None:
    assert stuck_check([1, 2, 20, 20, 20, 20, 20, 20, 3]) is Outcome.STUCK
    assert stuck_check([1, 2, 20, 20, 20, 20, 20, 3]) is Outcome.PASS
    assert stuck_check([20] * 5) is Outcome.PASS


def test_slow_drift_is_compared_with_the_first_sample_not_with_the_neighbour() -> None:
    assert stuck_check([20 + 0.00015 * i for i in range(6)]) is Outcome.PASS


def test_a_register_is_stuck_only_while_power_flows() -> None:
    assert stuck_register_check([500.0] * 6, [20.0] * 6) is Outcome.STUCK
    assert stuck_register_check([500.0] * 6, [20.0] * 5 + [0.0]) is Outcome.PASS
    assert stuck_register_check([500.0] * 6, None) is Outcome.SKIPPED


def test_a_slow_advance_of_a_large_register_is_not_stuck() -> None:
    assert stuck_register_check([500_000 + 0.1 * i for i in range(6)], [0.4] * 6) is Outcome.PASS
