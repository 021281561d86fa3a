"""The store: results, alerts, dead letters and the registry's names go to ClickHouse, in columns.

Order, never another: rows acknowledged by ClickHouse -> input offsets committed. What was not committed is read and written again,
and rows that are written twice are one row to the reader.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import faust
import pyarrow as pa
from faust.types import TP, StreamT

from zonepulse.schemas.topics import REGISTRY
from zonepulse.streams.batch_channel import BatchChannel, Hooks, batch_channel
from zonepulse.streams.clickhouse_sink import RowBatch, Sink, SinkBackpressure, Source
from zonepulse.streams.command_log import CommandLog
from zonepulse.streams.metrics import Metrics
from zonepulse.streams.record_arrays import Batch
from zonepulse.streams.registry_rows import RegistryRows
from zonepulse.streams.stored_rows import STORED_TOPICS, rows_of
from zonepulse.streams.watchdog import Pulse

MAX_ROWS: Final = 50_000
MAX_BYTES: Final = 16_000_000
"""Dead letters are few rows and many bytes."""
MAX_AGE_S: Final = 1.0
PATIENCE_S: Final = 900.0
"""How long one insert is tried before the worker gives up and exits, its offsets unmoved."""
LONGEST_PAUSE_S: Final = 10.0
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Pending:
    """Rows read and not yet written, and what to commit when they are."""

    rows: int = 0
    bytes: int = 0
    blocks: dict[tuple[str, TP], list[pa.Table]] = field(default_factory=dict)
    first: dict[tuple[str, TP], int] = field(default_factory=dict)
    next_offsets: dict[TP, int] = field(default_factory=dict)

    def add(self, table: str, tp: TP, first: int, rows: pa.Table) -> None:
        """Rows of one table that come from records of `tp` from offset `first` on."""
        self.blocks.setdefault((table, tp), []).append(rows)
        self.first.setdefault((table, tp), first)
        self.rows += rows.num_rows
        self.bytes += rows.nbytes

    def batches(self) -> list[RowBatch]:
        """One batch a table and partition."""
        return [
            RowBatch(table, pa.concat_tables(blocks), Source(*tp, self.first[table, tp], self.next_offsets[tp] - 1))
            for (table, tp), blocks in self.blocks.items()
        ]


class Store:
    """Collects rows and writes them by size (`MAX_ROWS`, `MAX_BYTES`) and age (`MAX_AGE_S`). One write at a time; readers wait."""

    def __init__(self, sink: Sink, zone: str, prefix: str, metrics: Metrics) -> None:
        self._sink, self._zone, self._prefix, self._metrics = sink, zone, prefix, metrics
        self._pending, self._registry = Pending(), RegistryRows()
        self._writing = asyncio.Lock()
        self.batches: BatchChannel | None = None
        self.commands: CommandLog | None = None
        self.pulse: Pulse | None = None
        self._written: dict[TP, int] = {}

    def positions(self) -> dict[TP, int]:
        """What is written: the next offset of each partition."""
        return dict(self._written)

    async def add(self, batch: Batch) -> None:
        """Takes a batch in; writes when enough has come together. Raises stored_rows.BadBlock, or what `flush` raises."""
        topic, tp = batch.topic.removeprefix(self._prefix), TP(batch.topic, batch.partition)
        found = self._registry.add(batch) if topic == REGISTRY.name else rows_of(batch, topic, self._zone)
        for table, rows in found:
            self._pending.add(table, tp, int(batch.offset[0]), rows)
        self._pending.next_offsets[tp] = batch.next_offset
        self._metrics.took(topic, batch, self.batches.lag(tp, batch.next_offset) if self.batches else None)
        if self._pending.rows >= MAX_ROWS or self._pending.bytes >= MAX_BYTES:
            await self.flush()

    async def flush(self) -> None:
        """Writes what is pending, then commits. Raises SinkRejected, and SinkBackpressure after `PATIENCE_S`."""
        async with self._writing:
            pending, self._pending = self._pending, Pending()
            for rows in pending.batches():
                await self._write(rows)
            if self.batches is not None:
                await self.batches.commit(pending.next_offsets)
            self._written |= pending.next_offsets

    async def start_offsets(self, tps: set[TP]) -> dict[TP, int]:
        """The registry, which is small, is read from its beginning: a version is written as a whole."""
        return {tp: 0 for tp in tps if tp.topic.removeprefix(self._prefix) == REGISTRY.name}

    async def forget(self, _: set[TP]) -> None:
        """Partitions are gone: what was not written is written by whoever gets them."""
        self._pending, self._registry, self._written = Pending(), RegistryRows(), {}

    async def _write(self, batch: RowBatch) -> None:
        started, pause_s = time.monotonic(), 0.0
        while True:
            try:
                begun = time.monotonic()
                await self._sink.write(batch)
                break
            except SinkBackpressure as busy:
                if time.monotonic() - started > PATIENCE_S:
                    raise
                pause_s = min(LONGEST_PAUSE_S, max(busy.retry_after_s, 2 * pause_s))
                self._metrics.backpressure.labels(batch.table).inc()
                if self.pulse is not None:
                    self.pulse.beat()
                log.warning("%s; trying again in %g s", busy, pause_s)
                await asyncio.sleep(pause_s)
        self._metrics.insert_seconds.labels(batch.table).observe(time.monotonic() - begun)
        self._metrics.inserts.labels(batch.table).inc()
        self._metrics.rows.labels(batch.table).inc(batch.rows.num_rows)


def add_store_agent(app: faust.App, sink: Sink, zone: str, prefix: str, metrics: Metrics) -> Store:
    """Makes `app` a store worker of `zone`."""
    store = Store(sink, zone, prefix, metrics)
    names: Mapping[str, str] = {t.full_name(prefix): t.name for t in STORED_TOPICS}
    store.batches = batches = batch_channel(
        app, names, Hooks(start_offsets=store.start_offsets, on_revoked=store.forget), max_bytes=4_000_000
    )

    async def write_rows(stream: StreamT[Any]) -> None:
        async for batch in batches.receive(stream):
            await store.add(batch)

    async def flush_by_age() -> None:
        await store.flush()

    app.agent(batches.channel, name="store")(write_rows)
    app.timer(MAX_AGE_S, name="store_flush")(flush_by_age)
    return store
