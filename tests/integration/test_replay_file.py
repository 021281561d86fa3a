"""`replay file` against the oracle, on the sample zone's stream in every form of file, and on odd files."""

import gzip
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner
from zones import small

from zonepulse.oracle.compare import differences
from zonepulse.oracle.metering.decode import Record
from zonepulse.oracle.run import Tables, run, run_columns
from zonepulse.schemas.factors.shipped import shipped_factors_csv
from zonepulse.schemas.messages.commands import Place, Told
from zonepulse.schemas.messages.partitioner import partition_of
from zonepulse.schemas.messages.readings import is_arrow, read_block
from zonepulse.schemas.tables.results import FINAL_TABLES, TABLES
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.cli.main import app
from zonepulse.streams.control.command_log import skip_of
from zonepulse.streams.demo.data import demo_sample, demo_zone_yaml
from zonepulse.streams.files.blocks import BadFile
from zonepulse.streams.kafka.reading_keys import ReadingKeys
from zonepulse.streams.replay import file as replay_file
from zonepulse.streams.replay.file import FinalRows, Replayed, replay_files, write_parquet

UNTIL_MS = 1_795_392_000_000
DAYS = 1
N = 3
T0 = 1_790_784_900_000
ZONE = small()


@pytest.fixture(scope="module")
def demo_zone() -> str:
    return demo_zone_yaml(UNTIL_MS, DAYS)


@pytest.fixture(scope="module")
def demo_records() -> list[Record]:
    """The sample's records with Arrow blocks as JSON arrays, which a line can hold."""
    sample, ends, records = demo_sample(UNTIL_MS, DAYS), [0] * N, []
    for key, value, at in zip(sample.key, sample.value, sample.arrival_ms.tolist(), strict=True):
        p = partition_of(key.decode(), N)
        records.append(Record(p, ends[p], at, None, as_json(value)))
        ends[p] += 1
    return records


@pytest.fixture(scope="module")
def demo_rows(demo_zone: str) -> pa.Table:
    """The sample's readings as rows with their place in the log."""
    table = demo_sample(UNTIL_MS, DAYS).readings
    keys, ends = ReadingKeys(parse_zone(demo_zone)), [0] * N
    places: list[tuple[int, int]] = []
    for row in table.select(["meter", "register", "ts"]).set_column(2, "ts", table["ts"].cast(pa.int64())).to_pylist():
        key = keys.key(row["meter"], row["register"], row["ts"])
        p = 0 if key is None else partition_of(key, N)
        places.append((p, ends[p]))
        ends[p] += 1
    for i, name in enumerate(("partition", "offset")):
        table = table.append_column(name, pa.array([place[i] for place in places]))
    return table.append_column("item", pa.array([0] * len(places)))


def as_json(value: bytes) -> bytes:
    if not is_arrow(value, None):
        return value
    block = read_block(value)
    rows = block.set_column(block.column_names.index("ts"), "ts", block["ts"].cast(pa.int64())).to_pylist()
    return json.dumps([{k: v for k, v in row.items() if v is not None} for row in rows]).encode()


def oracle_of_rows(zone_yaml: str, rows: pa.Table, partitions: int = N) -> Tables:
    return run_columns(zone_yaml, shipped_factors_csv(), rows.to_pylist(), partitions, max(rows["ingest_ms"].to_pylist()))


def oracle_of_records(zone_yaml: str, records: Sequence[Record], partitions: int = N) -> Tables:
    return run(zone_yaml, shipped_factors_csv(), records, partitions, max(r.timestamp_ms for r in records))


def assert_equal(expected: Tables, got: dict[str, Any], ignore: Sequence[str] = ()) -> None:
    lines = [line for name in FINAL_TABLES for line in differences(expected.get(name, []), got[name], name, ignore)]
    assert lines == []


def write_lines(path: Path, lines: Sequence[bytes]) -> Path:
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def write_log(path: Path, records: Sequence[Record]) -> Path:
    """JSON lines with a sidecar."""
    places = [{"partition": r.partition, "offset": r.offset, "ingest_ms": r.timestamp_ms} for r in records]
    write_lines(path.with_suffix(".meta.jsonl"), [json.dumps(p).encode() for p in places])
    return write_lines(path, [r.value or b"" for r in records])


def line(value: float = 1.0, ts: int = T0, ingest_ms: int | None = None, **more: Any) -> bytes:
    reading = {"meter": "M", "register": "1.8.0", "ts": ts, "value": value, **more}
    return json.dumps(reading if ingest_ms is None else reading | {"ingest_ms": ingest_ms}).encode()


