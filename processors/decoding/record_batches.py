"""Kafka's record batches (message format v2), walked by kernels: no object a message.

Source: Kafka's protocol guide, "Record Batch" and "Record"; all numbers big-endian, lengths and deltas zigzag varints. Every read is
within bounds whatever the bytes say: a kernel that meets nonsense stops and names the place.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zonepulse.processors.decoding.same_bytes import is_same
from zonepulse.processors.kernel import byte_at, inlined, kernel

HEADER_BYTES: Final = 61
_PREFIX_BYTES: Final = 12  # base offset and length, which does not count them
SHORTEST_RECORD: Final = 7
_MAGIC: Final = 2
_PAYLOAD: Final = (1 << 63) - 1
_LIMIT: Final = 1 << 61
"""Offsets and times beyond this are nonsense."""
CODEC_BITS, LOG_APPEND_TIME, TRANSACTIONAL, CONTROL = 7, 8, 16, 32
"""Bits of `attributes`."""
COMPLETE, OLD_FORMAT, BAD_SIZE, BAD_CRC, BAD_HEADER = range(5)
"""Why `scan` or `scan_checked` stopped."""

BATCH: Final = np.dtype(
    [
        ("start", "i8"),  # of the records, in the buffer that is walked
        ("end", "i8"),
        ("base_offset", "i8"),  # offset that deltas count from
        ("next_offset", "i8"),  # offset behind the batch
        ("attributes", "i8"),
        ("first_ms", "i8"),
        ("max_ms", "i8"),
        ("producer", "i8"),
        ("count", "i8"),
        ("crc", "i8"),  # as the header says
    ]
)


class Records(NamedTuple):
    """Where records are written, int64, shape (room,): the arrays of RecordSpans, and for the records with headers their position,
    the span of the headers (their count first) and `header_group`: equal for neighbours with equal bytes."""

    key_start: NDArray[np.int64]
    key_end: NDArray[np.int64]
    value_start: NDArray[np.int64]
    value_end: NDArray[np.int64]
    offset: NDArray[np.int64]
    timestamp_ms: NDArray[np.int64]
    headed: NDArray[np.int64]
    header_start: NDArray[np.int64]
    header_end: NDArray[np.int64]
    header_group: NDArray[np.int64]


@kernel
def big_endian(buffer: NDArray[np.uint8], at: int, size: int) -> int:
    """The signed integer of `size` bytes at `at`."""
    number = byte_at(buffer, at)
    if number > 127:
        number -= 256
    for i in range(at + 1, at + size):
        number = number << 8 | byte_at(buffer, i)
    return number


@inlined
def is_sane(number: int) -> bool:
    """Whether an offset or time is one that a sum with another cannot overflow."""
    return -_LIMIT < number < _LIMIT


@kernel
def scan(buffer: NDArray[np.uint8], batches: Any) -> tuple[int, int, int]:
    """The complete batches of a fetch into `batches` (BATCH).

    Returns their number, why it stopped, and where; with BAD_HEADER the row behind them is that batch. A batch that is cut off at the
    end is left for the next fetch. Checksums are `scan_checked`'s.
    """
    at, n, size = 0, 0, len(buffer)
    while at + _PREFIX_BYTES <= size:
        length = big_endian(buffer, at + 8, 4)
        end = at + _PREFIX_BYTES + length
        if end > size:
            break
        if length >= 5 and byte_at(buffer, at + 16) < _MAGIC:
            return n, OLD_FORMAT, at
        if end - at < HEADER_BYTES or byte_at(buffer, at + 16) != _MAGIC:
            return n, BAD_SIZE, at
        batch = batches[n]
        batch.start, batch.end, batch.base_offset = at + HEADER_BYTES, end, big_endian(buffer, at, 8)
        batch.attributes = big_endian(buffer, at + 21, 2)
        batch.first_ms, batch.max_ms = big_endian(buffer, at + 27, 8), big_endian(buffer, at + 35, 8)
        batch.producer, batch.count = big_endian(buffer, at + 43, 8), big_endian(buffer, at + 57, 4)
        batch.crc = big_endian(buffer, at + 17, 4) & 0xFFFFFFFF
        last_delta = big_endian(buffer, at + 23, 4)
        if (
            batch.count < 0
            or last_delta < 0
            or not (is_sane(batch.base_offset) and is_sane(batch.first_ms) and is_sane(batch.max_ms))
        ):
            return n, BAD_HEADER, at
        batch.next_offset = batch.base_offset + last_delta + 1
        n += 1
        at = end
    return n, COMPLETE, at


@inlined
def varint(buffer: NDArray[np.uint8], at: int, end: int) -> tuple[int, int]:
    """(number, place behind) of the zigzag varint at `at`; place -1 if it does not end before `end` or is too long."""
    packed, shift = np.int64(0), 0
    while at < end and shift < 70:
        byte = byte_at(buffer, at)
        packed |= (byte & 127) << shift if shift < 63 else byte << 63
        at += 1
        if byte < 128:
            return (packed >> 1 & _PAYLOAD) ^ -(packed & 1), at
        shift += 7
    return np.int64(0), -1


@inlined
def span(buffer: NDArray[np.uint8], at: int, end: int) -> tuple[int, int]:
    """(start, end) of the bytes whose length stands at `at`: (-1, place behind) if null, end -1 if they do not end before `end`."""
    size, at = varint(buffer, at, end)
    if at < 0 or size > end - at:
        return -1, -1
    return (at, at + size) if size >= 0 else (-1, at)


@inlined
def read_record(buffer: NDArray[np.uint8], at: int, limit: int, batch: Any, row: int, records: Any) -> tuple[int, int]:
    """The record at `at` into row `row`; returns where its headers start and where it ends, (-1, -1) if it is broken."""
    size, at = varint(buffer, at, limit)
    if at < 0 or size < SHORTEST_RECORD - 1 or size > limit - at:
        return -1, -1
    end = at + size
    timestamp_delta, at = varint(buffer, at + 1, end)
    if at < 0:
        return -1, -1
    offset_delta, at = varint(buffer, at, end)
    if at < 0 or not (is_sane(timestamp_delta) and is_sane(offset_delta)):
        return -1, -1
    key_start, at = span(buffer, at, end)
    if at < 0:
        return -1, -1
    records.key_start[row], records.key_end[row] = key_start, at if key_start >= 0 else -1
    value_start, at = span(buffer, at, end)
    if at < 0:
        return -1, -1
    records.value_start[row], records.value_end[row] = value_start, at if value_start >= 0 else -1
    records.offset[row] = batch.base_offset + offset_delta
    records.timestamp_ms[row] = batch.max_ms if batch.attributes & LOG_APPEND_TIME else batch.first_ms + timestamp_delta
    return at, end


@kernel
def note_headers(buffer: NDArray[np.uint8], row: int, start: int, end: int, n: int, records: Any) -> None:
    """Headers of record `row` as entry `n`."""
    records.headed[n], records.header_start[n], records.header_end[n] = row, start, end
    records.header_group[n] = n
    if n == 0 or end - start != records.header_end[n - 1] - records.header_start[n - 1]:
        return
    if is_same(buffer, start, buffer, records.header_start[n - 1], end - start):
        records.header_group[n] = records.header_group[n - 1]


@kernel
def walk(buffer: NDArray[np.uint8], batches: Any, start_offset: int, records: Any) -> tuple[int, int, int]:
    """The records of `batches` from `start_offset` on. Returns their number, how many have headers, and the batch that is broken or -1."""
    row, headed = 0, 0
    for b in range(len(batches)):
        batch = batches[b]
        at = batch.start
        for _ in range(batch.count):
            headers, at = read_record(buffer, at, batch.end, batch, row, records)
            if at < 0:
                return row, headed, b
            if records.offset[row] < start_offset:
                continue
            if headers + 1 != at or byte_at(buffer, headers) != 0:
                note_headers(buffer, row, headers, at, headed, records)
                headed += 1
            row += 1
        if at != batch.end:
            return row, headed, b
    return row, headed, -1
