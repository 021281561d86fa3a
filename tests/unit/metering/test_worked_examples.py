"""The worked examples of the design, to the last micro-unit, through the core; the oracle says the same each time."""

import pytest
from small_logs import IMPORT, alerts, at, by_key, log, meter, on_time, reading, rows_of, windows, zone_text

LATE = log(
    ("10:00", reading("10:00", 100)), ("10:45", reading("10:45", 109)), ("11:00", b"[]"),
    ("11:05", reading("10:20", 102)), ("12:00", b"[]"),
)  # fmt: skip


def test_a_readings_off_the_grid_share_their_energy_among_windows() -> None:
    rows = rows_of(
        zone_text(meter(IMPORT)), on_time(reading("09:52", 100.0), reading("10:07", 103.0), reading("10:22", 104.000001))
    )
    found = windows(rows)
    assert found == {
        "09:45": (1_600_000, 0, 480),
        "10:00": (1_933_333, 0, 900),
        "10:15": (466_668, 0, 420),
        **nothing(found, "10:30"),
    }
    assert sum(value or 0 for value, _, _ in found.values()) == 4_000_001


def nothing(found: dict[str, object], since: str) -> dict[str, tuple[None, int, int]]:
    """The missing windows from a clock time on: rows run on for max_gap."""
    return {start: (None, 0, 0) for start in found if start >= since}


def test_b_a_gap_is_filled_flat_and_a_late_reading_corrects_it() -> None:
    before = windows(rows_of(zone_text(meter(IMPORT)), LATE[:3]))
    assert [before[start] for start in ("10:00", "10:15", "10:30")] == [(3_000_000, 3_000_000, 900)] * 3
    after = windows(rows_of(zone_text(meter(IMPORT)), LATE))
    assert [after[start] for start in ("10:00", "10:15", "10:30")] == [
        (1_500_000, 0, 900), (3_300_000, 2_800_000, 900), (4_200_000, 4_200_000, 900),
    ]  # fmt: skip


def test_c_a_known_swap_loses_no_energy() -> None:
    change = {"meter": "m", "register": "r", "at": "2026-03-04T10:07:00+00:00", "old_final": 812345.6, "new_initial": 3.2}
    text = zone_text(meter({**IMPORT, "multiplier": 40}), meter_changes=[change])
    found = windows(rows_of(text, on_time(reading("09:50", 812340.0), reading("10:20", 5.2))))
    assert [found[start] for start in ("09:45", "10:00", "10:15")] == [
        (131_764_705, 0, 600), (141_466_064, 0, 900), (30_769_231, 0, 300),
    ]  # fmt: skip


def test_d_a_roll_over_loses_no_energy() -> None:
    text = zone_text(meter({**IMPORT, "modulus": 1_000_000, "max_power": 250}))
    found = windows(rows_of(text, on_time(reading("10:07", 999984.0625), reading("10:22", 20.0))))
    assert [found[start][0] for start in ("10:00", "10:15")] == [19_166_666, 16_770_834]


def test_e_a_transient_zero_keeps_its_windows_null_until_it_is_decided() -> None:
    text = zone_text(meter({**IMPORT, "max_power": 250}))
    sent = on_time(reading("10:00", 500_000), reading("10:15", 0), reading("10:30", 500_080))
    until = log(("10:00", reading("10:00", 500_000)), ("10:15", reading("10:15", 0)), ("10:29", b"[]"))
    assert windows(rows_of(text, until))["10:00"] == (None, 0, 0)
    found = windows(rows_of(text, sent))
    assert [found[start] for start in ("10:00", "10:15")] == [(40_000_000, 40_000_000, 900)] * 2


def test_f_an_hour_is_split_by_cumulative_floor() -> None:
    text = zone_text(meter({**IMPORT, "kind": "interval", "period": "1h"}))
    found = windows(rows_of(text, on_time(reading("11:00", 1.000001))))
    assert [found[start] for start in ("10:00", "10:15", "10:30", "10:45")] == [(250_000, 250_000, 900)] * 3 + [
        (250_001, 250_001, 900)
    ]


