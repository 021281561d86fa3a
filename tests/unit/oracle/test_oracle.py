"""The oracle does what the worked examples of the design say, to the last micro-unit."""

import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zonepulse.oracle.compare import differences
from zonepulse.oracle.metering.decode import Record
from zonepulse.oracle.metering.readings import partition_of
from zonepulse.oracle.run import Tables, run, run_columns
from zonepulse.schemas.tables.results import TABLES

MINUTE = 60_000
TICK = 4 * MINUTE
HOUR = 60 * MINUTE
DAY = 1_772_582_400_000  # 2026-03-04T00:00Z
FACTORS = """id,activity,region,company,basis,value,unit,valid_from,valid_to,confidence
js,grid_electricity,CN-JS,,location,0.5827,kgCO2/kWh,2023-01-01,,H
cn,grid_electricity,CN,,location,0.5306,kgCO2/kWh,2023-01-01,,H
gas,natural_gas,CN,,default,2.16219,kgCO2/Nm3,2015-01-01,,M
heat-old,purchased_heat,CN,,default,0.11,tCO2/GJ,2015-01-01,2026-03-04,L
heat,purchased_heat,CN,,default,0.11,tCO2/GJ,2026-07-01,,H
"""
IMPORT = {
    "carrier": "electricity",
    "direction": "import",
    "kind": "cumulative",
    "unit": "kWh",
    "max_power": 1_000_000,
    "period": "15m",
}


def at(clock: str) -> int:
    """`09:52` or `09:52:30` on the day of the examples, UTC."""
    hours, minutes, *seconds = (int(part) for part in clock.split(":"))
    return DAY + hours * HOUR + minutes * MINUTE + 1000 * sum(seconds)


def meter(name: str, register: dict[str, Any], role: str = "main", site: str = "s1", **others: Any) -> dict[str, Any]:
    return {"id": name, "site": site, "role": role, "registers": {"r": register}, **others}


def zone(*meters: dict[str, Any], zone: dict[str, Any] | None = None, **sections: Any) -> str:
    """A zone.yaml (JSON is YAML)."""
    return json.dumps(
        {
            "zone": {"id": "z", "factor_regions": ["CN-JS", "CN"], "timezone": "UTC", **(zone or {})},
            "companies": [{"id": "c1"}, {"id": "c2"}],
            "sites": [
                {"id": "s1", "company": "c1", "node": "n1"},
                {"id": "s2", "company": "c2", "node": "n2"},
                {"id": "grid", "company": None, "node": "n0"},
            ],
            "meters": list(meters),
            **sections,
        }
    )


def reading(ts: str | int, value: object, name: str = "m", **others: Any) -> dict[str, Any]:
    return {"meter": name, "register": "r", "ts": at(ts) if isinstance(ts, str) else ts, "value": value, **others}


def record(offset: int, arrival: str | int, value: object, **others: Any) -> Record:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Record(others.pop("partition", 0), offset, at(arrival) if isinstance(arrival, str) else arrival, b"k", raw, **others)


def arriving(*sent: tuple[str, dict[str, Any]], until: str | None = None) -> list[Record]:
    """Records in the order given, each at its arrival, and a heartbeat at the end."""
    records = [record(i, arrival, value) for i, (arrival, value) in enumerate(sent)]
    return records + ([record(len(sent), until, [])] if until else [])


def on_time(*readings: tuple[str, object], until: str = "12:00") -> list[Record]:
    return arriving(*((ts, reading(ts, value)) for ts, value in readings), until=until)


