"""Checkpoints: the state of a task's partitions in a changelog-backed Faust table.

Order, never another: what the state made is acknowledged (result blocks, dead letters, alerts) -> its changed chunks -> the manifest,
which names every chunk's records and their checksums -> the input offset is committed -> records that no manifest needs any more get
tombstones. So a crash at any point leaves the newest complete snapshot as it is.

A *generation* is one worker's hold on a partition: one more than any it finds in the table. Its keys carry the generation and a random
owner, its first snapshot is whole, and it removes only what it found before and what it wrote itself: a worker that was replaced
without noticing can neither mix its chunks into another's snapshot nor take them away. The manifest with the highest (generation,
offset) counts.
"""

import asyncio
import logging
import secrets
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import faust
import msgspec
from faust.types import TP

from zonepulse.processors.snapshot import SCHEMA, Arrays, BadSnapshot, Frozen, check_schema, decode, encode
from zonepulse.streams.app import Outbox
from zonepulse.streams.batch_channel import BatchChannel

TABLE: Final = "checkpoints"
RATE_BYTES_S: Final = 10_000_000
"""Snapshots of one worker stay below this on the average: large ones are taken less often."""
INTERVAL_S: Final = 3.0
POLL_S: Final = 0.25
"""How often a worker looks whether a snapshot is due."""
PIECE_BYTES: Final = 900_000
_TOPIC: Final = {
    "min.cleanable.dirty.ratio": "0.1",
    "segment.bytes": str(32 << 20),
    "segment.ms": "60000",
    "max.compaction.lag.ms": "60000",
    "delete.retention.ms": "60000",
}
"""A restart reads the whole topic, so that is compacted early."""
log = logging.getLogger(__name__)


class Manifest(msgspec.Struct):
    """What a snapshot consists of: of each chunk its records' keys and checksums, in order."""

    schema: int
    generation: int
    owner: str
    next_offset: int
    facts: dict[str, Any]
    chunks: list[list[tuple[str, int]]]


@dataclass(frozen=True, slots=True)
class Stored:
    """The newest snapshot of a partition. `is_own`: this worker wrote it last, nobody since."""

    facts: dict[str, Any]
    chunks: Sequence[Arrays]
    next_offset: int
    is_own: bool
    size: int
    """Bytes of its chunks."""


@dataclass(slots=True)
class Hold:
    """A partition in this worker's hands: its generation, and what of its snapshot is in the table."""

    generation: int
    owner: str = field(default_factory=lambda: secrets.token_hex(4))
    sequence: int = 0
    next_offset: int | None = None
    """Of the manifest written last; None before the first of this generation."""
    chunks: dict[int, list[tuple[str, int]]] = field(default_factory=dict)
    garbage: list[str] = field(default_factory=list)
    """Keys to remove once the next manifest is written."""
    due_s: float = field(default_factory=lambda: time.monotonic() + INTERVAL_S)


