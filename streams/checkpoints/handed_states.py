"""States that are handed over: a topic for each hand-over, a partition for each of `zp.readings` and a last one for the ledger.

A state is written whole: its chunks in pieces, then a manifest that names them. Every writer has keys of its own, so of two neither spoils
the other's; the last manifest counts.
"""

import asyncio
import secrets
import zlib
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from zonepulse.processors.metering.snapshot import SCHEMA, Arrays, BadSnapshot, Frozen, check_schema, decode, encode
from zonepulse.schemas.messages.hand_overs import TOPICS
from zonepulse.schemas.messages.topics import MAX_MESSAGE_BYTES
from zonepulse.streams.access.address import connection_to
from zonepulse.streams.checkpoints.checkpoint import PIECE_BYTES
from zonepulse.streams.kafka.log_facts import admin_of

CONFIG: Final = {"retention.ms": "-1", "cleanup.policy": "delete", "max.message.bytes": str(MAX_MESSAGE_BYTES)}
POLL_MS: Final = 500
PROGRAM: Final = "program"
"""Fact of a state that is kept: the version of zonepulse that made it."""


class HandedState(msgspec.Struct):
    """A task's state at `next_offset`: its facts, and its chunks as snapshot.encode writes them."""

    facts: dict[str, Any]
    chunks: list[bytes]
    next_offset: int

    @classmethod
    def of(cls, frozen: Frozen) -> "HandedState":
        """Of a state that was frozen whole."""
        return cls(frozen.facts, [encode(frozen.chunks[number]) for number in range(frozen.count)], frozen.next_offset)

    def arrays(self) -> list[Arrays]:
        """The chunks. Raises BadSnapshot."""
        return [decode(chunk) for chunk in self.chunks]


class _Manifest(msgspec.Struct):
    schema: int
    facts: dict[str, Any]
    next_offset: int
    chunks: list[list[tuple[str, int]]]
    """Of each, the keys of its pieces with their checksums."""


class HandedStates:
    """Those called `name`."""

    def __init__(self, broker: str, prefix: str, name: str) -> None:
        self._broker, self.topic = broker, f"{prefix}{TOPICS}{name}"

    def create(self, partitions: int, replication: int) -> None:
        """The topic, for so many states. Blocks. Raises KafkaError."""
        options = {"num_partitions": partitions, "replication_factor": replication, "configs": CONFIG}
        with admin_of(self._broker) as admin:
            admin.create_topics({self.topic: options}, wait_for_metadata=True)

    async def write(self, states: Mapping[int, HandedState]) -> None:
        """Returns when all of it is acknowledged. Raises KafkaError."""
        producer = AIOKafkaProducer(**connection_to(self._broker), acks="all", max_request_size=MAX_MESSAGE_BYTES)
        await producer.start()
        try:
            for number, state in states.items():
                await self._write(producer, number, state)
        finally:
            await producer.stop()

    async def _write(self, producer: AIOKafkaProducer, number: int, state: HandedState) -> None:
        owner, chunks, sent = secrets.token_hex(8), [], []
        for i, chunk in enumerate(state.chunks):
            pieces: list[tuple[str, int]] = []
            for start in range(0, len(chunk), PIECE_BYTES):
                piece = chunk[start : start + PIECE_BYTES]
                pieces.append((f"{owner}/{i}/{start}", zlib.crc32(piece)))
                sent.append(await producer.send(self.topic, piece, pieces[-1][0].encode(), partition=number))
            chunks.append(pieces)
        await asyncio.gather(*sent)
        manifest = _Manifest(SCHEMA, state.facts, state.next_offset, chunks)
        await producer.send_and_wait(self.topic, msgspec.json.encode(manifest), b"manifest", partition=number)

    async def keep(self, number: int, frozen: Frozen) -> None:
        """A whole state, for runs of this program to begin with, where the topic still is. Raises KafkaError."""
        if await asyncio.to_thread(self._is_there):
            state = HandedState.of(frozen)
            state.facts = state.facts | {PROGRAM: version("zonepulse")}
            await self.write({number: state})

    def _is_there(self) -> bool:
        with admin_of(self._broker) as admin:
            return self.topic in admin.list_topics()

    async def read(self, numbers: Iterable[int]) -> dict[int, HandedState]:
        """Those that are there whole. Raises KafkaError, BadSnapshot."""
        consumer = AIOKafkaConsumer(
            **connection_to(self._broker), enable_auto_commit=False, auto_offset_reset="earliest",
            max_partition_fetch_bytes=MAX_MESSAGE_BYTES,
        )  # fmt: skip
        await consumer.start()
        try:
            if self.topic not in await consumer.topics():
                return {}
            tps = [TopicPartition(self.topic, number) for number in numbers]
            return {tp.partition: found for tp in tps if (found := await _read(consumer, tp)) is not None}
        finally:
            await consumer.stop()


def forget_states(broker: str, prefix: str, names: Iterable[str]) -> None:
    """Deletes those of these names that are there. Blocks. Raises KafkaError."""
    topics = {HandedStates(broker, prefix, name).topic for name in names}
    with admin_of(broker) as admin:
        if gone := sorted(topics & set(admin.list_topics())):
            admin.delete_topics(gone)


async def _read(consumer: AIOKafkaConsumer, tp: TopicPartition) -> HandedState | None:
    consumer.assign([tp])
    await consumer.seek_to_beginning(tp)
    end = (await consumer.end_offsets([tp]))[tp]
    records: dict[bytes, bytes] = {}
    while await consumer.position(tp) < end:
        for record in (await consumer.getmany(tp, timeout_ms=POLL_MS)).get(tp, ()):
            records[record.key] = record.value
    if (text := records.get(b"manifest")) is None:
        return None
    manifest = msgspec.json.decode(text, type=_Manifest)
    check_schema(manifest.schema)
    return HandedState(manifest.facts, [_joined(pieces, records) for pieces in manifest.chunks], manifest.next_offset)


def _joined(pieces: Sequence[tuple[str, int]], records: Mapping[bytes, bytes]) -> bytes:
    found = [records.get(key.encode(), b"") for key, _ in pieces]
    if any(zlib.crc32(piece) != checksum for piece, (_, checksum) in zip(found, pieces, strict=True)):
        raise BadSnapshot("a piece of the state handed over is missing or damaged")
    return b"".join(found)
