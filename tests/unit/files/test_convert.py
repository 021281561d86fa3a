"""`convert` and `registry new`: files as people have them, in one form, looked at first, and the zone.yaml that comes of them."""

import csv
import gzip
import io
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from typer.testing import CliRunner, Result

from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.cli.main import app

HEAD = "meter,register,ts,value\n"
ESPI = """<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
 <entry><link rel="self" href="/UsagePoint/7"/><title>{title}</title><content><UsagePoint xmlns="http://naesb.org/espi"/></content></entry>
 <entry><link rel="self" href="/UsagePoint/7/MeterReading/1"/><link rel="related" href="/ReadingType/1"/>
  <content><MeterReading xmlns="http://naesb.org/espi"/></content></entry>
 <entry><link rel="self" href="/ReadingType/1"/><content><ReadingType xmlns="http://naesb.org/espi">
  <flowDirection>{flow}</flowDirection><powerOfTenMultiplier>{power}</powerOfTenMultiplier><uom>{uom}</uom></ReadingType></content></entry>
 <entry><link rel="up" href="/UsagePoint/7/MeterReading/1/IntervalBlock"/><content><IntervalBlock xmlns="http://naesb.org/espi">
  <IntervalReading><timePeriod><duration>3600</duration><start>1767225600</start></timePeriod><value>125</value></IntervalReading>
  <IntervalReading><timePeriod><duration>3600</duration><start>1767229200</start></timePeriod><value>{value}</value></IntervalReading>
 </IntervalBlock></content></entry>
</feed>"""


