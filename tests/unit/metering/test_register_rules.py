"""What real registers do, reading by reading, through the core; the oracle says the same each time."""

from typing import Any

import pytest
from small_logs import IMPORT, MINUTE, alerts, at, log, meter, on_time, reading, rows_of, windows, zone_text

SMALL = {**IMPORT, "max_power": 4}
"""1 kWh a quarter of an hour; 1.2 kWh are good."""
ZERO = {**SMALL, "on_reset": "zero"}
MORE = {"max_gap": "2h"}


def run(register: dict[str, Any], *values: tuple[str, float], zone: dict[str, Any] | None = None, **sections: Any) -> Any:
    return rows_of(zone_text(meter(register), zone=zone, **sections), on_time(*(reading(ts, value) for ts, value in values)))


def booked(rows: Any) -> dict[str, Any]:
    """Clock of the start -> (value, method) of windows that are covered."""
    return {
        row["start"].strftime("%H:%M"): (row["value_micro"], row["method"])
        for row in rows["intervals"]
        if row["value_micro"] is not None
    }


def test_a_register_that_stood_still_is_booked_over_the_time_it_stood() -> None:
    rows = run(SMALL, ("10:00", 5), ("10:15", 6), ("10:30", 6), ("10:45", 6), ("11:00", 9), ("11:15", 9.5))
    assert booked(rows) == {
        "10:00": (1_000_000, "register"),
        "10:15": (1_000_000, "interpolated"),
        "10:30": (1_000_000, "interpolated"),
        "10:45": (1_000_000, "interpolated"),
        "11:00": (500_000, "register"),
    }
    assert alerts(rows, "register_held") == []


def test_what_waits_is_dropped_when_the_register_goes_on_from_where_it_stood() -> None:
    rows = run(SMALL, ("10:00", 6), ("10:15", 6), ("10:30", 6), ("10:45", 9), ("11:00", 6.5))
    assert sum(value for value, _ in booked(rows).values()) == 500_000
    assert booked(rows)["10:45"] == (250_000, "interpolated")


def test_a_frozen_register_reaches_back_to_max_gap_at_most() -> None:
    values = [(f"{10 + q // 4}:{q % 4 * 15:02d}", 6) for q in range(13)]
    rows = run(SMALL, *values, ("13:15", 10), ("13:30", 10), zone=MORE)
    assert booked(rows)["11:15"] == (0, "register")
    assert sum(value for value, _ in booked(rows).values()) == 4_000_000
    assert booked(rows)["11:30"] == (571_428, "interpolated")


def test_a_roll_over_that_waits_is_known_from_the_reading_behind_it() -> None:
    rolling = {**SMALL, "modulus": 100}
    rows = run(rolling, ("10:00", 99), ("10:15", 99), ("10:30", 99), ("10:45", 99), ("11:00", 1), ("11:15", 1.5))
    assert sum(value for value, _ in booked(rows).values()) == 2_500_000
    assert booked(rows)["10:00"] == (500_000, "interpolated")


def test_a_roll_over_after_silence_is_told_and_at_most_a_tenth_of_the_modulus() -> None:
    rolling = {**SMALL, "modulus": 100}
    rows = run(rolling, ("10:00", 98), ("10:15", 99), ("13:00", 5), ("13:15", 5.5))
    assert sum(value for value, _ in booked(rows).values()) == 7_500_000
    (alert,) = alerts(rows, "series_restarted")
    assert (alert["state"], alert["value"], alert["starts_at"].strftime("%H:%M")) == ("raised", 5.0, "13:00")
    rows = run(rolling, ("06:00", 88), ("06:15", 89), ("13:00", 5), ("13:15", 5.5))
    assert sum(value for value, _ in booked(rows).values()) == 1_000_000


def test_a_reset_is_booked_since_zero_and_is_final_once_its_series_has_shown_enough() -> None:
    rows = run(ZERO, ("10:00", 50), ("10:15", 50.5), ("10:30", 0.4), ("10:45", 0.8), ("11:00", 1.2), ("11:15", 51))
    assert booked(rows) == {
        "10:00": (500_000, "register"), "10:15": (400_000, "reset"), "10:30": (400_000, "register"), "10:45": (400_000, "register"),
    }  # fmt: skip
    assert alerts(rows, "series_restarted") == []


def test_the_first_of_several_resets_whose_total_comes_back_is_undone() -> None:
    rows = run(ZERO, ("10:00", 50), ("10:15", 20), ("10:30", 20), ("10:45", 0.5), ("11:00", 0.5), ("11:15", 50.5), ("11:30", 51))
    assert sum(value for value, _ in booked(rows).values()) == 1_000_000
    rows = run(ZERO, ("10:00", 50), ("10:15", 1), ("10:30", 1), ("10:45", 0.5), ("11:00", 0.5), ("11:15", 50.5), ("11:30", 51))
    assert sum(value for value, _ in booked(rows).values()) == 1_000_000
    rows = run(ZERO, ("10:00", 50), ("10:15", 1), ("10:30", 1), ("10:45", 0.5), ("11:00", 0.5), ("11:15", 2), ("11:30", 3))
    assert sum(value for value, _ in booked(rows).values()) == 4_000_000


def test_a_meter_change_undoes_a_reset_that_only_the_old_meters_end_explains() -> None:
    change = {"meter": "m", "register": "r", "at": "2026-03-04T10:40:00+00:00", "old_final": 50.5, "new_initial": 0}
    rows = run(ZERO, ("10:00", 50), ("10:15", 0), ("10:30", 0), ("10:45", 0.2), meter_changes=[change])
    assert sum(value for value, _ in booked(rows).values()) == 700_000


