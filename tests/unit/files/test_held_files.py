"""Files that would stop the commands that read them: each is refused by name, quickly, in few words, and nothing hangs."""

import os
import random
from collections.abc import Callable
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner
from zones import SMALL

from zonepulse.streams.cli.main import app

LINE = '{"meter": "M", "register": "1.8.0", "ts": 1790000000000, "value": 1, "ingest_ms": 1790000000000%s}\n'


def truncated(path: Path) -> None:
    pq.write_table(pa.table({"meter": ["M"] * 1_000, "ts": range(1_000)}), path)
    path.write_bytes(path.read_bytes()[:-50])


FILES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "NUL bytes in CSV": ("r.csv", lambda p: p.write_bytes(b"meter,register,ts,value\n\x00\x00,\x00\n")),
    "NUL bytes in JSON": ("r.jsonl", lambda p: p.write_bytes(b"\x00" * 1_000)),
    "a folder": ("r.csv", lambda p: p.mkdir()),
    "a pipe": ("r.csv", lambda p: os.mkfifo(p)),
    "a link to zeros": ("r.csv", lambda p: p.symlink_to("/dev/zero")),
    "a link to nothing": ("r.csv", lambda p: p.symlink_to("/nowhere/at/all")),
    "a truncated Parquet file": ("r.parquet", truncated),
    "a partition of a billion": ("r.jsonl", lambda p: p.write_text(LINE % ', "partition": 1000000000, "offset": 0')),
    "random bytes": ("r.parquet", lambda p: p.write_bytes(os.urandom(3_000))),
}


@pytest.mark.parametrize("name", FILES)
def test_it_is_refused_by_name(name: str, tmp_path: Path) -> None:
    file, make = FILES[name]
    make(tmp_path / file)
    (tmp_path / "zone.yaml").write_text(SMALL)
    arguments = ["replay", "file", str(tmp_path / file), "--zone", str(tmp_path / "zone.yaml"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code in (1, 2), done.output
    assert file in done.stderr
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    "make", [lambda p: p.write_text("mine"), lambda p: p.symlink_to("/nowhere/at/all")], ids=["file", "dangling link"]
)
def test_what_stands_where_rows_are_to_go_stays(make: Callable[[Path], object], tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text(LINE % "")
    (tmp_path / "zone.yaml").write_text(SMALL)
    make(tmp_path / "out")
    arguments = ["replay", "file", str(tmp_path / "r.jsonl"), "--zone", str(tmp_path / "zone.yaml"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code in (1, 2)
    assert "out" in done.stderr


N = 100_000
ONE = b'{"meter":"M","register":"1.8.0","ts":1790000000000,"value":%s,"ingest_ms":1790000000000}\n'
HEAD = b"meter,register,ts,value\n"
FEED = b'<?xml version="1.0"?>%s<feed xmlns="http://www.w3.org/2005/Atom"><title>%s</title>'
ENTITIES = b'<!ENTITY a0 "ha">' + b"".join(b'<!ENTITY a%d "%s">' % (i, b"&a%d;" % (i - 1) * 10) for i in range(1, 10))
JUNK = random.Random(5).randbytes(3_000)
BOMBS = {
    "arrays.jsonl": b"[" * N + b"\n",
    "objects.jsonl": b'{"a":' * N + b"\n",
    "closed.jsonl": ONE % (b"[" * N + b"]" * N),
    "digits.jsonl": ONE % (b"9" * 10 * N),
    "arrays.json": b"[" * N + b"]" * N,
    "digits.csv": HEAD + b"M,1.8.0,1790000000000," + b"9" * 10 * N + b"\n",
    "time.csv": HEAD + b"M,1.8.0," + b"9" * 10 * N + b",1\n",
    "time.tsv": HEAD.replace(b",", b"\t") + b"M\t1.8.0\t" + b"9" * 10 * N + b"\t1\n",
    "blanks.csv": HEAD + b"M,1.8.0,2026-01-01 " + b" " * N + b"x,1" + b" " * N + b"x\n",
    "points.csv": HEAD + b"M,1.8.0,1790000000000," + b"1.1" * N + b"\n",
    "polygon.csv": HEAD + b'"POLYGON(' + b"(" * N + b'",1.8.0,1790000000000,1\n',
    "quotes.csv": HEAD + b'"' * (10 * N + 1) + b"\n",
    "columns.csv": b",".join(b"c%d" % i for i in range(N)) + b"\n" + b"," * N + b"\n",
    "deep.xml": FEED % (b"", b"") + b"<a>" * (N // 10),
    "laughs.xml": FEED % (b"<!DOCTYPE z [" + ENTITIES + b"]>", b"&a9;"),
    "passwd.xml": FEED % (b'<!DOCTYPE z [<!ENTITY a SYSTEM "file:///etc/passwd">]>', b"&a;"),
    **{f"random.{kind}": JUNK for kind in ("xlsx", "xml", "json", "csv", "parquet")},
    "none.csv": b"",
    "none.xml": b"",
}


def last_cell(path: Path) -> None:
    """A workbook of one cell, the last that a sheet has: the blank ones before it are 17 billion."""
    openpyxl.Workbook().save(path.with_name("empty.xlsx"))
    with ZipFile(path.with_name("empty.xlsx")) as empty, ZipFile(path, "w", ZIP_DEFLATED) as book:
        for part in empty.namelist():
            text = empty.read(part).decode()
            if part.endswith("sheet1.xml"):
                begin, end = text.split("<sheetData")[0], text.split("/>", text.split("<sheetData")[1].count("/>"))[-1]
                row = '<sheetData><row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
                text = f"{begin}{row}{end}"
            book.writestr(part, text)


def commands(file: Path, folder: Path) -> list[list[str]]:
    """Every command that reads a file of another hand without a server."""
    zone, good = folder / "zone.yaml", folder / "good.jsonl"
    zone.write_text(SMALL)
    good.write_bytes(ONE % b"1")
    replay = ["replay", "file", "--zone", str(zone), "--out", str(folder / "rows"), "--arrival"]
    return [
        ["convert", str(file), "--out", str(folder / "out.jsonl"), "--force"],
        ["convert", str(file), "--look"],
        ["registry", "new", "--from", str(file)],
        [*replay, str(file)],
        [*replay, str(good), "--commands", str(file)],
        ["detect", "run", str(file), "--column", "value"],
        ["replay", "file", str(good), "--zone", str(file), "--out", str(folder / "rows")],
    ]


@pytest.mark.parametrize("name", [*BOMBS, "last_cell.xlsx"])
def test_a_bomb_ends_every_command_in_few_words(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_bytes(BOMBS[name]) if name in BOMBS else last_cell(file)
    for command in commands(file, tmp_path):
        done = CliRunner().invoke(app, command)
        assert done.exception is None or isinstance(done.exception, SystemExit), (command, done.exception)
        assert done.exit_code in (0, 1, 2, 3)
        assert "root:" not in done.output, "a file that an entity names"
        if name != "last_cell.xlsx" or "--look" not in command:  # that one has 16,384 columns to show
            assert len(done.output) < 20_000, command