def rows_of(tables: Tables, until: str = "12:00") -> dict[str, tuple[int | None, int, int]]:
    """Window -> value, estimated, covered seconds, up to the first missing window behind the readings."""
    rows = sorted(tables["intervals"], key=lambda r: r["start"])
    while rows and rows[-1]["quality"] == "missing":
        rows.pop()
    clock = {r["start"]: f"{(r['start'] - DAY) // HOUR:02}:{(r['start'] - DAY) % HOUR // MINUTE:02}" for r in rows}
    return {clock[r["start"]]: (r["value_micro"], r["estimated_micro"], r["covered_ms"] // 1000) for r in rows}


def one(rows: list[dict[str, Any]], **where: Any) -> dict[str, Any]:
    found = [r for r in rows if all(r[k] == v for k, v in where.items())]
    assert len(found) == 1, (where, found)
    return found[0]


def test_unaligned_readings_are_split_by_the_cumulative_floor() -> None:
    log = on_time(("09:52", 100.0), ("10:07", 103.0), ("10:22", 104.000001))
    assert rows_of(run(zone(meter("m", IMPORT)), FACTORS, log, 1)) == {
        "09:45": (1600000, 0, 480),
        "10:00": (1933333, 0, 900),
        "10:15": (466668, 0, 420),
    }


def test_a_late_reading_revises_what_was_interpolated() -> None:
    early = [("10:00", reading("10:00", 100)), ("10:45", reading("10:45", 109))]
    text = zone(meter("m", IMPORT))
    assert rows_of(run(text, FACTORS, arriving(*early, until="11:10"), 1)) == {
        "10:00": (3000000, 3000000, 900),
        "10:15": (3000000, 3000000, 900),
        "10:30": (3000000, 3000000, 900),
    }
    late = run(text, FACTORS, arriving(*early, ("11:05:30", reading("10:20", 102)), until="12:00"), 1)
    assert rows_of(late) == {
        "10:00": (1500000, 0, 900),
        "10:15": (3300000, 2800000, 900),
        "10:30": (4200000, 4200000, 900),
    }
    minute = at("11:06") // MINUTE
    assert {r["revision"] for r in late["intervals"] if r["value_micro"] is not None} == {minute}
    assert one(late["intervals"], start=at("10:45"))["revision"] == at("11:01") // MINUTE


def test_a_known_swap_loses_no_energy() -> None:
    change = {"meter": "m", "register": "r", "at": "2026-03-04T10:07:00Z", "old_final": 812345.6, "new_initial": 3.2}
    text = zone(meter("m", IMPORT | {"multiplier": 40}), meter_changes=[change])
    rows = rows_of(run(text, FACTORS, on_time(("09:50", 812340.0), ("10:07", 77.0), ("10:20", 5.2)), 1))
    assert rows == {"09:45": (131764705, 0, 600), "10:00": (141466064, 0, 900), "10:15": (30769231, 0, 300)}
    assert sum(value for value, _, _ in rows.values() if value is not None) == 304000000


def test_a_roll_over_within_the_bound_is_booked() -> None:
    text = zone(meter("m", IMPORT | {"modulus": 1000000, "max_power": 250}))
    rows = rows_of(run(text, FACTORS, on_time(("10:07", 999984.0625), ("10:22", 20.0)), 1))
    assert rows == {"10:00": (19166666, 0, 480), "10:15": (16770834, 0, 420)}


def test_a_transient_zero_is_held_until_the_register_returns() -> None:
    text = zone(meter("m", IMPORT | {"max_power": 250}))
    sent = [(ts, reading(ts, value)) for ts, value in (("10:00", 500000), ("10:15", 0), ("10:30", 500080))]
    before = run(text, FACTORS, arriving(*sent[:2], until="10:29"), 1)
    assert [(r["value_micro"], r["quality"], r["method"]) for r in before["intervals"]] == [(None, "missing", "")]
    after = run(text, FACTORS, arriving(*sent, until="10:50"), 1)
    assert rows_of(after) == {"10:00": (40000000, 40000000, 900), "10:15": (40000000, 40000000, 900)}
    alert = one(after["alerts"], rule="register_held")
    assert (alert["state"], alert["starts_at"], alert["ends_at"]) == ("resolved", at("10:00"), at("10:30"))
    assert alert["value"] == 0.0
    assert json.loads(alert["evidence"]) == {
        "direction": "down",
        "from_micro": 500_000_000_000,
        "held_micro": 0,
        "mean_power_micro": 2_000_000_000_000,
        "register": "r",
        "steps_above": 1,
    }


def test_an_hour_of_an_interval_channel_is_split_into_windows() -> None:
    text = zone(meter("m", IMPORT | {"kind": "interval", "period": "1h"}))
    assert rows_of(run(text, FACTORS, arriving(("11:00:13", reading("11:00:13", 1.000001)), until="12:00"), 1)) == {
        "10:00": (250000, 250000, 900),
        "10:15": (250000, 250000, 900),
        "10:30": (250000, 250000, 900),
        "10:45": (250001, 250001, 900),
    }


def test_power_holds_until_the_next_sample_even_an_impossible_one_and_at_most_one_and_a_half_periods() -> None:
    register = IMPORT | {"kind": "power", "unit": "kW", "period": "5m", "max_power": 100}
    log = on_time(("10:00", 60), ("10:05", 1000), ("10:06", 12), ("10:20", 6))
    tables = run(zone(meter("m", register)), FACTORS, log, 1)
    assert rows_of(tables) == {"10:00": (5_000_000 + 1_500_000, 0, 300 + 450), "10:15": (750_000, 0, 450)}
    assert one(tables["alerts"], rule="impossible_value")["value"] == 1000.0


def swapped() -> list[tuple[str, float]]:
    return [("08:00", 5420.0), ("08:15", 5425.0), ("08:30", 3.0), ("08:45", 3.4), ("09:00", 3.9)]


def test_a_swap_without_a_record_books_its_gap_from_both_neighbours() -> None:
    text = zone(meter("m", IMPORT | {"max_power": 25, "modulus": 1000000}))
    waiting = run(text, FACTORS, on_time(*swapped()[:4], until="09:01"), 1)
    assert rows_of(waiting) == {"08:00": (5000000, 0, 900)}
    tables = run(text, FACTORS, on_time(*swapped(), until="09:20"), 1)
    assert rows_of(tables) == {
        "08:00": (5000000, 0, 900),
        "08:15": (2700000, 2700000, 900),
        "08:30": (400000, 0, 900),
        "08:45": (500000, 0, 900),
    }
    assert one(tables["intervals"], start=at("08:15"))["method"] == "swap_gap"


def test_a_change_of_the_multiplier_without_a_record_restarts_the_series() -> None:
    edge = "2026-03-04T10:15:00Z"
    text = zone(meter("m", IMPORT, valid_to=edge), meter("m", IMPORT | {"multiplier": 2}, valid_from=edge))
    rows = rows_of(run(text, FACTORS, on_time(("10:00", 10), ("10:15", 11), ("10:30", 12), ("10:45", 14)), 1))
    assert rows == {"10:00": (1000000, 0, 900), "10:15": (None, 0, 0), "10:30": (4000000, 0, 900)}


def test_the_higher_seq_wins_and_another_value_corrects() -> None:
    text = zone(meter("m", IMPORT))
    sent = [
        ("10:00", reading("10:00", 100)),
        ("10:15", reading("10:15", 105, seq=2)),
        ("10:15", reading("10:15", 104, seq=1)),
        ("10:20", reading("10:15", 105, seq=2)),
        ("10:30", reading("10:30", 106, quality="estimated")),
    ]
    rows = sorted(run(text, FACTORS, arriving(*sent, until="10:40"), 1)["intervals"], key=lambda r: r["start"])
    assert [(r["value_micro"], r["quality"], r["method"]) for r in rows] == [
        (5000000, "corrected", "register"),
        (1000000, "estimated", "sender"),
    ]


def test_missing_windows_have_rows_as_far_as_the_largest_gap_and_keep_their_revision() -> None:
    text = zone(meter("m", IMPORT), zone={"max_gap": "30m"})
    tables = run(text, FACTORS, on_time(("10:00", 1), ("10:15", 2), until="12:00"), 1)
    rows = sorted(tables["intervals"], key=lambda r: r["start"])
    assert [(r["start"], r["value_micro"]) for r in rows] == [(at("10:00"), 1000000), (at("10:15"), None), (at("10:30"), None)]
    assert [r["revision"] * MINUTE for r in rows] == [at("10:16"), at("10:31"), at("10:46")]


def test_a_gap_beyond_the_largest_is_named_and_not_booked() -> None:
    text = zone(meter("m", IMPORT), zone={"max_gap": "30m"})
    tables = run(text, FACTORS, on_time(("10:00", 1), ("11:00", 9)), 1)
    assert rows_of(tables) == {}
    alert = one(tables["alerts"], rule="gap_too_long")
    assert (alert["starts_at"], alert["ends_at"], alert["value"], alert["state"]) == (at("10:00"), at("11:00"), 8.0, "raised")
    assert alert["evidence"] == '{"energy_micro":8000000,"impact_kwh":8.0,"max_gap_ms":1800000,"register":"r"}'


def test_a_file_ends_with_the_window_of_its_last_record() -> None:
    log = on_time(("10:00", 1), ("10:15", 2), until="10:31")
    tables = run(zone(meter("m", IMPORT)), FACTORS, log[:-1], 3, end_ms=0)
    assert [r["start"] for r in tables["intervals"]] == [at("10:00"), at("10:15")]
    assert [r["start"] for r in tables["intensity"]] == [at("10:00"), at("10:15")]


def test_a_partition_without_records_holds_the_ledger_only() -> None:
    log = [replace(r, partition=partition_of("s1", 2)) for r in on_time(("10:00", 1), ("10:15", 2))]
    tables = run(zone(meter("m", IMPORT)), FACTORS, log, 2)
    assert tables["intervals"] and not tables["totals"]


BAD = [
    (reading("10:00", 1, "x"), "unknown_meter"),
    (reading("10:00", 1) | {"register": "x"}, "unknown_register"),
    (reading("10:00", 1, unit="MWh"), "unit_mismatch"),
    (reading("10:00", 1e10), "out_of_range"),
    (reading("10:06", 1), "future"),
    (reading("07:59", 1), "late"),
    (reading("10:00", "1"), "malformed"),
    (reading("10:00", True), "malformed"),
    (reading("10:00", 1, seq=1 << 32), "malformed"),
    (reading("10:00", 1, quality="good"), "malformed"),
    (reading("10:00", 1) | {"ts": "2026-03-04T10:00:00"}, "naive_time"),
    (reading("10:00", 1) | {"ts": "soon"}, "malformed"),
    (reading(1 << 70, 1), "future"),
    (17, "malformed"),
]


@pytest.mark.parametrize(("sent", "reason"), BAD)
def test_a_bad_reading_is_a_dead_letter_with_its_reason(sent: object, reason: str) -> None:
    text = zone(meter("m", IMPORT))
    row = one(run(text, FACTORS, [record(7, "10:00", sent)], 1)["dead_letters"])
    assert (row["reason"], row["offset"], row["item"], row["key"]) == (reason, 7, 0, b"k")
    assert json.loads(row["value"]) == sent


def test_an_array_keeps_its_good_readings_and_the_exact_text_of_its_bad_ones() -> None:
    good = json.dumps(reading("10:00", 1)).encode()
    double = b'{"meter":"m" , "met\\u0065r":"m","register":"r","ts":0,"value":1}'
    infinite = good.replace(b": 1}", b": 1e999}")
    raw = b" [ " + good + b",{ } ,NaN\n,[1], " + double + b"," + infinite + b"] "
    tables = run(zone(meter("m", IMPORT)), FACTORS, [record(0, "10:00", raw), record(1, "10:16", [])], 1)
    assert [(r["item"], r["reason"], r["value"]) for r in tables["dead_letters"]] == [
        (1, "malformed", b"{ }"),
        (2, "malformed", b"NaN"),
        (3, "malformed", b"[1]"),
        (4, "malformed", double),
        (5, "out_of_range", infinite),
    ]
    assert [r["start"] for r in tables["intervals"]] == [at("10:00")]


@pytest.mark.parametrize("raw", [b"", b"{", b"[1,]", b"\xff", b"[] []", b'{"a":1}x', b"[" * 100_000])
def test_what_is_no_json_is_refused_whole(raw: bytes) -> None:
    row = one(run(zone(meter("m", IMPORT)), FACTORS, [record(0, "10:00", raw)], 1)["dead_letters"])
    assert (row["item"], row["reason"], row["value"]) == (-1, "malformed", raw)


def test_a_tombstone_is_malformed_and_a_huge_array_too_large() -> None:
    log = [Record(0, 0, at("10:00"), None, None), record(1, "10:00", b"[" + b"0," * 100_000 + b"0]")]
    rows = run(zone(meter("m", IMPORT)), FACTORS, log, 1)["dead_letters"]
    assert [(r["item"], r["reason"], r["key"]) for r in rows] == [(-1, "malformed", b""), (-1, "too_large", b"k")]


def arrow(**columns: pa.Array) -> bytes:
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def test_an_arrow_block_is_read_like_json() -> None:
    names = {"meter": pa.array(["m"] * 4).dictionary_encode(), "register": pa.array(["r"] * 4)}
    ts = pa.array([at("10:00"), at("10:15"), at("10:30"), at("10:45")])
    value = pa.array([1.0, float("nan"), float("inf"), None])
    block = arrow(**names, ts=ts.cast(pa.timestamp("ms", "UTC")), value=value)
    naive = arrow(**names, ts=ts.cast(pa.timestamp("ms")), value=value)
    log = [record(0, "10:45", block), record(1, "10:45", naive), record(2, "10:45", arrow(**names, ts=ts))]
    tables = run(zone(meter("m", IMPORT)), FACTORS, log, 1)
    found = [(r["offset"], r["item"], r["reason"]) for r in tables["dead_letters"]]
    assert found[:3] == [(0, 1, "malformed"), (0, 2, "out_of_range"), (0, 3, "malformed")]
    assert found[3:] == [(1, 0, "naive_time"), (1, 1, "malformed"), (1, 2, "naive_time"), (1, 3, "malformed"), (2, -1, "malformed")]
    slice_ = pa.ipc.open_stream(tables["dead_letters"][1]["value"]).read_all()
    assert slice_.num_rows == 1 and slice_["value"][0].as_py() == float("inf")


def test_columns_of_a_file_give_what_the_records_give() -> None:
    log = on_time(("09:52", 100.0), ("10:07", 103.0), ("10:22", "x"))
    rows = [
        {**json.loads(r.value or b""), "ingest_ms": r.timestamp_ms, "partition": 0, "offset": r.offset, "item": 0} for r in log[:-1]
    ]
    text = zone(meter("m", IMPORT))
    expected, got = run(text, FACTORS, log[:-1], 1, at("11:00")), run_columns(text, FACTORS, rows, 1, at("11:00"))
    for table in expected:
        assert differences(expected[table], got[table], table, ("key", "value")) == []
    changed = [r | {"value_micro": -1} if r["start"] == at("10:00") else r for r in got["intervals"]]
    named = differences(expected["intervals"], changed, "intervals")
    assert named == [f"intervals meter=m register=r start={at('10:00')}: value_micro is -1, expected 1400000"]


def test_the_partitioner_is_kafkas() -> None:
    assert [partition_of(key, 1 << 31) for key in ("21", "foobar", "a-little-bit-long-string")] == [
        -973932308 & 0x7FFFFFFF,
        -790332482 & 0x7FFFFFFF,
        -985981536 & 0x7FFFFFFF,
    ]
    text = zone(meter("m", IMPORT))
    wrong = 1 - partition_of("s1", 2)
    row = one(run(text, FACTORS, [record(0, "10:00", reading("10:00", 1), partition=wrong)], 2)["dead_letters"])
    assert row["reason"] == "wrong_partition"


def hour(*values: tuple[str, float], windows: int = 1) -> list[Record]:
    """Each meter's register at 10:00 (0) and at the end of the windows."""
    sent = [("10:00", reading("10:00", 0, name)) for name, _ in values]
    end = at("10:00") + windows * 15 * MINUTE
    return arriving(*sent, *(("10:15", reading(end, value, name)) for name, value in values), until="10:16")


GENERATION = IMPORT | {"direction": "generation"}
EXPORT = IMPORT | {"direction": "export"}


def test_the_zones_intensity_is_that_of_the_design() -> None:
    text = zone(meter("b", IMPORT, "boundary", "grid"), meter("p", GENERATION, "generation"))
    tables = run(text, FACTORS, hour(("b", 1000), ("p", 400)), 1)
    row = one(tables["intensity"], start=at("10:00"))
    assert (row["energy_micro"], row["co2e_mg"]) == (1_400_000_000, 582_700_000)
    assert row["g_per_kwh"] == float(Fraction(5827, 14))
    assert (row["covered_ms"], row["expected_ms"], row["estimated_share"]) == (30 * MINUTE, 30 * MINUTE, 0.0)


def total(tables: Tables, kind: str, entity: str, carrier: str, scope: int) -> tuple[Any, ...]:
    row = one(tables["totals"], entity_kind=kind, entity=entity, carrier=carrier, scope=scope, start=at("10:00"))
    return row["energy_micro"], row["co2e_mg"], row["covered_ms"] // MINUTE, row["expected_ms"] // MINUTE


def test_with_boundary_meters_the_zone_imports_through_them_and_nothing_hides() -> None:
    text = zone(
        meter("b", IMPORT, "boundary", "grid"),
        meter("bx", EXPORT, "boundary", "grid"),
        meter("m1", IMPORT),
        meter("m2", IMPORT, site="s2"),
        meter("x2", EXPORT, site="s2"),
        meter("p1", GENERATION, "generation"),
        meter("sub", IMPORT, "sub", parent="m1"),
        meter("silent", IMPORT, site="s2"),
    )
    tables = run(text, FACTORS, hour(("b", 100), ("bx", 5), ("m1", 60), ("m2", 38), ("x2", 7), ("p1", 11), ("sub", 50)), 1)
    assert total(tables, "company", "c1", "electricity", 0) == (71_000_000, None, 30, 30)
    assert total(tables, "company", "c2", "electricity", 0) == (31_000_000, None, 30, 45)
    assert total(tables, "company", "c1", "electricity", 2) == (60_000_000, 34_962_000, 15, 15)
    assert total(tables, "zone", "z", "electricity", 0) == (100_000_000 + 18_000_000 - 5_000_000, None, 60, 60)
    assert total(tables, "zone", "z", "electricity", 2) == (100_000_000, 58_270_000, 15, 15)
    assert total(tables, "zone", "z", "", 2) == (None, 58_270_000, 15, 15)
    assert total(tables, "unaccounted", "z", "electricity", 0) == ((100 + 7 - 5 - 98) * 1_000_000, None, 75, 90)
    assert {(r["meter"], r["factor_id"], r["rung"]) for r in tables["emissions"]} == {("m1", "js", "CN-JS"), ("m2", "js", "CN-JS")}
    row = one(tables["intensity"], start=at("10:00"))
    assert (row["energy_micro"], row["covered_ms"] // MINUTE) == (118_000_000, 45)


def test_without_boundary_meters_the_zone_imports_what_its_companies_do() -> None:
    gas = {
        "carrier": "natural_gas",
        "direction": "consumption",
        "kind": "cumulative",
        "unit": "m3",
        "reference": "0C",
        "max_power": 1_000_000,
        "period": "15m",
    }
    heat = {
        "carrier": "heat",
        "direction": "consumption",
        "kind": "cumulative",
        "unit": "GJ",
        "max_power": 1_000_000,
        "period": "15m",
    }
    made = {
        "carrier": "product:wheels",
        "direction": "generation",
        "kind": "cumulative",
        "unit": "piece",
        "max_power": 1_000_000,
        "period": "15m",
    }
    text = zone(
        meter("m1", IMPORT),
        meter("x2", EXPORT, site="s2"),
        meter("g1", gas),
        meter("h1", heat),
        meter("w1", made, "production"),
        meter("g0", gas, site="grid"),
        factors=[{"id": "own", "activity": "natural_gas", "company": "c1", "value": "2", "unit": "kgCO2/Nm3"}],
    )
    tables = run(text, FACTORS, hour(("m1", 30), ("x2", 40), ("g1", 3), ("h1", 1), ("w1", 9), ("g0", 1)), 1)
    assert total(tables, "zone", "z", "electricity", 0) == (30_000_000, None, 30, 30)
    assert total(tables, "zone", "z", "electricity", 2) == (0, 0, 30, 30)
    assert total(tables, "company", "c1", "natural_gas", 1) == (3_000_000, 6_000_000, 15, 15)
    assert total(tables, "zone", "z", "natural_gas", 1) == (4_000_000, 6_000_000 + 2_162_190, 30, 30)
    assert total(tables, "company", "c1", "heat", 2) == (1_000_000, None, 15, 15)
    assert total(tables, "company", "c1", "", 2) == (None, 30 * 582_700, 30, 30)
    assert total(tables, "company", "c1", "product:wheels", 0) == (9_000_000, None, 15, 15)
    assert one(tables["intensity"], start=at("10:00"))["energy_micro"] == 40_000_000
    alert = one(tables["alerts"], rule="no_factor")
    assert (alert["company"], alert["severity"], alert["evidence"]) == ("c1", "critical", '{"carrier":"heat"}')
    assert not [r for r in tables["emissions"] if r["meter"] == "g0"]
    assert one(tables["emissions"], meter="g1", start=at("10:00"))["rung"] == "company"


def test_a_rule_raises_after_its_windows_and_resolves_after_others() -> None:
    rule = {
        "id": "busy",
        "on": "company",
        "when": {"indicator": "power_kw", "above": 10},
        "for": "30m",
        "keep_firing": "30m",
        "clear": {"below": 8},
    }
    clocks = [f"{8 + i // 4:02}:{i % 4 * 15:02}" for i in range(10)]
    powers = [5, 12, 13, 9, 7, 11, 7, 7, 20]
    values = [sum(powers[:i]) / 4 for i in range(len(clocks))]
    log = on_time(*zip(clocks, values, strict=True), until="10:20")
    tables = run(zone(meter("m", IMPORT), rules=[rule]), FACTORS, log, 1)
    alert = one(tables["alerts"], rule="busy")
    assert (alert["starts_at"], alert["ends_at"], alert["state"]) == (at("08:15"), at("09:30"), "resolved")
    assert (alert["value"], alert["expected_high"], alert["company"]) == (13.0, 10.0, "c1")
    assert alert["revision"] * MINUTE == at("10:01")


def test_a_silent_channel_is_told_and_resolved_by_its_next_coverage() -> None:
    values = [("10:00", 1), ("10:15", 2)]
    tables = run(zone(meter("m", IMPORT)), FACTORS, on_time(*values, until="11:30"), 1)
    alert = one(tables["alerts"], rule="silent_channel")
    assert (alert["starts_at"], alert["state"], alert["revision"] * MINUTE) == (at("10:15"), "raised", at("11:16"))
    back = on_time(*values, ("11:30", 3), ("11:45", 4), until="12:30")
    alert = one(run(zone(meter("m", IMPORT)), FACTORS, back, 1)["alerts"], rule="silent_channel")
    assert (alert["state"], alert["ends_at"], alert["evidence"]) == ("resolved", at("11:00"), '{"register":"r","windows":3}')


def test_equal_windows_are_stuck_and_another_value_resolves() -> None:
    clocks = [f"{5 + i // 4:02}:{i % 4 * 15:02}" for i in range(9)]
    log = on_time(*zip(clocks, [1, 2, 3, 4, 5, 6, 7, 9, 10], strict=True), until="07:20")
    alert = one(run(zone(meter("m", IMPORT)), FACTORS, log, 1)["alerts"], rule="stuck")
    assert (alert["starts_at"], alert["ends_at"], alert["value"]) == (at("05:00"), at("06:30"), 1.0)
    assert alert["evidence"] == '{"register":"r","windows":6}'


@st.composite
def logs(draw: st.DrawFn) -> list[Record]:
    """A rising register, read at odd times, some readings late, arriving in any order within lateness."""
    steps = draw(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 5_000_000)), min_size=2, max_size=25))
    ts, reg, arrivals = at("06:00"), 0, []
    for minutes, advance in steps:
        ts, reg = ts + minutes * 61_001, reg + advance
        arrivals.append((ts + draw(st.sampled_from([0, 0, MINUTE, 50 * MINUTE])), reading(ts, reg / 1_000_000)))
    arrivals.sort(key=lambda a: a[0])
    return [record(i, arrival, sent) for i, (arrival, sent) in enumerate(arrivals)]


