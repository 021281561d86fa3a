"""Interval blocks of all partitions -> emissions, totals, intensity, alerts. One task a zone; the arithmetic is processors.ledger's."""

import time
from typing import Any, Final

import faust
import pyarrow as pa
from faust.types import TP, StreamT

from zonepulse.processors.blocks import interval_rows
from zonepulse.processors.channels import Channels
from zonepulse.processors.layout import UNSET
from zonepulse.processors.ledger import Ledger, Results
from zonepulse.processors.live import LiveBoard
from zonepulse.processors.ops_alerts import NoData
from zonepulse.schemas.records import RecordSpans
from zonepulse.schemas.results import LIVE
from zonepulse.schemas.topics import ALERTS, INTERVALS, RESULTS
from zonepulse.streams.app import Outbox
from zonepulse.streams.arrow_wire import ROWS_A_BLOCK, decode_block, encode
from zonepulse.streams.batch_channel import BatchChannel, Hooks, batch_channel
from zonepulse.streams.intervals_agent import alert_record
from zonepulse.streams.metrics import Metrics
from zonepulse.streams.registry_store import RegistryStore
from zonepulse.streams.settings import Settings

NAME: Final = "ledger"


class LedgerTask:
    """The zone's books, while this worker holds them."""

    def __init__(self, settings: Settings, registries: RegistryStore, outbox: Outbox, metrics: Metrics) -> None:
        self._prefix = settings.topic_prefix
        self._registries, self._outbox, self._metrics = registries, outbox, metrics
        self._ledger: Ledger | None = None
        self._live: LiveBoard | None = None
        self._shown: pa.RecordBatch | None = None
        self._no_data = NoData("")
        self.next_offset = 0
        self.batches: BatchChannel | None = None

    async def assigned(self, _: set[TP]) -> None:
        """Fresh books: without checkpoints the blocks are read from the beginning."""
        channels = await self._registries.first()
        self._ledger = Ledger(channels)
        self._no_data = NoData(channels.registry.zone.id)
        self.next_offset = 0

    async def start_offsets(self, tps: set[TP]) -> dict[TP, int]:
        """What to read first: behind what the state holds."""
        return dict.fromkeys(tps, self.next_offset)

    async def revoked(self, _: set[TP]) -> None:
        """Somebody else goes on."""
        self._ledger = None

    async def handle(self, records: RecordSpans) -> None:
        """Offer every block of the batch, apply the ticks that all partitions have closed, and send what that made."""
        ledger = self._ledger
        if ledger is None:
            return
        for i in range(len(records)):
            block = decode_block(records.value(i) or b"")
            channels = await self._registries.version(block.registry)
            if block.live_at_ms is not None:
                self._board(channels).offer(block.partition, block.live_at_ms, block.batch)
                continue
            ledger.announce(block.partition, channels)
            ledger.offer(block.partition, interval_rows(block.batch, channels), block.through)
        begun = time.perf_counter()
        results = ledger.advance()
        self._metrics.kernel_seconds.labels(NAME).observe(time.perf_counter() - begun)
        await self._send(results)
        self.next_offset = records.next_offset
        self._measure(ledger, records)

    def _measure(self, ledger: Ledger, records: RecordSpans) -> None:
        topic = TP(INTERVALS.full_name(self._prefix), records.partition)
        self._metrics.took(INTERVALS.name, records, self.batches.lag(topic, self.next_offset) if self.batches else None)
        if ledger.applied != UNSET:
            closed_s = ledger.applied * ledger.channels.registry.zone.tick_ms / 1000
            self._metrics.tick_lag.labels(NAME, "").set(time.time() - closed_s)

    def _board(self, channels: Channels) -> LiveBoard:
        if self._live is None or self._live.channels is not channels:
            self._live = LiveBoard(channels)
        return self._live

    async def send_live(self) -> None:
        """Rows of table `live` from the newest sums, and the alert that says when no meter reports at all."""
        if self._live is None:
            return
        rows = self._live.rows()
        if rows is not None and rows != self._shown:
            self._shown = rows
            await self._outbox.send(RESULTS.full_name(self._prefix), LIVE.name.encode(), encode(rows))
        for row in self._no_data.judge(self._live.is_silent, int(time.time() * 1000)):
            await self._outbox.send(ALERTS.full_name(self._prefix), *alert_record(row, self._live.channels.registry.zone.id))

    async def _send(self, results: Results) -> None:
        topic = RESULTS.full_name(self._prefix)
        for name, batches in results.batches.items():
            for batch in batches:
                for start in range(0, batch.num_rows, ROWS_A_BLOCK):
                    await self._outbox.send(topic, name.encode(), encode(batch.slice(start, ROWS_A_BLOCK)))
        if self._ledger is not None:
            zone = self._ledger.channels.registry.zone.id
            for row in results.alerts:
                await self._outbox.send(ALERTS.full_name(self._prefix), *alert_record(row, zone))
        await self._outbox.flush()


def add_ledger_agent(
    app: faust.App, settings: Settings, registries: RegistryStore, metrics: Metrics, live_s: float = 5.0
) -> LedgerTask:
    """Make `app` the ledger's worker; `live_s` is the zone's `live`."""
    task = LedgerTask(settings, registries, Outbox(app), metrics)
    hooks = Hooks(task.assigned, task.start_offsets, task.revoked)
    task.batches = batches = batch_channel(app, [INTERVALS.full_name(settings.topic_prefix)], hooks)

    async def keep_books(stream: StreamT[Any]) -> None:
        async for batch in batches.receive(stream):
            await task.handle(batch)

    app.agent(batches.channel, name=NAME)(keep_books)
    app.timer(live_s, name="live")(task.send_live)
    return task
