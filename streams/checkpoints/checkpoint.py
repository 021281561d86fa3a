"""Checkpoints: the state of a task's partitions in a compacted topic (checkpoint_log.py).

Order, never another: what the state made is acknowledged (result blocks, dead letters, alerts) -> its changed chunks -> the manifest,
which names every chunk's records and their checksums -> the input offset is committed -> records that no manifest needs any more get
tombstones. So a crash at any point leaves the newest complete snapshot as it is.

The manifest and the commit carry a note of the log that the state was made from (log_guard.py).

A *generation* is one worker's hold on a partition: one more than any it finds in the topic. Its keys carry the generation and a random
owner, its first snapshot is whole, and it removes only what it found before and what it wrote itself: a worker that was replaced
without noticing can neither mix its chunks into another's snapshot nor take them away. The manifest with the highest (generation,
offset) counts.
"""

import asyncio
import logging
import secrets
import time
import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import faust
import msgspec
from faust.types import TP

from zonepulse.processors.metering.snapshot import SCHEMA, Arrays, BadSnapshot, Frozen, check_schema, decode, encode
from zonepulse.schemas.values import check_brackets
from zonepulse.streams.checkpoints.log import CheckpointLog, Found
from zonepulse.streams.kafka.app import Outbox
from zonepulse.streams.kafka.batch_channel import BatchChannel
from zonepulse.streams.kafka.batches import broker_of
from zonepulse.streams.kafka.log_guard import NO_VIEW, LogView, Note, check_absence

TABLE: Final = "checkpoints"
RATE_BYTES_S: Final = 10_000_000
"""Snapshots of one worker stay below this on the average: large ones are taken less often."""
INTERVAL_S: Final = 3.0
POLL_S: Final = 0.25
"""How often a worker looks whether a snapshot is due."""
PIECE_BYTES: Final = 900_000
log = logging.getLogger(__name__)


class Manifest(msgspec.Struct):
    """What a snapshot consists of: of each chunk its records' keys and checksums, in order."""

    schema: int
    generation: int
    owner: str
    next_offset: int
    facts: dict[str, Any]
    chunks: list[list[tuple[str, int]]]
    note: Note = Note()


class _Schema(msgspec.Struct):
    schema: int


@dataclass(frozen=True, slots=True)
class Stored:
    """The newest snapshot of a partition. `is_own`: this worker wrote it last, nobody since."""

    facts: dict[str, Any]
    chunks: Sequence[Arrays]
    next_offset: int
    is_own: bool
    size: int
    """Bytes of its chunks."""
    note: Note


@dataclass(slots=True)
class Hold:
    """A partition in this worker's hands: its generation, and what of its snapshot is in the topic."""

    generation: int
    owner: str = field(default_factory=lambda: secrets.token_hex(4))
    sequence: int = 0
    next_offset: int | None = None
    """Of the manifest written last; None before the first of this generation."""
    mark: Any = None
    """Of the same, as `Checkpoints.due` is told it."""
    chunks: dict[int, list[tuple[str, int]]] = field(default_factory=dict)
    garbage: list[str] = field(default_factory=list)
    """Keys to remove once the next manifest is written."""
    due_s: float = field(default_factory=lambda: time.monotonic() + INTERVAL_S)


def manifests_of(found: Found) -> list[Manifest]:
    """Those that can be used, the one that counts first."""
    known = (_manifest(key, value) for key, value in found.manifests.items())
    return sorted((m for m in known if m is not None), key=lambda m: (m.generation, m.next_offset), reverse=True)


def _manifest(key: str, value: bytes) -> Manifest | None:
    """None, and a line in the log, for what cannot be used."""
    try:
        check_brackets(value)
        check_schema(msgspec.json.decode(value, type=_Schema).schema)
        return msgspec.json.decode(value, type=Manifest)
    except (msgspec.MsgspecError, ValueError, RecursionError, BadSnapshot) as error:
        log.error("manifest %s cannot be used: %s; looking for an older snapshot", key, error)
        return None


