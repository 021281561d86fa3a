"""A planned run: the topic's records through the whole core, beside the live tasks and without their knowledge."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from zonepulse.processors.zone_run import ZoneRun
from zonepulse.schemas.registry.model import FOREVER
from zonepulse.schemas.tables.results import FINAL_TABLES, TABLES
from zonepulse.streams.clickhouse.stored_rows import stored
from zonepulse.streams.control.kept_states import read_kept
from zonepulse.streams.replay import runs
from zonepulse.streams.replay.checkpoint import RunFolder, begin_with
from zonepulse.streams.replay.file import FinalRows, with_run
from zonepulse.streams.replay.follow import follow
from zonepulse.streams.replay.hand_over import stands_open
from zonepulse.streams.replay.plan import Plan
from zonepulse.streams.replay.promote import PROMOTED
from zonepulse.streams.replay.shares import Going, Made, made, made_by_processes, tell_ledger, zone_run

SAY_S: Final = 1.0
Say = Callable[["Progress"], None]


@dataclass(slots=True)
class Progress:
    """How far a run has come; `before`: records that it had read when it was cut off."""

    plan: Plan
    begun: float = field(default_factory=time.monotonic)
    records: int = 0
    bytes: int = 0
    ingest_ms: int = 0
    before: int = 0

    @property
    def seconds(self) -> float:
        """Since the run began, or went on."""
        return max(1e-6, time.monotonic() - self.begun)

    @property
    def records_per_s(self) -> float:
        """So far."""
        return (self.records - self.before) / self.seconds

    @property
    def left_s(self) -> float:
        """At the rate so far."""
        return max(0, self.plan.records - self.records) / max(1e-6, self.records_per_s)


@dataclass(frozen=True, slots=True)
class How:
    """How a plan is run; every way makes the same rows."""

    say: Say = lambda progress: None
    processes: int = 1
    """Share the partitions among them; this one is the ledger's."""
    folder: RunFolder | None = None
    """For checkpoints: a run that was cut off goes on from the last one; without it from the beginning."""
    follow_until: threading.Event | None = None
    """In one process: go on with the log until this is set."""
    most_per_s: float = 0
    """Records/s up to the plan's end, at most; 0 = as many as it can."""


PLAINLY: Final = How()


def run_plan(broker: str, prefix: str, plan: Plan, client: Client, how: How = PLAINLY) -> dict[str, Any]:
    """Runs a plan and writes the stretch's final rows under the run's name; what it returns is kept as its result.

    Raises CannotReplay, zone_run.UnknownVersion, archive.BadArchive, KafkaError.
    """
    folder, follow_until = how.folder, how.follow_until
    stands = stands_open(client, plan)
    if not stands:
        runs.save(client, plan, runs.RUNNING)
    zone, rows, progress = _folded(broker, prefix, plan, how)
    for name in FINAL_TABLES:
        kept = [] if folder is None else folder.rows(name)
        found = runs.of_stretch(TABLES[name], rows.table(name, kept), plan.from_ms, plan.to_ms if follow_until is None else FOREVER)
        runs.insert(client, name, with_run(stored(TABLES[name], found), plan.run))
    result = {
        "records": progress.records,
        "records_before": progress.before,
        "bytes": progress.bytes,
        "seconds": round(progress.seconds, 3),
        "records_per_s": round(progress.records_per_s),
        "tables": runs.digests(client, plan.run, plan),
    }
    if follow_until is not None:
        runs.save(client, plan, PROMOTED if stands else runs.FOLLOWING, result)
        follow(broker, prefix, plan, client, zone, follow_until, folder)
        result["followed_ms"] = max(0, zone.ledger.applied) * zone.registry.zone.tick_ms
        result["tables"] = runs.digests(client, plan.run, plan)
    state = runs.DONE if follow_until is None else runs.find(client, plan.run).state
    runs.save(client, plan, runs.DONE if state == runs.FOLLOWING else state, result)  # it may have been promoted meanwhile
    if folder is not None and not stands_open(client, plan):
        folder.remove()
    return result


def _folded(broker: str, prefix: str, plan: Plan, how: How) -> tuple[ZoneRun, FinalRows, Progress]:
    """The core at the plan's end (of several processes, its ledger), and rows since the last checkpoint; those before are in the folder."""
    folder, most_per_s = how.folder, how.most_per_s
    zone, going = asyncio.run(zone_run(broker, prefix, plan)), Going()
    if folder is not None:
        folder.open(zone)
        going = Going(dict(folder.state.partitions), folder.every_s)
    if plan.kept and not going.parts:
        parts = begin_with(zone, read_kept(broker, prefix, plan.kept, len(plan.offsets)))
        going = Going(parts, going.every_s)
        if folder is not None:
            folder.state.partitions |= parts
    tell_ledger(broker, prefix, zone)
    before = 0 if folder is None else folder.state.records
    rows, progress, said = FinalRows(), Progress(plan, records=before, before=before), 0.0

    def take(found: Made) -> None:
        nonlocal said, rows
        for piece in found.pieces:
            rows.add(zone.book(piece))
        progress.records += found.records
        progress.bytes += found.bytes
        progress.ingest_ms = max(progress.ingest_ms, found.ingest_ms)
        if folder is not None and found.cuts:
            for cut in found.cuts:
                folder.take(cut)
            if folder.is_due():
                made = {name: runs.of_stretch(TABLES[name], rows.table(name), plan.from_ms) for name in FINAL_TABLES}
                folder.save(zone, made, progress.records)
                rows = FinalRows()
        if time.monotonic() - said > SAY_S:
            said = time.monotonic()
            how.say(progress)
        if most_per_s and (ahead_s := (progress.records - before) / most_per_s - progress.seconds) > 0:
            time.sleep(ahead_s)

    async def here() -> None:
        async for found in made(broker, prefix, plan, range(len(plan.offsets)), zone, going):
            await asyncio.to_thread(take, found)

    if (shares := min(how.processes, len(plan.offsets))) > 1:
        with closing(made_by_processes(broker, prefix, plan, shares, going)) as all_made:
            for found in all_made:
                take(found)
    else:
        asyncio.run(here())
    how.say(progress)
    return zone, rows, progress
