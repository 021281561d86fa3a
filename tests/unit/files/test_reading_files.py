"""Files of readings: what is read, in which order, and how a bad file is refused."""

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zones import zone

from zonepulse.schemas.messages.reading_columns import NO_PARTITION, UNKNOWN_MS, ColumnChunk
from zonepulse.schemas.messages.readings import ARROW_SCHEMA, MALFORMED, NAIVE_TIME, decode
from zonepulse.streams.files import columns as column_files
from zonepulse.streams.files import json_lines, reading_files
from zonepulse.streams.files.arrival import Arrival
from zonepulse.streams.files.arrival_order import merged
from zonepulse.streams.files.blocks import BadFile, Block
from zonepulse.streams.files.reading_files import RecordChunk, facts_of, partition_count, read_files

ZONE = zone().zone
T0 = 1_790_784_900_000  # 2026-10-01T00:15:00+08:00


def line(meter: str = "A", ts: Any = T0, value: Any = 1.5, **more: Any) -> dict[str, Any]:
    return {"meter": meter, "register": "1.8.0", "ts": ts, "value": value, **more}


def write_lines(path: Path, *lines: Any) -> Path:
    path.write_bytes(b"".join((x if isinstance(x, bytes) else json.dumps(x).encode()) + b"\n" for x in lines))
    return path


def write_parquet(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path, row_group_size=2)
    return path


def records(*paths: Path, arrival: bool = False) -> list[RecordChunk]:
    chunks = list(read_files(paths, "zp.readings", arrival=Arrival(ZONE) if arrival else None))
    assert all(isinstance(c, RecordChunk) for c in chunks)
    return chunks  # type: ignore[return-value]


def columns(*paths: Path, arrival: bool = False) -> list[ColumnChunk]:
    chunks = list(read_files(paths, "zp.readings", arrival=Arrival(ZONE) if arrival else None))
    assert all(isinstance(c, ColumnChunk) for c in chunks)
    return chunks  # type: ignore[return-value]


def flat(chunks: list[ColumnChunk], name: str) -> list[Any]:
    return [x for c in chunks for x in getattr(c, name).tolist()]


# --- JSON lines


def test_a_line_is_a_record_byte_for_byte(tmp_path: Path) -> None:
    odd = b'{"meter" :"A","ingest_ms": 7, "value":1.50e0}'
    (chunk,) = records(write_lines(tmp_path / "r.jsonl", odd, line(ingest_ms=9)))
    assert chunk.records.value(0) == odd
    assert chunk.records.key(0) is None
    assert chunk.records.topic == "zp.readings"
    assert chunk.records.timestamp_ms.tolist() == [7, 9]
    assert (chunk.records.partition, chunk.records.offset.tolist(), chunk.records.next_offset) == (NO_PARTITION, [0, 1], 2)


def test_records_are_grouped_by_partition_and_counted_in_each(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "r.jsonl", *(line(str(i), ingest_ms=i, partition=i % 2) for i in range(5)))
    even, odd = records(path)
    assert (even.records.partition, even.records.offset.tolist(), even.records.timestamp_ms.tolist()) == (0, [0, 1, 2], [0, 2, 4])
    assert (odd.records.partition, odd.records.offset.tolist(), odd.records.timestamp_ms.tolist()) == (1, [0, 1], [1, 3])
    assert json.loads(odd.records.value(1) or b"")["meter"] == "3"


def test_given_offsets_and_items_are_kept(tmp_path: Path) -> None:
    (chunk,) = records(
        write_lines(
            tmp_path / "r.jsonl", line(ingest_ms=1, partition=0, offset=40, item=3), line(ingest_ms=1, partition=0, offset=44)
        )
    )
    assert (chunk.records.offset.tolist(), chunk.records.next_offset, chunk.item.tolist()) == ([40, 44], 45, [3, 0])


