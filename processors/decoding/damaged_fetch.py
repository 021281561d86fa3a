"""A fetch with a record batch that cannot be read: batch by batch, the damaged one as a single record that is poison."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from zonepulse.processors.decoding.crc32c import scan_checked
from zonepulse.processors.decoding.kafka_format import Bytes, CorruptBatch, committed, spans_of_batches
from zonepulse.processors.decoding.record_batches import BATCH, COMPLETE, HEADER_BYTES, big_endian, is_sane
from zonepulse.schemas.messages.readings import POISON
from zonepulse.schemas.messages.records import RecordSpans

_PREFIX_BYTES: Final = 12
_MOST_RECORDS: Final = 1_000_000
"""More than a batch holds: a header that says so is damaged itself."""


@dataclass(frozen=True, slots=True)
class _Damaged:
    """Bytes [start, end) of a fetch that are no batch. `next_offset` is where to go on."""

    start: int
    end: int
    offset: int
    next_offset: int
    why: str


def spans_of_damaged_fetch(
    raw: Any, topic: str, partition: int, start_offset: int, aborted: Iterable[tuple[int, int]], must_check_crc: bool = True
) -> Iterator[RecordSpans]:
    """What `spans_of_fetch` would find, batch by batch; of a damaged batch one record in `refused`, whose value is the batch's bytes.

    Its offset is the batch's first (or `start_offset` within it), its timestamp that of the readable batch before it, or 0.
    """
    buffer = np.frombuffer(raw, np.uint8)
    parts = list(_parts(buffer, start_offset, must_check_crc))
    good = [part for part in parts if not isinstance(part, _Damaged)]
    batches = np.concatenate(good).view(np.recarray) if good else np.empty(0, BATCH).view(np.recarray)
    kept, seen, last_ms = committed(batches, buffer, aborted).tolist(), 0, 0
    for part in parts:
        if isinstance(part, _Damaged):
            yield _poison(buffer, part, topic, partition, start_offset, last_ms)
            continue
        for batch in (part[i : i + 1] for i in range(len(part))):
            seen += 1
            if kept[seen - 1]:
                last_ms = int(batch[0].max_ms)
                yield _spans(buffer, batch, topic, partition, start_offset)


def _parts(buffer: Bytes, start_offset: int, must_check_crc: bool) -> Iterator[Any]:
    """Runs of complete batches, and what lies damaged between them."""
    at, next_offset = 0, start_offset
    while at < len(buffer):
        batches = np.empty((len(buffer) - at) // HEADER_BYTES + 1, BATCH).view(np.recarray)
        n, outcome, stopped = scan_checked(buffer[at:], must_check_crc, batches)
        found: Any = batches[:n]
        found.start += at
        found.end += at
        if n:
            next_offset = int(found[-1].next_offset)
            yield found
        if outcome == COMPLETE:
            return
        damaged = _damaged(buffer, at + stopped, next_offset)
        yield damaged
        at, next_offset = damaged.end, damaged.next_offset


def _damaged(buffer: Bytes, at: int, expected: int) -> _Damaged:
    """The batch at `at`, by what its header says as far as that can be."""
    length, offset = big_endian(buffer, at + 8, 4), big_endian(buffer, at, 8)
    end = at + _PREFIX_BYTES + length if length >= 0 else len(buffer)
    if not (is_sane(offset) and offset >= 0):
        offset = expected
    last_delta = big_endian(buffer, at + 23, 4) if end - at >= HEADER_BYTES else 0
    return _Damaged(at, end, offset, offset + 1 + (last_delta if 0 <= last_delta < _MOST_RECORDS else 0), "is damaged")


def _spans(buffer: Bytes, batch: Any, topic: str, partition: int, start_offset: int) -> RecordSpans:
    next_offset = max(start_offset, int(batch[0].next_offset))
    try:
        return spans_of_batches(buffer, batch, topic, partition, start_offset, next_offset)
    except CorruptBatch as bad:
        start, end = int(batch[0].start) - HEADER_BYTES, int(batch[0].end)
        damaged = _Damaged(start, end, int(batch[0].base_offset), next_offset, str(bad))
        return _poison(buffer, damaged, topic, partition, start_offset, int(batch[0].max_ms))


def _poison(buffer: Bytes, damaged: _Damaged, topic: str, partition: int, start_offset: int, timestamp_ms: int) -> RecordSpans:
    def one(number: int) -> Any:
        return np.array([number], np.int64)

    offset = max(damaged.offset, start_offset)
    return RecordSpans(
        topic, partition, buffer, one(-1), one(-1), one(damaged.start), one(damaged.end), one(offset), one(timestamp_ms),
        max(damaged.next_offset, offset + 1), {}, {0: (POISON, f"a record batch {damaged.why}")},
    )  # fmt: skip