def test_intensity_of_the_example_zone_is_416_grams() -> None:
    flow = {**IMPORT, "kind": "interval", "unit": "kWh"}
    text = zone_text(
        {**meter(flow, "b", role="boundary"), "site": "grid"}, meter({**flow, "direction": "generation"}, "pv", role="generation")
    )
    rows = rows_of(text, on_time(reading("10:15", 1000, "b"), reading("10:15", 400, "pv")))
    (row,) = [row for row in rows["intensity"] if row["covered_ms"] and row["basis"] == "location"]
    assert row["g_per_kwh"] == pytest.approx(416.2, abs=0.05)
    assert (row["energy_micro"], row["co2e_mg"]) == (1_400_000_000, 582_700_000)


@pytest.mark.parametrize(("unit", "micro"), [("kWh", 1_000_000), ("MWh", 1_000_000_000), ("MJ", 277_778)])
def test_one_unit_is_so_many_micro_units(unit: str, micro: int) -> None:
    rows = rows_of(zone_text(meter({**IMPORT, "kind": "interval", "unit": unit})), on_time(reading("10:15", 1)))
    assert windows(rows)["10:00"][0] == micro


def test_gas_at_20_degrees_is_counted_in_normal_cubic_metres() -> None:
    gas = {
        "carrier": "natural_gas",
        "direction": "consumption",
        "kind": "interval",
        "unit": "m3",
        "reference": "20C",
        "max_power": 1_000_000,
        "period": "15m",
    }
    rows = rows_of(zone_text(meter(gas)), on_time(reading("10:15", 1)))
    assert windows(rows)["10:00"][0] == round(1_000_000 * 273.15 / 293.15)


def test_an_unknown_swap_books_the_gap_at_the_rate_around_it() -> None:
    sent = [reading("10:00", 100), reading("10:15", 101), reading("10:30", 0.0), reading("10:45", 0.5), reading("11:00", 1.0)]
    rows = rows_of(zone_text(meter(IMPORT)), on_time(*sent))
    found = by_key(rows, "intervals", "start", "method")
    assert {method for _, method in found} == {"register", "swap_gap", ""}
    assert windows(rows)["10:15"] == (750_000, 750_000, 900)


def test_a_gap_beyond_max_gap_is_named_and_not_booked() -> None:
    text = zone_text(meter(IMPORT), zone={"max_gap": "1h"})
    rows = rows_of(text, on_time(reading("10:00", 100), reading("11:00:00.001", 108)))
    (alert,) = alerts(rows, "gap_too_long")
    assert (alert["value"], alert["evidence"]) == (
        8.0,
        '{"energy_micro":8000000,"impact_kwh":8.0,"max_gap_ms":3600000,"register":"r"}',
    )
    assert all(row["value_micro"] is None for row in rows["intervals"])
    booked = windows(rows_of(text, on_time(reading("10:00", 100), reading("11:00", 108))))
    assert sum(value or 0 for value, _, _ in booked.values()) == 8_000_000


def test_a_reading_exactly_on_an_edge_ends_the_earlier_window_and_a_power_sample_begins_the_later() -> None:
    power = {**IMPORT, "kind": "power", "unit": "kW"}
    ended = windows(rows_of(zone_text(meter(IMPORT)), on_time(reading("10:00", 1), reading("10:15", 2))))
    assert (ended["10:00"], ended["10:15"]) == ((1_000_000, 0, 900), (None, 0, 0))
    begun = windows(rows_of(zone_text(meter(power)), on_time(reading("10:15", 4))))
    assert next(iter(begun)) == "10:15"
    assert (begun["10:15"], begun["10:30"]) == ((1_000_000, 0, 900), (500_000, 0, 450))


def test_of_equal_keys_the_higher_seq_wins_then_the_later_arrival() -> None:
    first = reading("10:00", 100)
    rows = rows_of(
        zone_text(meter(IMPORT)),
        log(
            ("10:00", first), ("10:15", reading("10:15", 101, seq=5)), ("10:16", reading("10:15", 109, seq=4)),
            ("10:17", reading("10:15", 102, seq=5)), ("11:00", b"[]"),
        ),
    )  # fmt: skip
    (row,) = [row for row in rows["intervals"] if row["covered_ms"]]
    assert (row["value_micro"], row["quality"]) == (2_000_000, "corrected")