class Checkpoints:
    """One table's partitions. `find` when a partition comes, `write` as often as `due` says, `drop` when its state is lost."""

    def __init__(self, app: faust.App, partitions: int, outbox: Outbox) -> None:
        self._outbox = outbox
        self._holds: dict[int, Hold] = {}
        self._paced_until_s = 0.0
        self.written_bytes = 0
        """Of all chunks that were acknowledged."""
        self.saving = asyncio.Lock()
        """Held by `save`: snapshots are written in the order in which they are taken."""
        self._table: Any = app.Table(
            TABLE,
            key_type=bytes,
            value_type=bytes,
            partitions=partitions,
            extra_topic_configs=_TOPIC,
            help="snapshots of partition states",
        )

    # --- restoring ------------------------------------------------------------------------------------------------------------

    def find(self, partition: int) -> Stored | None:
        """The newest complete snapshot; begins a new generation unless that is this worker's own. Raises BadSnapshot.

        Call it when the table is recovered.
        """
        records = dict(self._records(partition))
        manifests = sorted(self._manifests(records), key=lambda m: (m.generation, m.next_offset), reverse=True)
        mine = self._holds.get(partition)
        if mine and manifests and (mine.owner, mine.next_offset) == (manifests[0].owner, manifests[0].next_offset):
            mine.due_s = time.monotonic() + INTERVAL_S
            return self._stored(manifests[0], records, is_own=True)
        newest = max((_generation(key) for key in records), default=0)
        self._holds[partition] = Hold(newest + 1, garbage=list(records))
        for manifest in manifests:
            try:
                return self._stored(manifest, records, is_own=False)
            except BadSnapshot as bad:
                log.error("partition %d, generation %d: %s; looking for an older snapshot", partition, manifest.generation, bad)
        if manifests:
            raise BadSnapshot(f"none of the {len(manifests)} snapshots of partition {partition} can be read: see the log")
        return None

    def _records(self, partition: int) -> Iterator[tuple[str, bytes]]:
        prefix = f"{partition}/"
        for key, value in self._table.data.items():
            text = bytes(key).decode()
            if text.startswith(prefix) and value:
                yield text, bytes(value)

    @staticmethod
    def _manifests(records: dict[str, bytes]) -> Iterator[Manifest]:
        for key, value in records.items():
            if "/manifest/" in key:
                check_schema(msgspec.json.decode(value)["schema"])
                yield msgspec.json.decode(value, type=Manifest)

    @staticmethod
    def _stored(manifest: Manifest, records: dict[str, bytes], *, is_own: bool) -> Stored:
        chunks, size = [], 0
        for pieces in manifest.chunks:
            for key, checksum in pieces:
                if key not in records or zlib.crc32(records[key]) != checksum:
                    raise BadSnapshot(f"record {key} is {'damaged' if key in records else 'missing'}")
            data = b"".join(records[key] for key, _ in pieces)
            chunks.append(decode(data))
            size += len(data)
        return Stored(manifest.facts, chunks, manifest.next_offset, is_own, size)

    # --- writing --------------------------------------------------------------------------------------------------------------

    def due(self, positions: dict[int, int]) -> int | None:
        """The partition to be written now, out of those held and where they stand; None if there is none."""
        now = time.monotonic()
        if now < self._paced_until_s:
            return None
        ready = [p for p, at in positions.items() if p in self._holds and self._holds[p].next_offset != at]
        ready = [p for p in ready if self._holds[p].due_s <= now]
        return min(ready, key=lambda p: self._holds[p].due_s, default=None)

    def is_written(self, partition: int, next_offset: int) -> bool:
        """Whether the newest manifest is of this position: a state is a function of the log up to there."""
        return partition in self._holds and self._holds[partition].next_offset == next_offset

    async def write(self, partition: int, frozen: Frozen) -> None:
        """Returns when chunks and manifest are acknowledged. One write at a time; a failed one ends the hold."""
        hold = self._holds.pop(partition)
        begun, size = time.monotonic(), 0
        for number, arrays in sorted(frozen.chunks.items()):
            data = await asyncio.to_thread(encode, arrays)
            hold.garbage += [key for key, _ in hold.chunks.get(number, ())]
            hold.chunks[number] = []
            for start in range(0, len(data), PIECE_BYTES):
                piece = data[start : start + PIECE_BYTES]
                hold.sequence += 1
                key = f"{partition}/{number}/{hold.generation}/{hold.owner}/{hold.sequence}"
                hold.chunks[number].append((key, zlib.crc32(piece)))
                await self._send(partition, key, piece)
            size += len(data)
        await self._outbox.flush()
        chunks = [hold.chunks[number] for number in range(frozen.count)]
        manifest = Manifest(SCHEMA, hold.generation, hold.owner, frozen.next_offset, frozen.facts, chunks)
        await self._send(partition, f"{partition}/manifest/{hold.generation}/{hold.owner}", msgspec.json.encode(manifest))
        await self._outbox.flush()
        self.written_bytes += size
        hold.next_offset = frozen.next_offset
        hold.due_s = time.monotonic() + INTERVAL_S
        self._paced_until_s = max(begun + size / RATE_BYTES_S, self._paced_until_s)
        self._holds[partition] = hold

    async def clean(self, partition: int) -> None:
        """Tombstones for what the manifest just written does not name; they need no acknowledgement."""
        if (hold := self._holds.get(partition)) is None:
            return
        garbage, hold.garbage = hold.garbage, []
        for key in garbage:
            await self._send(partition, key, None)

    def drop(self, partition: int) -> None:
        """The state is gone without a final snapshot: a later hold is another generation."""
        self._holds.pop(partition, None)

    async def _send(self, partition: int, key: str, value: bytes | None) -> None:
        await self._outbox.send(self._table.changelog_topic_name, key.encode(), value, partition=partition)


async def save(
    checkpoints: Checkpoints,
    batches: BatchChannel | None,
    tp: TP,
    turn: asyncio.Lock,
    outbox: Outbox,
    freeze: Callable[[], Frozen | None],
) -> None:
    """One checkpoint in its order; `freeze` runs while `turn` is held, None = the partition is gone. One at a time."""
    async with checkpoints.saving:
        async with turn:
            await outbox.flush()
            frozen = freeze()
        if frozen is None or checkpoints.is_written(tp.partition, frozen.next_offset):
            return
        await checkpoints.write(tp.partition, frozen)
        if batches is not None:
            await batches.commit({tp: frozen.next_offset})
        await checkpoints.clean(tp.partition)


def _generation(key: str) -> int:
    return int(key.split("/")[2])
