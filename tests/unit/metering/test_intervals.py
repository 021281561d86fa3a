"""Corner cases of a partition's fold, each of which once went wrong: core and oracle agree, and say this."""

import json

import pytest
from core_runs import disagreements, emitted, expected, fetches, final
from small_logs import IMPORT, MINUTE, alerts, at, log, meter, on_time, reading, rows_of, windows, zone_text

from zonepulse.oracle.metering.decode import Record
from zonepulse.schemas.messages.partitioner import partition_of

MIDDAY = "2026-03-04T12:00:00+00:00"


def versions(first: dict[str, object], second: dict[str, object], edge: str = MIDDAY, **later: object) -> list[dict[str, object]]:
    """A meter whose register changes at the edge."""
    return [{**meter(first), "valid_to": edge}, {**meter(second), "valid_from": edge, **later}]


def test_silence_is_raised_even_when_the_period_shrinks_meanwhile() -> None:
    text = zone_text(*versions({**IMPORT, "period": "1h"}, {**IMPORT, "period": "15m"}))
    (alert,) = alerts(rows_of(text, log(("10:00", reading("10:00", 1)), ("15:00", b"[]"))), "silent_channel")
    assert (alert["starts_at"].strftime("%H:%M"), alert["revision"]) == ("10:00", at("12:31") // MINUTE)


def test_a_gap_that_is_too_long_is_named_at_the_tick_that_reads_it_not_when_a_window_is_due() -> None:
    text = zone_text(meter(IMPORT), zone={"max_gap": "15m", "delay": "15m", "lateness": "0s"})
    sent = log(("10:01", reading("10:01", 1)), ("10:16:00.001", reading("10:16:00.001", 2)), ("10:20", b"[]"), ("12:00", b"[]"))
    (alert,) = alerts(rows_of(text, sent), "gap_too_long")
    assert alert["revision"] == at("10:17") // MINUTE


def test_a_gap_is_named_again_when_its_energy_is_corrected() -> None:
    text = zone_text(meter(IMPORT), zone={"max_gap": "1h"})
    sent = log(("10:00", reading("10:00", 1)), ("12:00", reading("12:00", 5)), ("12:02", reading("12:00", 6)), ("13:00", b"[]"))
    (alert,) = alerts(rows_of(text, sent), "gap_too_long")
    assert (alert["value"], alert["revision"]) == (5.0, at("12:03") // MINUTE)


def test_each_gap_names_the_company_of_its_own_time() -> None:
    text = zone_text(*versions(IMPORT, IMPORT, site="s2"), zone={"max_gap": "1h", "future": "1h", "key": "meter"})
    sent = [reading(ts, value) for ts, value in (("11:30", 1), ("12:31", 2), ("13:40", 3))]
    rows = rows_of(text, log(*(("13:30", r) for r in sent), ("15:00", b"[]")))
    assert [a["company"] for a in alerts(rows, "gap_too_long")] == ["c1", "c2"]


def test_a_reading_exactly_at_a_known_change_lets_the_change_revise_rows_that_are_out() -> None:
    change = {"meter": "m", "register": "r", "at": "2026-03-04T10:30:00+00:00", "old_final": 102, "new_initial": 0}
    text = zone_text(meter(IMPORT), zone={"delay": "0s"}, meter_changes=[change])
    rows = rows_of(text, log(("10:15", reading("10:15", 100)), ("10:30", reading("10:30", 7)), ("10:45", reading("10:45", 1))))
    (row,) = [row for row in rows["intervals"] if row["covered_ms"]]
    assert (row["value_micro"], row["revision"]) == (2_000_000, at("10:31") // MINUTE)


def test_an_impossible_value_is_seen_although_its_reading_was_settled_before_its_window_was_judged() -> None:
    text = zone_text(meter({**IMPORT, "kind": "power", "unit": "kW"}), zone={"window": "1h", "lateness": "0s", "delay": "0s"})
    sent = log(("10:00", reading("10:00:00.001", -1)), ("11:12", b"[]"), ("16:00", b"[]"))
    (alert,) = alerts(rows_of(text, sent), "impossible_value")
    assert (alert["value"], alert["revision"]) == (-1.0, at("12:00") // MINUTE)


def test_judging_begins_with_the_earliest_window_that_has_a_row_by_then() -> None:
    text = zone_text(meter({**IMPORT, "kind": "interval", "period": "5m"}), zone={"max_gap": "2h"})
    sent = log(("10:31", reading("10:30", 1)), ("10:33", reading("10:05", -1)), ("13:00", b"[]"))
    found = alerts(rows_of(text, sent), "silent_channel")
    assert [alert["starts_at"].strftime("%H:%M") for alert in found] == ["10:00", "10:30"]


def test_rings_that_outgrow_what_their_period_makes_usual_keep_every_reading() -> None:
    text = zone_text(meter(IMPORT), meter(IMPORT, "n"), zone={"lateness": "1h"})
    sent = [reading(at("10:00") + 10_000 * i, round(i * 0.001, 3), name) for i in range(900) for name in ("m", "n")]
    rows = rows_of(text, log(*((r["ts"], r) for r in sent), ("12:45", b"[]")))
    full = [row for row in rows["intervals"] if row["covered_ms"] == 15 * MINUTE]
    assert [row["value_micro"] for row in full] == [90_000] * 2 * 9


def test_a_power_sample_at_the_end_of_its_validity_holds_nothing() -> None:
    text = zone_text(*versions({**IMPORT, "kind": "power", "unit": "kW"}, {**IMPORT, "kind": "interval"}))
    rows = rows_of(text, on_time(reading("12:00", 4)))
    assert all(row["value_micro"] is None for row in rows["intervals"])
    assert {row["start"].strftime("%H:%M") for row in rows["intervals"]} == {"12:00", "12:15", "12:30"}


def test_a_period_sent_just_behind_an_edge_is_counted_as_the_version_of_that_time_counts() -> None:
    interval = {**IMPORT, "kind": "interval", "multiplier": 10}
    text = zone_text(*versions(interval, {**interval, "multiplier": 1}))
    rows = rows_of(text, log(("12:01", reading("12:00:30", 2)), ("13:00", b"[]")))
    assert windows(rows)["11:45"] == (2_000_000, 0, 900)


def test_a_period_sent_just_behind_an_edge_is_booked_where_the_version_before_it_has_no_periods() -> None:
    text = zone_text(*versions(IMPORT, {**IMPORT, "kind": "interval"}))
    rows = rows_of(text, log(("12:01", reading("12:00:30", 2)), ("13:00", b"[]")))
    assert windows(rows)["11:45"] == (2_000_000, 0, 900)


def test_a_change_at_the_end_of_a_validity_opens_a_series_that_a_later_equal_version_goes_on_with() -> None:
    change = {"meter": "m", "register": "r", "at": MIDDAY, "old_final": 102, "new_initial": 0}
    first, second = versions(IMPORT, IMPORT)
    text = zone_text(first, {**second, "valid_from": "2026-03-04T12:15:00+00:00"}, meter_changes=[change])
    rows = windows(rows_of(text, on_time(reading("11:45", 100), reading("12:30", 4))))
    assert (rows["11:45"], rows["12:15"]) == ((2_000_000, 0, 900), (2_000_000, 2_000_000, 900))


def test_a_meter_that_moves_to_another_partition_has_each_row_once() -> None:
    first, second = versions(IMPORT, IMPORT, site="s2")
    text = zone_text(first, second, zone={"key": "site"})
    home, other = partition_of("s1", 5), partition_of("s2", 5)
    assert home != other
    sent = [("11:45", reading("11:45", 1), home), ("12:00", reading("12:00", 2), home)]
    sent += [("12:15", reading("12:15", 3), other), ("12:30", reading("12:30", 4), other)]
    sent += [("13:00", [], partition) for partition in range(5)]
    records = [Record(p, i, at(t), b"k", json.dumps(v).encode()) for i, (t, v, p) in enumerate(sent)]
    made = final(emitted(text, fetches(records), 5, finish=False))
    assert disagreements(expected(text, records, 5, finish=False), made) == []
    rows = [(r["start"].strftime("%H:%M"), r["value_micro"]) for r in made["intervals"].to_pylist()]
    assert rows[:3] == [("11:45", 1_000_000), ("12:15", 1_000_000), ("12:30", None)]


def test_a_period_sent_just_behind_an_edge_is_as_long_as_at_the_time_it_was_sent() -> None:
    interval = {**IMPORT, "kind": "interval"}
    text = zone_text(*versions({**interval, "period": "1m"}, interval))
    rows = rows_of(text, log(("12:01", reading("12:01", 2)), ("13:00", b"[]")))
    assert windows(rows)["11:45"] == (2_000_000, 0, 900)


def test_a_reading_far_behind_the_last_leaves_the_windows_between_them_without_rows() -> None:
    text = zone_text(meter({**IMPORT, "kind": "power", "unit": "kW"}), zone={"max_gap": "15m", "delay": "0s"})
    rows = rows_of(text, log(("10:00", reading("10:00", -1)), ("11:00", reading("11:00", 1)), ("11:16", b"[]")))
    assert [r["start"].strftime("%H:%M") for r in rows["intervals"]] == ["10:00", "11:00"]


@pytest.mark.parametrize(("value", "letters"), [(4611686018.427387, 0), (4611686018.427388, 1)])
def test_energy_may_reach_but_not_be_2_to_the_62(value: float, letters: int) -> None:
    rows = rows_of(zone_text(meter({**IMPORT, "multiplier": 1000})), log(("10:00", reading("10:00", value))))
    assert [letter["reason"] for letter in rows["dead_letters"]] == ["out_of_range"] * letters