def test_equal_values_start_no_series_and_of_those_in_a_row_two_are_kept() -> None:
    rows = run(SMALL, ("10:00", 50), ("10:15", 51), ("10:30", 0), ("10:45", 0), ("11:00", 0), ("11:15", 0), ("11:30", 0.5))
    assert sum(value for value, _ in booked(rows).values()) == 1_000_000
    rows = run(SMALL, ("10:00", 50), ("10:15", 51), ("10:30", 0), ("10:45", 0), ("11:00", 0), ("11:15", 0.5), ("11:30", 1))
    assert booked(rows) == {
        "10:00": (1_000_000, "register"),
        "10:15": (333_333, "swap_gap"),
        "10:30": (0, "interpolated"),
        "10:45": (0, "interpolated"),
        "11:00": (500_000, "register"),
        "11:15": (500_000, "register"),
    }


def test_nothing_is_invented_behind_silence() -> None:
    rows = run(SMALL, ("10:00", 50), ("10:15", 51), ("11:00", 0), ("11:15", 0.5), ("11:30", 1), ("11:45", 1.5))
    assert booked(rows) == {
        "10:00": (1_000_000, "register"), "11:00": (500_000, "register"), "11:15": (500_000, "register"),
        "11:30": (500_000, "register"),
    }  # fmt: skip
    (alert,) = alerts(rows, "series_restarted")
    assert alert["starts_at"].strftime("%H:%M") == "11:00"


def test_a_register_that_is_held_is_not_silent_and_says_what_the_step_would_need() -> None:
    rows = run(SMALL, ("10:00", 50), *((f"1{h}:{m:02d}", 48) for h in range(3) for m in (15, 30, 45)))
    (alert,) = alerts(rows, "register_held")
    assert (alert["state"], alert["starts_at"].strftime("%H:%M"), alert["revision"]) == ("raised", "10:00", at("10:16") // MINUTE)
    assert '"direction":"down","from_micro":50000000,"held_micro":48000000,"mean_power_micro":8000000' in alert["evidence"]
    assert '"steps_above":1' in alert["evidence"]


def test_what_is_decided_before_its_window_is_due_raises_nothing() -> None:
    rows = run({**SMALL, "period": "1m"}, ("10:00", 5), ("10:01", 1), ("10:02", 5.01), ("10:15", 5.1))
    assert alerts(rows, "register_held") == []


def test_a_change_of_unit_goes_on_and_one_of_multiplier_begins_anew() -> None:
    first, second = ({**meter(SMALL), "valid_to": "2026-03-04T10:30:00+00:00"}, {"valid_from": "2026-03-04T10:30:00+00:00"})
    values = on_time(reading("10:15", 5), reading("10:30", 5.5), reading("10:45", 6_000), reading("11:00", 6_500))
    rows = rows_of(zone_text(first, {**meter({**SMALL, "unit": "Wh"}), **second}), values)
    assert sum(value for value, _ in booked(rows).values()) == 1_500_000
    values = on_time(reading("10:15", 5), reading("10:30", 5.5), reading("10:45", 6), reading("11:00", 6.5))
    rows = rows_of(zone_text(first, {**meter({**SMALL, "multiplier": 1000, "max_power": 4000}), **second}), values)
    assert booked(rows).keys() == {"10:15", "10:45"}


@pytest.mark.parametrize("later", [1.0, -5.0])
def test_an_impossible_value_neither_displaces_a_possible_one_nor_corrects_it(later: float) -> None:
    interval = {**SMALL, "kind": "interval"}
    sent = log(
        ("10:15", reading("10:15", 1.0)), ("10:16", reading("10:15", later)), ("10:17", reading("10:15", 9.0)), ("11:00", b"[]")
    )
    rows = rows_of(zone_text(meter(interval)), sent)
    assert booked(rows) == {"10:00": (1_000_000, "interval")}
    assert [row["quality"] for row in rows["intervals"]][:1] == ["measured"]
    assert len(alerts(rows, "impossible_value")) == 1


def test_days_of_the_local_calendar_are_as_long_as_they_are() -> None:
    daily = {**IMPORT, "kind": "interval", "period": "1d", "max_power": 10}
    zone = {"timezone": "Europe/Berlin", "window": "60m", "lateness": "10d"}
    stamps = ("2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00", "2026-03-31T00:00:00+02:00")
    sent = log(
        *((at("00:00") + 30 * 86_400_000, {**reading("00:00", 23.0), "ts": ts}) for ts in stamps),
        (at("00:00") + 31 * 86_400_000, b"[]"),
    )
    rows = rows_of(zone_text(meter(daily), zone=zone), sent)
    hours = {row["start"].isoformat()[:13]: row["value_micro"] for row in rows["intervals"] if row["value_micro"] is not None}
    assert len(hours) == 24 + 23 + 24
    assert [hours[h] for h in ("2026-03-28T23", "2026-03-29T12", "2026-03-29T21")] == [1_000_000] * 3


def test_a_silence_longer_than_max_gap_has_no_rows() -> None:
    rows = windows(run(SMALL, ("08:00", 50), ("08:15", 51), ("12:07", 52), ("12:22", 53), zone=MORE))
    assert (min(rows), "10:00" in rows, "10:15" in rows, "12:00" in rows) == ("08:00", True, False, True)


def test_a_late_reading_gives_the_windows_behind_it_their_rows() -> None:
    sent = log(
        ("10:00", reading("10:00", 5)), ("13:00", reading("13:00", 5.5)), ("13:20", b"[]"), ("13:30", reading("11:40", 1)),
        ("14:00", b"[]"),
    )  # fmt: skip
    found = windows(rows_of(zone_text(meter(SMALL), zone={**MORE, "lateness": "3h"}), sent))
    assert [clock for clock in ("11:45", "12:00", "12:45", "13:30") if clock in found] == ["11:45", "12:00", "12:45", "13:30"]
