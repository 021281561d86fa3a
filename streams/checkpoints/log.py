"""The topic of a task's snapshots: made if it is missing, and read from its beginning to its end.

Faust's own recovery ends when it has met the record before the high watermark. Compaction, retention or a transaction's marker can have
taken that record, and then it waits for ever. Here a restore writes a last record of its own, the *end mark*, and reads until it meets
it; where even that is deleted under it, until the log begins behind it. So it always ends, with everything that stood before the mark.
"""

import asyncio
import logging
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from kafka.errors import TopicAlreadyExistsError

from zonepulse.schemas.messages.topics import MAX_MESSAGE_BYTES
from zonepulse.streams.access.address import connection_to
from zonepulse.streams.kafka.log_facts import admin_of

CONFIG: Final = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.1",
    "segment.bytes": str(32 << 20),
    "segment.ms": "60000",
    "max.compaction.lag.ms": "60000",
    "delete.retention.ms": "60000",
}
"""A restart reads the whole topic, so that is compacted early."""
FETCH_WAIT_MS: Final = 100
_CHUNK: Final = re.compile(r"\d{1,9}/(\d{1,9})/(\d{1,15})/[0-9a-f]{8}/\d{1,15}")
_MANIFEST: Final = re.compile(r"\d{1,9}/manifest/(\d{1,15})/[0-9a-f]{8}")
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Found:
    """What stands in one partition: keys of ours and their values; `strays` = records whose keys are not."""

    chunks: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    strays: list[tuple[int, bytes]] = field(default_factory=list)
    """Offset and key."""

    def generation(self) -> int:
        """The highest one of any key; 0 if there is none."""
        kinds = ((self.chunks, _CHUNK), (self.manifests, _MANIFEST))
        found = [pattern.fullmatch(key) for keys, pattern in kinds for key in keys]
        return max((int(match[match.lastindex or 0]) for match in found if match), default=0)

    def put(self, partition: int, offset: int, key: bytes | None, value: bytes | None) -> None:
        """One record, in the order of the log; a value of nothing is a tombstone."""
        text = (key or b"").decode("ascii", "replace")
        if text == end_key(partition):
            return
        mine = text.startswith(f"{partition}/")
        target = self.manifests if mine and _MANIFEST.fullmatch(text) else self.chunks if mine and _CHUNK.fullmatch(text) else None
        if target is None:
            if value:
                self.strays.append((offset, key or b""))
        elif value:
            target[text] = value
        else:
            target.pop(text, None)


def end_key(partition: int) -> str:
    """The key of the end mark: always the same, so that compaction keeps one."""
    return f"{partition}/end"


class CheckpointLog:
    """The compacted topic `name`."""

    def __init__(self, name: str, broker: str, partitions: int, replication: int) -> None:
        self.name, self._broker = name, broker
        self._partitions, self._replication = partitions, replication
        self._is_there = False

    async def read(self, partitions: Iterable[int], progress: Callable[[], object]) -> Mapping[int, Found]:
        """What stands in these partitions now. `progress` is called for each fetch. Raises kafka and aiokafka errors, RuntimeError."""
        wanted = sorted(set(partitions))
        if not self._is_there:
            await asyncio.to_thread(self._ensure)
            self._is_there = True
        marks = {number: secrets.token_bytes(8) for number in wanted}
        await self._write_marks(marks)
        consumer = AIOKafkaConsumer(
            **connection_to(self._broker),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_partition_fetch_bytes=MAX_MESSAGE_BYTES,
        )
        await consumer.start()
        try:
            return await self._read(consumer, marks, progress)
        finally:
            await consumer.stop()

    async def _write_marks(self, marks: Mapping[int, bytes]) -> None:
        """With a producer of its own: the app's may not be started while partitions are being assigned."""
        producer = AIOKafkaProducer(**connection_to(self._broker), acks="all")
        await producer.start()
        try:
            for number, mark in marks.items():
                await producer.send_and_wait(self.name, mark, end_key(number).encode(), partition=number)
        finally:
            await producer.stop()

    async def _read(
        self, consumer: AIOKafkaConsumer, marks: dict[int, bytes], progress: Callable[[], object]
    ) -> Mapping[int, Found]:
        tps = {TopicPartition(self.name, number): Found() for number in marks}
        consumer.assign(list(tps))
        await consumer.seek_to_beginning(*tps)
        ends = await consumer.end_offsets(tps)
        open_tps = set(tps)
        while open_tps:
            records = await consumer.getmany(*open_tps, timeout_ms=5 * FETCH_WAIT_MS)
            progress()
            for tp, found in records.items():
                for record in found:
                    tps[tp].put(tp.partition, record.offset, record.key, record.value)
                    if record.value == marks[tp.partition]:
                        open_tps.discard(tp)
            if not records:  # the marks were deleted again, or the broker is slow
                starts = await consumer.beginning_offsets(list(open_tps))
                open_tps -= {tp for tp, start in starts.items() if start >= ends[tp]}
        for tp, found in tps.items():
            if found.strays:
                offset, key = found.strays[0]
                log.error(
                    "%s/%d: %d records are no snapshots of ours and are ignored, the first at offset %d with key %.80r",
                    self.name, tp.partition, len(found.strays), offset, key,
                )  # fmt: skip
        return {tp.partition: found for tp, found in tps.items()}

    def _ensure(self) -> None:
        with admin_of(self._broker) as admin:
            if self.name not in admin.list_topics():
                self._create(admin)
            (topic,) = admin.describe_topics([self.name])
        if (found := len(topic["partitions"])) != self._partitions:
            raise RuntimeError(
                f"topic {self.name} has {found} partitions, expected {self._partitions} (chosen once): set"
                f" ZONEPULSE_PARTITIONS={found}, or use another topic prefix"
            )

    def _create(self, admin: Any) -> None:
        options = {"num_partitions": self._partitions, "replication_factor": self._replication, "configs": CONFIG}
        try:
            admin.create_topics({self.name: options}, wait_for_metadata=True)
        except TopicAlreadyExistsError:  # another worker was faster
            return
