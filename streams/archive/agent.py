"""The archive's worker: every record of the readings topic goes into the archive, once, whatever dies when.

What is archived is what counts: a worker goes on behind the last file of each partition, and commits no offset. A file begins where the one
before it ends, so offsets that no record has (of transactions) are covered too, and offsets that retention took unread are a gap that
readers see.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final, cast

import faust
import numpy as np
import pyarrow as pa
from faust.types import TP, StreamT

from zonepulse.schemas.messages.tasks import TASKS
from zonepulse.schemas.messages.topics import READINGS
from zonepulse.schemas.values import LATEST_MS
from zonepulse.streams.archive.archive import Archive
from zonepulse.streams.archive.record_table import table_of
from zonepulse.streams.control.command_log import CommandLog
from zonepulse.streams.control.outfit import Outfit
from zonepulse.streams.health.quarantine import Quarantine
from zonepulse.streams.health.watchdog import Pulse
from zonepulse.streams.kafka.app import Outbox
from zonepulse.streams.kafka.batch_channel import BatchChannel, Hooks, batch_channel
from zonepulse.streams.kafka.batches import BatchTransport
from zonepulse.streams.kafka.log_guard import Loss
from zonepulse.streams.kafka.raw_batches import piece
from zonepulse.streams.kafka.record_arrays import Fetch
from zonepulse.streams.metrics import Metrics
from zonepulse.streams.settings import Settings

NAME: Final = "archive"
DAY_MS: Final = 86_400_000
FILE_BYTES: Final = 64 << 20
"""Of keys and values in memory: then a file is written."""
ALL_BYTES: Final = 256 << 20
"""Of all partitions together."""
POLL_S: Final = 1.0


@dataclass(slots=True)
class Pending:
    """What a partition's next file will hold: the records of [first, next)."""

    first: int
    next: int
    day: int
    """UTC day of ingest, counted from 1970."""
    since: float = field(default_factory=time.monotonic)
    tables: list[pa.Table] = field(default_factory=list)
    bytes: int = 0