@pytest.mark.parametrize("sidecar", ["r.jsonl.meta.jsonl", "r.meta.jsonl"])
def test_with_a_sidecar_a_line_may_be_anything(tmp_path: Path, sidecar: str) -> None:
    path = write_lines(tmp_path / "r.jsonl", b"[]", b"{broken", b"")
    write_lines(tmp_path / sidecar, *({"partition": 2, "offset": i, "ingest_ms": 10 * i} for i in (5, 6, 8)))
    (chunk,) = records(path)
    assert [chunk.records.value(i) for i in range(3)] == [b"[]", b"{broken", b""]
    assert (chunk.records.partition, chunk.records.offset.tolist(), chunk.records.timestamp_ms.tolist()) == (
        2,
        [5, 6, 8],
        [50, 60, 80],
    )


def test_a_sidecar_lies_beside_a_compressed_file(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl.gz").write_bytes(gzip.compress(b"[]\n"))
    write_lines(tmp_path / "r.meta.jsonl", {"partition": 0, "offset": 0, "ingest_ms": 1})
    assert len(records(tmp_path / "r.jsonl.gz")) == 1


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            [line(ingest_ms=1), b"[]"],
            r"r\.jsonl, line 2: Expected `object`, got `array`; write partition, offset and ingest_ms .*r\.jsonl\.meta\.jsonl",
        ),
        ([line(ingest_ms=1), b"{broken"], r"r\.jsonl, line 2: JSON is malformed"),
        ([line(ingest_ms=1), b""], r"r\.jsonl, line 2: "),
        ([line(ingest_ms="1")], r"r\.jsonl, line 1: .*\$\.ingest_ms"),
        ([line(ingest_ms=1, partition=-1)], r"r\.jsonl, line 1: .*\$\.partition"),
        ([line(ingest_ms=9 * 10**17)], r"r\.jsonl, line 1: .*\$\.ingest_ms"),
        ([line(ingest_ms=1, partition=0, offset=2**63 - 1)], r"r\.jsonl, line 1: .*\$\.offset"),
        ([line(ingest_ms=1), line()], r"r\.jsonl, line 2: has no ingest_ms; write"),
        ([line(ingest_ms=1), line(ingest_ms=1, partition=0)], r"r\.jsonl, line 2: has partition, unlike line 1"),
        ([line()], r"r\.jsonl: no ingest_ms; add it, or pass --arrival"),
    ],
)
def test_lines_without_a_place_are_refused(tmp_path: Path, lines: list[Any], message: str) -> None:
    with pytest.raises(BadFile, match=message):
        records(write_lines(tmp_path / "r.jsonl", *lines))


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ([], r"ends before line 1 of r\.jsonl"),
        ([{"partition": 0, "offset": 0, "ingest_ms": 0}] * 2, r"has more lines than r\.jsonl"),
        ([{"partition": 0, "ingest_ms": 0}], r"r\.meta\.jsonl, line 1: has no offset; write an object"),
    ],
)
def test_a_sidecar_has_one_whole_line_for_each(tmp_path: Path, meta: list[Any], message: str) -> None:
    write_lines(tmp_path / "r.meta.jsonl", *meta)
    with pytest.raises(BadFile, match=message):
        records(write_lines(tmp_path / "r.jsonl", b"[]"))


# --- Parquet and CSV


