"""Fetches of chosen topics as raw bytes: the only other file that touches private names, of aiokafka 0.14 (its fetcher and its connection).

aiokafka makes an object of every record, 1.8 us each. For a raw topic its fetcher hands on one `RawFetch` instead; decoding/wire.py reads
the bytes. All other topics, and fetches in message formats before 2, keep their ordinary path. Corrupt bytes show when they are read.
"""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from aiokafka import conn
from aiokafka.consumer import fetcher
from faust.types import TP

from zonepulse.schemas.messages.records import RecordSpans
from zonepulse.streams.kafka.checked_records import OldFormat, checked_records
from zonepulse.streams.kafka.record_arrays import Fetch

_Records: Final = fetcher.MemoryRecords
_PartitionRecords: Final = fetcher.PartitionRecords
_LENGTH_AT, _MAGIC_AT, _LAST_DELTA_AT, _HEADER_BYTES, _PREFIX_BYTES = 8, 16, 23, 61, 12
_MOST_RECORDS: Final = 1_000_000
"""More than a batch holds: a header that says so is damaged."""
READER_BYTES: Final = 8_000_000
"""What a connection may hold unread. By aiokafka's 64 kB it stops and starts reading the socket 60 times an answer."""
_topics: set[str] = set()
_checked: set[str] = set()
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class RawFetch:
    """What the broker answered for one partition: record batches from `start` on, the last perhaps cut off.

    `aborted` are (producer, first offset) of aborted transactions, empty unless the consumer reads committed records only.
    `offset` is the last one covered, as of a record.
    """

    buffer: bytes
    start: int
    offset: int
    aborted: tuple[tuple[int, int], ...]
    must_check_crc: bool


class _KeptBytes:
    """Stands for MemoryRecords and keeps the bytes, until the topic is known."""

    def __init__(self, buffer: bytes) -> None:
        self.buffer = buffer
        self.records = _Records(buffer)

    def has_next(self) -> bool:
        return bool(self.records.has_next())

    def size_in_bytes(self) -> int:
        return int(self.records.size_in_bytes())


def _last_offset(buffer: bytes) -> int | None:
    """Last offset of the complete batches; None if one is of an old format, or too short to be one."""
    at, last = 0, -1
    while at + _PREFIX_BYTES <= len(buffer):
        end = at + _PREFIX_BYTES + int.from_bytes(buffer[at + _LENGTH_AT : at + _PREFIX_BYTES], "big", signed=True)
        if end > len(buffer):
            break
        if end - at < _HEADER_BYTES or buffer[at + _MAGIC_AT] < 2:
            return None
        base_offset = int.from_bytes(buffer[at : at + 8], "big", signed=True)
        delta = int.from_bytes(buffer[at + _LAST_DELTA_AT : at + _LAST_DELTA_AT + 4], "big", signed=True)
        last = base_offset + (delta if 0 <= delta < _MOST_RECORDS else 0)
        at = end
    return last


class _RawPartitionRecords:
    """Stands for PartitionRecords: one item, the whole fetch."""

    def __init__(self, fetch: RawFetch) -> None:
        self._fetch: RawFetch | None = fetch
        self.next_fetch_offset = fetch.start

    def __iter__(self) -> Iterator[RawFetch]:
        return self

    def __next__(self) -> RawFetch:
        if self._fetch is None:
            raise StopIteration
        fetch, self._fetch = self._fetch, None
        self.next_fetch_offset = max(fetch.start, fetch.offset + 1)
        return fetch


class _CheckedPartitionRecords(_PartitionRecords):  # type: ignore[misc, valid-type]
    """The client's own, for topics of which every record has a fate."""

    def __init__(self, tp: Any, kept: "_KeptBytes", aborted: Any, start: int, *rest: Any) -> None:
        self.next_fetch_offset: int = start
        self._kept = kept.buffer
        self._aborted = tuple((int(producer), int(first)) for producer, first in aborted or ())
        super().__init__(tp, kept.records, aborted, start, *rest)

    def _unpack_records(self) -> Iterator[Any]:
        is_committed_only = self._isolation_level == fetcher.READ_COMMITTED
        make = partial(self._consumer_record, self._tp)
        place = self._kept, self.next_fetch_offset, self._aborted if is_committed_only else (), self._check_crcs, is_committed_only
        try:
            for records, behind in checked_records(*place, make):
                for record in records:
                    self.next_fetch_offset = record.offset + 1
                    yield record
                self.next_fetch_offset = max(self.next_fetch_offset, behind)
        except OldFormat:
            yield from super()._unpack_records()


