"""Weather from files and from the registry."""

import csv
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zones import zone

from zonepulse.streams.efficiency.weather import read_series, weather_series
from zonepulse.streams.screen import BadInput

DAY_MS = 86_400_000
STATIONS = """\
weather:
  - {id: one, source: "Taicang", temperature_c: {from: 2025-01-01, step: 1d, values: [3]}}
"""
OTHER = '  - {id: two, source: "Kunshan", temperature_c: {from: 2025-01-01, step: 1h, values: [3]}}\n'
FILE = Path("weather.csv")


def read(*lines: str, timezone: str = "Europe/Berlin") -> tuple[int, int, tuple[Fraction | None, ...]]:
    found = read_series("\n".join(["start,temperature_c", *lines]), FILE, timezone, "temperature_c")
    return found.first_ms, found.step_ms, found.values


def test_dates_are_days_of_the_calendar_and_gaps_stay_gaps() -> None:
    first, step, values = read("2026-03-28,3.5", "2026-03-30,-1", "2026-03-31,")
    assert (first, step, values) == (1_774_652_400_000, DAY_MS, (Fraction(7, 2), None, -1))


def test_times_carry_their_offset() -> None:
    first, step, values = read("2026-03-29T01:00:00+01:00,1", "2026-03-29T03:00:00+02:00,2", "2026-03-29T05:00:00+02:00,3")
    assert (step, values) == (3_600_000, (1, 2, None, 3)) and first == 1_774_742_400_000


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("2026-03-28,3,5",), "weather.csv: 1 values"),
        (("2026-03-28,warm", "2026-03-29,3"), "weather.csv:2: 'warm' is no decimal number"),
        (("2026-03-28,1", "2026-03-29T00:00:00+01:00,3"), "dates and times mixed"),
        (("2026-03-28T00:00:00,1",), "weather.csv:2: '2026-03-28T00:00:00' has no offset"),
        (("2026-03-28T00:00:00Z,1", "2026-03-28T01:00:00Z,1", "2026-03-28T01:37:00Z,1"), "not evenly spaced"),
        (("2026-03-28,1", "2026-03-29,2", "2026-03-28,3"), "weather.csv:4: 2026-03-28 stands there twice; leave one of them out"),
        (("0001-01-01,1", "2026-03-29,2"), "weather.csv:2: 0001-01-01 is out of range"),
        (("9999-12-31,1", "2026-03-29,2"), "weather.csv:2: 9999-12-31 is out of range"),
        (("1990-01-01T00:00:00Z,1", "2026-03-28T00:00:00Z,1", "2026-03-28T00:00:01Z,1"), "more than 2,000,000 steps of 1000 ms"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(lines: tuple[str, ...], said: str) -> None:
    with pytest.raises(BadInput) as error:
        read(*lines)
    assert said in str(error.value)


def test_a_field_beyond_the_limit_of_csv_is_told_with_its_line() -> None:
    before = csv.field_size_limit(1_000)  # of the whole process: who reads other files may have raised it
    try:
        with pytest.raises(BadInput, match=r"weather\.csv:2: field larger than field limit"):
            read("2026-03-28," + "1" * 2_000)
    finally:
        csv.field_size_limit(before)


PARTS = [
    "2026-03-28",
    "2026-03-29",
    "1999-12-31",
    "0000-00-00",
    "T01:00:00Z",
    "T01:00",
    "+25:00",
    ",",
    ",,",
    "\n",
    "\r",
    "\0",
    '"',
    "3",
    "-1e99",
    "é",
]


@given(st.lists(st.sampled_from(PARTS), max_size=12).map("".join))
def test_any_text_is_a_series_or_a_named_mistake(text: str) -> None:
    try:
        first_ms, step_ms, values = read(text)
        assert values[0] is not None and values[-1] is not None and step_ms > 0 and first_ms > 0
    except BadInput as error:
        assert str(error).startswith("weather.csv")


def test_columns_that_are_missing_are_named() -> None:
    with pytest.raises(BadInput, match="no columns start and kwh_per_kw; write a header `start,kwh_per_kw`"):
        read_series("time,value\n", FILE, "UTC", "kwh_per_kw")


def test_the_registry_s_only_station_is_taken_and_of_several_one_is_chosen() -> None:
    alone, two = zone(more=STATIONS), zone(more=STATIONS + OTHER)
    assert weather_series(zone(), "", None) is None
    assert (weather_series(alone, "", None) or ("",))[0] == "one: Taicang"
    assert (weather_series(two, "two", None) or ("",))[0] == "two: Kunshan"
    with pytest.raises(BadInput, match="several stations: choose one with --weather one"):
        weather_series(two, "", None)
    with pytest.raises(BadInput, match="did you mean `two`"):
        weather_series(two, "tow", None)