class ArchiveTask:
    """The partitions that this worker archives."""

    def __init__(self, settings: Settings, zone: str, outbox: Outbox, metrics: Metrics) -> None:
        self._url, self._zone, self._age_s = settings.archive, zone, settings.archive_age_s
        self._prefix, self._metrics = settings.topic_prefix, metrics
        self.quarantine = Quarantine(outbox, settings.topic_prefix, metrics)
        self.batches: BatchChannel | None = None
        self.commands: CommandLog | None = None
        self.pulse: Pulse | None = None
        self._archive: Archive | None = None
        self._pending: dict[TP, Pending] = {}
        self._next: dict[TP, int] = {}
        self._losses: dict[TP, list[Loss]] = {}
        """Offsets that retention took unread, which no file may cover."""
        self._turn = asyncio.Lock()

    def positions(self) -> dict[TP, int]:
        """Behind what is taken in."""
        return dict(self._next)

    async def start_offsets(self, tps: set[TP]) -> dict[TP, int]:
        """Behind the last file of each partition."""
        assert self.batches is not None
        tp = next(iter(tps))
        self._archive = Archive(self._url, self._zone, tp.topic, self.batches.note(tp, 0).topic_id)
        files = await asyncio.to_thread(self._archive.files)
        return {tp: max((kept.next for kept in files.get(tp.partition, ())), default=0) for tp in tps}

    async def forget(self, tps: set[TP]) -> None:
        """Partitions are gone: what is not written is archived by whoever gets them."""
        for tp in tps:
            self._pending.pop(tp, None)
            self._next.pop(tp, None)
            self._losses.pop(tp, None)

    def lost(self, loss: Loss) -> None:
        """Offsets of a partition held were deleted unread; batches from before them may still be on their way."""
        self._losses.setdefault(loss.tp, []).append(loss)

    async def add(self, batch: Fetch) -> None:
        """Takes a batch in, and writes the files that are full. Raises OSError where the archive does not take them."""
        async with self._turn:
            tp = TP(batch.topic, batch.partition)
            for part, day in _by_day(batch, self._pending.get(tp)):
                rows = await asyncio.to_thread(table_of, part)
                begin, waiting = self._begin(tp, int(part.offset[0])), self._pending.get(tp)
                if waiting is not None and (waiting.day != day or waiting.next != begin):
                    await self._write(tp)
                if self.batches is None or not self.batches.is_current(batch):
                    return
                waiting = self._pending.setdefault(tp, Pending(begin, begin, day))
                waiting.tables.append(rows)
                waiting.bytes += rows.nbytes
                waiting.next = self._next[tp] = part.next_offset
            self._metrics.took(READINGS.name, batch, self.batches.lag(tp, batch.next_offset) if self.batches else None)
            await self._write_full()

    def _begin(self, tp: TP, offset: int) -> int:
        """From where on the records that begin with `offset` cover the log: behind the last ones, or behind what is lost."""
        assert self.batches is not None
        begin = self._next.get(tp, self.batches.held().get(tp, offset))
        return max([begin, *(loss.next for loss in self._losses.get(tp, ()) if begin <= loss.first and loss.next <= offset)])

    async def _write_full(self) -> None:
        for tp in [tp for tp, waiting in self._pending.items() if waiting.bytes >= FILE_BYTES]:
            await self._write(tp)
        while sum(waiting.bytes for waiting in self._pending.values()) > ALL_BYTES:
            await self._write(max(self._pending, key=lambda tp: self._pending[tp].bytes))

    async def write_by_age(self) -> None:
        """Writes what waits for long. Raises OSError."""
        async with self._turn:
            before = time.monotonic() - self._age_s
            for tp in [tp for tp, waiting in self._pending.items() if waiting.since <= before]:
                await self._write(tp)

    async def _write(self, tp: TP) -> None:
        waiting = self._pending.pop(tp, None)
        if waiting is None or self._archive is None:
            return
        day = datetime.fromtimestamp(waiting.day * DAY_MS / 1000, UTC).date().isoformat()
        rows = pa.concat_tables(waiting.tables)
        await asyncio.to_thread(self._archive.write, tp.partition, waiting.first, waiting.next, day, rows)
        if self.pulse is not None:
            self.pulse.beat()


def _by_day(batch: Fetch, waiting: Pending | None) -> Iterator[tuple[Fetch, int]]:
    """Pieces of a batch by UTC day of ingest, which never goes back within a file's neighbours."""
    days = np.maximum.accumulate(np.clip(batch.timestamp_ms, 0, LATEST_MS) // DAY_MS)
    if waiting is not None:
        days = np.maximum(days, waiting.day)
    edges = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(batch)]
    for start, stop in pairwise(edges):
        yield piece(batch, start, stop, batch.lease), int(days[start])


def start(outfit: Outfit) -> None:
    """Make a worker one of this task."""
    task = add_archive_agent(outfit.app, outfit.settings, outfit.zone.id, outfit.metrics)
    outfit.fit(task, task.lost)


def add_archive_agent(app: faust.App, settings: Settings, zone: str, metrics: Metrics) -> ArchiveTask:
    """Make `app` an archive worker of the zone."""
    cast(BatchTransport, app.transport).is_raw = settings.raw_batches
    task = ArchiveTask(settings, zone, Outbox(app), metrics)
    hooks = Hooks(start_offsets=task.start_offsets, on_revoked=task.forget)
    task.batches = batches = batch_channel(app, TASKS[NAME].topics(settings.topic_prefix), hooks)

    async def keep(stream: StreamT[Any]) -> None:
        async for batch in batches.receive(stream):
            await task.add(batch)

    app.agent(batches.channel, name=NAME)(keep)
    app.timer(POLL_S, name="archive_age")(task.write_by_age)
    return task
