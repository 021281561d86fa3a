"""The demo's work without its screen: feed the sample through Kafka, wait for the ledger, check every row against the oracle."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from typing import Any, Final

import pyarrow as pa
from aiokafka import AIOKafkaProducer
from clickhouse_connect.driver.client import Client
from faust.types import TP
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient

from zonepulse.oracle.compare import differences
from zonepulse.oracle.metering.decode import Record
from zonepulse.oracle.run import Part, part_of, tables_of
from zonepulse.schemas.factors.shipped import shipped_factors_csv
from zonepulse.schemas.messages.partitioner import partition_of
from zonepulse.schemas.messages.records import HEARTBEAT, Headers
from zonepulse.schemas.messages.tasks import TASKS, WHOLE
from zonepulse.schemas.messages.topics import MAX_MESSAGE_BYTES, READINGS
from zonepulse.schemas.registry.model import ZonePolicy
from zonepulse.schemas.tables.results import DEAD_LETTERS, FINAL_TABLES, TABLES, Table
from zonepulse.schemas.values import LATEST_MS
from zonepulse.streams.access.address import connection_to
from zonepulse.streams.demo.sample import Sample
from zonepulse.streams.kafka.consumer_groups import are_stable, committed
from zonepulse.streams.kafka.interval_codec import decode_block
from zonepulse.streams.kafka.log_facts import ends_of

PREFIX: Final = "zp."
STORE_GROUP: Final = TASKS["store"].group(PREFIX)
LEDGER_GROUP: Final = TASKS["ledger"].group(PREFIX)
INTERVALS_GROUP: Final = TASKS["intervals"].group(PREFIX)
WORKER_GROUPS: Final = tuple(TASKS[task].group(PREFIX) for task in WHOLE)
Reader = Callable[[int], Iterator[Record]]
"""The records of a partition, in order; goes to another process."""
_TIMEOUT_MS: Final = 1000
_BATCH_BYTES: Final = 1 << 17
_UNSENT_MS: Final = 120_000
"""How long a broker may be away while something is sent to it."""
LATEST_TICK: Final = LATEST_MS // 1_000
"""No partition has closed more."""


@dataclass(slots=True)
class Feed:
    """Sends a sample to `zp.readings` in a thread, at `speed_up` times real time, between an opening and a closing heartbeat."""

    broker: str
    sample: Sample
    partitions: int
    zone: ZonePolicy
    speed_up: float
    closes: bool = True
    """Whether the closing heartbeat is sent too: more is to come otherwise."""
    sent: int = 0
    failure: BaseException | None = None
    _thread: threading.Thread | None = None
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def end_ms(self) -> int:
        """Ingest time of the closing heartbeat: past the window of the last arrival, delay and tick."""
        length = self.zone.window_ms
        latest = max(int(self.sample.arrival_ms[-1]), self.latest_ts)
        return (latest // length + 1) * length + self.zone.delay_ms + self.zone.tick_ms

    @property
    def arrival_ms(self) -> int:
        """Ingest time of what is sent next."""
        return int(self.sample.arrival_ms[min(self.sent, len(self.sample) - 1)])

    @property
    def latest_ts(self) -> int:
        """The largest time of a reading that can have been accepted."""
        ts, ingest = (self.sample.readings[name].cast(pa.int64()).to_numpy() for name in ("ts", "ingest_ms"))
        return int(ts[ts <= ingest + self.zone.future_ms].max())

    @property
    def is_sending(self) -> bool:
        """It has begun and not ended."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def is_done(self) -> bool:
        """Everything is sent and acknowledged."""
        return self._thread is not None and not self._thread.is_alive()

    def start(self) -> None:
        """Begin sending."""
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop sending, wherever it is."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(10)

    def _run(self) -> None:
        try:
            asyncio.run(self._send())
        except BaseException as error:
            self.failure = error

    async def _send(self) -> None:
        producer = AIOKafkaProducer(
            **connection_to(self.broker),
            acks="all",
            max_batch_size=_BATCH_BYTES,
            max_request_size=MAX_MESSAGE_BYTES,
            request_timeout_ms=_UNSENT_MS,
        )
        await producer.start()
        try:
            await self._send_all(Batches(producer))
        finally:
            await producer.stop()

    async def _send_all(self, batches: "Batches") -> None:
        first, begun = int(self.sample.arrival_ms[0]), time.monotonic()
        for i, at in enumerate(self.sample.arrival_ms.tolist()):
            ahead_s = (at - first) / 1000 / self.speed_up - (time.monotonic() - begun)
            if ahead_s > 0.01:
                await batches.ship()
                await asyncio.sleep(ahead_s)
            if self._stop.is_set():
                return
            key = self.sample.key[i]
            await batches.add(
                partition_of(key.decode(), self.partitions), at, key, self.sample.value[i], self.sample.headers.get(i, ())
            )
            self.sent += 1
        for number in range(self.partitions if self.closes else 0):
            await batches.add(number, self.end_ms, None, HEARTBEAT)
        await batches.ship()
        await batches.acknowledged()