def quarter_hours(values: Sequence[float], **more: Any) -> list[bytes]:
    return [line(v, T0 + i * 900_000, T0 + i * 900_000 + 2_000, **more) for i, v in enumerate(values)]


def replay(*paths: Path, zone: str = ZONE, partitions: int | None = None, arrival: bool = False) -> Replayed:
    return replay_files(parse_zone(zone), paths, "r1", partitions, arrival=arrival)


def values(replayed: Replayed) -> list[int | None]:
    found: list[int | None] = replayed.tables["intervals"]["value_micro"].to_pylist()
    return found


# --- Equal to the oracle


def test_json_lines_with_a_sidecar_equal_the_oracle(tmp_path: Path, demo_zone: str, demo_records: list[Record]) -> None:
    replayed = replay(write_log(tmp_path / "r.jsonl", demo_records), zone=demo_zone)
    assert (replayed.partitions, replayed.dead_letters != {}) == (N, True)
    assert_equal(oracle_of_records(demo_zone, demo_records), replayed.tables)


def test_a_log_dumped_partition_by_partition_is_the_same_log(tmp_path: Path, demo_zone: str, demo_records: list[Record]) -> None:
    dumped = sorted(demo_records, key=lambda r: -r.partition)
    replayed = replay(write_log(tmp_path / "r.jsonl", dumped), zone=demo_zone)
    assert_equal(oracle_of_records(demo_zone, demo_records), replayed.tables)


def test_parquet_and_csv_with_and_without_places_equal_the_oracle(tmp_path: Path, demo_zone: str, demo_rows: pa.Table) -> None:
    expected = oracle_of_rows(demo_zone, demo_rows)
    for letter in expected["dead_letters"]:
        letter["value"] = b""
    without = demo_rows.drop_columns(["partition", "offset", "item"])
    pq.write_table(demo_rows, tmp_path / "placed.parquet", row_group_size=3000)
    pq.write_table(without, tmp_path / "bare.parquet")
    pacsv.write_csv(without, tmp_path / "bare.csv")
    for name, partitions in (("placed.parquet", None), ("bare.parquet", N), ("bare.csv", N)):
        replayed = replay(tmp_path / name, zone=demo_zone, partitions=partitions)
        assert replayed.readings == demo_rows.num_rows
        assert_equal(expected, replayed.tables, ignore=("value",))


def test_several_files_are_one_log(tmp_path: Path, demo_zone: str, demo_rows: pa.Table) -> None:
    half = pa.array([i % 3 == 0 for i in range(demo_rows.num_rows)])
    bare = demo_rows.drop_columns(["partition", "offset", "item"])
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    pq.write_table(bare.filter(half), paths[0])
    pq.write_table(bare.filter(pc.invert(half)), paths[1])
    whole = tmp_path / "whole.parquet"
    pq.write_table(bare, whole)
    one, two = (replay(*files, zone=demo_zone, partitions=N) for files in ([whole], paths))
    for name in set(FINAL_TABLES) - {"dead_letters"}:
        assert one.tables[name].equals(two.tables[name]), name


def _skipping(places: Iterable[Place]) -> list[Told]:
    return [Told(line, 0, skip_of(place, "broken")) for line, place in enumerate(places)]


def test_what_commands_skip_is_left_out_whether_the_file_names_places_or_not(tmp_path: Path) -> None:
    lines = quarter_hours([100, 103, 104.5, 109])
    places = [{"partition": 0, "offset": 5 + i, "ingest_ms": T0 + i * 900_000 + 2_000} for i in range(4)]
    (tmp_path / "placed.meta.jsonl").write_text("".join(json.dumps(p) + "\n" for p in places))
    for path, offset in ((tmp_path / "bare.jsonl", 1), (tmp_path / "placed.jsonl", 6)):
        skips = [Place("readings", 0, offset), Place("readings", 1, offset), Place("intervals", 0, offset + 1)]
        replayed = replay_files(parse_zone(ZONE), [write_lines(path, lines)], "r1", 1, commands=_skipping(skips))
        assert replayed.dead_letters == {"poison": 1}
        assert values(replayed) == [2_250_000, 2_250_000, 4_500_000, None]


