"""Published files, with the commands of docs/real-files.md: their totals are the sums of the raw files, to the micro-unit.

The sums are made here from the files' own text with csv and fractions, and share no code with what is judged.
"""

import csv
import gzip
import io
import json
import shlex
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from zonepulse.streams.cli.main import app

TESTS = Path(__file__).parents[1]
REAL = TESTS / "data" / "real"
DOCUMENT = (TESTS.parent / "docs" / "real-files.md").read_text("utf-8")
COMMANDS = [
    shlex.split(line)[1:] for line in DOCUMENT.splitlines() if line.startswith("    zonepulse convert ") and "--out" in line
]
VALUES = {"steel.csv": "Usage_kWh"}
DELIMITERS = {"office.csv": ";"}


def told(*words: str, code: int = 0) -> dict[str, Any]:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def raw_values(path: Path) -> list[str]:
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    rows = csv.DictReader(io.StringIO(text), delimiter=DELIMITERS.get(path.name, ","))
    return [row[VALUES.get(path.name, "value")] for row in rows]


@pytest.mark.parametrize("command", COMMANDS, ids=[command[1] for command in COMMANDS])
def test_a_published_file_has_the_total_of_its_own_rows(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    raw = REAL / command[1]
    values = raw_values(raw)
    made = told("convert", str(raw), *command[2:], "--json")
    assert (made["readings"], made["refused"]) == (len(values), {})
    told("registry", "new", "--from", made["out"], "--json")
    replayed = told("replay", "file", made["out"], "--arrival", "--out", "result", "--json")
    assert (replayed["accepted"], replayed["dead_letters"]) == (len(values), {})
    booked = [
        value for value in pq.read_table(tmp_path / "result" / "intervals.parquet")["value_micro"].to_pylist() if value is not None
    ]
    assert sum(booked) == sum(round(Fraction(float(value)) * 1_000_000) for value in values)


def test_every_published_file_is_read_and_has_its_source() -> None:
    names = {path.name for path in REAL.iterdir() if path.is_file()} - {"SOURCES.md"}
    assert {command[1] for command in COMMANDS} == names
    sources = (REAL / "SOURCES.md").read_text("utf-8")
    assert all(f"`{name}`" in sources for name in names)
