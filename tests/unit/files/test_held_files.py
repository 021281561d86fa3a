"""Files that never did harm to the commands that read them: each is refused by name, quickly, and nothing hangs."""

import os
from collections.abc import Callable
from pathlib import Path

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
