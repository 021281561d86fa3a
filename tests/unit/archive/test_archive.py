"""What is archived comes back byte for byte, each offset once, and what is missing or damaged is told."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from faust.types import TP
from fetches import CODECS, Message, RecordBatch
from hypothesis import given
from hypothesis import strategies as st

from zonepulse.processors.decoding.damaged_fetch import spans_of_damaged_fetch
from zonepulse.schemas.messages.records import ARROW, RecordSpans
from zonepulse.streams.archive.archive import Archive, BadArchive, Kept, covered, stretches
from zonepulse.streams.archive.record_table import digest_of, records_of, table_of
from zonepulse.streams.kafka.raw_batches import RawFetch, piece, read_batches

TOPIC = "zp.readings"


def arrow_stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as out:
        out.write_table(table)
    return sink.getvalue().to_pybytes()


READING = b'{"meter":"M1","register":"1.8.0","ts":"2026-02-24T00:00:00Z","value":1.50}'
ARROW_READING = arrow_stream(pa.table({"meter": ["M1"], "register": ["1.8.0"], "ts": [1_790_000_000_000], "value": [1.5]}))
HEADERS = st.tuples(st.sampled_from(["content-type", "registry", "语"]), st.sampled_from([ARROW, b"", b"\xff\x00"]))
FORMS = st.one_of(
    st.sampled_from([None, b"", READING, b" " + READING + b"\n", b"[" + READING + b", " + READING + b"]", b"[]", ARROW_READING]),
    st.binary(max_size=40),
)
MESSAGES = st.builds(
    Message,
    FORMS,
    st.one_of(st.none(), st.binary(max_size=6)),
    st.lists(
        st.tuples(st.sampled_from(["content-type", "registry", "语"]), st.sampled_from([ARROW, b"", b"\xff\x00"])), max_size=3
    ).map(tuple),
    st.integers(-(1 << 40), 1 << 50),
)


def fetched(batches: list[RecordBatch]) -> RecordSpans:
    """As the worker gets them, in one piece."""
    raw = b"".join(batch.raw for batch in batches)
    (found,) = read_batches(TP(TOPIC, 0), RawFetch(raw, 0, 0, (), True), 0, 0, 1 << 20, 1 << 30)
    return found


def facts(records: RecordSpans) -> list[Any]:
    """All that a core may ask of records."""
    rows = range(len(records))
    where = zip(records.offset.tolist(), records.timestamp_ms.tolist(), strict=True)
    return [
        (*at, records.key(i), records.value(i), records.headers.get(i), records.refused.get(i))
        for i, at in zip(rows, where, strict=True)
    ]


def some(first: int, stop: int) -> RecordSpans:
    return fetched([RecordBatch([Message(b"%d" % at, timestamp_ms=at) for at in range(first, stop)], base=first)])


@given(st.lists(MESSAGES, min_size=1, max_size=20), st.sampled_from(sorted(CODECS)))
def test_records_of_every_form_come_back_as_they_were(messages: list[Message], codec: str) -> None:
    records = fetched([RecordBatch(messages, base=7, codec=CODECS[codec])])
    table = table_of(records)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    back = pq.read_table(pa.BufferReader(sink.getvalue()))
    assert digest_of(back) == digest_of(table)
    (rows,) = back.combine_chunks().to_batches()
    for start in range(len(records)):
        assert facts(records_of(TOPIC, 0, rows.slice(start))) == facts(records)[start:]


def test_a_damaged_batch_stays_the_dead_letter_that_it_was() -> None:
    raw = bytearray(RecordBatch([Message(READING)] * 3).raw)
    raw[-1] ^= 1
    (records,) = spans_of_damaged_fetch(bytes(raw), TOPIC, 0, 0, (), True)
    assert records.refused
    (rows,) = table_of(records).to_batches()
    assert facts(records_of(TOPIC, 0, rows)) == facts(records)


def archive_in(folder: Path) -> Archive:
    return Archive(str(folder), "my zone/1", TOPIC, "id")


def put(archive: Archive, first: int, stop: int, next_: int | None = None) -> Kept:
    return archive.write(0, first, next_ or stop, "2026-02-24", table_of(some(first, stop)))


def offsets(archive: Archive, first: int, end: int) -> list[int]:
    return [at for records in archive.read(archive.files()[0], 0, first, end) for at in records.offset.tolist()]


def test_a_stretch_is_read_each_offset_once_even_where_two_writers_overlapped(tmp_path: Path) -> None:
    archive = archive_in(tmp_path)
    for first, stop in ((5, 9), (0, 5), (3, 12)):
        put(archive, first, stop)
    assert offsets(archive, 0, 12) == list(range(12))
    assert offsets(archive, 2, 11) == list(range(2, 11))
    assert covered(archive.files()[0], 7) == (0, 12)


def test_offsets_that_no_record_has_are_covered_by_the_file_before_them(tmp_path: Path) -> None:
    archive = archive_in(tmp_path)
    put(archive, 0, 5, 7)
    put(archive, 7, 9)
    assert offsets(archive, 0, 9) == [0, 1, 2, 3, 4, 7, 8]


def test_what_is_missing_is_told_and_nothing_is_passed_over(tmp_path: Path) -> None:
    archive = archive_in(tmp_path)
    put(archive, 0, 5)
    put(archive, 8, 12)
    read = archive.read(archive.files()[0], 0, 0, 12)
    assert len(next(read)) == 5
    with pytest.raises(BadArchive, match="partition 0 has no offsets 5 to 7"):
        next(read)
    with pytest.raises(BadArchive, match="no offsets 12 to 19"):
        offsets(archive, 8, 20)
    assert covered(archive.files()[0], 8) == (8, 12)
    assert covered(archive.files()[0], 5) == (0, 5)
    assert covered(archive.files()[0], 6) == (6, 6)
    assert covered([], 6) == (6, 6)
    assert list(stretches(archive.files()[0])) == [(0, 5), (8, 12)]


def test_half_a_file_is_no_file(tmp_path: Path) -> None:
    archive = archive_in(tmp_path)
    kept = Path(put(archive, 0, 5).path)
    kept.rename(kept.with_name(f".{kept.name}.1.part"))
    assert archive.files() == {}


def test_a_file_that_is_not_as_written_is_found(tmp_path: Path) -> None:
    archive = archive_in(tmp_path)
    kept = put(archive, 0, 500)
    assert archive.check(kept) == archive.facts(kept)
    content = bytearray(Path(kept.path).read_bytes())
    content[len(content) // 3] ^= 0x40
    Path(kept.path).write_bytes(content)
    with pytest.raises(BadArchive, match="restore it from a copy"):
        archive.check(kept)
    with pytest.raises(BadArchive, match="restore it from a copy"):
        offsets(archive, 0, 500)


def test_pieces_of_a_fetch_cover_it_without_a_gap(tmp_path: Path) -> None:
    archive, whole = archive_in(tmp_path), some(0, 10)
    for start, stop in ((0, 4), (4, 10)):
        part = piece(whole, start, stop)
        archive.write(0, start, part.next_offset, "2026-02-24", table_of(part))
    assert offsets(archive, 0, 10) == list(range(10))


def test_a_place_that_cannot_be_an_archive_is_refused_with_its_setting() -> None:
    with pytest.raises(BadArchive, match="ZONEPULSE_ARCHIVE is 'gopher://x'"):
        Archive("gopher://x", "z", TOPIC, "id")