@pytest.mark.parametrize(
    ("sent", "arrival", "reason"),
    [
        (reading("10:00", 1), "12:00:00.001", "late"), (reading("10:05:00.001", 1), "10:00", "future"),
        (reading("10:00", 1, "x"), "10:00", "unknown_meter"), (reading("10:00", 1, register="x"), "10:00", "unknown_register"),
        (reading("10:00", 1, unit="MWh"), "10:00", "unit_mismatch"), (reading("10:00", 2**53 / 1e6), "10:00", "out_of_range"),
        (reading("10:00", None), "10:00", "malformed"),
    ],
)  # fmt: skip
def test_what_cannot_be_booked_is_a_dead_letter(sent: dict[str, object], arrival: str, reason: str) -> None:
    rows = rows_of(zone_text(meter(IMPORT)), log((arrival, sent)))
    assert [letter["reason"] for letter in rows["dead_letters"]] == [reason]


def test_lateness_and_future_are_inclusive() -> None:
    sent = log(("10:00", reading("10:05", 1)), ("12:05", reading("10:05", 2)))
    assert rows_of(zone_text(meter(IMPORT)), sent)["dead_letters"] == []


def test_a_window_is_first_emitted_at_its_end_and_delay_and_revised_at_most_once_a_tick() -> None:
    rows = rows_of(zone_text(meter(IMPORT), zone={"delay": "3m"}), LATE[:3])
    assert {row["start"].strftime("%H:%M"): row["revision"] for row in rows["intervals"]}["10:00"] == at("10:46") // 60_000


OUTAGE = (("10:00", reading("10:00", 100)), ("11:00", reading("11:00", 140)))
GIVEN = tuple(("11:10", reading(ts, value, quality="manual")) for ts, value in (("10:15", 101), ("10:30", 102), ("10:45", 139)))


def test_values_given_by_hand_shape_an_outage_and_keep_its_sum() -> None:
    flat = windows(rows_of(zone_text(meter(IMPORT)), log(*OUTAGE, ("12:00", b"[]"))))
    assert [flat[start] for start in ("10:00", "10:45")] == [(10_000_000, 10_000_000, 900)] * 2
    rows = rows_of(zone_text(meter(IMPORT)), log(*OUTAGE, *GIVEN, ("12:00", b"[]")))
    found = windows(rows)
    assert [found[start] for start in ("10:00", "10:15", "10:30", "10:45")] == [
        (1_000_000, 1_000_000, 900), (1_000_000, 1_000_000, 900), (37_000_000, 37_000_000, 900), (1_000_000, 1_000_000, 900),
    ]  # fmt: skip
    assert {(row["quality"], row["method"]) for row in rows["intervals"] if row["covered_ms"]} == {("estimated", "manual")}


def test_what_the_meter_delivers_later_counts_before_what_was_given_by_hand() -> None:
    late = ("11:20", reading("10:15", 110)), ("11:20", reading("10:30", 120)), ("11:20", reading("10:45", 130))
    rows = rows_of(zone_text(meter(IMPORT)), log(*OUTAGE, *GIVEN, *late, ("12:00", b"[]")))
    covered = [row for row in rows["intervals"] if row["covered_ms"]]
    assert [(row["value_micro"], row["quality"], row["method"]) for row in covered] == [(10_000_000, "corrected", "register")] * 4


def test_what_was_given_in_place_of_the_meter_s_own_stays_until_it_is_given_again() -> None:
    kw = {**IMPORT, "kind": "interval"}
    last = 2**32 - 1
    sent = [
        ("10:15", reading("10:15", 5, seq=9)), ("10:20", reading("10:15", 3, quality="manual", seq=last)),
        ("10:25", reading("10:15", 5, seq=10)),
    ]  # fmt: skip
    (row,) = [r for r in rows_of(zone_text(meter(kw)), log(*sent, ("12:00", b"[]")))["intervals"] if r["covered_ms"]]
    assert (row["value_micro"], row["quality"], row["method"]) == (3_000_000, "estimated", "manual")
    again = ("10:30", reading("10:15", 4, quality="manual", seq=last))
    (row,) = [r for r in rows_of(zone_text(meter(kw)), log(*sent, again, ("12:00", b"[]")))["intervals"] if r["covered_ms"]]
    assert (row["value_micro"], row["estimated_micro"], row["method"]) == (4_000_000, 4_000_000, "manual")