def test_parquet_keeps_values_to_the_nearest_float_and_cuts_times_to_ms(tmp_path: Path) -> None:
    path = write_parquet(
        tmp_path / "r.parquet",
        meter=["A", "A", "B"],
        register=["1.8.0"] * 3,
        ts=pa.array([T0 * 1_000_000 + 999_999, -1, None], pa.timestamp("ns", "UTC")),
        value=pa.array([Decimal("1234567.891"), Decimal("0.300"), None], pa.decimal128(20, 3)),
        seq=pa.array([17, None, 1], pa.uint32()),
        quality=["estimated", None, "measured"],
        ingest_ms=[1, 2, 3],
        partition=pa.array([0, 1, 0], pa.int32()),
    )
    chunks = columns(path)
    assert flat(chunks, "ts_ms") == [T0, -1, UNKNOWN_MS]
    assert flat(chunks, "value") == [1234567.891, 0.3, 0.0]
    assert flat(chunks, "seq") == [17, -1, 1]
    assert flat(chunks, "quality") == [1, 0, 0]
    assert flat(chunks, "reason") == [0, 0, MALFORMED]
    assert flat(chunks, "offset") == [0, 0, 1]
    assert flat(chunks, "meter") == ["A", "A", "B"]
    assert flat(chunks, "unit") == [None, None, None]


def test_csv_is_judged_as_json_is(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(
        "value,ts,register,meter,unit,seq,quality,ingest_ms,comment\n"
        "1.5,2026-10-01T00:15:00+08:00,1.8.0,A,kWh,0,measured,1,x\n"
        '1e400,1790784900000,1.8.0,"A,1",,,,2,\n'
        "abc,1790784900000,1.8.0,A,,,,3,\n"
        "1,2026-10-01T00:15:00,1.8.0,A,,,,4,\n"
        "1,yesterday,1.8.0,A,,,,5,\n"
        "1,1790784900000,1.8.0,,,,,6,\n"
        "1,1790784900000,1.8.0,A,,4294967296,,7,\n"
        "1,1790784900000,1.8.0,A,,,good,8,\n"
        "nan,1790784900000,1.8.0,A,,,,9,\n"
    )
    (chunk,) = columns(tmp_path / "r.csv")
    assert chunk.reason.tolist() == [0, 0, MALFORMED, NAIVE_TIME, MALFORMED, MALFORMED, MALFORMED, MALFORMED, MALFORMED]
    assert chunk.ts_ms[:5].tolist() == [T0, T0, T0, UNKNOWN_MS, UNKNOWN_MS]
    assert chunk.value[:2].tolist() == [1.5, np.inf]
    assert chunk.meter[1].as_py() == "A,1"
    assert chunk.unit[:2].to_pylist() == ["kWh", None]
    assert chunk.ingest_ms.tolist() == list(range(1, 10))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_naive_parquet_times_are_naive(tmp_path: Path, unit: str) -> None:
    path = write_parquet(
        tmp_path / "r.parquet", meter=["A"], register=["1"], ts=pa.array([1], pa.timestamp(unit)), value=[1.0], ingest_ms=[1]
    )
    assert columns(path)[0].reason.tolist() == [NAIVE_TIME]


CELLS = st.fixed_dictionaries(
    {
        "meter": st.sampled_from(["A", "B", None]),
        "register": st.sampled_from(["1.8.0", None]),
        "ts": st.sampled_from(["2026-10-01T00:15:00.1239+08:00", "2026-10-01T00:15:00", "2026-10-01T00:15Z", "soon", "", None]),
        "value": st.none() | st.floats() | st.integers(-(2**53), 2**53).map(float),
        "unit": st.sampled_from(["kWh", None]),
        "seq": st.none() | st.integers(-1, 2**32),
        "quality": st.sampled_from(["measured", "estimated", "corrected", "manual", "good", None]),
    }
)


@given(st.lists(CELLS, min_size=1, max_size=20))
def test_columns_agree_with_the_decoder_of_arrow_blocks(rows: list[dict[str, Any]]) -> None:
    schema = ARROW_SCHEMA.set(2, pa.field("ts", pa.string()))
    source = pa.Table.from_pylist(rows, schema)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_table(source)
    expected = decode(sink.getvalue().to_pybytes())
    zeros = np.zeros(len(rows), np.int64)
    chunk = reading_files.columns_of(source, dict.fromkeys(reading_files.POSITION, zeros), is_text=False)
    assert chunk.reason.tolist() == expected.reason
    for i in np.flatnonzero(chunk.reason == 0):
        found = (chunk.meter[i].as_py(), chunk.ts_ms[i], chunk.value[i], chunk.unit[i].as_py(), chunk.seq[i], chunk.quality[i])
        assert found == (
            expected.meter[i],
            expected.ts[i],
            expected.value[i],
            expected.unit[i],
            expected.seq[i],
            expected.quality[i],
        )


def test_a_dead_row_of_a_file_can_be_sent_again(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(f"meter,register,ts,value,ingest_ms\nA,1.8.0,{T0},1.5,1\nA,1.8.0,soon,1.5,1\n")
    (chunk,) = columns(tmp_path / "r.csv")
    good, bad = decode(chunk.row_bytes(0)), decode(chunk.row_bytes(1))
    assert (good.meter, good.ts, good.value, good.reason) == (["A"], [T0], [1.5], [0])
    assert bad.reason == [MALFORMED]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("meter,register,ts\n", r"r\.csv: no column value among meter, register, ts; name the columns"),
        ("", r"r\.csv: no column meter, register, ts, value among none"),
        (
            "meter,register,ts,value,ingest_ms\nA,1,1,1,5\nA,1,1,1,\n",
            r"r\.csv, row 3, column ingest_ms: None; write a whole number",
        ),
        ("meter,register,ts,value,ingest_ms\nA,1,1,1,x\n", r"r\.csv, row 2, column ingest_ms: 'x'"),
        ("meter,register,ts,value,ingest_ms\nA,1,1,1\n", r"r\.csv, row 2: 4 cells, and the header has 5: .A,1,1,1.; "),
        ("meter,register,ts,value\nA,1,1,1\n", r"r\.csv: no ingest_ms; add it, or pass --arrival"),
    ],
)
def test_a_bad_csv_file_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "r.csv").write_text(text)
    with pytest.raises(BadFile, match=message):
        columns(tmp_path / "r.csv")


