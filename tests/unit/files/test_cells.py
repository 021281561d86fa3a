"""Times and numbers of tables: what has one meaning is read, what has two or none is refused with the remedy."""

from datetime import datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zonepulse.schemas.values import BadValue
from zonepulse.streams.files.cells import Times, number
from zonepulse.streams.files.form import FileForm

NINE = 1_772_614_800_000  # 2026-03-04T09:00:00Z


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-04T10:00:00+01:00", "2026-03-04 10:00+01", "2026-03-04T09:00Z", "2026-03-04 09:00:00.000000Z",
        "2026-3-4 9:00Z",
        "2026/03/04 10:00+0100", "04.03.2026 10:00+01:00", "2026年3月4日 17:00+08:00", NINE, float(NINE), "1772614800000",
    ],
)  # fmt: skip
def test_times_with_an_offset(text: object) -> None:
    assert Times(FileForm()).ms(text) == NINE


@pytest.mark.parametrize("cell", ["2026-03-04 10:00", "04.03.2026 10:00", "2026/3/4 10:00:00", datetime(2026, 3, 4, 10)])
def test_local_times_need_a_time_zone_and_then_are_exact(cell: object) -> None:
    with pytest.raises(BadValue, match=r"has no offset; .*--timezone Europe/Berlin"):
        Times(FileForm()).ms(cell)
    assert Times(FileForm(timezone="Europe/Berlin")).ms(cell) == NINE


@pytest.mark.parametrize("cell", ["9" * 30, "-" + "9" * 30, 10**40, "0001-01-01 00:00", "9999-12-31 23:59", 1e300, "9" * 3000])
def test_times_that_no_calendar_has_are_told(cell: object) -> None:
    with pytest.raises(BadValue) as told:
        Times(FileForm(timezone="Asia/Shanghai" if "01-01" in str(cell) else "America/New_York")).ms(cell)
    assert len(str(told.value)) < 300


def test_24_00_is_the_end_of_the_day() -> None:
    midnight = Times(FileForm()).ms("2026-07-02T00:00:00+02:00")
    assert Times(FileForm()).ms("2026-07-01T24:00:00+02:00") == midnight
    with pytest.raises(BadValue):
        Times(FileForm()).ms("2026-07-01T24:01:00+02:00")


def test_midnight_may_end_the_day_that_is_named() -> None:
    form = FileForm(timezone="Asia/Seoul", time_format="%d/%m/%Y %H:%M", midnight_ends_day=True)
    assert Times(form).ms("01/01/2018 00:00") - Times(form).ms("01/01/2018 23:45") == 900_000


def test_an_autumn_hour_is_asked_for_and_a_spring_hour_does_not_exist() -> None:
    twice, hour = "2026-10-25 02:30", 3_600_000
    with pytest.raises(BadValue, match=r"occurs twice in Europe/Berlin.*--fold"):
        Times(FileForm(timezone="Europe/Berlin")).ms(twice)
    first, second = (Times(FileForm(timezone="Europe/Berlin", fold=f)).ms(twice) for f in ("first", "second"))  # type: ignore[arg-type]
    assert second - first == hour
    with pytest.raises(BadValue, match="does not exist in Europe/Berlin"):
        Times(FileForm(timezone="Europe/Berlin")).ms("2026-03-29 02:30")


def test_in_order_the_second_of_two_equal_times_is_the_later_one_for_every_series() -> None:
    times = Times(FileForm(timezone="Europe/Berlin", fold="order"))
    clock = ["01:45", "02:00", "02:15", "02:30", "02:45", "02:00", "02:15", "02:30", "02:45", "03:00"]
    for series in ("a", "b"):
        found = [times.ms(f"2026-10-25 {c}", series) for c in clock]
        assert [b - a for a, b in pairwise(found)] == [900_000] * 9


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("03/04/2026 10:00", "day/month or month/day"), ("1772614800", "epoch_seconds"), (1772614800, "epoch_seconds"), ("soon", "no time"),
        ("2026-02-30 10:00Z", "no time"), (1.5, "no time"), ("2026-03-04 25:00Z", "no time"),
    ],
)  # fmt: skip
def test_what_is_no_time_or_two_is_refused(cell: object, words: str) -> None:
    with pytest.raises(BadValue, match=words):
        Times(FileForm(timezone="UTC")).ms(cell)


def test_epoch_seconds_that_are_said_are_read_and_periods_stamped_at_their_start_are_moved() -> None:
    assert Times(FileForm(time_format="epoch_s")).ms("1772614800") == NINE
    assert Times(FileForm(shift_ms=900_000)).ms(NINE) == NINE + 900_000


@pytest.mark.parametrize(
    ("text", "decimal", "value"),
    [
        ("100.25", "", 100.25), ("-1e3", "", -1000.0), (7, "", 7.0), ("100,25", ",", 100.25), ("1.234,5", ",", 1234.5),
        ("1'234.5", "", 1234.5),
        ("1,234.5", "", 1234.5), ("1,234,567", "", 1234567.0), ("1,234", ".", 1234.0), ("1,234", ",", 1.234), ("1 234,5", ",", 1234.5),
    ],
)  # fmt: skip
def test_numbers(text: object, decimal: str, value: float) -> None:
    assert number(text, decimal) == value


@pytest.mark.parametrize(
    ("text", "decimal", "words"),
    [
        ("100,25", "", "'100,25' has a decimal comma; pass --decimal ,"), ("1,234", "", "may be a decimal comma or thousands"),
        ("1.5", ",", "has a decimal point"), ("abc", "", "no number"), 
        (True, "", "no number"), ("NaN", "", "no number"), ("1.2.3", "", "no number"),
    ],
)  # fmt: skip
def test_what_is_no_number_or_two_is_refused(text: object, decimal: str, words: str) -> None:
    with pytest.raises(BadValue, match=words):
        number(text, decimal)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_is_read_as_it_was_written(value: float) -> None:
    assert number(repr(value), "") == value
    assert number(repr(value).replace(".", ","), ",") == value
