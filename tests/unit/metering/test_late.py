"""A run that knows late readings before counts each at its own time, and changes only the windows that they touch."""

import json
from typing import Any

import pyarrow as pa
import pytest
from core_runs import final, spans

from zonepulse.oracle.metering.decode import Record
from zonepulse.processors.metering.step import LateReadings
from zonepulse.processors.zone_run import ZoneRun
from zonepulse.schemas.tables.results import FINAL_TABLES, TABLES
from zonepulse.schemas.zone_file.read import parse_zone

METER = """
  - id: {}
    site: sa
    role: main
    registers: {{"1.8.0": {{carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 1000000}}}}"""
ZONE = f"""\
zone: {{id: z, timezone: UTC, factor_regions: [CN], key: meter, window: 15m, tick: 1m, lateness: 1h, max_gap: 30d}}
companies: [{{id: a}}]
sites: [{{id: sa, company: a}}]
meters:{METER.format("M-1")}{METER.format("M-2")}
"""
START, MINUTE = 1_771_977_600_000, 60_000
WEEK = range(40, 80)
"""Quarters of an hour that M-1's gateway delivers late."""
LAST = 200


def reading(meter: str, quarter: int, arrives: int) -> tuple[int, str]:
    value = quarter * (quarter + 1)
    text = json.dumps({"meter": meter, "register": "1.8.0", "ts": START + quarter * 15 * MINUTE, "value": value})
    return START + arrives * 15 * MINUTE, text


def log(is_late: bool, form: str) -> list[Record]:
    """Two meters; M-1's quarters of WEEK arrive at 150, or at once."""
    sent = [reading("M-2", q, q) for q in range(LAST)]
    sent += [reading("M-1", q, q) for q in range(LAST) if q not in WEEK]
    held = [reading("M-1", q, 150 if is_late else q) for q in WEEK]
    if is_late and form == "array":
        held = [(held[0][0], "[" + ",".join(text for _, text in held) + "]")]
    ordered = sorted(sent + held, key=lambda one: one[0])
    return [Record(0, offset, at, None, text.encode(), ()) for offset, (at, text) in enumerate(ordered)]


def rows_of(records: list[Record], size: int, late: LateReadings | None = None) -> dict[str, list[dict[str, Any]]]:
    core = ZoneRun(parse_zone(ZONE), 1, late=late)
    made: dict[str, list[pa.RecordBatch]] = {name: [] for name in FINAL_TABLES}
    for start in range(0, len(records), size):
        for name, batches in core.records(spans(records[start : start + size])).items():
            made[name] += batches
    for name, batches in core.finish().items():
        made[name] += batches
    tables = {name: pa.Table.from_batches(made[name], TABLES[name].arrow_schema).unify_dictionaries() for name in FINAL_TABLES}
    return {name: table.to_pylist() for name, table in final(tables).items()}


def repaired(records: list[Record], size: int, first: int = 0, last: int = LAST) -> tuple[dict[str, list[dict[str, Any]]], int]:
    late = LateReadings(START + first * 15 * MINUTE, START + last * 15 * MINUTE)
    rows_of(records, size, late)
    late.begin()
    return rows_of(records, size, late), late.count


@pytest.mark.parametrize("form", ["objects", "array"])
@pytest.mark.parametrize("size", [5, 1000])
def test_what_came_late_counts_as_if_it_had_come_at_once(form: str, size: int) -> None:
    records = log(True, form)
    before = rows_of(records, size)
    found, count = repaired(records, size)
    assert count == len(WEEK)
    assert found["dead_letters"] == before["dead_letters"] != []
    for table in ("intervals", "totals", "emissions"):
        assert found[table] == rows_of(log(False, form), size)[table] != before[table]


def test_only_the_windows_that_they_touch_are_other() -> None:
    records = log(True, "objects")
    before, (found, _) = rows_of(records, 50), repaired(records, 50)
    changed = [row for row in found["intervals"] if row not in before["intervals"]]
    quarters = {(row["meter"], (row["start"].timestamp() * 1000 - START) / MINUTE / 15) for row in changed}
    assert quarters <= {("M-1", q) for q in range(WEEK[0] - 1, WEEK[-1] + 1)}
    assert len(quarters) >= len(WEEK) - 1


def test_late_readings_outside_the_stretch_stay_out() -> None:
    records = log(True, "objects")
    found, count = repaired(records, 50, 100, LAST)
    assert count == 0 and found == rows_of(records, 50)
