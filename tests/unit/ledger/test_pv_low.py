"""pv_low: core and oracle say which plants yield less than others under the same sky, and what is missing."""

from typing import Any

import pytest
from small_logs import DAY, IMPORT, MINUTE, alerts, meter, on_time, reading, rows_of, zone_text

HOUR = 60 * MINUTE
PLANT = IMPORT | {"kind": "interval", "period": "60m", "direction": "generation"}
ZONE = {"window": "60m", "lateness": "2h"}
SUN = (8, 16)


def plants(*kwp: float) -> list[dict[str, Any]]:
    return [meter(PLANT, f"p{i}", role="generation", kwp=peak) for i, peak in enumerate(kwp)]


def said(shares: list[list[float | None]], kwp: tuple[float, ...] = (5, 5, 10), sun_kwh: float = 0.5) -> list[dict[str, Any]]:
    """`shares[day][plant]` of what full sun yields in each of eight hours; None: the plant is not heard."""
    found = [
        reading(DAY + (24 * day + hour + 1) * HOUR, round(share * kwp[i] * sun_kwh, 6) if SUN[0] <= hour < SUN[1] else 0, f"p{i}")
        for day, of in enumerate(shares)
        for hour in range(24)
        for i, share in enumerate(of)
        if share is not None
    ]
    return alerts(rows_of(zone_text(*plants(*kwp), zone=ZONE), on_time(*found)), "pv_low")


def test_half_a_plant_is_missed_on_the_third_day_and_back_when_it_is() -> None:
    (row,) = said([[1, 1, 1], *[[1, 1, 0.5]] * 5, [1, 1, 1], [1, 1, 1]])
    assert (row["meter"], row["state"], row["value"], row["expected_low"]) == ("p2", "resolved", 2.0, 3.2)
    assert (row["starts_at"].timestamp() * 1000, row["ends_at"].timestamp() * 1000) == (DAY + 24 * HOUR, DAY + 6 * 24 * HOUR)
    assert row["evidence"] == '{"days":3,"impact_kwh":60.0,"missing_micro":60000000,"register":"r","share":0.5}'


def test_a_quarter_is_missed_on_the_seventh_day() -> None:
    assert said([*[[1, 1, 0.75]] * 7]) == []
    (row,) = said([*[[1, 1, 0.75]] * 7, [1, 1, 1]])
    assert (row["state"], row["starts_at"].timestamp() * 1000) == ("raised", DAY)


@pytest.mark.parametrize(
    ("shares", "sun_kwh"),
    [([[1, 1, 0.5]] * 9, 0.1), ([[1, 1, 0.85]] * 9, 0.5), ([[1, 1, None]] * 9, 0.5), ([[1, 1, 0.5], [1, 1, 1]] * 5, 0.5)],
    ids=["under clouds", "a little less", "not heard", "now and then"],
)
def test_what_is_no_sign_is_not_told(shares: list[list[float | None]], sun_kwh: float) -> None:
    assert said(shares, sun_kwh=sun_kwh) == []


def test_one_other_plant_is_too_few_to_compare_with() -> None:
    assert said([[1, 0.3]] * 6, (5, 5)) == []