def test_parquet_places_are_whole_numbers(tmp_path: Path) -> None:
    rows: dict[str, Any] = {"meter": ["A"], "register": ["1"], "ts": [1], "value": [1.0], "ingest_ms": [1]}
    with pytest.raises(BadFile, match=r"r\.parquet, column partition: type double; write whole numbers"):
        columns(write_parquet(tmp_path / "r.parquet", **rows, partition=[0.0]))
    with pytest.raises(BadFile, match=r"r\.parquet, row 1, column offset: -1"):
        columns(write_parquet(tmp_path / "r.parquet", **rows, offset=[-1]))
    with pytest.raises(BadFile, match=r"r\.parquet, row 1, column offset: 9223372036854775807"):
        columns(write_parquet(tmp_path / "r.parquet", **rows, offset=[2**63 - 1]))
    with pytest.raises(BadFile, match=r"r\.parquet, row 1, column ingest_ms: 900000000000000000"):
        columns(write_parquet(tmp_path / "r.parquet", **rows | {"ingest_ms": [9 * 10**17]}))


@pytest.mark.parametrize("name", ["meter", "register", "unit", "quality"])
def test_a_text_that_stands_once_and_is_long_in_every_row_is_refused(tmp_path: Path, name: str) -> None:
    rows: dict[str, Any] = {"meter": ["A"], "register": ["1"], "ts": [1], "value": [1.0], "ingest_ms": [1]}
    with pytest.raises(BadFile, match=rf"r\.parquet, in rows 1 to 1, column {name}: a text of 10001 bytes, at most 10000"):
        columns(write_parquet(tmp_path / "r.parquet", **rows | {name: ["x" * 10_001]}))
    assert len(columns(write_parquet(tmp_path / "r.parquet", **rows | {name: ["x" * 10_000]}))[0]) == 1


@pytest.mark.parametrize("name", ["r.parquet", "r.csv.gz", "r.jsonl.gz"])
def test_a_file_that_is_not_what_its_name_says_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not at all\n")
    with pytest.raises(BadFile, match=name):
        list(read_files([tmp_path / name], "t"))


