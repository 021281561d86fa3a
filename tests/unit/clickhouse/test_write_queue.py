"""The store's queue of writes: order, memory, failures and revocations, whatever the sink does."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pytest
from faust.types import TP
from prometheus_client import CollectorRegistry

from zonepulse.schemas.messages.records import RecordSpans
from zonepulse.streams.clickhouse.sink import RowBatch, SinkBackpressure, SinkRejected
from zonepulse.streams.clickhouse.write_queue import Entry, Limits, Piece, WriteQueue
from zonepulse.streams.metrics import Metrics

A, B = TP("zp.results", 0), TP("zp.intervals", 0)
LIMITS = Limits(rows=10, queue_rows=20, patience_s=60.0, longest_pause_s=0.01)


@dataclass
class ListSink:
    """Keeps rows in a list. `away` writes find it busy, writes of `bad` numbers are refused, and writes wait until it is `open`."""

    rows: list[int] = field(default_factory=list)
    away: int = 0
    bad: frozenset[int] = frozenset()
    is_missing: bool = False
    open: asyncio.Event = field(default_factory=asyncio.Event)
    begun: int = 0
    inserts: int = 0

    async def write(self, batch: RowBatch) -> None:
        self.begun += 1
        await self.open.wait()
        if self.away:
            self.away -= 1
            raise SinkBackpressure("away", 0.001)
        numbers = batch.rows["n"].to_pylist()
        if self.is_missing:
            raise SinkRejected("no such table", len(numbers), 60)
        if self.bad & set(numbers):
            raise SinkRejected("a value", len(numbers), 53, is_about_rows=True)
        self.rows += numbers
        self.inserts += 1


@dataclass
class Run:
    """A queue, its sink, what it committed and the records it put aside."""

    sink: ListSink
    committed: list[dict[TP, int]] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.queue = WriteQueue(self.sink, self._commit, self._refuse, Metrics(CollectorRegistry()), LIMITS)

    async def _commit(self, next_offsets: Mapping[TP, int]) -> None:
        self.committed.append(dict(next_offsets))

    async def _refuse(self, _table: str, piece: Piece, _: SinkRejected) -> None:
        (at,) = piece.made_by
        self.refused.append(int(piece.records.offset[at]))


def opened(**how: object) -> Run:
    run = Run(ListSink(**how))  # type: ignore[arg-type]
    run.sink.open.set()
    return run


def entry(first: int, *tps: TP, records: int = 1, rows_each: int = 1) -> Entry:
    """Records from offset `first` on, whose rows are numbered by offset."""
    made, none = Entry(), np.full(records, -1)
    offset = np.arange(first, first + records)
    rows = pa.table({"n": np.repeat(offset, rows_each)})
    for tp in tps or (A,):
        spans = RecordSpans(tp.topic, 0, np.zeros(0, np.uint8), none, none, none, none, offset, offset, first + records)
        piece = Piece(rows, spans, range(records), [rows_each * (i + 1) for i in range(records)])
        made.add(tp, first + records, spans, {"t": [piece]})
    return made


async def settle(run: Run, begun: int) -> None:
    while run.sink.begun < begun:
        await asyncio.sleep(0)


def test_of_two_flushes_at_once_the_second_commits_nothing_past_the_write_that_failed_in_the_first() -> None:
    async def go() -> None:
        run = Run(ListSink(is_missing=True))
        run.queue.put(entry(0))
        first = asyncio.create_task(run.queue.drained())
        await settle(run, 1)
        run.queue.put(entry(1))
        second = asyncio.create_task(run.queue.drained())
        await asyncio.sleep(0)
        run.sink.open.set()
        for flush in (first, second):
            with pytest.raises(SinkRejected, match="no such table"):
                await flush
        assert (run.sink.rows, run.committed, run.queue.done()) == ([], [], {})

    asyncio.run(go())


def test_a_failure_stays_and_nothing_behind_it_is_taken_written_or_committed() -> None:
    async def go() -> None:
        run = opened(is_missing=True)
        run.queue.put(entry(0))
        with pytest.raises(SinkRejected):
            await run.queue.drained()
        run.sink.is_missing = False
        with pytest.raises(SinkRejected):
            await run.queue.room()
        with pytest.raises(SinkRejected):
            run.queue.put(entry(1))
        with pytest.raises(SinkRejected):
            await run.queue.drained()
        await asyncio.sleep(0.01)
        assert (run.sink.rows, run.committed) == ([], [])

    asyncio.run(go())


def test_a_commit_that_fails_is_a_failure_too() -> None:
    async def go() -> None:
        async def fail(_: Mapping[TP, int]) -> None:
            raise ConnectionError("no broker")

        sink = ListSink()
        sink.open.set()
        queue = WriteQueue(sink, fail, Run(sink)._refuse, Metrics(CollectorRegistry()), LIMITS)
        queue.put(entry(0))
        queue.put(entry(1))
        with pytest.raises(ConnectionError):
            await queue.drained()
        assert (sink.rows, queue.done()) == ([0], {})

    asyncio.run(go())


def test_entries_are_written_and_committed_one_after_another_in_order() -> None:
    async def go() -> None:
        run = opened(away=5)
        for first in range(8):
            run.queue.put(entry(first, A, B))
        await run.queue.drained()
        assert run.sink.rows == [n for first in range(8) for n in (first, first)]
        assert run.committed == [{A: n, B: n} for n in range(1, 9)]
        assert run.queue.done() == {A: 8, B: 8}

    asyncio.run(go())


def test_no_more_is_taken_while_too_much_is_on_its_way() -> None:
    async def go() -> None:
        run = Run(ListSink())
        taken = 0

        async def take() -> None:
            nonlocal taken
            for first in range(0, 200, 10):
                await run.queue.room()
                run.queue.put(entry(first, records=10))
                taken += 10

        taking = asyncio.create_task(take())
        await settle(run, 1)
        for _ in range(50):
            await asyncio.sleep(0)
        assert taken == LIMITS.queue_rows
        run.sink.open.set()
        await taking
        await run.queue.drained()
        assert run.sink.rows == list(range(200))

    asyncio.run(go())


def test_what_is_lost_with_its_partitions_is_neither_written_nor_committed_and_the_rest_is() -> None:
    async def go() -> None:
        run = Run(ListSink(away=1_000))
        run.sink.open.set()
        run.queue.put(entry(0, A, B))
        run.queue.put(entry(1, A, B))
        run.queue.put(entry(2, A))
        await settle(run, 2)
        run.queue.forget({A})
        run.sink.away = 0
        await run.queue.drained()
        assert run.sink.rows == [0, 1]
        assert run.committed == [{B: 1}, {B: 2}, {}]
        assert run.queue.done() == {B: 2}

    asyncio.run(go())


def test_an_insert_under_way_when_its_partition_goes_is_not_committed() -> None:
    async def go() -> None:
        run = Run(ListSink())
        run.queue.put(entry(0, A))
        await settle(run, 1)
        run.queue.forget({A})
        run.queue.put(entry(7, A))
        run.sink.open.set()
        await run.queue.drained()
        assert run.committed == [{}, {A: 8}]
        assert run.queue.done() == {A: 8}

    asyncio.run(go())


def test_positions_of_partitions_that_are_gone_are_forgotten() -> None:
    async def go() -> None:
        run = opened()
        run.queue.put(entry(0, A, B))
        await run.queue.drained()
        run.queue.forget({A})
        assert run.queue.done() == {B: 1}

    asyncio.run(go())


@pytest.mark.parametrize("rows_each", [1, 3])
@pytest.mark.parametrize("bad", [{0}, {63}, {17, 18, 40}, set(range(64))])
def test_where_rows_are_refused_only_their_records_are_put_aside(bad: set[int], rows_each: int) -> None:
    async def go() -> None:
        run = opened(bad=frozenset(bad))
        run.queue.put(entry(0, records=64, rows_each=rows_each))
        run.queue.put(entry(64))
        await run.queue.drained()
        assert run.sink.rows == [n for n in range(64) if n not in bad for _ in range(rows_each)] + [64]
        assert run.refused == sorted(bad)
        assert run.committed == [{A: 64}, {A: 65}]
        assert run.sink.begun <= 2 + 2 * len(bad) * 7

    asyncio.run(go())


def test_a_sink_away_beyond_patience_fails_the_queue() -> None:
    async def go() -> None:
        sink = ListSink(away=1_000_000)
        sink.open.set()
        run = Run(sink)
        queue = WriteQueue(
            sink, run._commit, run._refuse, Metrics(CollectorRegistry()), Limits(patience_s=0.05, longest_pause_s=0.01)
        )
        queue.put(entry(0))
        with pytest.raises(SinkBackpressure):
            await queue.drained()
        assert run.committed == []

    asyncio.run(go())
