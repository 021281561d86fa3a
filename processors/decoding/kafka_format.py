"""The bytes of a Kafka fetch -> records as spans: checks, transactions, decompression. No object a message.

Only what was committed is seen (read_committed): control batches are skipped, and the batches of aborted transactions, which the broker
names. Order of a producer's fate: an aborted transaction begins at its first offset and ends at the producer's abort marker.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zonepulse.processors.decoding.compression import MAX_BYTES, BadCompression, decompress
from zonepulse.processors.decoding.crc32c import scan_checked
from zonepulse.processors.decoding.record_batches import (
    BAD_CRC,
    BAD_HEADER,
    BAD_SIZE,
    BATCH,
    CODEC_BITS,
    COMPLETE,
    CONTROL,
    HEADER_BYTES,
    OLD_FORMAT,
    SHORTEST_RECORD,
    TRANSACTIONAL,
    Records,
    varint,
    walk,
)
from zonepulse.schemas.messages.readings import MALFORMED
from zonepulse.schemas.messages.records import MAX_HEADERS, TOO_MANY_HEADERS, Headers, RecordSpans

Bytes = NDArray[np.uint8]
_USUAL_RATIO: Final = 16
"""Records are compressed no better than this, mostly; room for more is made when it is needed."""
_ABORT_MARKER: Final = b"\0\0"
_WHY: Final = {
    BAD_SIZE: "has an impossible length or format",
    BAD_CRC: "fails its checksum",
    BAD_HEADER: "has an impossible header",
}


class CorruptBatch(ValueError):
    """A record batch cannot be read; the message names topic, partition and offset."""

    def __init__(self, topic: str, partition: int, offset: int, why: str) -> None:
        super().__init__(
            f"{topic}/{partition}: the record batch at offset {offset} {why}; the broker's log or the network damaged it,"
            " or its sender; compare with kafka-dump-log on the broker"
        )
        self.topic, self.partition, self.offset = topic, partition, offset


class OldFormat(ValueError):
    """The fetch holds message formats 0 or 1, which only the ordinary client path reads."""


def batches_of(buffer: Bytes, topic: str, partition: int, start_offset: int, must_check_crc: bool = True) -> Any:
    """The complete batches of a fetch as BATCH records. Raises CorruptBatch, OldFormat."""
    batches = np.empty(len(buffer) // HEADER_BYTES + 1, BATCH).view(np.recarray)
    n, outcome, at = scan_checked(buffer, must_check_crc, batches)
    if outcome == OLD_FORMAT:
        raise OldFormat(
            f"{topic}/{partition}: message format {buffer[at + 16]} at byte {at} of the fetch from offset {start_offset}"
        )
    if outcome != COMPLETE:
        raise CorruptBatch(topic, partition, int(batches[n - 1].next_offset) if n else start_offset, _WHY[outcome])
    return batches[:n]


def committed(batches: Any, buffer: Bytes, aborted: Iterable[tuple[int, int]]) -> NDArray[np.bool_]:
    """Which batches hold records to be read. `aborted`: (producer, first offset) of the aborted transactions in the fetch."""
    is_kept: NDArray[np.bool_] = (batches.attributes & CONTROL) == 0
    waiting = sorted(aborted, key=lambda transaction: -transaction[1])
    doomed: set[int] = set()
    if not waiting:
        return is_kept
    for i in np.flatnonzero(batches.attributes & (TRANSACTIONAL | CONTROL)).tolist():
        batch = batches[i]
        while waiting and waiting[-1][1] <= batch.base_offset:
            doomed.add(waiting.pop()[0])
        if not is_kept[i]:
            if _is_abort(buffer, batches[i : i + 1]):
                doomed.discard(int(batch.producer))
        elif int(batch.producer) in doomed:
            is_kept[i] = False
    return is_kept


def _is_abort(buffer: Bytes, control: Any) -> bool:
    records, n, _, _ = _walked(buffer, control, 0)
    return n > 0 and buffer[records.key_start[0] + 2 : records.key_end[0]].tobytes() == _ABORT_MARKER


def _inflated(buffer: Bytes, batches: Any, topic: str, partition: int) -> tuple[Bytes, Any]:
    """All records uncompressed in one buffer, and the batches with their places in it."""
    codecs = batches.attributes & CODEC_BITS
    if not codecs.any():
        return buffer, batches
    usual = _USUAL_RATIO * int((batches.end - batches.start).sum())
    try:
        return _unpacked(buffer, batches, min(usual, MAX_BYTES), topic, partition)
    except CorruptBatch:
        if usual >= MAX_BYTES:
            raise
        return _unpacked(buffer, batches, MAX_BYTES, topic, partition)


def _unpacked(buffer: Bytes, batches: Any, room: int, topic: str, partition: int) -> tuple[Bytes, Any]:
    """The same within `room` bytes."""
    out, done, ends = np.empty(room, np.uint8), 0, []
    for batch in batches:
        codec, packed = int(batch.attributes) & CODEC_BITS, buffer[batch.start : batch.end]
        try:
            if codec:
                done += decompress(codec, packed.data, out[done:])
            elif len(packed) > room - done:
                raise BadCompression(f"{len(packed)} bytes where there is room for {room - done}")
            else:
                out[done : done + len(packed)] = packed
                done += len(packed)
        except BadCompression as bad:
            raise CorruptBatch(topic, partition, int(batch.base_offset), f"cannot be decompressed ({bad})") from bad
        ends.append(done)
    moved = batches.copy()
    moved.end = ends
    moved.start[0], moved.start[1:] = 0, moved.end[:-1]
    return out[:done], moved


def _walked(buffer: Bytes, batches: Any, start_offset: int) -> tuple[Records, int, int, int]:
    room = int(np.minimum(batches["count"], (batches.end - batches.start) // SHORTEST_RECORD).sum()) + 1
    records = Records(*np.empty((len(Records._fields), room), np.int64))
    return records, *walk(buffer, batches, start_offset, records)


def spans_of_fetch(
    raw: Any,
    topic: str,
    partition: int,
    start_offset: int,
    aborted: Sequence[tuple[int, int]] | None = None,
    must_check_crc: bool = True,
) -> RecordSpans:
    """The committed records from `start_offset` on of the bytes of one fetch. Raises CorruptBatch, OldFormat.

    `raw` may be any buffer and must not change while the spans live: uncompressed records stay where they are. `next_offset` lies behind
    the last complete batch, also if nothing of it is seen.
    """
    buffer = np.frombuffer(raw, np.uint8)
    batches = batches_of(buffer, topic, partition, start_offset, must_check_crc)
    next_offset = max(start_offset, int(batches[-1].next_offset)) if len(batches) else start_offset
    return spans_of_batches(buffer, batches[committed(batches, buffer, aborted or ())], topic, partition, start_offset, next_offset)


def spans_of_batches(buffer: Bytes, batches: Any, topic: str, partition: int, start_offset: int, next_offset: int) -> RecordSpans:
    """The records of these batches from `start_offset` on. Raises CorruptBatch."""
    buffer, batches = _inflated(buffer, batches, topic, partition)
    records, n, headed, broken = _walked(buffer, batches, start_offset)
    if broken >= 0:
        raise CorruptBatch(topic, partition, int(batches[broken].base_offset), "holds a record that is broken")
    headers, refused = _headers(buffer, records, headed)
    key_start, key_end, value_start, value_end, offset, timestamp_ms = (array[:n] for array in records[:6])
    return RecordSpans(
        topic, partition, buffer, key_start, key_end, value_start, value_end, offset, timestamp_ms, next_offset, headers, refused
    )  # fmt: skip


def _headers(buffer: Bytes, records: Records, headed: int) -> tuple[dict[int, Headers], dict[int, tuple[int, str]]]:
    """Headers by position of the record; neighbours with equal bytes share one tuple. And the records whose headers cannot be read."""
    if not headed:
        return {}, {}
    groups, first, of_record = np.unique(records.header_group[:headed], return_index=True, return_inverse=True)
    del groups
    spans = zip(records.header_start[first].tolist(), records.header_end[first].tolist(), strict=True)
    parsed = [_parsed(buffer, start, end) for start, end in spans]
    headers: dict[int, Headers] = {}
    refused: dict[int, tuple[int, str]] = {}
    for position, group in zip(records.headed[:headed].tolist(), of_record.tolist(), strict=True):
        found = parsed[group]
        if isinstance(found, str):
            refused[position] = MALFORMED, found
        else:
            headers[position] = found
    return headers, refused


def _parsed(buffer: Bytes, start: int, end: int) -> Headers | str:
    try:
        return parse_headers(buffer, start, end)
    except ValueError as bad:
        return str(bad)


def parse_headers(buffer: Bytes, start: int, end: int) -> Headers:
    """The headers of one record, their count first. A null value counts as empty. Raises ValueError."""
    count, at = varint(buffer, start, end)
    if count > MAX_HEADERS:
        raise ValueError(TOO_MANY_HEADERS)
    found = []
    for _ in range(count if at >= 0 else 0):
        name, at = _text(buffer, at, end)
        value, at = _text(buffer, at, end)
        found.append((name.decode("utf-8", "replace"), value))
    if at != end or count < 0:
        raise ValueError("the headers do not end where the record ends")
    return tuple(found)


def _text(buffer: Bytes, at: int, end: int) -> tuple[bytes, int]:
    size, at = varint(buffer, at, end)
    if at < 0 or size > end - at:
        raise ValueError("a header is longer than the record")
    behind = at + max(0, size)
    return buffer[at:behind].tobytes(), behind
