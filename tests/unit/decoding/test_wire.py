import json

import numpy as np
import pytest
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.structs import TopicPartition
from faust.types import TP
from fetches import CODECS, START_MS, Message, RecordBatch, assert_same, channels, contents, control, ordinary, sealed

from zonepulse.processors.decoding.exact import decode_records
from zonepulse.processors.decoding.fast import decode_fast
from zonepulse.processors.decoding.kafka_format import CorruptBatch, OldFormat, spans_of_fetch
from zonepulse.streams.kafka.raw_batches import RawFetch, _KeptBytes, _partition_records, _PartitionRecords, read_batches

CHANNELS = channels()
READING = b'{"meter":"M1","register":"1.8.0","ts":1790000000000,"value":1.5}'
MESSAGES = [
    Message(READING, b"a"),
    Message(None, None),
    Message(b"", b""),
    Message(b"[]", b"k", (("h", b"1"), ("h", b"")), START_MS + 7),
]


def values(raw: bytes, start: int = 0, aborted: list[tuple[int, int]] | None = None) -> list[bytes | None]:
    return [row[3] for row in contents(spans_of_fetch(raw, "t", 0, start, aborted))]


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_every_codec_gives_the_records_back(codec: int) -> None:
    messages = MESSAGES * 50
    found = spans_of_fetch(RecordBatch(messages, 100, codec).raw + RecordBatch(messages, 300).raw, "t", 0, 0)
    assert contents(found) == contents(ordinary(messages, 100)) + contents(ordinary(messages, 300))
    assert found.next_offset == 500


def test_records_below_the_start_are_skipped_and_gaps_of_compaction_kept() -> None:
    batch = RecordBatch(MESSAGES, 10, deltas=[0, 2, 5, 9], last_delta=12)
    found = spans_of_fetch(batch.raw, "t", 0, 12)
    assert (found.offset.tolist(), found.next_offset) == ([12, 15, 19], 23)


def test_log_append_time_is_the_batch_s_for_every_record() -> None:
    found = spans_of_fetch(RecordBatch(MESSAGES, attributes=8, max_ms=START_MS + 99).raw, "t", 0, 0)
    assert set(found.timestamp_ms.tolist()) == {START_MS + 99}


def test_a_batch_that_is_cut_off_is_left_for_the_next_fetch() -> None:
    first, second = RecordBatch(MESSAGES).raw, RecordBatch(MESSAGES, 4).raw
    for length in range(len(second)):
        found = spans_of_fetch(first + second[:length], "t", 0, 0)
        assert (len(found), found.next_offset) == (4, 4)
    assert spans_of_fetch(b"", "t", 0, 7).next_offset == 7


def test_only_committed_records_are_seen_and_markers_never() -> None:
    def batch(name: bytes, base: int, producer: int) -> bytes:
        return RecordBatch([Message(name)], base, producer=producer, is_transactional=True).raw

    raw = b"".join([
        batch(b"aborted", 0, 7), batch(b"other", 1, 8), RecordBatch([Message(b"plain")], 2, producer=7).raw, control(3, 7, True),
        batch(b"again", 4, 7), control(5, 7, False), control(6, 8, False), batch(b"aborted too", 7, 8), control(8, 8, True),
    ])  # fmt: skip
    assert values(raw, 0, [(8, 7), (7, 0)]) == [b"other", b"plain", b"again"]
    assert values(raw) == [b"aborted", b"other", b"plain", b"again", b"aborted too"]
    assert spans_of_fetch(raw, "t", 0, 0, [(8, 7), (7, 0)]).next_offset == 9


def test_a_corrupt_batch_names_topic_partition_and_offset() -> None:
    broken = bytearray(RecordBatch(MESSAGES, 4).raw)
    broken[70] ^= 1
    with pytest.raises(CorruptBatch, match=r"t/3: the record batch at offset 4 fails its checksum") as caught:
        spans_of_fetch(RecordBatch(MESSAGES).raw + broken, "t", 3, 0)
    assert (caught.value.topic, caught.value.partition, caught.value.offset) == ("t", 3, 4)


def test_records_that_cannot_be_unpacked_are_a_corrupt_batch() -> None:
    packed = bytearray(RecordBatch([Message(b"x" * 500)], codec=3).raw)
    packed[65:75] = b"nonsense!!"
    with pytest.raises(CorruptBatch, match="cannot be decompressed"):
        spans_of_fetch(sealed(packed), "t", 0, 0)