@given(logs())
def test_windows_add_up_to_what_the_register_advanced(log: list[Record]) -> None:
    tables = run(zone(meter("m", IMPORT)), FACTORS, log, 1, end_ms=0)
    registers = [round(json.loads(r.value or b"")["value"] * 1_000_000) for r in log]
    assert sum(r["value_micro"] or 0 for r in tables["intervals"]) == max(registers) - min(registers)


@given(logs())
def test_arrival_order_changes_nothing_but_revisions(log: list[Record]) -> None:
    text = zone(meter("m", IMPORT | {"max_power": 20, "modulus": 100}))
    in_order = sorted(log, key=lambda r: json.loads(r.value or b"")["ts"])
    end = max(r.timestamp_ms for r in log)
    first = run(text, FACTORS, log, 1, end_ms=end)
    again = run(
        text, FACTORS, [record(i, json.loads(r.value or b"")["ts"], r.value) for i, r in enumerate(in_order)], 1, end_ms=end
    )
    for table in ("intervals", "emissions", "totals", "intensity"):
        assert differences(first[table], again[table], table, ("revision",)) == []


@st.composite
def troubled_logs(draw: st.DrawFn) -> list[Record]:
    """Any values at any of a few times, some readings late, repeated or of the second meter."""
    sent = draw(
        st.lists(st.tuples(st.integers(0, 8), st.integers(0, 40), st.integers(0, 70), st.booleans()), min_size=1, max_size=14)
    )
    arrivals = [
        (at("06:00") + (quarter * 15 + late) * MINUTE, reading(at("06:00") + quarter * 15 * MINUTE, value, "m" if is_m else "p"))
        for quarter, value, late, is_m in sent
    ]
    arrivals.sort(key=lambda a: a[0])
    return [record(i, arrival, value) for i, (arrival, value) in enumerate(arrivals)]


