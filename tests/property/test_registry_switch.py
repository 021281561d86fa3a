"""A registry version comes into use at one tick, whatever the partitions' times are and wherever batches are cut; no row is lost by it."""

import json
from collections import defaultdict
from dataclasses import dataclass, replace

import pyarrow as pa
from core_runs import final, plain, spans
from hypothesis import example, given, settings
from hypothesis import strategies as st
from small_logs import DAY, MINUTE, meter, zone_text
from snapshots import Shelf

from zonepulse.oracle.compare import differences
from zonepulse.oracle.metering.decode import Record
from zonepulse.oracle.run import run
from zonepulse.processors.channels.table import Channels, compile_registry
from zonepulse.processors.decoding.contained import decode_contained
from zonepulse.processors.ledger.ledger import Ledger
from zonepulse.processors.ledger.snapshot import freeze_ledger
from zonepulse.processors.metering.interval_rows import interval_batch
from zonepulse.processors.metering.partition import Partition
from zonepulse.schemas.factors.shipped import shipped_factors_csv
from zonepulse.schemas.messages.partitioner import partition_of
from zonepulse.schemas.tables.results import FINAL_TABLES, TABLES
from zonepulse.schemas.zone_file.read import parse_zone

FLOW = {"carrier": "electricity", "direction": "import", "kind": "interval", "unit": "kWh", "max_power": 1000, "period": "15m"}
KNOWN = next(name for name in map("k{}".format, range(99)) if partition_of(name, 2) == 0)
NEW = next(name for name in map("n{}".format, range(99)) if partition_of(name, 2) == 1)
BEGIN = DAY + 60 * MINUTE
FIRST = zone_text(meter(FLOW, KNOWN), zone={"key": "meter"})
SECOND = zone_text(
    meter(FLOW, KNOWN), {**meter(FLOW, NEW), "site": "s2", "valid_from": "2026-03-04T01:00:00+00:00"}, zone={"key": "meter"}
)
SWITCH = b"switch"

FEWER = settings(max_examples=settings.default.max_examples // 3)


@dataclass(frozen=True, slots=True)
class Plan:
    """Minutes of the day at which the partitions switch, energies of quarters of an hour, and a late reading of the new meter."""

    known_switches: int
    new_switches: int
    values: tuple[int, ...]
    late: int


plans = st.builds(
    Plan, st.integers(61, 300), st.integers(61, 74), st.lists(st.integers(0, 90), min_size=1, max_size=12).map(tuple), st.integers(-1, 9)
)  # fmt: skip


def sent(name: str, at: int, arrives: int, value: int) -> Record:
    reading = {"meter": name, "register": "r", "ts": at, "value": value}
    partition = partition_of(name, 2)
    return Record(partition, 0, arrives, name.encode(), json.dumps(reading).encode())


def log_of(plan: Plan) -> list[list[Record]]:
    """The records of each partition."""
    logs: list[list[Record]] = [[], []]
    for i, value in enumerate(plan.values):
        at = BEGIN + (i + 1) * 15 * MINUTE
        logs[0].append(sent(KNOWN, at, at, value))
        if i != plan.late:
            logs[1].append(sent(NEW, at, at, 2 * value))
        elif i + 1 < len(plan.values):
            logs[1].append(sent(NEW, at, at + 20 * MINUTE, 3 * value + 1))
    end = BEGIN + 15 * MINUTE * (len(plan.values) + 22)
    for p, minute in enumerate((plan.known_switches, plan.new_switches)):
        logs[p] += [Record(p, 0, DAY + minute * MINUTE, None, SWITCH), Record(p, 0, end, None, b"[]")]
        logs[p].sort(key=lambda record: (record.timestamp_ms, record.value != SWITCH))
    return [[replace(record, offset=n) for n, record in enumerate(log)] for log in logs]


def booked(plan: Plan, turns: list[int], restores: list[int]) -> dict[str, pa.Table]:
    """Every row that the core makes, partitions handing on so many records by turns."""
    first = compile_registry(parse_zone(FIRST), 2)
    second = compile_registry(replace(parse_zone(SECOND), version=2), 2, first.names)
    known: dict[int, Channels] = {first.registry.version: first, 2: second}
    ledger, shelf, logs = Ledger(first), Shelf(), log_of(plan)
    partitions, at = [Partition(first, p) for p in range(2)], [0, 0]
    made: defaultdict[str, list[pa.RecordBatch]] = defaultdict(list)
    k = 0
    while at[0] < len(logs[0]) or at[1] < len(logs[1]):
        p = k % 2
        for record in logs[p][at[p] : at[p] + turns[k % len(turns)]]:
            is_switch = record.value == SWITCH
            part = partitions[p]
            fetch = spans([replace(record, value=b"[]" if is_switch else record.value)])
            batch, _ = decode_contained(fetch, 0, 1, part.ingest_times(fetch.timestamp_ms), part.channels, ())
            step = part.apply(batch.items, record.timestamp_ms)
            ledger.announce(p, part.channels)
            ledger.offer(p, step.rows, step.through, part.channels)
            made["intervals"].append(interval_batch(step.rows, part.channels))
            if is_switch:
                part.use(known[2])
        at[p] += turns[k % len(turns)]
        for name, table in ledger.advance().tables("z").items():
            made[name] += table.to_batches()
        if k in restores:
            shelf.put(freeze_ledger(ledger, 0))
            ledger = shelf.ledger(known)
        k += 1
    assert ledger.channels.registry.version == 2 and not any(len(rows) for waiting in ledger.waiting for rows in waiting)
    return {name: pa.Table.from_batches(made[name], TABLES[name].arrow_schema).unify_dictionaries() for name in FINAL_TABLES}


@FEWER
@given(plans, st.lists(st.integers(1, 30), min_size=1, max_size=5), st.lists(st.integers(0, 30), max_size=3))
@example(Plan(200, 61, (3, 4, 5, 6, 7, 8), 2), [1], [])
@example(Plan(200, 61, (3, 4, 5, 6, 7, 8), 2), [30, 1], [1])
def test_a_switch_loses_no_row_and_has_one_tick(plan: Plan, turns: list[int], restores: list[int]) -> None:
    got, whole = booked(plan, turns, restores), booked(plan, [100], [])
    for name in ("emissions", "totals", "intensity", "period_totals", "period_intensity"):
        assert plain(got[name]) == plain(whole[name]), name
    log = [replace(r, value=b"[]" if r.value == SWITCH else r.value) for records in log_of(plan) for r in records]
    wanted = run(SECOND, shipped_factors_csv(), log, 2)
    rows = final(got)
    ignored = ("revision", "expected_ms")  # these say what the version before said when the window was closed
    for name in ("intervals", "emissions", "totals", "intensity", "period_totals", "period_intensity"):
        assert differences(wanted[name], rows[name], name, ignored) == []