def test_an_old_format_is_left_to_the_client() -> None:
    builder = LegacyRecordBatchBuilder(1, 0, 1 << 16)
    builder.append(0, START_MS, b"k", b"old")
    raw = bytes(builder.build())
    with pytest.raises(OldFormat, match="message format 1"):
        spans_of_fetch(raw, "t", 0, 0)


def test_neighbours_with_equal_headers_share_them() -> None:
    messages = [Message(READING, headers=(("content-type", b"application/json"),))] * 5 + [Message(READING, headers=(("x", b"1"),))]
    headers = spans_of_fetch(RecordBatch(messages).raw, "t", 0, 0).headers
    assert [headers[i] for i in range(6)] == [m.headers for m in messages]
    assert len({id(h) for h in headers.values()}) == 2


def test_slow_and_fast_records_keep_their_order() -> None:
    odd = READING.replace(b"1.5", b"15e-1")
    messages = [
        Message(v) for v in (READING, odd, odd, b"x", READING, None, b"[%s,%s]" % (READING, READING), b"[%s,7]" % READING, READING)
    ]
    found = spans_of_fetch(RecordBatch(messages).raw, "t", 0, 0)
    fast = decode_fast(found, 1, 9, found.timestamp_ms, CHANNELS)
    assert_same(fast, decode_records(found, 1, 9, found.timestamp_ms, CHANNELS))
    assert list(zip(fast.record.tolist(), fast.item.tolist(), strict=True)) == [
        (1, 0), (2, 0), (3, -1), (4, 0), (5, -1), (6, 0), (6, 1), (7, 0), (7, 1), (8, 0),
    ]  # fmt: skip


def test_a_record_with_too_many_readings_is_one_dead_letter() -> None:
    small = b'{"meter":"","register":"","ts":0,"value":0}'
    for count in (100_000, 100_001):
        records = ordinary([Message(b"[" + b",".join([small] * count) + b"]")])
        found = decode_fast(records, 0, 1, records.timestamp_ms, CHANNELS)
        assert len(found.record) == (count if count <= 100_000 else 1)
    assert found.items.reason.tolist() == [1]
    assert found.item.tolist() == [-1]


def test_pieces_of_a_fetch_are_its_records_and_end_where_the_next_begins() -> None:
    raw = RecordBatch(MESSAGES * 3, 5).raw
    fetch = RawFetch(raw, 5, 16, (), True)
    pieces = list(read_batches(TP("t", 0), fetch, 6, 3, 4, 1 << 20))
    assert [(len(p), p.next_offset, p.lease) for p in pieces] == [(4, 10, 3), (4, 14, 3), (3, 17, 3)]
    assert [row for p in pieces for row in contents(p)] == contents(ordinary(MESSAGES * 3, 5))[1:]
    assert [len(p) for p in read_batches(TP("t", 0), fetch, 6, 3, 100, 1)][:2] == [2, 1]


def test_the_fetcher_hands_on_raw_bytes_of_raw_topics_and_old_formats_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zonepulse.streams.kafka.raw_batches._topics", {"hot"})
    raw = RecordBatch(MESSAGES, 5).raw
    hot = _partition_records(TopicPartition("hot", 0), _KeptBytes(raw + raw[:30]), [(9, 5)], 5, None, None, True, 1)
    assert [*hot] == [RawFetch(raw + raw[:30], 5, 8, ((9, 5),), True)]
    assert hot.next_fetch_offset == 9
    builder = LegacyRecordBatchBuilder(1, 0, 1 << 16)
    builder.append(0, START_MS, b"k", b"old")
    old = _partition_records(TopicPartition("hot", 0), _KeptBytes(bytes(builder.build())), None, 0, None, None, True, 0)
    assert isinstance(old, _PartitionRecords)
    assert [record.value for record in old] == [b"old"]


def test_headers_on_every_record_decode_the_same() -> None:
    kinds = [b"application/json", b"application/vnd.apache.arrow.stream", b"text/plain"]
    messages = [Message(READING, headers=(("content-type", kinds[i % 3]),)) for i in range(9)]
    records = spans_of_fetch(RecordBatch(messages).raw, "t", 0, 0)
    fast = decode_fast(records, 0, 9, records.timestamp_ms, CHANNELS)
    assert_same(fast, decode_records(records, 0, 9, records.timestamp_ms, CHANNELS))
    assert np.count_nonzero(fast.items.reason) == 3
    assert json.loads(READING)["value"] == fast.items.value[0]
