from aiokafka import ConsumerRecord
from faust.types import TP

from zonepulse.streams.kafka.record_arrays import cut, spans


def record(offset: int, key: bytes | None, value: bytes | None, headers: tuple[tuple[str, bytes], ...] = ()) -> ConsumerRecord:
    sizes = [-1 if x is None else len(x) for x in (key, value)]
    return ConsumerRecord("t", 0, offset, 1000 + offset, 0, key, value, None, *sizes, headers)


RECORDS = [record(5, b"ab", b"xyz"), record(6, None, b""), record(9, b"", None, (("h", b"1"),)), record(10, b"c", b"w")]


def test_keys_and_values_come_back_as_they_were() -> None:
    batch = spans(TP("t", 0), RECORDS, 12, 7)
    assert [(batch.key(i), batch.value(i)) for i in range(len(batch))] == [(r.key, r.value) for r in RECORDS]
    assert batch.offset.tolist() == [5, 6, 9, 10]
    assert batch.timestamp_ms.tolist() == [1005, 1006, 1009, 1010]
    assert (batch.next_offset, batch.lease, batch.headers) == (12, 7, {2: (("h", b"1"),)})


def test_a_piece_ends_where_the_next_begins_and_the_last_behind_the_fetch() -> None:
    assert [(len(piece), end) for piece, end in cut(RECORDS, 12, 2, 1000)] == [(2, 9), (2, 12)]


def test_a_piece_holds_no_more_bytes_than_allowed_but_at_least_one_record() -> None:
    records = [record(i, None, b"x" * size) for i, size in enumerate((10, 10, 50, 10, 10, 10))]
    assert [len(piece) for piece, _ in cut(records, 6, 100, 25)] == [2, 1, 2, 1]
    assert [r for piece, _ in cut(records, 6, 100, 25) for r in piece] == records
