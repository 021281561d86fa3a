"""Rows on their way to a sink: a first-in, first-out queue with one writer, and nothing committed that is not written.

Each entry holds rows and the offsets to commit when they are written. Only the head is written, and only a written head is committed. A
write that fails for good fails the queue: whoever adds or waits is told, and nothing behind the failure is written or committed.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa
from faust.types import TP

from zonepulse.schemas.messages.records import RecordSpans
from zonepulse.streams.clickhouse.sink import RowBatch, Sink, SinkBackpressure, SinkRejected, Source
from zonepulse.streams.metrics import Metrics

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is held, and how long is waited. Memory of the store: `queue_bytes`, one entry and one batch of records more."""

    rows: int = 50_000
    """Of one entry."""
    bytes: int = 16_000_000
    """Of one entry. Dead letters are few rows and many bytes."""
    queue_rows: int = 100_000
    queue_bytes: int = 32_000_000
    """When as much is on its way, no more is taken: the consumer pauses."""
    age_s: float = 1.0
    """How old rows may become before they are on their way."""
    patience_s: float = 900.0
    """How long one insert is tried before the worker gives up and exits, its offsets unmoved."""
    longest_pause_s: float = 10.0
    """Between two tries of one insert."""


LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of one table made from records of one partition."""

    rows: pa.Table
    records: RecordSpans
    """The batch that they come from; kept, so that a record whose rows are refused can be put aside with its bytes."""
    made_by: Sequence[int]
    """For each record that has rows here, in order, its position in `records`."""
    behind: Sequence[int]
    """And the row behind its last."""

    @property
    def first(self) -> int:
        """Offset of the first record."""
        return int(self.records.offset[self.made_by[0]])

    @property
    def last(self) -> int:
        """Offset of the last record."""
        return int(self.records.offset[self.made_by[-1]])

    def part(self, start: int, stop: int) -> "Piece":
        """The rows of its records `start` to `stop`, the end exclusive."""
        before = self.behind[start - 1] if start else 0
        rows = self.rows.slice(before, self.behind[stop - 1] - before)
        return Piece(rows, self.records, self.made_by[start:stop], [row - before for row in self.behind[start:stop]])


@dataclass(slots=True)
class Entry:
    """Rows read and not yet written, and what to commit when they are."""

    rows: int = 0
    bytes: int = 0
    pieces: dict[tuple[str, TP], list[Piece]] = field(default_factory=dict)
    next_offsets: dict[TP, int] = field(default_factory=dict)

    def add(self, tp: TP, next_offset: int, records: RecordSpans, pieces: Mapping[str, Sequence[Piece]]) -> None:
        """What a batch of `tp` became: pieces by table, perhaps none."""
        self.next_offsets[tp] = next_offset
        for table, made in pieces.items():
            self.pieces.setdefault((table, tp), []).extend(made)
            self.rows += sum(piece.rows.num_rows for piece in made)
            self.bytes += sum(piece.rows.nbytes for piece in made)
        self.bytes += records.buffer.nbytes if pieces else 0

    def forget(self, tps: set[TP]) -> None:
        """Leaves out what comes from these partitions; what remains is held at the size of before."""
        self.pieces = {at: pieces for at, pieces in self.pieces.items() if at[1] not in tps}
        self.next_offsets = {tp: offset for tp, offset in self.next_offsets.items() if tp not in tps}


Refused = Callable[[str, Piece, SinkRejected], Awaitable[None]]
"""Called with the table and the piece (of one record) whose rows the sink will never take."""
Commit = Callable[[Mapping[TP, int]], Awaitable[object]]


class WriteQueue:
    """Writes entries one after another, in a task that starts with the first and ends when nothing is left."""

    def __init__(
        self, sink: Sink, commit: Commit, refused: Refused, metrics: Metrics, limits: Limits = LIMITS,
        beat: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._sink, self._commit, self._refused, self._metrics = sink, commit, refused, metrics
        self._limits, self._beat = limits, beat
        self._entries: deque[Entry] = deque()
        self._writer: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._moved = asyncio.Condition()
        self._lost = asyncio.Event()
        self._done: dict[TP, int] = {}

    @property
    def is_idle(self) -> bool:
        """Whether nothing is on its way."""
        return not self._entries

    def done(self) -> dict[TP, int]:
        """What is written and committed: the next offset of each partition held. May be called from any thread."""
        return dict(self._done)

    def check(self) -> None:
        """Raises what failed, if anything did."""
        if self._failure is not None:
            raise self._failure

    async def room(self) -> None:
        """Returns when another entry may be put. Raises what failed."""
        async with self._moved:
            await self._moved.wait_for(lambda: self._failure is not None or self._has_room())
        self.check()

    def put(self, entry: Entry) -> None:
        """Sends an entry on its way. Raises what failed."""
        self.check()
        self._entries.append(entry)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._run())

    async def drained(self) -> None:
        """Returns when everything put so far is written and committed, or lost with its partitions. Raises what failed."""
        last = self._entries[-1] if self._entries else None
        async with self._moved:
            await self._moved.wait_for(lambda: self._failure is not None or not any(entry is last for entry in self._entries))
        self.check()

    def forget(self, tps: set[TP]) -> None:
        """These partitions are gone: what comes from them is neither written nor committed, but for an insert that is under way."""
        for entry in self._entries:
            entry.forget(tps)
        self._done = {tp: offset for tp, offset in self._done.items() if tp not in tps}
        self._lost.set()

    def _has_room(self) -> bool:
        rows, held = sum(entry.rows for entry in self._entries), sum(entry.bytes for entry in self._entries)
        return not self._entries or (rows < self._limits.queue_rows and held < self._limits.queue_bytes)

    async def _run(self) -> None:
        try:
            while self._entries:
                await self._write_head(self._entries[0])
                async with self._moved:
                    self._entries.popleft()
                    self._moved.notify_all()
        except BaseException as failure:
            self._failure = (
                failure if isinstance(failure, Exception) else RuntimeError(f"the store's writer was ended: {failure!r}")
            )
            async with self._moved:
                self._moved.notify_all()
            if not isinstance(failure, Exception):
                raise

    async def _write_head(self, entry: Entry) -> None:
        for (table, tp), pieces in list(entry.pieces.items()):
            await self._write(table, tp, pieces, entry)
        await self._commit(dict(entry.next_offsets))
        self._done = self._done | entry.next_offsets

    async def _write(self, table: str, tp: TP, pieces: list[Piece], entry: Entry) -> None:
        """Writes pieces as one insert. Where rows are refused, the half that holds them is found, and in the end their record."""
        source = Source(*tp, pieces[0].first, pieces[-1].last)
        try:
            await self._insert(RowBatch(table, pa.concat_tables([piece.rows for piece in pieces]), source), tp, entry)
        except SinkRejected as rejected:
            if not rejected.is_about_rows:
                raise
            if len(pieces) == 1 and len(pieces[0].made_by) == 1:
                await self._refused(table, pieces[0], rejected)
                return
            for half in _halves(pieces):
                await self._write(table, tp, half, entry)

    async def _insert(self, batch: RowBatch, tp: TP, entry: Entry) -> None:
        started, pause_s = time.monotonic(), 0.0
        while tp in entry.next_offsets:
            begun = time.monotonic()
            self._lost.clear()
            try:
                await self._sink.write(batch)
            except SinkBackpressure as busy:
                if begun - started > self._limits.patience_s:
                    raise
                pause_s = min(self._limits.longest_pause_s, max(busy.retry_after_s, 2 * pause_s))
                self._metrics.backpressure.labels(batch.table).inc()
                self._beat()
                log.warning("%s; trying again in %g s", busy, pause_s)
                await self._pause(pause_s)
                continue
            self._metrics.insert_seconds.labels(batch.table).observe(time.monotonic() - begun)
            self._metrics.inserts.labels(batch.table).inc()
            self._metrics.rows.labels(batch.table).inc(batch.rows.num_rows)
            self._beat()
            return

    async def _pause(self, seconds: float) -> None:
        """Ends early when partitions go."""
        try:
            await asyncio.wait_for(self._lost.wait(), seconds)
        except TimeoutError:
            return


def _halves(pieces: list[Piece]) -> tuple[list[Piece], list[Piece]]:
    if len(pieces) > 1:
        return pieces[: len(pieces) // 2], pieces[len(pieces) // 2 :]
    (piece,) = pieces
    middle = len(piece.made_by) // 2
    return [piece.part(0, middle)], [piece.part(middle, len(piece.made_by))]