def test_rows_that_commands_skip_equal_the_oracle(tmp_path: Path) -> None:
    rows = pa.table(
        {"meter": ["M"] * 4, "register": ["1.8.0"] * 4, "ts": [T0 + i * 900_000 for i in range(4)], "value": [100, 103, 104.5, 109]}
        | {"ingest_ms": [T0 + i * 900_000 + 2_000 for i in range(4)], "partition": [0] * 4, "offset": [0, 1, 2, 3], "item": [0] * 4}
    )
    pq.write_table(rows, tmp_path / "r.parquet")
    replayed = replay_files(parse_zone(ZONE), [tmp_path / "r.parquet"], "r1", commands=_skipping([Place("readings", 0, 2)]))
    end_ms = max(rows["ingest_ms"].to_pylist())
    expected = run_columns(ZONE, shipped_factors_csv(), rows.to_pylist(), 1, end_ms, skips={(0, 2)})
    assert [x["reason"] for x in expected["dead_letters"]] == ["poison"]
    assert_equal(expected, replayed.tables, ignore=("value",))


# --- Odd files


def test_one_row_gives_a_row_of_every_kind_that_it_can(tmp_path: Path) -> None:
    replayed = replay(write_lines(tmp_path / "r.jsonl", quarter_hours([1.0])), partitions=1)
    assert (replayed.readings, values(replayed)) == (1, [None])


