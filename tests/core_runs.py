"""Runs the core over lists of records, and compares what it says with the oracle."""

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from zonepulse.oracle.compare import differences
from zonepulse.oracle.metering.decode import Record
from zonepulse.oracle.run import Tables, run
from zonepulse.processors.final_rows import final_rows
from zonepulse.processors.zone_run import ZoneRun
from zonepulse.schemas.factors.shipped import shipped_factors_csv
from zonepulse.schemas.messages.commands import Told
from zonepulse.schemas.messages.records import RecordSpans
from zonepulse.schemas.tables.results import FINAL_TABLES, TABLES
from zonepulse.schemas.zone_file.read import parse_zone

Batches = dict[str, list[pa.RecordBatch]]


def spans(records: Sequence[Record], topic: str = "zp.readings") -> RecordSpans:
    """Records of one partition as one fetch."""
    parts = [r.value for r in records] + [r.key for r in records]
    ends = np.cumsum([len(p or b"") for p in parts], dtype=np.int64)
    starts = ends - [len(p or b"") for p in parts]
    absent = np.array([p is None for p in parts])
    starts, ends = np.where(absent, -1, starts), np.where(absent, -1, ends)
    n = len(records)
    return RecordSpans(
        topic,
        records[0].partition,
        np.frombuffer(b"".join(p or b"" for p in parts), np.uint8),
        starts[n:],
        ends[n:],
        starts[:n],
        ends[:n],
        np.array([r.offset for r in records], np.int64),
        np.array([r.timestamp_ms for r in records], np.int64),
        records[-1].offset + 1,
        {i: r.headers for i, r in enumerate(records) if r.headers},
    )


def fetches(records: Sequence[Record], sizes: Sequence[int] = ()) -> list[list[Record]]:
    """The log cut into pieces of the given sizes, over and over, and each piece into its partitions; no sizes: one fetch a partition."""
    pieces, start, k = [], 0, 0
    while start < len(records):
        size = sizes[k % len(sizes)] if sizes else len(records)
        pieces.append(records[start : start + size])
        start, k = start + size, k + 1
    out = []
    for piece in pieces:
        by_partition: defaultdict[int, list[Record]] = defaultdict(list)
        for record in piece:
            by_partition[record.partition].append(record)
        out += [by_partition[p] for p in sorted(by_partition)]
    return out


def emitted(
    zone: str, log: Sequence[Sequence[Record]], partitions: int, *, finish: bool = True, commands: Sequence[Told] = ()
) -> dict[str, pa.Table]:
    """Every row that the core makes of a log that comes in these fetches, revisions included; all tables, some empty."""
    core = ZoneRun(parse_zone(zone), partitions)
    core.tell(commands)
    made: defaultdict[str, list[pa.RecordBatch]] = defaultdict(list)
    steps = [core.records(spans(fetch)) for fetch in log]
    if finish:
        steps.append(core.finish())
    for step in steps:
        for name, batches in step.items():
            made[name] += batches
    return {name: pa.Table.from_batches(made[name], TABLES[name].arrow_schema).unify_dictionaries() for name in FINAL_TABLES}


def final(rows: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """Final rows of every table."""
    return {name: final_rows(table, TABLES[name]) for name, table in rows.items()}


def expected(
    zone: str, records: Sequence[Record], partitions: int, *, finish: bool = True, commands: Sequence[Told] = ()
) -> Tables:
    """What the oracle says; it reads the log as a finished file unless `finish` is False."""
    end_ms = max(r.timestamp_ms for r in records) if finish else None
    told = [(one.ingest_ms, json.loads(one.command.encode())) for one in commands]
    return run(zone, shipped_factors_csv(), records, partitions, end_ms, commands=told)


def disagreements(wanted: Tables, got: dict[str, pa.Table]) -> list[str]:
    """Where final rows differ from the oracle's in any column of any table; alerts about the pipeline itself are no results."""
    judged = dict(got)
    for name in ("alerts", "alert_events"):
        judged[name] = got[name].filter(pc.invert(pc.starts_with(got[name]["rule"].cast(pa.string()), "ops_")))
    return [line for name in FINAL_TABLES for line in differences(wanted[name], judged[name], name)]


def plain(table: pa.Table, ignore: Sequence[str] = ()) -> list[tuple[Any, ...]]:
    """Rows as sorted tuples, for comparing what two runs emitted."""
    kept = table.drop_columns([name for name in ignore if name in table.column_names])
    return sorted((tuple(row.values()) for row in kept.to_pylist()), key=repr)
