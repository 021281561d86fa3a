"""sub_above_main: core and oracle say when sub meters count more than their main meter, and when they do so no more."""

from typing import Any

import pytest
from small_logs import IMPORT, MINUTE, alerts, at, meter, on_time, reading, rows_of, zone_text

HOUR = 60 * MINUTE
HOURLY = IMPORT | {"kind": "interval", "period": "60m"}
ZONE = {"window": "60m", "lateness": "2h"}


def log_of(**kwh: list[float | None]) -> list[Any]:
    """Hourly readings of meters, kWh; None: none was sent."""
    hours = range(len(next(iter(kwh.values()))))
    return on_time(
        *(
            reading(at("00:00") + (hour + 1) * HOUR, value, name)
            for hour in hours
            for name, values in kwh.items()
            if (value := values[hour]) is not None
        )
    )


def said(text: str, **kwh: list[float | None]) -> list[dict[str, Any]]:
    return alerts(rows_of(text, log_of(**kwh)), "sub_above_main")


def tree(**others: Any) -> list[dict[str, Any]]:
    """A main meter and two that name it."""
    subs = [meter(HOURLY, name, role="sub", parent="main") for name in ("a", "b")]
    return [meter(HOURLY, "main") | others, *subs]


def test_parts_above_the_whole_for_a_day_are_told_until_the_whole_explains_them_for_a_day() -> None:
    wrong, right = [8.0] * 30, [12.0] * 30
    (row,) = said(zone_text(*tree(), zone=ZONE), main=[*wrong, *right], a=[5.0] * 60, b=[6.0] * 60)
    assert (row["state"], row["meter"], row["company"]) == ("resolved", "main", "c1")
    assert row["starts_at"].timestamp() * 1000 == at("00:00")
    assert row["ends_at"].timestamp() * 1000 == at("00:00") + 30 * HOUR
    assert row["value"] == 24 * (11.0 - 8.0)
    assert row["evidence"] == '{"impact_kwh":72.0,"main_micro":192000000,"sub_micro":264000000,"windows":24}'


@pytest.mark.parametrize("main", [11.0, 10.7], ids=["equal", "within both errors"])
def test_what_both_errors_explain_is_not_told(main: float) -> None:
    assert said(zone_text(*tree(), zone=ZONE), main=[main] * 60, a=[5.0] * 60, b=[6.0] * 60) == []


def test_a_main_meter_that_counts_in_large_steps_is_not_behind() -> None:
    steps = [240.0 if hour % 20 == 19 else 0.0 for hour in range(80)]
    assert said(zone_text(*tree(), zone=ZONE), main=steps, a=[5.0] * 80, b=[6.0] * 80) == []


def test_windows_that_are_not_covered_tell_nothing() -> None:
    b = [6.0 if hour % 2 else None for hour in range(40)]
    assert said(zone_text(*tree(), zone=ZONE), main=[8.0] * 40, a=[5.0] * 40, b=b) == []


@pytest.mark.parametrize(
    "others",
    [
        [meter(HOURLY | {"direction": "generation"}, "pv", role="generation")],
        [meter(HOURLY | {"direction": "charge"}, "battery", role="storage")],
    ],
    ids=["generation", "storage"],
)
def test_where_something_else_feeds_in_nothing_is_said(others: list[dict[str, Any]]) -> None:
    names = {one["id"]: [1.0] * 40 for one in others}
    text = zone_text(*tree(), *others, zone=ZONE)
    assert said(text, main=[8.0] * 40, a=[5.0] * 40, b=[6.0] * 40, **names) == []


def test_a_main_meter_that_counts_what_leaves_is_left_out() -> None:
    both = {"r": HOURLY, "out": HOURLY | {"direction": "export"}}
    assert said(zone_text(*tree(registers=both), zone=ZONE), main=[8.0] * 40, a=[5.0] * 40, b=[6.0] * 40) == []