def espi(path: Path, title: str = "Home", flow: str = "1", power: str = "-2", uom: str = "72", value: str = "150") -> Path:
    path.write_text(ESPI.format(title=title, flow=flow, power=power, uom=uom, value=value))
    return path


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def written(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def look(path: Path, *words: str) -> dict[str, Any]:
    result = run("convert", path, "--look", "--json", *words)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def quarter_hours(path: Path, values: list[float], meter: str = "A", register: str = "1.8.0", unit: str = "kWh") -> Path:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [f"{meter},{register},{(start + i * timedelta(minutes=15)).isoformat()},{v},{unit}\n" for i, v in enumerate(values)]
    path.write_text("meter,register,ts,value,unit\n" + "".join(rows))
    return path


# --- one form


def test_json_lines_and_csv_hold_the_same_readings_and_read_back_the_same(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text(
        "meter,register,ts,value,unit,seq,quality,ingest_ms\nA,1.8.0,2026-01-01T01:00:00.250+01:00,0.1,kWh,7,estimated,1767225601000\n"
    )
    expected = {
        "meter": "A", "register": "1.8.0", "ts": "2026-01-01T00:00:00.250Z", "value": 0.1, "unit": "kWh", "seq": 7, "quality": "estimated",
        "ingest_ms": 1767225601000,
    }  # fmt: skip
    assert written(run("convert", source)) == [expected]
    for name in ("b.csv", "b.jsonl"):
        assert run("convert", source, "--out", tmp_path / name).exit_code == 0
        assert written(run("convert", tmp_path / name)) == [expected]
    (row,) = csv.DictReader(io.StringIO((tmp_path / "b.csv").read_text()))
    assert (row["value"], "partition" in row) == ("0.1", False)


def test_a_file_that_exists_is_overwritten_only_when_told(tmp_path: Path) -> None:
    source, out = quarter_hours(tmp_path / "a.csv", [1, 2]), tmp_path / "b.jsonl"
    out.write_text("mine")
    result = run("convert", source, "--out", out)
    assert (result.exit_code, out.read_text()) == (2, "mine")
    assert "b.jsonl: exists; pass --force" in result.output
    assert run("convert", source, "--out", out, "--force").exit_code == 0
    assert len(out.read_text().splitlines()) == 2
    for odd, message in (
        (tmp_path / "b.pdf", "the ending says"),
        (tmp_path / "no" / "b.csv", "there is no folder"),
        (tmp_path, "ending"),
    ):
        result = run("convert", source, "--out", odd)
        assert (result.exit_code, message in result.output) == (2, True)
    zone = tmp_path / "zone.yaml"
    zone.write_text("mine")
    assert run("registry", "new", "--from", source, "--out", zone).exit_code == 2
    assert zone.read_text() == "mine"
    assert run("registry", "new", "--from", source, "--out", zone, "--force").exit_code == 0


def test_a_failure_leaves_no_half_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "meter;register;ts;value\n" + "A;1;2026-01-01T00:00:00Z;1\n" * 3 + "A;1;2026-01-01T00:15:00Z;x\n"
    )
    result = run("convert", tmp_path / "a.csv", "--out", tmp_path / "b.jsonl")
    assert (result.exit_code, result.output) == (
        2,
        f"{tmp_path}/a.csv, row 5, column value: 'x' is no number; write a number, or leave the cell empty\n",
    )
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_sort_puts_all_files_in_order_of_time(tmp_path: Path) -> None:
    for meter, days in (("A", (5, 3, 1)), ("B", (4, 2))):
        (tmp_path / f"{meter}.csv").write_text(HEAD + "".join(f"{meter},1,2026-01-0{d}T00:00:00Z,{d}\n" for d in days))
    files = [tmp_path / "A.csv", tmp_path / "B.csv"]
    assert [row["value"] for row in written(run("convert", *files))] == [5, 3, 1, 4, 2]
    assert [row["value"] for row in written(run("convert", *files, "--sort"))] == [1, 2, 3, 4, 5]
    assert look(files[0])["order"] == "falling"


def test_refused_rows_are_left_out_counted_and_shown_and_none_left_is_exit_code_3(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEAD + "A,1,2026-01-01T00:00:00Z,1\nA,1,2026-01-01T00:15,2\nA,1,2026-01-01T00:30:00Z,?\n")
    result = run("convert", tmp_path / "a.csv", "--out", tmp_path / "b.jsonl")
    assert result.exit_code == 0
    assert 'refused as malformed: 1, such as {"meter": "A"' in result.output
    assert "refused as naive_time: 1" in result.output
    assert "pass --timezone" in result.output
    (tmp_path / "none.jsonl").write_text('{"meter":"A"}\n' * 3 + '{"meter":"A","register":"1","ts":1767225600000,"value":1e999}\n')
    result = run("convert", tmp_path / "none.jsonl")
    assert result.exit_code == 3
    assert 'refused as malformed: 3, such as {"meter":"A"}' in result.output
    assert "refused as out_of_range: 1" in result.output
    assert "not one reading was accepted, 4 were refused" in result.output


# --- other kinds of files


def test_a_workbook_is_read_with_its_dates_and_sheets(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.create_sheet("Werte")
    sheet.append(["Zähler", "Zeit", "Wert"])
    sheet.append([4711, datetime(2026, 7, 1, 12), 10.5])
    sheet.append([None, None, None])
    sheet.append([4711, datetime(2026, 7, 1, 12, 15), 11])
    book.save(tmp_path / "a.xlsx")
    options = (
        "--columns",
        "meter=Zähler,ts=Zeit,value=Wert",
        "--register",
        "1.8.0",
        "--unit",
        "kWh",
        "--timezone",
        "Europe/Berlin",
    )
    first, second = written(run("convert", tmp_path / "a.xlsx", "--sheet", "Werte", *options))
    assert (first["meter"], first["ts"], first["value"], second["ts"]) == (
        "4711",
        "2026-07-01T10:00:00Z",
        10.5,
        "2026-07-01T10:15:00Z",
    )
    result = run("convert", tmp_path / "a.xlsx", "--sheet", "Blatt", *options)
    assert (result.exit_code, "no sheet 'Blatt'; there are Sheet, Werte" in result.output) == (2, True)
    sheet["C4"] = "elf"
    book.save(tmp_path / "b.xlsx")
    result = run("convert", tmp_path / "b.xlsx", "--sheet", "Werte", *options)
    assert "b.xlsx, row 4, column Wert: 'elf' is no number" in result.output


def test_green_button_intervals_end_where_their_period_ends(tmp_path: Path) -> None:
    rows = written(run("convert", espi(tmp_path / "a.xml")))
    assert [(r["meter"], r["register"], r["ts"], r["value"], r["unit"]) for r in rows] == [
        ("Home", "1.8.0", "2026-01-01T01:00:00Z", 1.25, "Wh"),
        ("Home", "1.8.0", "2026-01-01T02:00:00Z", 1.5, "Wh"),
    ]
    (back, _) = written(run("convert", espi(tmp_path / "b.xml", title="", flow="19", power="3")))
    assert (back["meter"], back["register"], back["value"]) == ("7", "2.8.0", 125_000)
    result = run("convert", espi(tmp_path / "c.xml", uom="999"))
    assert (result.exit_code, "c.xml: ReadingType with uom 999; known are 72 (Wh)" in result.output) == (2, True)
    result = run("convert", espi(tmp_path / "d.xml", power="many"))
    assert (result.exit_code, "d.xml: ReadingType with powerOfTenMultiplier 'many'" in result.output) == (2, True)
    result = run("convert", espi(tmp_path / "e.xml", value="1.5"))
    assert (result.exit_code, "without whole start, duration and value" in result.output) == (2, True)


def test_epoch_seconds_are_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("meter;register;ts;value\nA;1;1767225600;1\nA;1;1767226500;2\n")
    result = run("convert", tmp_path / "a.csv")
    assert result.exit_code == 2
    assert "a.csv, row 2, column ts: '1767225600' looks like epoch_seconds; pass --time-format epoch_s" in result.output
    assert written(run("convert", tmp_path / "a.csv", "--time-format", "epoch_s"))[0]["ts"] == "2026-01-01T00:00:00Z"
    assert look(tmp_path / "a.csv")["options"] == ["--time-format", "epoch_s"]


def test_a_start_stamp_is_shifted_to_the_periods_end(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEAD + "A,1,2026-01-01T00:00:00Z,1\n")
    (row,) = written(run("convert", tmp_path / "a.csv", "--stamp", "start", "--period", "15m"))
    assert row["ts"] == "2026-01-01T00:15:00Z"
    result = run("convert", tmp_path / "a.csv", "--stamp", "start")
    assert "--stamp start: say how long a row's period is, such as --period 15m" in result.output


# --- a look


def test_a_look_says_which_options_read_a_german_export(tmp_path: Path) -> None:
    clock = [f"{h:02}:{m:02}" for h in (1, 2, 2, 3) for m in (0, 15, 30, 45)]
    lines = [f"1EMH001;1.8.0;25.10.2026 {t};1.234,{i}" for i, t in enumerate(clock, start=10)]
    (tmp_path / "a.csv").write_text("Zählernummer;OBIS;Zeitstempel;Zählerstand [kWh]\n" + "\n".join(lines) + "\n", "utf-8-sig")
    found = look(tmp_path / "a.csv")
    assert found["options"] == [
        "--columns", "ts=Zeitstempel,meter=Zählernummer,register=OBIS,value=Zählerstand [kWh]", "--unit", "kWh",
        "--timezone", "Europe/Berlin", "--fold", "order", "--decimal", ",",
    ]  # fmt: skip
    assert (found["readings"], found["first"], found["timezone"]) == (16, "2026-10-24T23:00:00Z", "Europe/Berlin")
    (series,) = found["series"]
    assert (series["kind"], series["period_s"], series["gaps"], series["doubled"]) == ("cumulative", 900, 0, 0)
    assert parse_zone(found["zone_yaml"]).zone.timezone == "Europe/Berlin"
    assert len(written(run("convert", tmp_path / "a.csv", *found["options"]))) == 16


def test_a_look_says_which_options_read_an_american_export(tmp_path: Path) -> None:
    (tmp_path / "Home 1.csv").write_text("Date,Usage (kWh)\n1/13/2026 1:00 AM,1.5\n1/13/2026 2:00 PM,1.25\n")
    found = look(tmp_path / "Home 1.csv")
    assert found["options"][:8] == [
        "--columns", "ts=Date,value=Usage (kWh)", "--meter", "Home-1", "--register", "1.8.0", "--unit", "kWh",
    ]  # fmt: skip
    assert found["options"][8:] == ["--time-format", "%m/%d/%Y %I:%M %p", "--timezone", "UTC"]
    assert any("check --timezone" in check for check in found["checks"])


def test_a_look_sees_wide_tables_starts_gaps_and_zones(tmp_path: Path) -> None:
    (tmp_path / "wide.csv").write_text("Time,Hall,Office\n2026-01-01T00:00:00+08:00,1,2\n2026-01-01T00:15:00+08:00,0.5,2.5\n")
    found = look(tmp_path / "wide.csv")
    assert found["options"] == ["--wide", "--columns", "ts=Time", "--register", "1.8.0"]
    assert ([s["meter"] for s in found["series"]], found["timezone"]) == (["Hall", "Office"], "Asia/Shanghai")
    hours = [0, 1, 2, 3, 7, 8]
    (tmp_path / "s.csv").write_text("start,value\n" + "".join(f"2026-01-01T{h:02}:00:00Z,{1 + h % 3}\n" for h in hours))
    found = look(tmp_path / "s.csv")
    assert found["options"][-4:] == ["--stamp", "start", "--period", "1h"]
    (series,) = found["series"]
    assert (series["gaps"], series["longest_gap_s"], series["longest_gap_at"]) == (1, 4 * 3600, "2026-01-01T04:00:00Z")


def test_a_look_for_people_ends_with_three_commands(tmp_path: Path) -> None:
    result = run("convert", quarter_hours(tmp_path / "a.csv", [1, 3, 6]), "--look")
    assert result.exit_code == 0
    for words in (
        "convert",
        "registry new --from readings.jsonl",
        "replay file readings.jsonl --arrival --out result/",
        "max_power",
    ):
        assert words in result.output


# --- a first zone.yaml


def test_a_first_zone_is_valid_and_says_what_to_check(tmp_path: Path) -> None:
    source = quarter_hours(tmp_path / "a.csv", [1000, 1001, 1003.5, 1004, 1006, 5, 6, 8] * 1)
    zone = tmp_path / "zone.yaml"
    result = run("registry", "new", "--from", source, "--out", zone)
    assert result.exit_code == 0, result.output
    registry = parse_zone(zone.read_text())
    (register,) = registry.meters[0].registers
    assert (register.kind, register.unit, register.period_ms, register.max_power) == ("cumulative", "kWh", 900_000, 40)
    assert (registry.zone.key, registry.zone.timezone) == ("meter", "UTC")
    assert "CHECK: what fuse, transformer or pipe lets through" in zone.read_text()


@pytest.mark.parametrize(
    ("values", "unit", "kind", "carrier"),
    [
        ([1, 5, 2, 4, 1, 3], "kWh", "interval", "electricity"),
        ([1, 5, 2, 4, 1, 3], "kW", "power", "electricity"),
        ([1, 2, 3, 4, 5, 6], "kvarh", "cumulative", "reactive"),
        ([0, 0, 0, 0], "MWh", "cumulative", "electricity"),
        ([1, 2, 3], "m3", "cumulative", "water"),
        ([1, 2, 3], "GJ", "cumulative", "heat"),
        ([1, 4, 2, 3, 1], "piece", "interval", "product:goods"),
    ],
)
def test_kind_and_carrier_come_from_values_and_unit(
    tmp_path: Path, values: list[float], unit: str, kind: str, carrier: str
) -> None:
    zone = tmp_path / "zone.yaml"
    result = run("registry", "new", "--from", quarter_hours(tmp_path / "a.csv", values, unit=unit), "--out", zone)
    assert result.exit_code == 0, result.output
    (register,) = parse_zone(zone.read_text()).meters[0].registers
    assert (register.kind, register.carrier, register.unit) == (kind, carrier, unit)


def test_a_total_counts_and_its_tariffs_and_its_power_do_not(tmp_path: Path) -> None:
    sent = (("1.8.0", 3, "kWh"), ("1.8.1", 1, "kWh"), ("1.8.2", 2, "kWh"), ("1.7.0", 3, "kW"), ("2.8.0", 1, "kWh"))
    lines = [
        f"A,{register},2026-01-01T0{hour}:00:00Z,{hour * weight},{unit}\n"
        for hour in range(1, 5)
        for register, weight, unit in sent
    ]
    (tmp_path / "a.csv").write_text("meter,register,ts,value,unit\n" + "".join(lines))
    zone = tmp_path / "zone.yaml"
    assert run("registry", "new", "--from", tmp_path / "a.csv", "--out", zone).exit_code == 0
    registers = parse_zone(zone.read_text()).meters[0].registers
    assert {r.id: r.direction for r in registers if r.counts} == {"1.8.0": "import", "2.8.0": "export"}
    assert {r.id for r in registers if not r.counts} == {"1.8.1", "1.8.2", "1.7.0"}
    assert "# 1.8.1 counts what 1.8.0 counts, too" in zone.read_text()


def test_names_that_can_be_no_ids_are_left_out_and_units_that_nobody_knows_are_refused(tmp_path: Path) -> None:
    zone = tmp_path / "zone.yaml"
    result = run("registry", "new", "--from", quarter_hours(tmp_path / "a.csv", [1, 2], meter="=cmd"), "--out", zone)
    assert (result.exit_code, "no meter's name can be an id" in result.output) == (2, True)
    result = run("registry", "new", "--from", quarter_hours(tmp_path / "b.csv", [1, 2], unit="therm"), "--out", zone)
    assert (result.exit_code, "meter A, register 1.8.0: unit 'therm' is unknown" in result.output) == (2, True)
    assert not zone.exists()


# --- bad input


@pytest.mark.parametrize(
    ("name", "data", "code", "message"),
    [
        ("a.csv", b"", 2, "a.csv"),
        ("a.csv", b"\n\n", 2, "a.csv"),
        ("a.csv", HEAD.encode(), 3, "not one reading was accepted, 0 were refused: only a header"),
        ("a.csv", b"\x91\x00\xff\xfe\x03" * 99, 2, "say which encoding it has"),
        ("a.csv", "Zähler;Zeit;Wert\nA;1;2\n".encode("cp1252"), 2, "no utf-8 text .*--encoding cp1252"),
        ("a.csv.gz", b"\x1f\x8b\x08 no gzip", 2, "is it a whole .csv file"),
        ("a.csv.gz", gzip.compress(b"a" * (1 << 24)), 2, "row 1: a line of more than 10 MB"),
        ("a.xlsx", b"PK\x03\x04 no workbook", 2, "save it as an Excel workbook"),
        ("a.parquet", b"PAR1", 2, "a.parquet"),
        ("a.json", b"[" * 200_000 + b"]" * 200_000, 2, "a.json, line 1"),
        ("a.jsonl", b'{"a":' * 100_000, 2, "a.jsonl, line 1"),
        ("a.jsonl", b"", 3, "only a header, or nothing"),
        ("a.xml", b"<html>", 2, "no whole XML file"),
        ("a.xml", b"<html/>", 2, "no Green Button"),
        ("a.xml", b'<!DOCTYPE l [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><feed>&b;</feed>', 2, "entities or a DTD"),
        ("a.csv", b"meter,register,ts,value,value\nA,1,1767225600000,1,2\n", 2, "two columns are called 'value'"),
        ("a.csv", b"meter;register;ts;value;value\nA;1;1767225600000;1;2\n", 2, "two columns are called 'value'"),
        ("a.csv", HEAD.encode() + b"A,1,1767225600000,1,5\n", 2, "row 2: 5 cells, and the header has 4"),
        ("a.csv", b"meter;register;ts;value\nA;1;1767225600000;1;5\n", 2, "row 2: 5 cells, and the header has 4"),
        ("a.csv", HEAD.encode() + b"A,1,1767225600000,1\nA;1;1767225600000;1\n", 2, "row 3: 1 cells, and the header has 4"),
        ("a.csv", b"meter;register;ts;value\nA;1;1767225600000;" + b"9" * (1 << 21), 2, "row 2: field larger than field limit"),
        ("a.pdf", b"%PDF", 2, "unknown kind of file '.pdf'; known: "),
        ("a", b"", 2, "unknown kind of file ''"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_message(tmp_path: Path, name: str, data: bytes, code: int, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    for words in (["convert"], ["convert", "--look"], ["registry", "new", "--out", str(tmp_path / "z.yaml"), "--from"]):
        result = run(*words, tmp_path / name)
        assert isinstance(result.exception, SystemExit), result.exception
        assert result.exit_code == code, result.output
        told = [line for line in result.output.splitlines() if name in line]
        assert len(told) == 1 or "--look" in words
        if "--look" not in words:
            assert re.search(message, result.output), result.output


def test_a_folder_and_a_file_that_is_not_there_are_named(tmp_path: Path) -> None:
    assert "is a folder; name files of readings" in run("convert", tmp_path).output
    assert "no such file; name files of readings" in run("convert", tmp_path / "a.csv", "--look").output


def test_a_workbook_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from zonepulse.streams.files import sheets

    book = openpyxl.Workbook()
    book.save(tmp_path / "a.xlsx")
    monkeypatch.setattr(sheets, "_LARGEST_WORKBOOK", 100)
    assert "more than 0; save it as CSV" in run("convert", tmp_path / "a.xlsx").output
