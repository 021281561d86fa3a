"""The records of a fetch as the client makes them, batch by batch; a batch that cannot be read is one record.

The client itself raises at the first batch that fails its checksum, at every fetch anew, and unpacks whatever a sender says. Here a
batch is unpacked within bounds first, and read whole before any of its records is handed on.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from aiokafka.record.control_record import ABORT_MARKER, ControlRecord
from aiokafka.record.memory_records import MemoryRecords

from zonepulse.processors.decoding.compression import MAX_BYTES, NONE, decompress

_LENGTH_AT, _MAGIC_AT, _ATTRIBUTES_AT, _LAST_DELTA_AT, HEADER_BYTES, PREFIX_BYTES = 8, 16, 21, 23, 61, 12
_CODEC_BITS: Final = 7
_MOST_RECORDS: Final = 1_000_000
"""More than a batch holds: a header that says so is damaged."""
_LIMIT: Final = 1 << 61
"""Offsets beyond are nonsense."""


@dataclass(frozen=True, slots=True)
class DamagedRecord:
    """Stands for a batch that cannot be read: `value` are its bytes. The fields are those of the client's records."""

    offset: int
    timestamp: int
    value: bytes
    next_offset: int
    why: str
    key: None = None
    headers: tuple[()] = ()

    @property
    def serialized_key_size(self) -> int:
        """As of a null key."""
        return -1

    @property
    def serialized_value_size(self) -> int:
        """Of the bytes."""
        return len(self.value)


class OldFormat(ValueError):
    """Message formats 0 and 1 have no batches."""


def checked_records(
    buffer: bytes,
    start: int,
    aborted: Iterable[tuple[int, int]],
    must_check_crc: bool,
    is_committed_only: bool,
    record_of: Callable[[Any], Any],
) -> Iterator[tuple[list[Any], int]]:
    """(records from offset `start` on, offset behind the batch) of each complete batch; `record_of` makes the client's record of a raw one.

    Control batches and those of `aborted` transactions (producer, first offset) have no records. Raises OldFormat before the first.
    """
    waiting = sorted(aborted, key=lambda transaction: -transaction[1])
    doomed: set[int] = set()
    at, expected, last_ms = 0, start, 0
    if _is_old(buffer):
        raise OldFormat
    while at + PREFIX_BYTES <= len(buffer):
        length = int.from_bytes(buffer[at + _LENGTH_AT : at + PREFIX_BYTES], "big", signed=True)
        end = at + PREFIX_BYTES + length if length >= 0 else len(buffer)
        if end > len(buffer):
            return
        raw, at = buffer[at:end], end
        try:
            batch, records = _read(raw, must_check_crc)
        except Exception as error:  # damaged bytes raise of any kind
            damaged = _damaged(raw, max(expected, start), start, last_ms, str(error) or type(error).__name__)
            yield [damaged], damaged.next_offset
            expected = damaged.next_offset
            continue
        while is_committed_only and waiting and waiting[-1][1] <= batch.base_offset:
            doomed.add(waiting.pop()[0])
        if batch.is_control_batch:
            if records and ControlRecord.parse(records[0].key) == ABORT_MARKER:
                doomed.discard(batch.producer_id)
            records = []
        elif batch.is_transactional and batch.producer_id in doomed:
            records = []
        last_ms, expected = (batch.max_timestamp if records else last_ms), batch.next_offset
        yield [record_of(record) for record in records if record.offset >= start], batch.next_offset


def _is_old(buffer: bytes) -> bool:
    return len(buffer) > _MAGIC_AT and buffer[_MAGIC_AT] < 2


def _read(raw: bytes, must_check_crc: bool) -> tuple[Any, list[Any]]:
    """The batch and all its records. Raises whatever says that it is damaged."""
    if len(raw) < HEADER_BYTES or raw[_MAGIC_AT] != 2:
        raise ValueError("has an impossible length or format")
    delta = int.from_bytes(raw[_LAST_DELTA_AT : _LAST_DELTA_AT + 4], "big", signed=True)
    if not 0 <= int.from_bytes(raw[:8], "big", signed=True) < _LIMIT or not 0 <= delta < _MOST_RECORDS:
        raise ValueError("has an impossible header")
    batch = MemoryRecords(raw).next_batch()
    if must_check_crc and not batch.validate_crc():
        raise ValueError("fails its checksum")
    codec = raw[_ATTRIBUTES_AT + 1] & _CODEC_BITS
    if codec != NONE:
        decompress(codec, memoryview(raw)[HEADER_BYTES:], np.empty(MAX_BYTES, np.uint8))
    return batch, list(batch)


def _damaged(raw: bytes, expected: int, start: int, last_ms: int, why: str) -> DamagedRecord:
    """The batch by what its header says, as far as that can be."""
    offset = int.from_bytes(raw[:8], "big", signed=True)
    delta = int.from_bytes(raw[_LAST_DELTA_AT : _LAST_DELTA_AT + 4], "big", signed=True) if len(raw) >= HEADER_BYTES else 0
    offset = offset if 0 <= offset < _LIMIT else expected
    behind = offset + 1 + (delta if 0 <= delta < _MOST_RECORDS else 0)
    offset = max(offset, start)
    return DamagedRecord(offset, last_ms, raw, max(behind, offset + 1), f"a record batch {why}"[:300])
