"""The oracle's verdicts on readings, by small cases counted by hand: one for each rule of registers, periods and dead letters."""

import json
from typing import Any

import pytest
from small_logs import IMPORT, MINUTE, at, log, meter, reading
from small_logs import zone_text as zone

from zonepulse.oracle.metering.decode import Record
from zonepulse.oracle.run import Tables, run

FACTORS = """id,activity,region,company,basis,value,unit,valid_from,valid_to,confidence
cn,grid_electricity,CN,,location,0.5306,kgCO2/kWh,2023-01-01,,H
"""
HOUR = 60 * MINUTE
QUARTER = 15 * MINUTE
PLUG = IMPORT | {"max_power": 4, "on_reset": "zero"}
METER = IMPORT | {"max_power": 4}


def record(offset: int, arrival: str | int, sent: object) -> Record:
    return Record(0, offset, at(arrival) if isinstance(arrival, str) else arrival, b"k", json.dumps(sent).encode())


def arriving(*sent: tuple[str, dict[str, Any]], until: str) -> list[Record]:
    """Readings at their arrival, and a heartbeat."""
    return log(*sent, (until, b"[]"))


def on_time(*sent: tuple[str, float], until: str) -> list[Record]:
    return arriving(*((ts, reading(ts, value)) for ts, value in sent), until=until)


def one(rows: list[dict[str, Any]], **where: Any) -> dict[str, Any]:
    found = [row for row in rows if all(row[name] == value for name, value in where.items())]
    assert len(found) == 1, (where, found)
    return found[0]


def booked(register: dict[str, Any], *sent: tuple[str, float], until: str = "23:00", **sections: Any) -> Tables:
    """What readings that arrive on time come to."""
    return run(zone(meter(register), **sections), FACTORS, on_time(*sent, until=until), 1)


def quarters(tables: Tables, first: str, count: int) -> list[tuple[int | None, str]]:
    """(value, method) of so many windows from `first` on."""
    rows = {row["start"]: row for row in tables["intervals"]}
    found = [rows[at(first) + i * QUARTER] for i in range(count)]
    return [(row["value_micro"], row["method"]) for row in found]


def total(tables: Tables) -> int:
    return sum(row["value_micro"] or 0 for row in tables["intervals"])


def rules(tables: Tables) -> dict[str, str]:
    return {
        row["rule"]: row["state"]
        for row in tables["alerts"]
        if row["rule"] in ("register_held", "series_restarted", "gap_too_long")
    }


def test_a_step_of_a_frozen_register_waits_and_is_booked_over_the_time_it_was_frozen() -> None:
    frozen = [("08:00", 10.0), ("08:15", 11.0), ("08:30", 11.0), ("08:45", 11.0), ("09:00", 14.0)]
    waiting = booked(METER, *frozen, until="09:04")
    assert quarters(waiting, "08:00", 3) == [(1_000_000, "register"), (0, "register"), (0, "register")]
    tables = booked(METER, *frozen, ("09:15", 14.5), until="09:20")
    flat = (1_000_000, "interpolated")
    assert quarters(tables, "08:00", 5) == [(1_000_000, "register"), flat, flat, flat, (500_000, "register")]
    assert rules(tables) == {}


def test_the_reading_after_a_wait_may_continue_the_old_value() -> None:
    sent = [("08:00", 10.0), ("08:15", 10.0), ("08:30", 10.0), ("08:45", 13.0), ("09:00", 10.2), ("09:15", 10.2)]
    tables = booked(METER, *sent, until="09:20")
    assert quarters(tables, "08:00", 5) == [
        (0, "register"),
        (0, "register"),
        (100_000, "interpolated"),
        (100_000, "interpolated"),
        (0, "register"),
    ]
    assert total(tables) == 200_000


def test_a_wait_that_nothing_confirms_is_held() -> None:
    sent = [("08:00", 10.0), ("08:15", 10.0), ("08:30", 10.0), ("08:45", 13.0), ("09:00", 100.0), ("09:15", 100.0)]
    tables = booked(METER, *sent, until="09:20")
    assert total(tables) == 0
    assert rules(tables) == {"register_held": "raised"}
    assert json.loads(one(tables["alerts"], rule="register_held")["evidence"])["steps_above"] == 2


