"""Client records -> arrays: how ordinary records become the batches that agents are handed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from faust.types import TP
from numpy.typing import NDArray

from zonepulse.schemas.messages.readings import MALFORMED, POISON
from zonepulse.schemas.messages.records import MAX_HEADERS, TOO_MANY_HEADERS, RecordSpans
from zonepulse.streams.kafka.checked_records import DamagedRecord


@dataclass(frozen=True, slots=True)
class Fetch(RecordSpans):
    """Records of one partition and the lease (a number that never returns) under which they were read."""

    lease: int = 0


def cut(records: Sequence[Any], end: int, max_records: int, max_bytes: int) -> Iterator[tuple[Sequence[Any], int]]:
    """Pieces of at most `max_records` and `max_bytes` of keys and values, each with the offset behind it (the last: `end`)."""
    sizes = [r.serialized_key_size + r.serialized_value_size for r in records]  # null counts as -1: no matter
    behind: NDArray[np.int64] = np.cumsum(np.array(sizes, np.int64))
    start, before = 0, 0
    while start < len(records):
        fitting = int(np.searchsorted(behind, before + max_bytes, side="right"))
        stop = min(len(records), start + max_records, max(start + 1, fitting))
        yield records[start:stop], end if stop == len(records) else records[stop].offset
        start, before = stop, int(behind[stop - 1])


def spans(tp: TP, records: Sequence[Any], next_offset: int, lease: int) -> Fetch:
    """Client records as arrays: all keys, then all values, in one buffer."""
    keys = [r.key for r in records]
    values = [r.value for r in records]
    buffer = b"".join([k for k in keys if k] + [v for v in values if v])
    key_start, key_end, behind = _bounds([r.serialized_key_size for r in records], 0)
    value_start, value_end, _ = _bounds([r.serialized_value_size for r in records], behind)
    return Fetch(
        tp.topic,
        tp.partition,
        np.frombuffer(buffer, np.uint8),
        key_start,
        key_end,
        value_start,
        value_end,
        np.array([r.offset for r in records], np.int64),
        np.array([r.timestamp for r in records], np.int64),
        next_offset,
        {
            i: tuple((name, value or b"") for name, value in r.headers)
            for i, r in enumerate(records)
            if 0 < len(r.headers) <= MAX_HEADERS
        },
        {i: refused for i, r in enumerate(records) if (refused := _refusal(r)) is not None},
        lease,
    )


def _refusal(record: Any) -> tuple[int, str] | None:
    if isinstance(record, DamagedRecord):
        return POISON, record.why
    return (MALFORMED, TOO_MANY_HEADERS) if len(record.headers) > MAX_HEADERS else None


def _bounds(sizes: list[int], base: int) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Starts and ends of consecutive spans from `base`, and the last end; size -1 (null) gives -1, -1."""
    size = np.array(sizes, np.int64)
    end = base + np.cumsum(np.maximum(size, 0))
    behind = int(end[-1]) if len(end) else base
    null = size < 0
    return np.where(null, -1, end - size), np.where(null, -1, end), behind
