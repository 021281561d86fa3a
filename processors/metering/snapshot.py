"""Snapshots: the state of a partition as a few facts and chunks of arrays, and back.

A *chunk* is a range of CHUNK_CHANNELS channels: their heads, detectors and rings, the rings without holes; behind all of them come the
chunks of what the channel detectors know of the same ranges, which change only as windows close. `freeze` copies only chunks that changed
since the last `freeze`; the others are those of an earlier snapshot. What is restored goes on as the original would, bit for bit.

Encoded, arrays carry a schema version, their layout and a CRC. What is unknown or damaged is refused, never guessed.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray

from zonepulse.processors.channels.table import Channels
from zonepulse.processors.detection.channel.state import CHANNEL as WATCHED
from zonepulse.processors.detection.meter.judging import DETECTOR
from zonepulse.processors.detection.watch.state import ALARM
from zonepulse.processors.flow import NEVER, Rows, new_rows
from zonepulse.processors.metering.intake import DIRTY, LATEST_TS, POOL_USED, touched_chunks
from zonepulse.processors.metering.letter_counts import LetterCounts
from zonepulse.processors.metering.partition import Partition, usual_rooms
from zonepulse.processors.metering.state import CHANNEL, CHUNK_CHANNELS, HEAD, READING
from zonepulse.processors.metering.windows import Out, Work

SCHEMA: Final = 12
"""Of snapshots as a whole: raise it when what an array or a fact means changes."""
Arrays = Mapping[str, NDArray[Any]]
_MAGIC: Final = b"ZPS"
_LEVEL: Final = 1


class BadSnapshot(RuntimeError):
    """A snapshot that this program cannot go on from; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """A state at one instant. `facts` is plain JSON; `chunks` holds the arrays of those that changed, out of `count` chunks."""

    facts: dict[str, Any]
    chunks: dict[int, Arrays]
    count: int
    next_offset: int
    read_to: int | None = None
    """Where some of the log behind `next_offset` is in the state already: what was read up to."""
    mark: Any = None
    """Tells states apart that differ although `next_offset` is the same; None = there are none."""


# --- bytes ------------------------------------------------------------------------------------------------------------------------


def encode(arrays: Arrays) -> bytes:
    """Arrays as bytes: magic, schema version, CRC of the rest; then, compressed, the layout and the arrays."""
    layout = [(name, np.lib.format.dtype_to_descr(a.dtype), a.shape) for name, a in arrays.items()]
    head = msgspec.json.encode(layout)
    parts = [len(head).to_bytes(4, "little"), head, *(np.ascontiguousarray(a).tobytes() for a in arrays.values())]
    packed = zstandard.ZstdCompressor(level=_LEVEL).compress(b"".join(parts))
    return _MAGIC + bytes([SCHEMA]) + zlib.crc32(packed).to_bytes(4, "little") + packed


def decode(data: bytes) -> dict[str, NDArray[Any]]:
    """What `encode` was given. Raises BadSnapshot."""
    if data[:3] != _MAGIC:
        raise BadSnapshot(f"{len(data)} bytes that begin with {data[:3]!r} are no snapshot")
    check_schema(data[3])
    if zlib.crc32(data[8:]).to_bytes(4, "little") != data[4:8]:
        raise BadSnapshot(f"a chunk of {len(data)} bytes is damaged: its checksum does not fit")
    plain = zstandard.ZstdDecompressor().decompress(data[8:])
    at = 4 + int.from_bytes(plain[:4], "little")
    arrays = {}
    for name, descr, shape in msgspec.json.decode(plain[4:at]):
        dtype = np.dtype([(field, kind, *map(tuple, size)) for field, kind, *size in descr] if isinstance(descr, list) else descr)
        n = int(np.prod(shape))
        arrays[name] = np.frombuffer(plain, dtype, n, at).reshape(shape)
        at += n * dtype.itemsize
    return arrays


def check_schema(found: int) -> None:
    """Raises BadSnapshot for a version that this program does not know."""
    if found != SCHEMA:
        raise BadSnapshot(
            f"the snapshot has schema version {found}, this program reads {SCHEMA}: run the version that wrote it,"
            " or let the task begin with its log: zonepulse checkpoints begin TASK"
        )


def check_layout(name: str, array: NDArray[Any], dtype: np.dtype[Any]) -> None:
    """Raises BadSnapshot where an array is laid out otherwise than this program needs."""
    if array.dtype != dtype:
        raise BadSnapshot(
            f"{name} of the snapshot have fields {array.dtype.names}, this program has {dtype.names}: run the version that wrote it,"
            " or let the task begin with its log: zonepulse checkpoints begin TASK"
        )


# --- a partition ------------------------------------------------------------------------------------------------------------------


def names_checksum(channels: Channels, numbers: NDArray[np.int64]) -> int:
    """Of the names of these channels: numbers in a snapshot mean something only where it is equal."""
    names = channels.names
    return zlib.crc32("\n".join(["\t".join(names[c]) for c in numbers.tolist()]).encode())


