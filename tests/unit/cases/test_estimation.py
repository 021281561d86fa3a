"""Filling gaps: which method, which days, what is preserved, and what stays missing."""

from datetime import date, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zonepulse.processors.vee.checks import Outcome
from zonepulse.processors.vee.estimation import Gap, LikeDay, estimated_share, expected_intervals, fill_gap, usable_like_days

QUARTER_MS = 900_000
DAY = date(2026, 3, 4)
WEEK = timedelta(days=7)


def like_day(weeks_ago: int = 1, values: tuple[float | None, ...] = (4.0, 6.0), **marks: bool) -> LikeDay:
    return LikeDay(DAY - weeks_ago * WEEK, values, **marks)


def two_slots(**known: object) -> Gap:
    return Gap(2, QUARTER_MS, day=DAY, **known)  # type: ignore[arg-type]


def test_two_hours_are_linear_and_a_slot_more_is_not() -> None:
    assert fill_gap(Gap(8, QUARTER_MS, 10.0, 28.0)).values == (12.0, 14.0, 16.0, 18.0, 20.0, 22.0, 24.0, 26.0)
    assert fill_gap(Gap(9, QUARTER_MS, 10.0, 28.0)).method is None


@pytest.mark.parametrize("ends", [{"ends_usable": False, "before": 1.0, "after": 4.0}, {"before": 1.0}, {"after": 4.0}])
def test_without_usable_ends_a_short_gap_takes_like_days_or_stays_missing(ends: dict[str, object]) -> None:
    assert fill_gap(two_slots(**ends), [like_day()]).method == "like_day"
    alone = fill_gap(two_slots(**ends))
    assert (alone.values, alone.quality) == ((None, None), "missing")


def test_like_days_are_averaged_slot_by_slot() -> None:
    fill = fill_gap(two_slots(), [like_day(1), like_day(2, (8.0, 20.0))])
    assert fill.values == (6.0, 13.0)
    assert fill.used_days == (date(2026, 2, 25), date(2026, 2, 18))
    assert fill.quality == "estimated"


@pytest.mark.parametrize(
    "unusable",
    [
        like_day(is_measured=False),
        like_day(is_outage=True),
        like_day(is_partial=True),
        like_day(values=(4.0, None)),
        like_day(values=(4.0,)),
        like_day(weeks_ago=0),
        like_day(weeks_ago=-1),
        like_day(weeks_ago=53),
        LikeDay(DAY - timedelta(days=1), (4.0, 6.0)),
    ],
)
def test_estimates_outages_partial_distant_and_other_weekdays_are_no_like_days(unusable: LikeDay) -> None:
    assert usable_like_days(two_slots(), [unusable, like_day(52)]) == (like_day(52),)


def test_like_days_without_the_date_of_the_gap_are_refused() -> None:
    with pytest.raises(ValueError, match="date of the gap"):
        fill_gap(Gap(9, QUARTER_MS), [like_day()])


def test_a_gap_without_slots_is_refused() -> None:
    with pytest.raises(ValueError, match="gap of 0 slots"):
        fill_gap(Gap(0, QUARTER_MS, 1.0, 2.0))


@given(
    st.integers(1, 20),
    st.floats(0, 1e6),
    st.floats(0, 1e6),
    st.floats(0, 1e9),
    st.booleans(),
    st.lists(st.lists(st.floats(0, 1e6), min_size=20, max_size=20), max_size=3),
)
@example(1, 5e-324, 0.0, 0.5, True, [])  # its product with the advance is below every float
def test_a_known_register_advance_is_preserved_by_every_method(
    missing: int, before: float, after: float, advance: float, usable: bool, days: list[list[float]]
) -> None:
    like = [like_day(i + 1, tuple(values[:missing])) for i, values in enumerate(days)]
    fill = fill_gap(Gap(missing, QUARTER_MS, before, after, usable, advance, DAY), like)
    assert sum(v for v in fill.values if v is not None) == pytest.approx(advance, rel=1e-9, abs=1e-300)
    assert all(v is not None and v >= 0 for v in fill.values)


def test_a_known_advance_scales_like_days_and_is_flat_without_a_profile() -> None:
    scaled = fill_gap(two_slots(register_advance=20.0), [like_day()])
    assert (scaled.method, scaled.values, scaled.unscaled) == ("like_day_scaled", (8.0, 12.0), (4.0, 6.0))
    assert fill_gap(two_slots(register_advance=20.0)).values == (10.0, 10.0)
    assert fill_gap(two_slots(register_advance=20.0, before=0.0, after=0.0)).method == "flat"


def test_a_tenth_of_the_month_may_be_estimated() -> None:
    assert estimated_share(297, 2970) == (0.1, Outcome.PASS)
    assert estimated_share(298, 2970)[1] is Outcome.WARN
    with pytest.raises(ValueError, match="no share"):
        estimated_share(0, 0)


@pytest.mark.parametrize(
    ("timezone", "day", "expected"),
    [
        ("Asia/Shanghai", "2026-03-29", 96),
        ("Europe/Berlin", "2026-03-29", 92),
        ("Europe/Berlin", "2026-10-25", 100),
        ("Australia/Lord_Howe", "2026-04-05", 98),
        ("America/Sao_Paulo", "2018-11-04", 92),
        ("America/Havana", "2026-11-01", 100),
        ("Pacific/Apia", "2011-12-30", 0),
    ],
)
def test_a_local_day_has_as_many_quarter_hours_as_its_clocks_let_pass(timezone: str, day: str, expected: int) -> None:
    assert expected_intervals(timezone, date.fromisoformat(day), QUARTER_MS) == expected


def test_a_length_that_does_not_divide_the_day_is_refused() -> None:
    with pytest.raises(ValueError, match="divides it"):
        expected_intervals("Asia/Shanghai", DAY, 7 * 60_000)
