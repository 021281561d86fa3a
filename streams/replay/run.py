"""A planned run: the topic's records through the whole core in this process, beside the live tasks and without their knowledge."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from clickhouse_connect.driver.client import Client

from zonepulse.processors.channels.table import Channels
from zonepulse.processors.metering.step import LateReadings
from zonepulse.processors.zone_run import ZoneRun
from zonepulse.schemas.messages.records import RecordSpans
from zonepulse.schemas.messages.topics import REGISTRY
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.tables.results import FINAL_TABLES, TABLES, Table
from zonepulse.streams.clickhouse.stored_rows import stored
from zonepulse.streams.control.command_log import CommandLog
from zonepulse.streams.control.registry_store import RegistryStore
from zonepulse.streams.control.registry_topic import load_versions
from zonepulse.streams.replay import runs
from zonepulse.streams.replay.file import Batches, FinalRows, with_run
from zonepulse.streams.replay.log import fetches
from zonepulse.streams.replay.plan import CannotReplay, Plan

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


def run_plan(broker: str, prefix: str, plan: Plan, client: Client, say: Say) -> dict[str, Any]:
    """Runs a plan from its beginning and writes the stretch's final rows under the run's name; what it returns is kept as its result.

    A run that was cut off may be run again: it writes the same rows. Raises CannotReplay, zone_run.UnknownVersion, KafkaError.
    """
    runs.save(client, plan, runs.RUNNING)
    rows, progress = asyncio.run(_folded(broker, prefix, plan, say))
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


async def _folded(broker: str, prefix: str, plan: Plan, say: Say) -> tuple[FinalRows, Progress]:
    commands = await asyncio.to_thread(CommandLog.of, broker, prefix)
    late = None
    if plan.late_offsets:
        late = LateReadings(plan.from_ms, plan.to_ms)
        await _through(broker, plan.looking_for_late(), await _zone_run(broker, prefix, plan, late), commands, say, lambda _: None)
        late.begin()
    rows = FinalRows()
    progress = await _through(broker, plan, await _zone_run(broker, prefix, plan, late), commands, say, rows.add)
    return rows, progress


async def _through(
    broker: str, plan: Plan, zone: ZoneRun, commands: CommandLog, say: Say, take: Callable[[Batches], None]
) -> Progress:
    """All records of a plan through the core; `take` gets the rows."""
    progress, said = Progress(plan), 0.0
    async for records in fetches(broker, plan):
        take(await asyncio.to_thread(zone.records, records, None, commands.positions(records)))
        _count(progress, records)
        if time.monotonic() - said > SAY_S:
            said = time.monotonic()
            say(progress)
    if plan.until_ms:  # partitions that stand before it, because nothing came, are not waited for
        take(await asyncio.to_thread(zone.pass_to, plan.until_ms))
    say(progress)
    return progress


def _count(progress: Progress, records: RecordSpans) -> None:
    progress.records += len(records)
    progress.bytes += int((records.value_end - records.value_start).sum())
    progress.ingest_ms = max(progress.ingest_ms, int(records.timestamp_ms.max()))


async def _zone_run(broker: str, prefix: str, plan: Plan, late: LateReadings | None) -> ZoneRun:
    partitions, own = len(plan.offsets), plan.registry()
    if own is not None:
        return ZoneRun(own, partitions, plan.topic, late=late)
    topic = REGISTRY.full_name(prefix)
    versions = await asyncio.to_thread(load_versions, broker, topic)
    if not versions:
        raise CannotReplay(
            f"no registry is on {topic}: publish one with `zonepulse registry apply`, or plan with --registry zone.yaml"
        )
    versions = {number: plan.as_known(version) for number, version in versions.items()}
    compiled = await _compiled(versions, partitions)
    first = versions[min(compiled)]
    return ZoneRun(first, partitions, plan.topic, compiled, late)


async def _compiled(versions: Mapping[int, Registry], partitions: int) -> dict[int, Channels]:
    store = RegistryStore(lambda: versions, partitions, versions)
    return {number: await store.version(number) for number in sorted(versions)}


def _of_stretch(table: Table, rows: pa.Table, plan: Plan) -> pa.Table:
    at = pc.cast(rows[table.time], pa.int64())
    return rows.filter(pc.and_(pc.greater_equal(at, plan.from_ms), pc.less(at, plan.to_ms)))
