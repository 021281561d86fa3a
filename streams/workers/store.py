"""The store: results, alerts, dead letters and the registry's names go to ClickHouse, in columns.

Order, never another: rows acknowledged by ClickHouse -> input offsets committed. What was not committed is read and written again,
and rows that are written twice are one row to the reader.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import faust
from faust.types import TP, StreamT

from zonepulse.schemas.messages.records import RecordSpans
from zonepulse.schemas.messages.tasks import TASKS
from zonepulse.schemas.messages.topics import DEADLETTERS, REGISTRY
from zonepulse.schemas.values import LATEST_MS
from zonepulse.streams.clickhouse.known_registers import KnownRegisters
from zonepulse.streams.clickhouse.registry_rows import RegistryRows
from zonepulse.streams.clickhouse.sink import ClickHouseSink, Sink, SinkRejected
from zonepulse.streams.clickhouse.stored_rows import Poison, rows_of
from zonepulse.streams.clickhouse.write_queue import LIMITS, Entry, Limits, Piece, WriteQueue
from zonepulse.streams.control.command_log import CommandLog
from zonepulse.streams.control.outfit import Outfit
from zonepulse.streams.health.quarantine import Quarantine
from zonepulse.streams.health.watchdog import Pulse
from zonepulse.streams.indicators import keeping
from zonepulse.streams.indicators.keeping import Keeping
from zonepulse.streams.kafka.app import Outbox
from zonepulse.streams.kafka.batch_channel import BatchChannel, Hooks, batch_channel
from zonepulse.streams.kafka.origin import Origin
from zonepulse.streams.kafka.record_arrays import Fetch
from zonepulse.streams.metrics import Metrics

NAME: Final = "store"


class Store:
    """Collects rows and sends them on their way to the sink by size and age; where too much is on its way, it takes no more."""

    def __init__(
        self,
        sink: Sink,
        origin: Origin,
        known: KnownRegisters,
        outbox: Outbox,
        prefix: str,
        metrics: Metrics,
        limits: Limits = LIMITS,
    ) -> None:
        self._origin, self._known, self._prefix, self._metrics, self._limits = origin, known, prefix, metrics, limits
        self._outbox, self.quarantine = outbox, Quarantine(outbox, prefix, metrics)
        self._pending, self._registry = Entry(), RegistryRows(origin.zone)
        self._queue = WriteQueue(sink, self._commit, self._refused, metrics, limits, self._beat)
        self.batches: BatchChannel | None = None
        self.commands: CommandLog | None = None
        self.pulse: Pulse | None = None

    def positions(self) -> dict[TP, int]:
        """What is written: the next offset of each partition."""
        return self._queue.done()

    async def add(self, batch: Fetch) -> None:
        """Takes a batch in, once there is room; what cannot be rows is put aside. Raises what made an earlier write fail."""
        await self._queue.room()
        topic, tp = batch.topic.removeprefix(self._prefix), TP(batch.topic, batch.partition)
        pieces: dict[str, list[Piece]] = {}
        for found in await self._found(batch, topic):
            if isinstance(found, Poison):
                await self._put_aside(batch, found)
            else:
                pieces.setdefault(found[0], []).append(found[1])
        if self.batches is not None and not self.batches.is_current(batch):  # its partition went meanwhile
            return
        self._pending.add(tp, batch.next_offset, batch, pieces)
        self._metrics.took(topic, batch, self.batches.lag(tp, batch.next_offset) if self.batches else None)
        if self._pending.rows >= self._limits.rows or self._pending.bytes >= self._limits.bytes:
            self._send()

    async def _found(self, batch: Fetch, topic: str) -> Sequence[tuple[str, Piece] | Poison]:
        """Pieces and poison of a batch. Rows of a meter that is not known may be of a registry version published just now."""
        if topic == REGISTRY.name:
            return list(self._registry.add(batch))
        skipped = self.commands.positions(batch) if self.commands is not None else []
        found = list(rows_of(batch, topic, self._origin, skipped))
        if any(isinstance(one, Poison) and one.is_unknown_meter for one in found) and await self._known.refresh():
            found = list(rows_of(batch, topic, self._origin, skipped))
        return found

    async def _put_aside(self, records: RecordSpans, poison: Poison) -> None:
        """An unreadable dead letter is kept as it is and makes no letter; every other record becomes one."""
        i, place = poison.at, (records.topic, records.partition, int(records.offset[poison.at]))
        if records.topic.removeprefix(self._prefix) == DEADLETTERS.name:
            await self.quarantine.tell(*place, poison.why)
            return
        at_ms = min(max(0, int(records.timestamp_ms[i])), LATEST_MS)
        await self.quarantine.send(*place, records.key(i), records.value(i), poison.why, received_at_ms=at_ms)

    async def flush(self) -> None:
        """Returns when all that was added is written and committed. Raises what made a write fail: SinkRejected, SinkBackpressure, ..."""
        self._send()
        await self._queue.drained()

    def send_by_age(self) -> None:
        """Sends what is pending on its way unless others are: then it may grow. Raises what made an earlier write fail."""
        self._queue.check()
        if self._queue.is_idle:
            self._send()

    async def start_offsets(self, tps: set[TP]) -> dict[TP, int]:
        """The registry, which is small, is read from its beginning: a version is written as a whole."""
        return {tp: 0 for tp in tps if tp.topic.removeprefix(self._prefix) == REGISTRY.name}

    async def forget(self, tps: set[TP]) -> None:
        """Partitions are gone: what was not written is written by whoever gets them."""
        self._pending.forget(tps)
        self._queue.forget(tps)
        if any(tp.topic.removeprefix(self._prefix) == REGISTRY.name for tp in tps):
            self._registry = RegistryRows(self._origin.zone)

    def _send(self) -> None:
        self._queue.check()
        if self._pending.next_offsets:
            pending, self._pending = self._pending, Entry()
            self._queue.put(pending)

    async def _commit(self, next_offsets: Mapping[TP, int]) -> None:
        await self._outbox.flush()  # letters of what is put aside
        if self.batches is not None:
            await self.batches.commit(next_offsets)

    async def _refused(self, table: str, piece: Piece, rejected: SinkRejected) -> None:
        await self._put_aside(piece.records, Poison(piece.made_by[0], f"refused by table {table}: {rejected}"))

    def _beat(self) -> None:
        if self.pulse is not None:
            self.pulse.beat()


def start(outfit: Outfit) -> None:
    """Make a worker one of this task."""
    settings, zone = outfit.settings, outfit.zone
    known = KnownRegisters(outfit.load_versions, outfit.registry_end, outfit.versions.values())
    origin = Origin(zone.id, settings.partitions, zone.tick_ms, zone.future_ms, known.names, settings.is_simulated)
    store = add_store_agent(outfit.app, ClickHouseSink(settings), origin, known, settings.topic_prefix, outfit.metrics)
    outfit.fit(store)
    assert store.batches is not None
    outfit.app.timer(keeping.POLL_S, name="indicators")(Keeping(outfit, ClickHouseSink(settings), store.batches.held).round)


def add_store_agent(
    app: faust.App, sink: Sink, origin: Origin, known: KnownRegisters, prefix: str, metrics: Metrics, limits: Limits = LIMITS
) -> Store:
    """Makes `app` the store worker of the zone of `origin`, whose registers `known` knows."""
    store = Store(sink, origin, known, Outbox(app), prefix, metrics, limits)
    names: Mapping[str, str] = {t.full_name(prefix): t.name for t in TASKS[NAME].reads}
    store.batches = batches = batch_channel(
        app, names, Hooks(start_offsets=store.start_offsets, on_revoked=store.forget), max_bytes=4_000_000
    )

    async def write_rows(stream: StreamT[Any]) -> None:
        async for batch in batches.receive(stream):
            await store.add(batch)

    async def send_by_age() -> None:
        store.send_by_age()

    app.agent(batches.channel, name=NAME)(write_rows)
    app.timer(limits.age_s, name="store_flush")(send_by_age)
    return store