def _partition_records(
    tp: Any, records: _KeptBytes, aborted: Any, start: int, key: Any, value: Any, check_crcs: bool, isolation_level: int
) -> Any:
    last = _last_offset(records.buffer) if tp.topic in _topics else None
    if last is None and tp.topic in _topics | _checked:
        return _CheckedPartitionRecords(tp, records, aborted, start, key, value, check_crcs, isolation_level)
    if last is None:
        return _PartitionRecords(tp, records.records, aborted, start, key, value, check_crcs, isolation_level)
    is_committed_only = isolation_level == fetcher.READ_COMMITTED
    transactions = tuple((int(producer), int(first)) for producer, first in aborted or ()) if is_committed_only else ()
    return _RawPartitionRecords(RawFetch(records.buffer, start, last, transactions, check_crcs))


def read_raw(topics: Iterable[str]) -> None:
    """From the next fetch on, consumers of this process get these topics as RawFetch. May be called again for others."""
    with _lock:
        _topics.update(topics)
        _install()
        conn.READER_LIMIT = READER_BYTES


def read_checked(topics: Iterable[str]) -> None:
    """From the next fetch on, these topics come as the client's records, and what it cannot read as a DamagedRecord."""
    with _lock:
        _checked.update(topics)
        _install()


def _install() -> None:
    fetcher.MemoryRecords = _KeptBytes
    fetcher.PartitionRecords = _partition_records


def read_batches(tp: TP, fetch: RawFetch, start: int, lease: int, max_records: int, max_bytes: int) -> Iterator[Fetch]:
    """The records of a fetch from `start` on, in pieces as record_arrays.cut makes them; none if it holds no committed record.

    A record batch that cannot be read is one record that is poison.
    """
    from zonepulse.processors.decoding.damaged_fetch import spans_of_damaged_fetch
    from zonepulse.processors.decoding.kafka_format import CorruptBatch, spans_of_fetch
    from zonepulse.processors.decoding.kafka_format import OldFormat as Old

    place = fetch.buffer, tp.topic, tp.partition, start
    try:
        parts: Iterable[RecordSpans] = [spans_of_fetch(*place, fetch.aborted, fetch.must_check_crc)]
    except (CorruptBatch, Old):
        parts = spans_of_damaged_fetch(*place, fetch.aborted, fetch.must_check_crc)
    for found in parts:
        yield from _pieces(found, lease, max_records, max_bytes)


def _pieces(found: RecordSpans, lease: int, max_records: int, max_bytes: int) -> Iterator[Fetch]:
    sizes = found.key_end - found.key_start + found.value_end - found.value_start
    behind = np.cumsum(sizes)
    first, before = 0, 0
    while first < len(found):
        fitting = int(np.searchsorted(behind, before + max_bytes, side="right"))
        stop = min(len(found), first + max_records, max(first + 1, fitting))
        yield piece(found, first, stop, lease)
        first, before = stop, int(behind[stop - 1])


def piece(found: RecordSpans, first: int, stop: int, lease: int = 0) -> Fetch:
    """Records [first, stop) of a fetch, under a lease."""
    here = slice(first, stop)
    next_offset = found.next_offset if stop == len(found) else int(found.offset[stop])
    if stop - first == len(found):
        headers, refused = found.headers, found.refused
    else:
        headers = {i - first: header for i, header in found.headers.items() if first <= i < stop}
        refused = {i - first: refusal for i, refusal in found.refused.items() if first <= i < stop}
    return Fetch(
        found.topic, found.partition, found.buffer, found.key_start[here], found.key_end[here], found.value_start[here],
        found.value_end[here], found.offset[here], found.timestamp_ms[here], next_offset, headers, refused, lease,
    )  # fmt: skip