@pytest.mark.large
@settings(max_examples=30)
@given(troubled_logs())
def test_a_revision_is_the_last_tick_whose_log_changes_the_row(log: list[Record]) -> None:
    change = {"meter": "m", "register": "r", "at": "2026-03-04T06:37:00Z", "old_final": 21, "new_initial": 5}
    power = GENERATION | {"kind": "power", "unit": "kW", "max_power": 30, "ef": "0.1"}
    meters = [meter("m", IMPORT | {"max_power": 60, "modulus": 50}), meter("p", power, "generation")]
    text = zone(*meters, zone={"max_gap": "45m", "tick": "4m"}, meter_changes=[change])
    latest: dict[tuple[str, tuple[object, ...]], dict[str, Any]] = {}
    names = ("intervals", "emissions", "totals", "intensity")
    last_tick = (log[-1].timestamp_ms + HOUR) // TICK
    for tick in range(log[0].timestamp_ms // TICK, last_tick + 1):
        known = [r for r in log if r.timestamp_ms < tick * TICK]
        tables = run(text, FACTORS, [*known, record(99, tick * TICK, [])], 1)
        for name in names:
            for row in tables[name]:
                key = (name, tuple(row[k] for k in TABLES[name].key))
                if key not in latest or latest[key] != row | {"revision": latest[key]["revision"]}:
                    latest[key] = row | {"revision": tick}
    final = run(text, FACTORS, [*log, record(99, last_tick * TICK, [])], 1)
    for name in names:
        assert differences([row for (of, _), row in latest.items() if of == name], final[name], name) == []