def test_a_frozen_stretch_reaches_back_at_most_max_gap() -> None:
    policy = {"max_gap": "1h"}
    sent = [("08:00", 10.0), ("08:40", 10.0), ("09:10", 10.0), ("09:25", 12.0), ("09:40", 12.0)]
    tables = run(zone(meter(METER), zone=policy), FACTORS, on_time(*sent, until="09:50"), 1)
    rows = sorted((r for r in tables["intervals"] if r["value_micro"] is not None), key=lambda r: r["start"])
    assert [(r["value_micro"], r["covered_ms"] // MINUTE) for r in rows] == [
        (0, 15),
        (0, 15),
        (222_222, 15),
        (666_666, 15),
        (666_667, 15),
        (444_445, 15),
        (0, 10),
    ]
    assert total(tables) == 2_000_000


def test_a_roll_over_after_silence_must_be_small_and_is_told() -> None:
    register = IMPORT | {"max_power": 4, "modulus": 100}
    small = booked(register, ("08:00", 95.0), ("12:00", 3.0), until="12:20")
    assert (total(small), rules(small)) == (8_000_000, {"series_restarted": "raised"})
    large = booked(register, ("08:00", 90.0), ("12:00", 3.0), until="12:20")
    assert (total(large), rules(large)) == (0, {"register_held": "raised"})
    told = json.loads(one(small["alerts"], rule="series_restarted")["evidence"])
    assert told == {
        "from_micro": 95_000_000,
        "from_ts": at("08:00"),
        "mean_power_micro": 23_000_000,
        "register": "r",
        "to_micro": 3_000_000,
    }


def test_silence_is_between_accepted_readings_not_between_good_ones() -> None:
    register = IMPORT | {"max_power": 4, "modulus": 100}
    sent = [("08:00", 88.0), *((f"{8 + i // 4:02}:{i % 4 * 15:02}", 50.0) for i in range(1, 16)), ("12:00", 3.0)]
    tables = booked(register, *sent, until="12:20")
    assert total(tables) == 15_000_000
    assert "series_restarted" not in rules(tables)


def test_a_register_that_starts_again_at_zero_books_what_it_shows() -> None:
    tables = booked(PLUG, ("08:00", 10.0), ("08:15", 10.5), ("08:30", 0.6), ("08:45", 0.9), until="08:50")
    assert quarters(tables, "08:00", 3) == [(500_000, "register"), (600_000, "reset"), (300_000, "register")]
    assert one(tables["intervals"], start=at("08:15"))["quality"] == "estimated"
    assert rules(tables) == {}


def test_without_silence_a_reset_is_at_most_half() -> None:
    tables = booked(PLUG, ("08:00", 1.0), ("08:15", 0.6), until="08:35")
    assert rules(tables) == {"register_held": "raised"}
    tables = booked(PLUG, ("08:00", 1.0), ("08:30", 0.6), until="08:35")
    assert (total(tables), rules(tables)) == (600_000, {})


def test_a_reset_is_undone_by_the_register_from_before_it() -> None:
    sent = [("08:00", 10.0), ("08:15", 0.0), ("08:30", 0.5), ("08:45", 10.9), ("09:00", 11.0)]
    tables = booked(PLUG, *sent, until="09:10")
    assert [value for value, _ in quarters(tables, "08:00", 4)] == [300_000, 300_000, 300_000, 100_000]
    assert {method for _, method in quarters(tables, "08:00", 3)} == {"interpolated"}


def test_a_series_that_has_shown_three_values_makes_its_reset_final() -> None:
    sent = [("08:00", 10.0), ("08:15", 0.0), ("08:30", 0.5), ("08:45", 0.9), ("09:00", 10.9)]
    tables = booked(PLUG, *sent, until="09:20")
    assert total(tables) == 900_000
    assert rules(tables) == {"register_held": "raised"}


def test_of_two_provisional_resets_the_first_that_fits_is_undone() -> None:
    sent = [("08:00", 10.0), ("08:15", 3.0), ("08:30", 0.0), ("08:45", 10.3), ("09:00", 10.4)]
    assert total(booked(PLUG | {"max_power": 12}, *sent, until="09:10")) == 400_000
    sent = [("08:00", 10.0), ("08:15", 3.0), ("08:30", 0.0), ("08:45", 5.0), ("09:00", 5.1)]
    assert total(booked(PLUG | {"max_power": 12}, *sent, until="09:10")) == 3_000_000 + 2_000_000 + 100_000


def test_a_change_record_undoes_a_reset_that_its_old_value_does_not_know() -> None:
    change = {"meter": "m", "register": "r", "at": "2026-03-04T08:45:00Z", "old_final": 10.6, "new_initial": 0}
    sent = [("08:00", 10.0), ("08:15", 0.0), ("08:30", 0.1), ("09:00", 0.2)]
    tables = booked(PLUG, *sent, until="09:10", meter_changes=[change])
    assert [value for value, _ in quarters(tables, "08:00", 4)] == [200_000, 200_000, 200_000, 200_000]


def test_equal_held_readings_show_no_life() -> None:
    night = [("08:00", 50.0), *((f"09:{m}", 0.0) for m in ("00", "15", "30", "45")), ("10:00", 50.8), ("10:15", 51.0)]
    tables = booked(METER, *night, until="10:20")
    assert total(tables) == 1_000_000
    assert rules(tables) == {"register_held": "resolved"}


def test_held_readings_of_three_values_start_a_series_and_of_equal_ones_two_count() -> None:
    sent = [("08:00", 50.0), ("08:15", 50.5), ("08:30", 1.0), ("08:45", 1.0), ("09:00", 1.0), ("09:15", 1.4)]
    assert total(booked(METER, *sent, until="09:20")) == 500_000
    tables = booked(METER, *sent, ("09:30", 1.5), until="09:40")
    assert quarters(tables, "08:00", 6) == [
        (500_000, "register"),
        (166_666, "swap_gap"),
        (0, "interpolated"),
        (0, "interpolated"),
        (400_000, "register"),
        (100_000, "register"),
    ]
    assert rules(tables) == {"register_held": "resolved", "series_restarted": "raised"}


def test_a_held_reading_that_does_not_follow_the_one_before_restarts_the_run() -> None:
    sent = [("08:00", 50.0), ("08:15", 1.0), ("08:30", 1.1), ("08:45", 20.0), ("09:00", 20.1), ("09:15", 20.2)]
    tables = booked(METER, *sent, until="09:20")
    assert total(tables) == 200_000
    assert one(tables["alerts"], rule="series_restarted")["starts_at"] == at("08:45")


def test_a_swap_gap_is_capped_and_not_invented_behind_silence() -> None:
    capped = [("08:00", 50.0), ("08:15", 51.1), ("08:35", 1.0), ("08:50", 2.1), ("09:05", 2.2)]
    assert quarters(booked(METER, *capped, until="09:10"), "08:15", 2)[0] == (999_999, "swap_gap")
    silent = [("08:00", 50.0), ("08:15", 50.5), ("08:38", 1.0), ("08:53", 1.5), ("09:08", 1.6)]
    assert quarters(booked(METER, *silent, until="09:16"), "08:15", 1) == [(None, "")]


def test_a_new_series_names_a_step_by_ten() -> None:
    sent = [("08:00", 500.0), ("08:15", 500.5), ("08:30", 50.1), ("08:45", 50.2), ("09:00", 50.3)]
    evidence = json.loads(one(booked(METER, *sent, until="09:10")["alerts"], rule="series_restarted")["evidence"])
    assert evidence["ratio"] == "1/10"


def test_a_held_reading_explains_the_silence_behind_it() -> None:
    sent = [("08:00", 50.0), *((f"{8 + i // 4:02}:{i % 4 * 15:02}", 0.0) for i in range(1, 9))]
    tables = booked(METER, *sent, until="10:01")
    assert [row["rule"] for row in tables["alerts"]] == ["register_held"]
    alert = one(tables["alerts"], rule="register_held")
    assert (alert["starts_at"], alert["revision"] * MINUTE) == (at("08:00"), at("08:16"))


def test_what_waits_is_told_when_no_reading_decides_it() -> None:
    sent = [("08:00", 10.0), ("08:15", 10.0), ("08:30", 10.0), ("08:45", 13.0)]
    assert rules(booked(METER, *sent, until="09:07")) == {}
    tables = booked(METER, *sent, until="10:00")
    alert = one(tables["alerts"], rule="register_held")
    assert (alert["starts_at"], alert["revision"] * MINUTE) == (at("08:30"), at("09:16"))


def test_a_change_of_the_unit_keeps_the_series_and_one_of_the_multiplier_ends_it() -> None:
    edge = "2026-03-04T08:15:00Z"

    def energy(other: dict[str, Any], value: float) -> int:
        text = zone(meter(METER, valid_to=edge), meter(METER | other, valid_from=edge))
        return total(run(text, FACTORS, on_time(("08:00", 10), ("08:15", 10.5), ("08:30", value), until="08:40"), 1))

    assert energy({"unit": "Wh"}, 10_900) == 900_000
    assert energy({"multiplier": 2}, 5.4) == 500_000


def test_an_impossible_value_displaces_nothing_and_corrects_nothing() -> None:
    register = IMPORT | {"kind": "interval", "max_power": 4}
    sent = [("08:15", reading("08:15", 0.5)), ("08:15", reading("08:15", -7, seq=9)), ("08:16", reading("08:15", 99))]
    tables = run(zone(meter(register)), FACTORS, arriving(*sent, until="08:40"), 1)
    row = one(tables["intervals"], start=at("08:00"))
    assert (row["value_micro"], row["quality"]) == (500_000, "measured")
    alert = one(tables["alerts"], rule="impossible_value")
    assert (alert["value"], alert["evidence"]) == (-7.0, '{"readings":1,"register":"r"}')


def test_a_negative_power_ends_the_hold_and_says_what_its_sign_means() -> None:
    register = IMPORT | {"kind": "power", "unit": "kW", "max_power": 10}
    tables = booked(register, ("08:00", 4), ("08:05", -3), ("08:15", 2), until="08:31")
    assert [row["covered_ms"] // MINUTE for row in tables["intervals"]] == [5, 15]
    assert "direction" in json.loads(one(tables["alerts"], rule="impossible_value")["evidence"])["hint"]


def test_rows_end_with_max_gap_and_begin_again_with_the_next_reading() -> None:
    tables = run(zone(meter(METER), zone={"max_gap": "30m"}), FACTORS, on_time(("08:00", 1), ("10:00", 2), until="10:16"), 1)
    assert [row["start"] for row in tables["intervals"]] == [at("08:00"), at("08:15"), at("10:00")]


def interval(period: str, **others: Any) -> dict[str, Any]:
    return IMPORT | {"kind": "interval", "period": period, "max_power": 4, **others}


def starts(register: dict[str, Any], ts: int, value: float, timezone: str = "UTC") -> tuple[int, int, int]:
    """First window, number of windows and sum of what one interval reading covers."""
    text = zone(meter(register), zone={"timezone": timezone, "max_gap": "7d", "lateness": "3d", "window": "60m"})
    records = [record(0, ts + 26 * HOUR, reading(ts, value)), record(1, ts + 30 * HOUR, [])]
    rows = [r for r in run(text, FACTORS, records, 1)["intervals"] if r["value_micro"] is not None]
    return min(r["start"] for r in rows), len(rows), sum(r["value_micro"] for r in rows)


def test_a_period_stamped_at_its_start_covers_what_follows() -> None:
    assert starts(interval("1h", stamp="start"), at("10:00"), 1) == (at("10:00"), 1, 1_000_000)
    assert starts(interval("1h"), at("10:00"), 1) == (at("09:00"), 1, 1_000_000)


def test_an_offset_shifts_the_grid() -> None:
    assert starts(interval("1h", offset="5m"), at("10:05"), 1.2) == (at("09:00"), 2, 1_200_000)
    text = zone(meter(interval("1h", offset="5m")))
    records = [record(0, "10:00", reading("10:00", 1)), record(1, "10:07", reading("10:06:01", 1))]
    assert [row["reason"] for row in run(text, FACTORS, records, 1)["dead_letters"]] == ["off_grid", "off_grid"]


SPRING, AUTUMN = 1_774_738_800_000, 1_792_879_200_000
"""Midnight in Berlin before its clocks change in 2026: 28 March 23:00Z, 24 October 22:00Z."""


@pytest.mark.parametrize(("begin", "hours"), [(SPRING, 23), (SPRING + 23 * HOUR, 24), (AUTUMN, 25), (AUTUMN - 24 * HOUR, 24)])
def test_a_day_is_as_long_as_the_calendar_says(begin: int, hours: int) -> None:
    assert starts(interval("1d", stamp="start"), begin, hours, "Europe/Berlin") == (begin, hours, hours * 1_000_000)
    assert starts(interval("24h"), begin + hours * HOUR, hours, "Europe/Berlin") == (begin, hours, hours * 1_000_000)


def test_a_day_may_begin_in_an_hour_that_comes_twice_or_never() -> None:
    half_past_two = {"stamp": "start", "offset": "150m"}
    twice = AUTUMN + 5 * HOUR // 2
    assert starts(interval("1d", **half_past_two), twice, 1, "Europe/Berlin")[:2] == (twice - HOUR // 2, 26)
    never = SPRING + 5 * HOUR // 2
    assert starts(interval("1d", **half_past_two), never, 1, "Europe/Berlin")[:2] == (never - HOUR // 2, 24)


def test_the_bound_of_a_day_is_that_of_its_hours() -> None:
    text = zone(meter(interval("1d")), zone={"timezone": "Europe/Berlin", "lateness": "3d", "window": "60m"})
    end = SPRING + 23 * HOUR
    for value, rule in ((1.2 * 4 * 23, []), (1.2 * 4 * 23 + 0.1, ["impossible_value"])):
        records = [record(0, end, reading(end, value)), record(1, end + 2 * HOUR, [])]
        assert [row["rule"] for row in run(text, FACTORS, records, 1)["alerts"]] == rule


REASONS = [
    ({"meter": "x", "ts": 0}, "epoch_seconds"),
    ({"meter": "x", "ts": 10**11 - 1}, "epoch_seconds"),
    ({"ts": 10**11}, "late"),
    ({"ts": "1970-01-01T00:00:00Z"}, "late"),
    ({"meter": "x", "ts": at("11:00")}, "unknown_meter"),
    ({"register": "x", "ts": at("11:00")}, "unknown_register"),
    ({"ts": at("06:00")}, "late"),
    ({"ts": at("08:30")}, "not_valid"),
    ({"ts": at("10:20")}, "future"),
    ({"ts": at("10:00"), "unit": "MWh", "value": 1e300}, "unit_mismatch"),
    ({"ts": at("10:00"), "value": 1e300}, "out_of_range"),
]


@pytest.mark.parametrize(("fields", "reason"), REASONS)
def test_the_first_reason_wins(fields: dict[str, Any], reason: str) -> None:
    text = zone(meter(METER, valid_from="2026-03-04T09:00:00Z"))
    row = one(run(text, FACTORS, [record(0, "10:00", reading("10:00", 1) | fields)], 1)["dead_letters"])
    assert row["reason"] == reason


def test_the_end_of_a_day_is_the_begin_of_the_next() -> None:
    records = [
        record(0, "10:00", reading("10:00", 1) | {"ts": text}) for text in ("2026-03-03T24:00:00+24:00", "2026-03-03T24:00+14:00")
    ]
    reasons = [row["reason"] for row in run(zone(meter(METER)), FACTORS, records, 1)["dead_letters"]]
    assert reasons == ["malformed", "late"]


def test_a_register_beside_the_total_counts_nowhere() -> None:
    registers = {"r": IMPORT, "t": IMPORT | {"counts": False}}
    text = zone({"id": "m", "site": "s1", "role": "main", "registers": registers})
    sent = [("10:00", reading("10:00", 0) | {"register": name}) for name in registers]
    sent += [("10:15", reading("10:15", 5) | {"register": name}) for name in registers]
    tables = run(text, FACTORS, arriving(*sent, until="10:17"), 1)
    assert len({row["register"] for row in tables["intervals"]}) == 2
    rows = [r for r in tables["totals"] if (r["entity_kind"], r["scope"], r["start"]) == ("company", 0, at("10:00"))]
    assert [(r["energy_micro"], r["expected_ms"] // MINUTE) for r in rows] == [(5_000_000, 15)]
    assert [r["register"] for r in tables["emissions"] if r["start"] == at("10:00")] == ["r"]
