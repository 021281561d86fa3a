"""Readings -> intervals: one task a partition of `zp.readings`. The arithmetic is processors.intervals'."""

import time
from collections.abc import Mapping
from typing import Any, Final

import faust
import msgspec
from faust.types import TP, StreamT

from zonepulse.processors.decoding import Batch as Decoded
from zonepulse.processors.decoding import dead_letters, decode_records, registry_switches
from zonepulse.processors.intervals import Partition, Step
from zonepulse.processors.layout import UNSET
from zonepulse.processors.live import PartialSums
from zonepulse.processors.meter_alerts import alert_rows
from zonepulse.processors.windows import new_out, new_work
from zonepulse.schemas.records import HEARTBEAT, RecordSpans
from zonepulse.schemas.topics import ALERTS, DEADLETTERS, INTERVALS, READINGS
from zonepulse.streams.app import Outbox
from zonepulse.streams.arrow_wire import interval_blocks, live_block
from zonepulse.streams.batch_channel import BatchChannel, Hooks, batch_channel
from zonepulse.streams.metrics import Metrics
from zonepulse.streams.registry_store import RegistryStore
from zonepulse.streams.settings import Settings

NAME: Final = "intervals"


def alert_record(row: Mapping[str, Any], zone: str) -> tuple[bytes, bytes]:
    """(key, value) of one transition on `zp.alerts`."""
    return str(row["fingerprint"]).encode(), msgspec.json.encode({"zone": zone, **row})


class IntervalsTask:
    """The partitions this worker holds."""

    def __init__(self, settings: Settings, registries: RegistryStore, outbox: Outbox, metrics: Metrics) -> None:
        self._prefix, self._is_simulated = settings.topic_prefix, settings.is_simulated
        self._registries, self._outbox, self._metrics = registries, outbox, metrics
        self._partitions: dict[int, Partition] = {}
        self._heard: dict[int, float] = {}
        self._sums: dict[int, PartialSums] = {}
        self._work, self._out = new_work(), new_out()
        self.batches: BatchChannel | None = None

    async def assigned(self, tps: set[TP]) -> None:
        """Fresh state: without checkpoints a partition is read from the beginning."""
        channels = await self._registries.first()
        for tp in tps:
            self._partitions[tp.partition] = Partition(channels, tp.partition, self._work, self._out)
            self._heard[tp.partition] = time.monotonic()

    async def start_offsets(self, tps: set[TP]) -> dict[TP, int]:
        """What to read first: behind what the state holds."""
        return {tp: self._partitions[tp.partition].next_offset for tp in tps}

    async def revoked(self, tps: set[TP]) -> None:
        """Somebody else goes on."""
        for tp in tps:
            self._partitions.pop(tp.partition, None)

    async def handle(self, records: RecordSpans) -> None:
        """Fold one batch and send what it made."""
        partition = self._partitions[records.partition]
        self._heard[records.partition] = time.monotonic()
        ingest = partition.ingest_times(records.timestamp_ms)
        start = 0
        for position, version in [*registry_switches(records), (len(records) - 1, None)]:
            stop = position + 1
            if stop > start:
                decoded = decode_records(records, start, stop, ingest, partition.channels)
                step = partition.apply(decoded.items, int(ingest[stop - 1]))
                await self._send(partition, step, decoded, records)
                start = stop
            if version is not None and version != partition.channels.registry.version:
                partition.use(await self._registries.version(version))
        partition.next_offset = records.next_offset
        await self._outbox.flush()
        self._metrics.records.labels(READINGS.name).inc(len(records))

    async def _send(self, partition: Partition, step: Step, decoded: Decoded, records: RecordSpans) -> None:
        zone = partition.channels.registry.zone.id
        key = b"%d" % partition.partition
        for block in interval_blocks(step.rows, partition.channels, partition.partition, step.through):
            await self._outbox.send(INTERVALS.full_name(self._prefix), key, block)
        for row in alert_rows(step.transitions, partition.channels):
            await self._outbox.send(ALERTS.full_name(self._prefix), *alert_record(row, zone))
        for letter in dead_letters(decoded, records):
            self._metrics.dead_letters.labels(letter.reason).inc()
            await self._outbox.send(DEADLETTERS.full_name(self._prefix), letter.key, letter.value, headers=letter.headers())

    async def send_live(self) -> None:
        """Sums per entity of every partition that has reached the end of its log; in catch-up none."""
        topic = READINGS.full_name(self._prefix)
        for number, partition in list(self._partitions.items()):
            if self.batches is None or self.batches.lag(TP(topic, number), partition.next_offset) != 0 or partition.ingest == UNSET:
                continue
            version = partition.channels.registry.version
            if version not in self._sums:
                self._sums = {version: PartialSums(partition.channels)}
            block = live_block(self._sums[version].batch(partition), number, partition.ingest, version)
            await self._outbox.send(INTERVALS.full_name(self._prefix), b"%d" % number, block)

    async def send_heartbeats(self) -> None:
        """An empty record into every partition that is caught up and silent for `idle`; simulated topics bring their own."""
        if self._is_simulated or self.batches is None:
            return
        topic = READINGS.full_name(self._prefix)
        for number, partition in list(self._partitions.items()):
            idle_s = partition.channels.registry.zone.idle_ms / 1000
            silent_s = time.monotonic() - self._heard[number]
            if silent_s >= idle_s and self.batches.lag(TP(topic, number), partition.next_offset) == 0:
                self._heard[number] = time.monotonic()
                await self._outbox.send(topic, None, HEARTBEAT, partition=number)


def add_intervals_agent(
    app: faust.App, settings: Settings, registries: RegistryStore, metrics: Metrics, live_s: float = 5.0
) -> IntervalsTask:
    """Make `app` an intervals worker; `live_s` is the zone's `live`."""
    task = IntervalsTask(settings, registries, Outbox(app), metrics)
    hooks = Hooks(task.assigned, task.start_offsets, task.revoked)
    task.batches = batches = batch_channel(app, [READINGS.full_name(settings.topic_prefix)], hooks)

    async def fold_readings(stream: StreamT[Any]) -> None:
        async for batch in batches.receive(stream):
            await task.handle(batch)

    app.agent(batches.channel, name=NAME)(fold_readings)
    app.timer(1.0, name="heartbeats")(task.send_heartbeats)
    app.timer(live_s, name="live")(task.send_live)
    return task