def freeze_partition(partition: Partition, *, is_whole: bool = False) -> Frozen:
    """The partition now; its changed chunks are copied and count as unchanged from here on. With `is_whole` all are copied, for somebody
    else than who keeps those that change."""
    state, watches = partition.state, partition.watches
    behind = len(state.touched)
    chunks = {number: _chunk(state, number) for number in _chosen(state.touched, is_whole)}
    chunks |= {behind + number: watches.chunk(number) for number in _chosen(watches.touched, is_whole)}
    if not is_whole:
        state.touched[:], watches.touched[:] = 0, 0
    facts = {
        "partition": partition.partition,
        "partitions": partition.channels.partitions,
        "registry": partition.channels.registry.version,
        "channels": len(partition.globals),
        "names": names_checksum(partition.channels, partition.globals),
        "tick": partition.tick,
        "ingest": partition.ingest,
        "latest_ts": int(state.counts[LATEST_TS]),
        "letters": partition.letters.facts(),
        "new_changes": np.flatnonzero(partition.facts.changes[:, 3]).tolist(),
    }
    return Frozen(facts, chunks, 2 * behind, partition.next_offset)


def _chosen(touched: NDArray[Any], is_whole: bool) -> list[int]:
    chosen: list[int] = (np.arange(len(touched)) if is_whole else np.flatnonzero(touched)).tolist()
    return chosen


def _chunk(state: Any, number: int) -> Arrays:
    mine = slice(number * CHUNK_CHANNELS, (number + 1) * CHUNK_CHANNELS)
    channels = state.channels[mine].copy()
    readings = state.pool[_ring_places(channels)]
    channels["ring"], channels["room"] = 0, 0
    return {
        "heads": state.heads[mine].copy(),
        "channels": channels,
        "detectors": state.detectors[mine].copy(),
        "readings": readings,
    }


def _ring_places(channels: Rows) -> NDArray[np.int64]:
    """Where in the pool the readings of these channels are, channel by channel."""
    held = channels["held"].astype(np.int64)
    return np.repeat(channels["ring"] - (np.cumsum(held) - held), held) + np.arange(int(held.sum()))


def restore_partition(
    channels: Channels,
    facts: Mapping[str, Any],
    chunks: Iterable[Arrays],
    next_offset: int,
    work: Work | None = None,
    out: Out | None = None,
) -> Partition:
    """The partition that was frozen; `channels` is compiled from registry version `facts["registry"]`. Raises BadSnapshot."""
    partition = Partition(channels, facts["partition"], work, out, is_empty=False)
    _check_facts(partition, facts)
    all_chunks = list(chunks)
    found, watched = ([chunk for chunk in all_chunks if name in chunk] for name in ("heads", "places"))
    n, old = len(partition.globals), partition.state
    heads, places, detectors = (_joined(found, name, dtype) for name, dtype in _PARTS)
    readings = _joined(found, "readings", READING)
    if not len(heads) == len(places) == len(detectors) == n or int(places["held"].sum()) != len(readings):
        raise BadSnapshot(f"the snapshot of partition {partition.partition} is incomplete: {len(heads)} of {n} channels")
    held = places["held"].astype(np.int64)
    usual = usual_rooms(partition.facts, partition.globals, partition.policy)
    room = np.where(held > 0, np.maximum(usual, held), 0)
    places["room"], places["ring"] = room, np.cumsum(room) - room
    used = int(room.sum())
    pool = new_rows(READING, max(int(usual.sum()), used + used // 4))
    pool[_ring_places(places)] = readings
    waiting = np.flatnonzero(places["min_new"] != NEVER)
    old.dirty[: len(waiting)] = waiting
    old.counts[DIRTY], old.counts[POOL_USED], old.counts[LATEST_TS] = len(waiting), used, facts["latest_ts"]
    partition.state = old._replace(heads=heads, channels=places, detectors=detectors, pool=pool, touched=touched_chunks(n))
    partition.tick, partition.ingest, partition.next_offset = facts["tick"], facts["ingest"], next_offset
    partition.letters = LetterCounts.of(facts.get("letters", {}))
    partition.facts.changes[facts["new_changes"], 3] = 1
    if len(watched) != len(partition.state.touched):
        raise BadSnapshot(f"the snapshot of partition {partition.partition} is incomplete: {len(watched)} chunks of detectors")
    numbers = np.concatenate([chunk["places"] for chunk in watched]) if watched else np.zeros(0, np.int64)
    partition.go_on_watching(numbers, _joined(watched, "states", WATCHED), _joined(watched, "alarms", ALARM))
    return partition


_PARTS: Final = (("heads", HEAD), ("channels", CHANNEL), ("detectors", DETECTOR))


def _joined(chunks: list[Arrays], name: str, dtype: np.dtype[Any]) -> Rows:
    joined, at = new_rows(dtype, sum(len(chunk[name]) for chunk in chunks)), 0
    for chunk in chunks:
        check_layout(name, chunk[name], dtype)
        joined[at : at + len(chunk[name])] = chunk[name]
        at += len(chunk[name])
    return joined


def _check_facts(partition: Partition, facts: Mapping[str, Any]) -> None:
    channels = partition.channels
    check_partitions(facts["partitions"], channels.partitions)
    found = (len(partition.globals), names_checksum(channels, partition.globals))
    if found != (facts["channels"], facts["names"]):
        raise BadSnapshot(
            f"the snapshot of partition {partition.partition} is of {facts['channels']} channels of registry version"
            f" {facts['registry']}, that version now has {found[0]} here: the registry topic was changed; use another topic prefix"
        )


def check_partitions(found: int, expected: int) -> None:
    """Raises BadSnapshot when the snapshot was made for another partition count."""
    if found != expected:
        raise BadSnapshot(
            f"the snapshot was made for {found} partitions, this worker has {expected}: set ZONEPULSE_PARTITIONS={found}"
            " (the count is chosen once), or use another topic prefix"
        )