class Batches:
    """Records on their way to `zp.readings`, a batch a partition: much cheaper than record by record."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._open: dict[int, Any] = {}
        self._sent: list[asyncio.Future[Any]] = []

    async def add(self, partition: int, timestamp_ms: int, key: bytes | None, value: bytes, headers: Headers = ()) -> None:
        """Takes a record; waits while a full batch cannot be sent."""
        record = {"timestamp": timestamp_ms, "key": key, "value": value, "headers": list(headers)}
        while self._open.setdefault(partition, self._producer.create_batch()).append(**record) is None:
            await self.ship(partition)

    async def ship(self, *partitions: int) -> None:
        """Sends what has come together, of all partitions unless told otherwise. Raises what failed to be sent before."""
        for number in partitions or tuple(self._open):
            batch = self._open.pop(number)
            batch.close()
            self._sent.append(await self._producer.send_batch(batch, READINGS.full_name(PREFIX), partition=number))
        for done in (sent for sent in self._sent if sent.done()):
            done.result()
        self._sent = [sent for sent in self._sent if not sent.done()]

    async def acknowledged(self) -> None:
        """Returns when the broker has everything that was shipped."""
        await asyncio.gather(*self._sent)


def read_partition(broker: str, topic: str, partition: int) -> Iterator[Record]:
    """Every record of a partition."""
    consumer = KafkaConsumer(**connection_to(broker), enable_auto_commit=False, group_id=None)
    try:
        tp = TopicPartition(topic, partition)
        end = consumer.end_offsets([tp])[tp]
        consumer.assign([tp])
        consumer.seek_to_beginning(tp)
        while consumer.position(tp) < end:
            for record in consumer.poll(_TIMEOUT_MS, 5000).get(tp, ()):
                yield Record(
                    record.partition, record.offset, record.timestamp, record.key, record.value, tuple(record.headers or ())
                )
    finally:
        consumer.close()


class Progress:
    """How far the pipeline has come: what partitions have closed, and what the store has yet to write."""

    def __init__(self, broker: str, partitions: int) -> None:
        self._consumer = KafkaConsumer(**connection_to(broker), enable_auto_commit=False, group_id=None)
        self._blocks = TopicPartition(f"{PREFIX}intervals", 0)
        self._stored = [TP(f"{PREFIX}{name}", 0) for name in ("intervals", "results", "alerts", "deadletters")]
        self._admin = KafkaAdminClient(**connection_to(broker))
        self._consumer.assign([self._blocks])
        self._consumer.seek_to_beginning(self._blocks)
        self.through = dict.fromkeys(range(partitions), 0)

    def close(self) -> None:
        """Close the clients."""
        self._consumer.close()
        self._admin.close()

    def are_ready(self) -> bool:
        """Whether the workers of every task have been given their partitions."""
        return are_stable(self._admin, WORKER_GROUPS)

    def closed_tick(self) -> int:
        """The last tick that every partition has closed."""
        while found := self._consumer.poll(0, 500):
            for record in (r for records in found.values() for r in records):
                try:
                    block = decode_block(record.value or b"")
                except Exception:  # whatever else stands on the topic
                    continue
                if block.through is not None and block.partition in self.through and block.through < LATEST_TICK:
                    self.through[block.partition] = max(self.through[block.partition], block.through)
        return min(self.through.values())

    def store_lag(self) -> int:
        """Records that the store has not yet committed."""
        ends, known = self.stored_ends(), self.committed(STORE_GROUP)
        return sum(end - known.get(tp, 0) for tp, end in ends.items())

    def stored_ends(self) -> dict[TopicPartition, int]:
        """Ends of the topics that go to the store. Raises KafkaError while a broker does not answer.

        A consumer would go on asking a broker that no longer leads: it looks only for the leaders of what it is assigned.
        """
        return {TopicPartition(*tp): at.end for tp, at in ends_of(self._admin, self._stored).items()}

    def committed(self, group: str) -> Mapping[TopicPartition, int]:
        """groups.committed."""
        return committed(self._admin, group)


def oracle_differences(
    read: Reader,
    client: Client,
    zone_yaml: str,
    partitions: int,
    processes: int = 1,
    judged_letters: Callable[[pa.Table], pa.Table] = lambda rows: rows,
) -> dict[str, list[str]]:
    """Table -> where the stored final rows differ from the oracle's, which reads the log itself, a partition a process.

    `judged_letters` leaves out of the dead letters those of records that the oracle does not read.
    """
    expected = tables_of(zone_yaml, shipped_factors_csv(), oracle_parts(read, zone_yaml, partitions, processes), partitions)
    stored = {name: stored_rows(client, TABLES[name]) for name in FINAL_TABLES}
    stored[DEAD_LETTERS.name] = judged_letters(stored[DEAD_LETTERS.name])
    return {name: differences(expected[name], stored[name], name) for name in FINAL_TABLES}


def readings_of(broker: str) -> Reader:
    """The records of `zp.readings` as they stand there."""
    return partial(read_partition, broker, READINGS.full_name(PREFIX))


def oracle_parts(read: Reader, zone_yaml: str, partitions: int, processes: int) -> list[Part]:
    """What the oracle makes of every partition."""
    judge = partial(_judged, read, zone_yaml, partitions)
    if processes == 1:
        return [judge(number) for number in range(partitions)]
    with ProcessPoolExecutor(min(processes, partitions), get_context("spawn")) as pool:
        return list(pool.map(judge, range(partitions)))


def _judged(read: Reader, zone_yaml: str, partitions: int, number: int) -> Part:
    return part_of(zone_yaml, shipped_factors_csv(), read(number), partitions)


def stored_rows(client: Client, table: Table) -> pa.Table:
    """The live run's final rows of a table; only columns of bytes stay bytes."""
    judged = f" AND NOT {table.live_only}" if table.live_only and table is not DEAD_LETTERS else ""  # letters: `judged_letters`
    rows = client.query_arrow(f"SELECT * FROM {table.name}_final WHERE run = 'live'{judged}", use_strings=False)
    for column in table.stored:
        if column.kind in ("str", "code"):
            at = rows.schema.get_field_index(column.name)
            rows = rows.set_column(at, column.name, rows[column.name].cast(pa.string()))
    return rows