def test_missing_and_unknown_files_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"gone\.csv"):
        list(read_files([tmp_path / "gone.csv"], "t"))
    with pytest.raises(BadFile, match=r"r\.ods: unknown kind of file '\.ods'; known: \.parquet"):
        list(read_files([tmp_path / "r.ods"], "t"))


# --- Order of arrival


def test_without_ingest_time_readings_arrive_at_the_running_maximum_of_ts(tmp_path: Path) -> None:
    times = ["soon", T0 + 5, T0 + 2, None, "2026-10-01T00:15:00", T0 + 9]
    lines = write_lines(tmp_path / "r.jsonl", *(line(ts=ts) for ts in times))
    cells = "".join(f"A,1,{'' if ts is None else ts},1\n" for ts in times)
    (tmp_path / "r.csv").write_text("meter,register,ts,value\n" + cells)
    expected = [T0 + 5] * 5 + [T0 + 9]
    assert records(lines, arrival=True)[0].records.timestamp_ms.tolist() == expected
    assert columns(tmp_path / "r.csv", arrival=True)[0].ingest_ms.tolist() == expected


def test_the_running_maximum_goes_on_from_file_to_file(tmp_path: Path) -> None:
    first, second = (write_lines(tmp_path / f"{i}.jsonl", line(ts=ts)) for i, ts in enumerate((T0 + 5, T0)))
    assert [c.records.timestamp_ms.tolist() for c in records(first, second, arrival=True)] == [[T0 + 5], [T0 + 5]]


def test_offsets_go_on_from_file_to_file(tmp_path: Path) -> None:
    paths = [write_lines(tmp_path / f"{i}.jsonl", line(ingest_ms=i, partition=0), line(ingest_ms=i, partition=0)) for i in range(2)]
    assert [o for c in records(*paths) for o in c.records.offset.tolist()] == [0, 1, 2, 3]


def test_files_of_different_kinds_are_merged_by_arrival(tmp_path: Path) -> None:
    lines = write_lines(tmp_path / "a.jsonl", line("J1", ingest_ms=1), line("J4", ingest_ms=4))
    table = write_parquet(
        tmp_path / "b.parquet", meter=["P1", "P2"], register=["1", "1"], ts=[1, 1], value=[1.0, 1.0], ingest_ms=[1, 2]
    )
    found = list(read_files([table, lines], "t"))
    assert [type(c) for c in found] == [ColumnChunk, RecordChunk, ColumnChunk, RecordChunk]
    assert [t for c in found for t in (c.ingest_ms if isinstance(c, ColumnChunk) else c.records.timestamp_ms)] == [1, 1, 2, 4]


@given(st.lists(st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=4), min_size=1, max_size=4))
def test_merging_is_a_stable_sort_by_the_running_maximum(files: list[list[list[int]]]) -> None:
    """However the files are cut into blocks."""

    def blocks(f: int, cuts: list[list[int]]) -> Any:
        at = 0
        for times in cuts:
            names = [f"{f}.{at + i}" for i in range(len(times))]
            at += len(times)
            yield Block(
                Path(str(f)), "typed", pa.table({"meter": pa.array(names, pa.string()), "ingest_ms": pa.array(times, pa.int64())})
            )

    found = [m for b in merged([blocks(f, cuts) for f, cuts in enumerate(files)]) for m in b.table["meter"].to_pylist()]
    rows = []
    for f, cuts in enumerate(files):
        latest = 0
        for i, t in enumerate(t for times in cuts for t in times):
            latest = max(latest, t)
            rows.append((latest, f, f"{f}.{i}"))
    assert found == [name for _, _, name in sorted(rows, key=lambda r: r[:2])]


