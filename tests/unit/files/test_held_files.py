"""Files that would stop the commands that read them: each is refused by name, quickly, in few words, and nothing hangs."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile_files import BOMBS, ONE, last_cell, truncated
from typer.testing import CliRunner
from zones import SMALL

from zonepulse.streams.cli.main import app

LINE = '{"meter": "M", "register": "1.8.0", "ts": 1790000000000, "value": 1, "ingest_ms": 1790000000000%s}\n'


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


@pytest.mark.large
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