@pytest.mark.parametrize("name", ["r.jsonl", "r.csv", "r.parquet", "r.jsonl.gz"])
def test_an_empty_file_gives_empty_tables_with_their_schemas(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith(".parquet"):
        pq.write_table(pa.table({c: pa.array([], pa.string()) for c in ("meter", "register", "ts", "value")}), path)
    else:
        text = b"meter,register,ts,value,ingest_ms\n" if name.endswith(".csv") else b""
        path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    replayed = replay(path, partitions=2)
    assert (replayed.readings, replayed.first_ingest_ms) == (0, None)
    for name_, table in replayed.tables.items():
        assert (table.num_rows, table.schema.names) == (0, ["run", *(c.name for c in TABLES[name_].stored)])


def test_only_dead_letters(tmp_path: Path) -> None:
    lines = [line(ingest_ms=T0 + i, meter="nobody") for i in range(3)] + [line(ts=T0, value=2.0, ingest_ms=T0 + 9, unit="MWh")]
    replayed = replay(write_lines(tmp_path / "r.jsonl", lines), partitions=1)
    assert replayed.dead_letters == {"unit_mismatch": 1, "unknown_meter": 3}
    assert {n: t.num_rows for n, t in replayed.tables.items() if n != "totals"} == dict.fromkeys(
        set(FINAL_TABLES) - {"totals"}, 0
    ) | {"dead_letters": 4}
    assert replayed.tables["dead_letters"]["value"].to_pylist() == lines


@pytest.mark.parametrize("form", ["lines", "columns"])
def test_dead_letters_beyond_their_bytes_are_counted_and_have_no_row(tmp_path: Path, form: str) -> None:
    rows = [{"meter": f"nobody{i}", "register": "1.8.0", "ts": T0, "value": 1.0, "ingest_ms": T0 + i} for i in range(6_000)]
    good = [json.loads(x) for x in quarter_hours([100, 103])]
    if form == "lines":
        path = write_lines(tmp_path / "r.jsonl", [json.dumps(x).encode() for x in (*rows, *good)])
    else:
        path = tmp_path / "r.parquet"
        pq.write_table(pa.Table.from_pylist([{k: v for k, v in x.items() if k in rows[0]} for x in (*rows, *good)]), path)
    whole, bounded = (replay_files(parse_zone(ZONE), [path], "r", 1, letter_bytes=n) for n in (1 << 28, 20_000))
    assert bounded.letters_left_out + bounded.tables["dead_letters"].num_rows == 6_000 == whole.tables["dead_letters"].num_rows
    assert bounded.tables["dead_letters"].nbytes < 40_000
    assert whole.letters_left_out == 0 < bounded.letters_left_out
    assert bounded.dead_letters == whole.dead_letters == {"unknown_meter": 6_000}
    assert (bounded.readings, bounded.accepted) == (whole.readings, whole.accepted)
    assert {n: t for n, t in bounded.tables.items() if n != "dead_letters"} == {
        n: t for n, t in whole.tables.items() if n != "dead_letters"
    }


def test_unknown_columns_are_ignored_and_a_compressed_file_is_read(tmp_path: Path) -> None:
    plain = write_lines(tmp_path / "r.jsonl", quarter_hours([100, 103, 104.5], colour="red"))
    (tmp_path / "r2.jsonl.gz").write_bytes(gzip.compress(plain.read_bytes()))
    for path in (plain, tmp_path / "r2.jsonl.gz"):
        assert values(replay(path, partitions=1)) == [3_000_000, 1_500_000, None]


def test_partitions_with_gaps_count_as_partitions(tmp_path: Path) -> None:
    right = partition_of("s", 6)
    lines = [
        json.dumps(json.loads(x) | {"partition": right, "offset": 10 * i}).encode() for i, x in enumerate(quarter_hours([1, 2, 3]))
    ]
    lines.append(line(9, T0, T0 + 1_900_000, partition=5, offset=0, meter="nobody"))
    replayed = replay(write_lines(tmp_path / "r.jsonl", lines))
    assert (replayed.partitions, values(replayed)) == (6, [1_000_000, 1_000_000, None])
    assert replayed.tables["dead_letters"].select(["partition", "offset", "received_at"]).to_pylist()[0]["partition"] == 5


def test_items_of_one_record_keep_their_places(tmp_path: Path) -> None:
    lines = [line(i, T0, T0 + 5, meter="nobody", partition=0, offset=7, item=i) for i in range(3)]
    replayed = replay(write_lines(tmp_path / "r.jsonl", lines))
    found = replayed.tables["dead_letters"].select(["offset", "item"]).to_pylist()
    assert found == [{"offset": 7, "item": i} for i in range(3)]


def test_rows_without_a_partition_go_to_that_of_their_meters_key_and_unknown_ones_to_the_first(tmp_path: Path) -> None:
    bare = write_lines(tmp_path / "bare.jsonl", [line(ingest_ms=T0, meter="nobody"), *quarter_hours([1.0, 2.0])])
    replayed = replay(bare, partitions=4)
    assert replayed.dead_letters == {"unknown_meter": 1}
    assert replayed.tables["dead_letters"]["partition"].to_pylist() == [0]
    assert values(replayed) == [1_000_000, None]


def test_a_meter_that_moved_is_followed(tmp_path: Path) -> None:
    moved = small(
        ("    valid_from: 2024-01-01\n", "    valid_from: 2024-01-01\n    valid_to: 2026-10-01T01:00:00+08:00\n"),
        more="""  - id: M
    site: s2
    role: main
    registers:
      "1.8.0": {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 1000000}
    valid_from: 2026-10-01T01:00:00+08:00
""",
    )
    path = write_lines(tmp_path / "r.jsonl", quarter_hours(list(range(9))))
    assert partition_of("s", 5) != partition_of("s2", 5)
    replayed = replay(path, zone=moved, partitions=5)
    assert (replayed.readings, replayed.dead_letters) == (9, {})


def test_without_ingest_ms_arrival_must_be_meant_and_future_is_not_checked(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "r.jsonl", [line(i, T0 + i * 900_000) for i in range(3)])
    with pytest.raises(BadFile, match=r"r\.jsonl: no ingest_ms; add it, or pass --arrival"):
        replay(path, partitions=1)
    assert values(replay(path, partitions=1, arrival=True)) == [1_000_000, 1_000_000, None]


def test_files_with_and_without_partitions_do_not_mix(tmp_path: Path) -> None:
    named = write_lines(tmp_path / "a.jsonl", [line(1, T0, T0, partition=0, offset=0)])
    bare = write_lines(tmp_path / "b.jsonl", [line(2, T0 + 900_000, T0 + 900_000)])
    with pytest.raises(BadFile, match="some of the files name partitions and others do not"):
        replay(named, bare)


def test_dropping_superseded_rows_early_changes_nothing(
    tmp_path: Path, demo_zone: str, demo_rows: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.parquet"
    pq.write_table(demo_rows, path)
    whole = replay(path, zone=demo_zone)
    monkeypatch.setattr(replay_file, "FinalRows", lambda: FinalRows(100))
    early = replay(path, zone=demo_zone)
    assert all(early.tables[name].equals(whole.tables[name]) for name in FINAL_TABLES)


# --- The files that are written


def test_parquet_files_have_plain_columns_and_the_contracts_types(tmp_path: Path) -> None:
    replayed = replay(write_lines(tmp_path / "r.jsonl", quarter_hours([1, 2, 3])), partitions=1)
    write_parquet(replayed.tables, tmp_path / "out")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {f"{name}.parquet" for name in FINAL_TABLES}
    for name in FINAL_TABLES:
        schema = pq.read_schema(tmp_path / "out" / f"{name}.parquet")
        assert schema.names == ["run", *(c.name for c in TABLES[name].stored)]
        assert not any(pa.types.is_dictionary(field.type) for field in schema)
        assert {f.name for f in schema if f.nullable} == {c.name for c in TABLES[name].stored if c.null}
    start = pq.read_schema(tmp_path / "out" / "intervals.parquet").field("start")
    assert start.type == pa.timestamp("ms", tz="UTC")


def test_the_command_prints_one_object_and_writes_every_table(tmp_path: Path) -> None:
    (tmp_path / "zone.yaml").write_text(ZONE)
    path = write_lines(tmp_path / "r.jsonl", [*quarter_hours([1, 2, 3]), b'{"ingest_ms": 1790786700000}'])
    arguments = ["replay", "file", "--zone", str(tmp_path / "zone.yaml"), str(path), "--partitions", "2", "--json"]
    result = CliRunner().invoke(app, [*arguments, "--run", "check-1", "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert (summary["run"], summary["readings"], summary["dead_letters"]) == ("check-1", 4, {"malformed": 1})
    assert summary["rows"] == {n: pq.read_metadata(tmp_path / "out" / f"{n}.parquet").num_rows for n in FINAL_TABLES}
    assert set(pq.read_table(tmp_path / "out" / "intervals.parquet")["run"].to_pylist()) == {"check-1"}


def test_a_run_that_accepted_no_reading_says_why_and_ends_with_3(tmp_path: Path) -> None:
    (tmp_path / "zone.yaml").write_text(ZONE)
    path = write_lines(tmp_path / "r.jsonl", [*quarter_hours([1, 2], unit="MWh"), line(1, ingest_ms=T0, register="9")])
    arguments = ["replay", "file", "--zone", str(tmp_path / "zone.yaml"), str(path), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 3
    assert 'refused as unit_mismatch: 2, such as {"meter": "M"' in result.stderr
    assert "write the unit of the file in zone.yaml" in result.stderr
    assert "r.jsonl: not one of 3 readings was accepted" in result.stderr
    summary = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert (summary["accepted"], set(summary["refused"])) == (0, {"unit_mismatch", "unknown_register"})
    assert summary["refused"]["unknown_register"]["readings"] == 1


def test_a_file_that_is_newest_first_is_refused_with_the_command_that_sorts_it(tmp_path: Path) -> None:
    (tmp_path / "zone.yaml").write_text(ZONE)
    path = write_lines(tmp_path / "r.jsonl", list(reversed([line(v, T0 + v * 900_000) for v in range(4)])))
    arguments = ["replay", "file", "--zone", str(tmp_path / "zone.yaml"), "--out", str(tmp_path / "out"), "--arrival"]
    result = CliRunner().invoke(app, [*arguments, str(path)])
    assert result.exit_code == 2
    assert (
        "r.jsonl: 3 lines lie below the time before them and 0 above it; sort the file by ts, the earliest first: `zonepulse"
        in result.stderr
    )
    assert CliRunner().invoke(app, ["convert", str(path), "--sort", "--out", str(tmp_path / "sorted.jsonl")]).exit_code == 0
    assert CliRunner().invoke(app, [*arguments, str(tmp_path / "sorted.jsonl")]).exit_code == 0


def test_a_start_stamp_arrives_with_its_periods_end(tmp_path: Path) -> None:
    (tmp_path / "zone.yaml").write_text(ZONE)
    (tmp_path / "r.csv").write_text("meter,register,ts,value\n" + "".join(f"M,1.8.0,{T0 + i * 900_000},{i}\n" for i in range(4)))
    arguments = ["replay", "file", "--zone", str(tmp_path / "zone.yaml"), "--out", str(tmp_path / "out"), "--arrival"]
    result = CliRunner().invoke(app, [*arguments, "--stamp", "start", "--period", "15m", str(tmp_path / "r.csv")])
    assert result.exit_code == 0, result.output
    rows = pq.read_table(tmp_path / "out" / "intervals.parquet").to_pylist()
    known = [(round(row["start"].timestamp() * 1000), row["value_micro"]) for row in rows if row["value_micro"]]
    assert known == [(T0 + i * 900_000, 1_000_000) for i in (1, 2, 3)]