def test_large_files_come_in_blocks_and_lose_nothing_between_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "BLOCK_BYTES", 100)
    monkeypatch.setattr(column_files, "BLOCK_BYTES", 200)
    monkeypatch.setattr(column_files, "BLOCK_ROWS", 7)
    lines = write_lines(tmp_path / "r.jsonl", *(line(str(i), ingest_ms=i) for i in range(50)))
    (tmp_path / "r.csv").write_text("meter,register,ts,value,ingest_ms\n" + "".join(f"{i},1,1,1,{i}\n" for i in range(50)))
    table = write_parquet(
        tmp_path / "r.parquet",
        meter=[str(i) for i in range(50)],
        register=["1"] * 50,
        ts=[1] * 50,
        value=[1] * 50,
        ingest_ms=range(50),
    )
    found = records(lines)
    assert len(found) > 5
    assert [json.loads(c.records.value(i) or b"")["meter"] for c in found for i in range(len(c.records))] == [
        str(i) for i in range(50)
    ]
    for path in (tmp_path / "r.csv", table):
        chunks = columns(path)
        assert len(chunks) > 3
        assert flat(chunks, "meter") == [str(i) for i in range(50)]
        assert flat(chunks, "offset") == list(range(50))


# --- How many partitions


def test_the_number_of_partitions_is_one_more_than_the_largest_named(tmp_path: Path) -> None:
    named = write_lines(tmp_path / "a.jsonl", line(ingest_ms=1, partition=4), line(ingest_ms=1, partition=2))
    unnamed = write_lines(tmp_path / "b.jsonl", line(ingest_ms=1))
    a, b = facts_of(named), facts_of(unnamed)
    assert (a.partitions, b.partitions, a.earliest_ms) == (5, 0, 1)
    assert partition_count([a]) == partition_count([a, b]) == 5
    assert partition_count([a], asked=8) == 8
    assert (partition_count([b]), partition_count([b], asked=2)) == (1, 2)
    with pytest.raises(BadFile, match=r"a\.jsonl: names partition 4, --partitions is 3; ask for 5 or more"):
        partition_count([a, b], asked=3)


# --- hostile files


@pytest.mark.parametrize("late", [253_402_300_800_000, 9 * 10**17, 2**63 - 1])
def test_arrivals_behind_the_last_date_are_refused_in_every_form(tmp_path: Path, late: int) -> None:
    rows = {"meter": ["A"], "register": ["1.8.0"], "ts": ["2026-01-01T00:00:00Z"], "value": [1.0], "ingest_ms": [late]}
    (tmp_path / "a.csv").write_text(f"meter,register,ts,value,ingest_ms\nA,1.8.0,2026-01-01T00:00:00Z,1,{late}\n")
    for path in (write_lines(tmp_path / "a.jsonl", line(ingest_ms=late)), tmp_path / "a.csv"):
        with pytest.raises(BadFile, match=r"a\.(jsonl, line 1|csv, row 2, column ingest_ms)"):
            list(read_files([path], "zp.readings"))
    if late < 2**63:
        with pytest.raises(BadFile, match=r"row 1, column ingest_ms: .*0 to 253402300799999"):
            list(read_files([write_parquet(tmp_path / "a.parquet", **rows)], "zp.readings"))


def test_an_offset_that_leaves_none_behind_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="line 1"):
        list(read_files([write_lines(tmp_path / "a.jsonl", line(ingest_ms=T0, offset=2**63 - 1))], "zp.readings"))


def test_a_line_without_an_end_is_refused_before_it_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "MOST_LINE_BYTES", 1 << 20)
    monkeypatch.setattr(json_lines, "BLOCK_BYTES", 1 << 16)
    with gzip.open(tmp_path / "a.jsonl.gz", "wb") as file:
        file.write(b"x" * (3 << 20))
    with pytest.raises(BadFile, match=r"a\.jsonl\.gz: a line of more than 1 MB"):
        list(read_files([tmp_path / "a.jsonl.gz"], "zp.readings", arrival=Arrival(ZONE)))