class Checkpoints:
    """One topic's partitions. `read` when they come, `find` for each, `write` as often as `due` says, `drop` when a state is lost."""

    def __init__(self, app: faust.App, partitions: int, outbox: Outbox) -> None:
        self._outbox = outbox
        self._holds: dict[int, Hold] = {}
        self._found: dict[int, Found] = {}
        """What was read and not yet asked for."""
        self._view = NO_VIEW
        self._notes: dict[int, Note] = {}
        """Of the snapshots found."""
        self._paced_until_s = 0.0
        self.written_bytes = 0
        """Of all chunks that were acknowledged."""
        self.saving = asyncio.Lock()
        """Held by `save`: snapshots are written in the order in which they are taken."""
        self.progress: Callable[[], object] = lambda: None
        """Called after each piece of work while snapshots are read."""
        name = f"{app.conf.id}-{TABLE}-changelog"
        self.log = CheckpointLog(name, broker_of(app), partitions, app.conf.topic_replication_factor)

    # --- restoring ------------------------------------------------------------------------------------------------------------

    async def read(self, tps: Iterable[TP], view: LogView) -> None:
        """Reads the snapshots of these partitions, so that `find` knows them. Raises log_guard.SnapshotsGone."""
        by_partition = {tp.partition: tp for tp in tps}
        self._notes.clear()
        self._found = dict(await self.log.read(by_partition, self.progress))
        for number, tp in by_partition.items():
            found = self._found[number]
            if view.order(tp) == "begin":
                log.warning("%s/%d begins with the log, as ordered", tp.topic, tp.partition)
                self._holds.pop(number, None)
                garbage = [*found.chunks, *found.manifests]
                self._holds[number] = Hold(found.generation() + 1, garbage=garbage)
                self._found[number] = Found()
            elif not found.manifests:
                check_absence(view, tp, 0)
        self._view = view

    async def find(self, partition: int) -> Stored | None:
        """The newest readable snapshot; begins a new generation unless that is this worker's own. Raises SnapshotsGone.

        Once after each `read`: the records are given up with it.
        """
        found = self._found.pop(partition, None) or Found()
        manifests = manifests_of(found)
        mine = self._holds.get(partition)
        if mine and manifests and (mine.owner, mine.next_offset) == (manifests[0].owner, manifests[0].next_offset):
            mine.due_s = time.monotonic() + INTERVAL_S
            return await self._stored(partition, manifests[0], found, is_own=True)
        if found.chunks or found.manifests or mine is None:
            garbage = [*found.chunks, *found.manifests]
            self._holds[partition] = Hold(found.generation() + 1, garbage=garbage)
        for manifest in manifests:
            try:
                return await self._stored(partition, manifest, found, is_own=False)
            except BadSnapshot as bad:
                log.error("partition %d, generation %d: %s; looking for an older snapshot", partition, manifest.generation, bad)
        if found.manifests:
            check_absence(self._view, self._tp(partition), len(found.manifests))
        return None

    def note(self, partition: int) -> Note | None:
        """Of the snapshot found; None where there is none."""
        return self._notes.get(partition)

    def _tp(self, partition: int) -> TP:
        return next(tp for tp in self._view.ends if tp.partition == partition)

    async def _stored(self, partition: int, manifest: Manifest, found: Found, *, is_own: bool) -> Stored:
        chunks, size = [], 0
        for pieces in manifest.chunks:
            data = self._data(pieces, found.chunks)
            chunks.append(await asyncio.to_thread(decode, data))
            size += len(data)
            self.progress()
        self._notes[partition] = manifest.note
        return Stored(manifest.facts, chunks, manifest.next_offset, is_own, size, manifest.note)

    @staticmethod
    def _data(pieces: Sequence[tuple[str, int]], records: Mapping[str, bytes]) -> bytes:
        for key, checksum in pieces:
            if key not in records or zlib.crc32(records[key]) != checksum:
                raise BadSnapshot(f"record {key} is {'damaged' if key in records else 'missing'}")
        return b"".join(records[key] for key, _ in pieces)

    # --- writing --------------------------------------------------------------------------------------------------------------

    def due(self, positions: Mapping[int, object]) -> int | None:
        """The partition to be written now, out of those held and where they stand (Frozen.mark); None if there is none."""
        now = time.monotonic()
        if now < self._paced_until_s:
            return None
        ready = [p for p, at in positions.items() if p in self._holds and self._holds[p].mark != at]
        ready = [p for p in ready if self._holds[p].due_s <= now]
        return min(ready, key=lambda p: self._holds[p].due_s, default=None)

    def is_written(self, partition: int, mark: object) -> bool:
        """Whether the newest manifest is of this position: a state is a function of the log up to there."""
        return partition in self._holds and self._holds[partition].mark == mark

    def hold(self, partition: int) -> Hold | None:
        """Under which a state of this partition is frozen now and written then; None: it is given up."""
        return self._holds.get(partition)

    async def write(self, partition: int, hold: Hold, frozen: Frozen, note: Note) -> bool:
        """Whether chunks and manifest are acknowledged; not where the hold was given up meanwhile: then it has no manifest.

        One write at a time; a failed one ends the hold."""
        try:
            return self._holds.get(partition) is hold and await self._write(partition, hold, frozen, note)
        except BaseException:
            if self._holds.get(partition) is hold:
                self.drop(partition)
            raise

    async def _write(self, partition: int, hold: Hold, frozen: Frozen, note: Note) -> bool:
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
        if self._holds.get(partition) is not hold:
            return False
        chunks = [hold.chunks[number] for number in range(frozen.count)]
        manifest = Manifest(SCHEMA, hold.generation, hold.owner, frozen.next_offset, frozen.facts, chunks, note)
        await self._send(partition, _manifest_key(partition, hold), msgspec.json.encode(manifest))
        await self._outbox.flush()
        self.written_bytes += size
        hold.next_offset, hold.mark = frozen.next_offset, _mark(frozen)
        hold.due_s = time.monotonic() + INTERVAL_S
        self._paced_until_s = max(begun + size / RATE_BYTES_S, self._paced_until_s)
        return self._holds.get(partition) is hold

    async def clean(self, partition: int) -> None:
        """Tombstones for what the manifest just written does not name; they need no acknowledgement."""
        if (hold := self._holds.get(partition)) is None:
            return
        garbage, hold.garbage = hold.garbage, []
        for key in garbage:
            await self._send(partition, key, None)

    def begin_anew(self, partition: int) -> None:
        """The state is another one from here on, which may stand further back: a new generation, whose first snapshot is to be whole.

        Not while `saving`."""
        if (hold := self._holds.get(partition)) is not None:
            keys = [key for pieces in hold.chunks.values() for key, _ in pieces]
            manifest = [] if hold.next_offset is None else [_manifest_key(partition, hold)]
            self._holds[partition] = Hold(hold.generation + 1, garbage=[*hold.garbage, *keys, *manifest])

    def drop(self, partition: int) -> None:
        """The state is gone without a final snapshot: a later hold is another generation."""
        self._holds.pop(partition, None)

    async def _send(self, partition: int, key: str, value: bytes | None) -> None:
        await self._outbox.send(self.log.name, key.encode(), value, partition=partition)


def _manifest_key(partition: int, hold: Hold) -> str:
    return f"{partition}/manifest/{hold.generation}/{hold.owner}"


def _mark(frozen: Frozen) -> object:
    return frozen.next_offset if frozen.mark is None else frozen.mark


async def save(
    checkpoints: Checkpoints,
    batches: BatchChannel | None,
    tp: TP,
    turn: asyncio.Lock,
    outbox: Outbox,
    freeze: Callable[[], Awaitable[Frozen | None]],
) -> None:
    """One checkpoint in its order; `freeze` runs while `turn` is held, None = the partition is gone. One at a time.

    A partition may go at any await, also while its state is frozen: then nothing is said of it any more."""
    async with checkpoints.saving:
        async with turn:
            await outbox.flush()
            hold, frozen = checkpoints.hold(tp.partition), await freeze()
        if hold is None or frozen is None or checkpoints.is_written(tp.partition, _mark(frozen)):
            return
        note = Note() if batches is None else batches.note(tp, frozen.next_offset, frozen.read_to)
        if not await checkpoints.write(tp.partition, hold, frozen, note):
            return
        if batches is not None:
            await batches.commit({tp: frozen.next_offset}, {tp: note})
        await checkpoints.clean(tp.partition)
