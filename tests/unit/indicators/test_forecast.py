"""Forecasts of a period's end: exact on what repeats, honest on real meters."""

import calendar
from collections.abc import Iterator
from datetime import date, timedelta
from importlib.resources import files

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zonepulse.processors.indicators.forecast import LEAST_ERRORS, Days, forecast, needed_days, projected

WEEK = np.array([5.0, 5, 6, 5, 4, 1, 1])


def test_what_repeats_weekly_is_forecast_exactly() -> None:
    found = forecast(np.tile(WEEK, 12), 10)
    assert found is not None
    assert (
        np.isclose(found.sum, WEEK.sum() + WEEK[:3].sum())
        and np.isclose(found.low, found.sum)
        and np.isclose(found.high, found.sum)
    )


def test_a_level_that_moved_is_followed_and_widens_the_interval() -> None:
    days = np.concatenate([np.tile(WEEK, 10), 2 * np.tile(WEEK, 2)])
    found = forecast(days, 7)
    assert found is not None and np.isclose(found.sum, 2 * WEEK.sum(), rtol=0.01)
    assert found.low < 0.8 * found.sum and found.high > 1.2 * found.sum


def test_a_day_that_is_not_known_is_left_out_and_is_no_zero() -> None:
    days = np.tile(WEEK, 12)
    days[[3, 40, 70, 80]] = np.nan
    found = forecast(days, 7)
    assert found is not None and np.isclose(found.sum, WEEK.sum())


def test_too_short_a_past_has_no_forecast() -> None:
    days = np.tile(WEEK, 12)
    assert forecast(days[: needed_days(14)], 14) is not None
    assert forecast(days[: needed_days(14) - 1], 14) is None
    assert forecast(np.zeros(80), 7) is None and forecast(np.full(80, np.nan), 7) is None and projected(np.empty(0), 3) is None


@given(st.integers(0, 2**32 - 1), st.integers(1, 31), st.floats(1e-3, 1e9))
def test_units_make_no_difference_and_the_interval_holds_the_sum(seed: int, ahead: int, scale: float) -> None:
    days = np.random.default_rng(seed).gamma(4.0, 1.0, 90)
    one, other = forecast(days, ahead), forecast(days * scale, ahead)
    assert one is not None and other is not None and one.errors == other.errors >= LEAST_ERRORS
    assert np.allclose(np.array(one[:3]) * scale, other[:3])
    assert 0 <= one.low <= one.sum <= one.high


def real_meters() -> Iterator[tuple[date, Days]]:
    """The first day and the daily amounts of every meter of the demo: electricity and gas; no generation, no reactive energy."""
    for name in ("steel_uci851", "office_pyedautils", "opendsm_il", "opendsm_uk", "citylearn2022"):
        with (files("zonepulse.deploy") / "demo" / f"{name}.parquet").open("rb") as file:
            table = pq.read_table(file)
        day = table["start"].to_numpy().astype("datetime64[D]")
        of_day = (day - day[0]).astype(int)
        for column in table.column_names:
            if column == "start" or any(word in column for word in ("solar", "kvarh", "kgco2")):
                continue
            values = table[column].to_numpy(zero_copy_only=False).astype(float)
            known = ~np.isnan(values)
            counts, sums = np.bincount(of_day[known], minlength=of_day[-1] + 1), np.bincount(of_day[known], values[known])
            yield day[0].astype(object), np.where(counts >= 0.9 * np.median(counts), sums, np.nan)


@pytest.mark.large
def test_from_the_middle_of_each_month_the_interval_holds_the_month_s_end_of_real_meters_four_times_in_five() -> None:
    held, tried = 0, 0
    for first, days in real_meters():
        for at in range(len(days)):
            today = first + timedelta(days=at)
            length = calendar.monthrange(today.year, today.month)[1]
            ahead = length - length // 2
            coming = days[at : at + ahead]
            if (
                today.day != length // 2 + 1
                or len(coming) < ahead
                or np.isnan(coming).any()
                or np.isnan(days[at - today.day + 1 : at]).any()
            ):
                continue
            found = forecast(days[:at], ahead)
            if found is not None:
                tried += 1
                held += found.low <= coming.sum() <= found.high
    assert tried > 200
    assert 0.7 <= held / tried <= 0.9, (held, tried)
