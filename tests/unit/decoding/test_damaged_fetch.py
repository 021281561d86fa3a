"""A record batch that cannot be read is one dead letter, and what stands before and behind it is read."""

import struct
import time

import numpy as np
import pytest
from faust.types import TP
from fetches import CODECS, START_MS, Message, RecordBatch, broken, channels, contents, fetch_with, ordinary, sealed

from zonepulse.processors.decoding.contained import decode_contained
from zonepulse.processors.metering.dead_letters import dead_letters
from zonepulse.schemas.messages.dead_letters import DeadLetter
from zonepulse.schemas.messages.readings import MALFORMED, POISON
from zonepulse.schemas.messages.records import RecordSpans
from zonepulse.streams.kafka.raw_batches import RawFetch, _last_offset, read_batches
from zonepulse.streams.kafka.record_arrays import Fetch

READING = b'{"meter":"M1","register":"1.8.0","ts":1790000000000,"value":1.5}'
CHANNELS = channels()


def read(raw: bytes, start: int = 0) -> list[Fetch]:
    last = _last_offset(raw)
    return list(read_batches(TP("t", 0), RawFetch(raw, start, -1 if last is None else last, (), True), start, 7, 1000, 1 << 24))


def fates(parts: list[Fetch]) -> list[tuple[int, str | int]]:
    """(offset, value or code of the refusal) of each record."""
    return [
        (int(p.offset[i]), p.refused[i][0] if i in p.refused else (p.value(i) or b"").decode())
        for p in parts
        for i in range(len(p))
    ]


def letters_of(records: RecordSpans) -> list[DeadLetter]:
    batch, _ = decode_contained(records, 0, len(records), records.timestamp_ms, CHANNELS)
    return list(dead_letters(batch, records, CHANNELS))


@pytest.mark.parametrize("place", [17, 25, 45, 60, 65, 75], ids=lambda at: f"byte {at}")
def test_a_damaged_batch_is_one_record_that_is_poison_and_the_flow_goes_on_behind_it(place: int) -> None:
    middle = broken(place, RecordBatch([Message(READING)] * 3, 2).raw)
    parts = read(fetch_with(middle))
    assert fates(parts) == [(0, "a"), (1, "b"), (2, POISON), (10, "z")]
    assert [p.next_offset for p in parts][-1] == 11
    assert parts[1].value(0) == middle
    (letter,) = letters_of(parts[1])
    assert (letter.offset, letter.item, letter.reason, letter.value, letter.received_at_ms) == (2, -1, "poison", middle, START_MS)


def test_what_begins_within_a_damaged_batch_goes_on_behind_it() -> None:
    raw = broken(70, RecordBatch([Message(READING)] * 3, 2).raw) + RecordBatch([Message(b"z")], 5).raw
    assert fates(read(raw, 3)) == [(3, POISON), (5, "z")]
    assert _last_offset(raw) == 5


def test_a_batch_of_an_impossible_length_takes_the_rest_of_the_fetch_with_it() -> None:
    middle = bytearray(RecordBatch([Message(READING)], 2).raw)
    struct.pack_into(">i", middle, 8, 20)
    assert fates(read(fetch_with(bytes(middle))))[:3] == [(0, "a"), (1, "b"), (2, POISON)]


@pytest.mark.parametrize("codec", [c for name, c in CODECS.items() if name != "none"])
def test_a_batch_that_becomes_too_large_is_poison_and_takes_no_memory_for_it(codec: int) -> None:
    bomb = RecordBatch([Message(b"\0" * 100_000_000)], 2, codec).raw
    parts = read(fetch_with(bomb))
    assert fates(parts) == [(0, "a"), (1, "b"), (2, POISON), (10, "z")]
    assert max(len(p.buffer) for p in parts) <= 64_000_000
    assert len(letters_of(parts[1])[0].value or b"") <= 1_000_000


@pytest.mark.parametrize("codec", CODECS.values())
def test_many_batches_that_are_large_together_are_read_one_after_another(codec: int) -> None:
    value = b"x" * 7_000_000
    raw = b"".join(RecordBatch([Message(value)], i, codec).raw for i in range(12))
    parts = read(raw)
    assert [(int(p.offset[i]), p.value(i) == value) for p in parts for i in range(len(p))] == [(i, True) for i in range(12)]
    assert all(not p.refused for p in parts)


def test_a_record_with_more_headers_than_are_read_is_malformed_and_cheap() -> None:
    few = Message(READING, headers=(("h", b""),) * 1_000)
    many = Message(READING, headers=(("h", b""),) * 200_000)
    raw = RecordBatch([few, many, Message(READING)], codec=CODECS["zstd"]).raw
    read(raw)
    begun = time.process_time()
    (part,) = read(raw)
    cost = time.process_time() - begun
    assert {i: code for i, (code, _) in part.refused.items()} == {1: MALFORMED}
    begun = time.process_time()
    ordinary_part = ordinary([few, many, Message(READING)])
    assert ordinary_part.refused == part.refused
    assert cost < 10 * (time.process_time() - begun) + 0.5
    assert [(x.offset, x.item, x.reason, x.value) for x in letters_of(part)] == [(1, -1, "malformed", READING)]
    assert contents(part)[0] == contents(ordinary_part)[0]


def test_headers_that_do_not_end_are_of_one_record_alone() -> None:
    raw = bytearray(RecordBatch([Message(READING, headers=(("abc", b"defg"),)), Message(READING)]).raw)
    at = raw.find(b"defg") - 1
    raw[at] = 0x7E
    (part,) = read(sealed(raw))
    assert [i for i in part.refused] == [0]
    assert len(part) == 2


def test_refused_records_keep_their_place_in_pieces() -> None:
    bad = Message(READING, headers=(("h", b""),) * 1_001)
    raw = RecordBatch([Message(b"a"), bad, Message(b"c"), bad]).raw
    parts = list(read_batches(TP("t", 0), RawFetch(raw, 0, 3, (), True), 0, 7, 2, 1 << 24))
    assert [sorted(p.refused) for p in parts] == [[1], [1]]
    assert [len(x) for x in (letters_of(parts[0]), letters_of(parts[1]))] == [2, 2]


def test_a_skipped_record_is_poison_and_its_neighbours_are_read() -> None:
    records = ordinary([Message(READING)] * 5)
    batch, why = decode_contained(records, 1, 5, records.timestamp_ms, CHANNELS, {0, 3})
    assert list(zip(batch.record.tolist(), batch.item.tolist(), strict=True)) == [(1, 0), (2, 0), (3, -1), (4, 0)]
    assert np.flatnonzero(batch.items.reason == POISON).tolist() == [2]
    assert list(why) == [3]


def test_a_record_that_makes_a_decoder_raise_is_poison_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from zonepulse.processors.decoding import contained

    records, decode = ordinary([Message(READING)] * 20), contained.decode_fast

    def fragile(records: RecordSpans, start: int, stop: int, *rest: object) -> object:
        if start <= 13 < stop:
            raise OverflowError("a fault in a decoder")
        return decode(records, start, stop, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(contained, "decode_fast", fragile)
    batch, why = decode_contained(records, 0, 20, records.timestamp_ms, CHANNELS)
    assert batch.record.tolist() == list(range(20))
    assert np.flatnonzero(batch.items.reason).tolist() == [13]
    assert why == {13: "OverflowError: a fault in a decoder"}
