"""A planned run: the topic's records through the whole core, beside the live tasks and without their knowledge."""

import asyncio
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from clickhouse_connect.driver.client import Client

from zonepulse.schemas.tables.results import FINAL_TABLES, TABLES, Table
from zonepulse.streams.clickhouse.stored_rows import stored
from zonepulse.streams.replay import runs
from zonepulse.streams.replay.file import FinalRows, with_run
from zonepulse.streams.replay.plan import Plan
from zonepulse.streams.replay.shares import Made, made, made_by_processes, zone_run

SAY_S: Final = 1.0
Say = Callable[["Progress"], None]


@dataclass(slots=True)
class Progress:
    """How far a run has come."""

    plan: Plan
    begun: float = field(default_factory=time.monotonic)
    records: int = 0
    bytes: int = 0
    ingest_ms: int = 0

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return max(1e-6, time.monotonic() - self.begun)

    @property
    def left_s(self) -> float:
        """At the rate so far."""
        return self.seconds * max(0, self.plan.records - self.records) / max(1, self.records)


def run_plan(broker: str, prefix: str, plan: Plan, client: Client, say: Say, processes: int = 1) -> dict[str, Any]:
    """Runs a plan from its beginning and writes the stretch's final rows under the run's name; what it returns is kept as its result.

    `processes` share the partitions among them; this one is the ledger's. A run that was cut off may be run again: it writes the same
    rows. Raises CannotReplay, zone_run.UnknownVersion, archive.BadArchive, KafkaError.
    """
    runs.save(client, plan, runs.RUNNING)
    rows, progress = _folded(broker, prefix, plan, say, processes)
    for name in FINAL_TABLES:
        table = stored(TABLES[name], rows.table(name))
        runs.insert(client, name, with_run(_of_stretch(TABLES[name], table, plan), plan.run))
    result = {
        "records": progress.records,
        "bytes": progress.bytes,
        "seconds": round(progress.seconds, 3),
        "records_per_s": round(progress.records / progress.seconds),
        "tables": runs.digests(client, plan.run, plan),
    }
    runs.save(client, plan, runs.DONE, result)
    return result


def _folded(broker: str, prefix: str, plan: Plan, say: Say, processes: int) -> tuple[FinalRows, Progress]:
    rows, progress, said = FinalRows(), Progress(plan), 0.0
    zone = asyncio.run(zone_run(broker, prefix, plan))

    def take(found: Made) -> None:
        nonlocal said
        for piece in found.pieces:
            rows.add(zone.book(piece))
        progress.records += found.records
        progress.bytes += found.bytes
        progress.ingest_ms = max(progress.ingest_ms, found.ingest_ms)
        if time.monotonic() - said > SAY_S:
            said = time.monotonic()
            say(progress)

    async def here() -> None:
        async for found in made(broker, prefix, plan, range(len(plan.offsets)), zone):
            await asyncio.to_thread(take, found)

    if (shares := min(processes, len(plan.offsets))) > 1:
        with closing(made_by_processes(broker, prefix, plan, shares)) as all_made:
            for found in all_made:
                take(found)
    else:
        asyncio.run(here())
    say(progress)
    return rows, progress


def _of_stretch(table: Table, rows: pa.Table, plan: Plan) -> pa.Table:
    at = pc.cast(rows[table.time], pa.int64())
    return rows.filter(pc.and_(pc.greater_equal(at, plan.from_ms), pc.less(at, plan.to_ms)))
