"""Record batches read as the client's own records have the fates that they have when they are read raw."""

import random
import struct
from typing import Any

import pytest
from aiokafka.consumer import fetcher
from aiokafka.structs import TopicPartition
from faust.types import TP
from fetches import CODECS, Message, RecordBatch, broken, control, fetch_with, sealed

from zonepulse.streams.kafka import raw_batches
from zonepulse.streams.kafka.raw_batches import RawFetch, _last_offset, read_batches
from zonepulse.streams.kafka.record_arrays import Fetch, spans

PLAIN, RAW = TP("plain", 0), TP("t", 0)
THREE = [Message(b"c"), Message(b"d", None), Message(None, headers=(("h", b"x"),))]


@pytest.fixture(autouse=True)
def checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_batches, "_checked", {PLAIN.topic})


def as_records(raw: bytes, start: int, aborted: list[tuple[int, int]]) -> tuple[list[Any], int]:
    kept = raw_batches._KeptBytes(raw)
    place = TopicPartition(*PLAIN), kept, aborted, start
    found = raw_batches._partition_records(*place, None, None, True, fetcher.READ_COMMITTED)
    return list(found), found.next_fetch_offset


def fates(parts: list[Fetch]) -> list[tuple[Any, ...]]:
    return [
        (int(p.offset[i]), p.key(i), p.value(i), p.headers.get(i, ()), p.refused[i][0] if i in p.refused else 0)
        for p in parts
        for i in range(len(p))
    ]


def both(raw: bytes, start: int = 0, aborted: list[tuple[int, int]] | None = None) -> tuple[list[Any], list[Any], int, int]:
    last = _last_offset(raw)
    fetch = RawFetch(raw, start, -1 if last is None else last, tuple(aborted or ()), True)
    wanted = list(read_batches(RAW, fetch, start, 7, 1000, 1 << 27))
    records, position = as_records(raw, start, aborted or [])
    got = [spans(PLAIN, records, position, 7)] if records else []
    return fates(got), fates(wanted), position, wanted[-1].next_offset if wanted else start


def assert_alike(raw: bytes, start: int = 0, aborted: list[tuple[int, int]] | None = None) -> list[Any]:
    got, wanted, position, behind = both(raw, start, aborted)
    assert got == wanted
    assert position >= behind  # behind trailing batches without records too
    return got


@pytest.mark.parametrize("place", [17, 25, 45, 60, 65, 75], ids=lambda at: f"byte {at}")
def test_a_damaged_batch_is_one_record_and_the_flow_goes_on_behind_it(place: int) -> None:
    middle = broken(place, RecordBatch(THREE, 2).raw)
    got = assert_alike(fetch_with(middle))
    assert [row[0] for row in got] == [0, 1, 2, 10]
    assert [row[2] for row in got if row[4]] == [middle]
    assert_alike(middle + RecordBatch([Message(b"z")], 10).raw, 3)


@pytest.mark.parametrize("codec", CODECS.values())
def test_good_batches_and_bombs(codec: int) -> None:
    assert_alike(fetch_with(RecordBatch(THREE, 2, codec).raw), 1)
    got = assert_alike(fetch_with(RecordBatch([Message(b"\0" * 100_000_000)], 2, codec).raw) if codec else b"")
    assert [row[4] != 0 for row in got] == ([False, False, True, False] if codec else [])


def test_an_impossible_length_a_cut_tail_and_many_headers() -> None:
    middle = bytearray(RecordBatch(THREE, 2).raw)
    struct.pack_into(">i", middle, 8, 20)
    assert [row[0] for row in assert_alike(fetch_with(bytes(middle)))][:3] == [0, 1, 2]
    assert_alike(fetch_with(RecordBatch(THREE, 2).raw)[:-5])
    assert_alike(RecordBatch([Message(b"a", headers=(("h", b""),) * 1_001), Message(b"b")]).raw)
    struct.pack_into(">i", middle, 8, -7)
    assert_alike(fetch_with(bytes(middle)))


def test_transactions() -> None:
    def sent(base: int, producer: int) -> bytes:
        return RecordBatch([Message(b"%d" % producer)] * 2, base, producer=producer, is_transactional=True).raw

    raw = sent(0, 1) + sent(2, 2) + control(4, 1, True) + sent(5, 1) + control(7, 2, False) + control(8, 1, False)
    assert [row[0] for row in assert_alike(raw, 0, [(1, 0)])] == [2, 3, 5, 6]


def test_damage_that_the_checksum_shows_is_as_when_read_raw_and_no_other_raises() -> None:
    rng = random.Random(11)
    for _ in range(300):
        codec = rng.choice([0, 0, *CODECS.values()])
        batches = [bytearray(RecordBatch(THREE, base, codec).raw) for base in (0, 3, 6)]
        hit = rng.choice(batches)
        for _ in range(rng.choice((1, 1, 3))):
            hit[rng.randrange(21, len(hit))] = rng.randrange(256)
        is_sealed = rng.random() < 0.5
        if is_sealed:
            hit[:] = sealed(hit)
        got, wanted, *_ = both(b"".join(batches))
        offsets = [row[0] for row in got]
        assert offsets == sorted(set(offsets))
        if not is_sealed:
            assert got == wanted
    for _ in range(300):
        raw = bytearray(fetch_with(RecordBatch(THREE, 2).raw))
        raw[rng.randrange(len(raw))] = rng.randrange(256)
        records, position = as_records(bytes(raw), 0, [])
        assert position > 0 or not records
