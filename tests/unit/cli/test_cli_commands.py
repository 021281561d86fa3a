"""What commands decide before they ask a server."""

import io
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from zonepulse.streams.cli.doctor import command as doctor
from zonepulse.streams.cli.doctor.checks import enough
from zonepulse.streams.cli.main import app
from zonepulse.streams.cli.produce import total_rows
from zonepulse.streams.cli.registry.command import _line_of
from zonepulse.streams.cli.replay.command import run_id
from zonepulse.streams.cli.shared.zone_files import read_zone, require_files
from zonepulse.streams.cli.sql import statement
from zonepulse.streams.screen import BadInput, Stop
from zonepulse.streams.servers import bootstrap_servers

ZONE = """\
zone: {id: z, key: site}
meters:
  - {id: M-1, parent: M}
  - id: M
meter_changes:
  - {meter: M, register: "1.8.0"}
network:
  nodes: [a, b]
  edges:
    - {id: e1}
    - {id: e}
contracts:
  - {id: e}
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("meters.M", 4),
        ("meters.M-1", 3),
        ("meter_changes.M", 6),
        ("zone.key", 1),
        ("factors", 0),
        ("meters.X", 0),
        ("network", 7),
        ("network.nodes", 8),
        ("network.nodes.b", 8),
        ("network.edges.e", 11),
        ("contracts.e", 13),
        ("network.edges.x", 0),
    ],
)
def test_a_refused_change_is_found_in_its_file(path: str, line: int) -> None:
    assert _line_of(path, ZONE) == line


@pytest.mark.parametrize("given", ["live", "", "a b", "-x", "x" * 65])
def test_a_run_cannot_be_called_anything(given: str) -> None:
    with pytest.raises(BadInput, match="choose another id"):
        run_id(given)


def test_a_run_without_a_name_gets_one_that_is_allowed() -> None:
    made = run_id(None)
    assert made.startswith("file-")
    assert run_id(made) == made


def test_a_statement_comes_from_the_argument_or_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("SELECT 2;\n"))
    assert statement(" SELECT 1 ; ") == "SELECT 1"
    assert statement("-") == "SELECT 2"
    with pytest.raises(BadInput, match="the statement is empty"):
        statement(" ; ")


def test_brokers_are_hosts_and_ports() -> None:
    assert bootstrap_servers("a:1, [::1]:2") == [("a", 1), ("::1", 2)]
    for broker in ("a", "a:0", "a:65536", "a:-1", "a:²", "a:1,b:99999", "a:" + "9" * 6_000):
        with pytest.raises(Stop, match="expected host:port"):
            bootstrap_servers(broker)


def test_files_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"absent\.csv: no such file"):
        require_files([tmp_path / "absent.csv"])
    with pytest.raises(BadInput, match="is a folder"):
        require_files([tmp_path])
    (tmp_path / "z.yaml").write_bytes(b"\xff")
    with pytest.raises(BadInput, match="byte 0 is no UTF-8"):
        read_zone(tmp_path / "z.yaml")
    with pytest.raises(BadInput, match="no such file or directory"):
        read_zone(tmp_path / "absent.yaml")


def test_too_little_is_a_warning_and_far_too_little_a_failure() -> None:
    assert [enough("m", amount, (3.0, 1.5), "", "buy").state for amount in (3.0, 2.0, 1.0)] == ["ok", "warn", "fail"]


@pytest.mark.parametrize(
    ("requirement", "wrong"),
    [
        ("typer>=0.1", None),
        ("typer==0.0.1", "typer is "),
        ("typer>=999", "asked for is >=999"),
        ("no-such-library>=1", "no-such-library is missing"),
    ],
)
def test_installed_versions_are_compared_with_those_asked_for(requirement: str, wrong: str | None) -> None:
    told = doctor._wrong_version(requirement)
    assert (told is None) if wrong is None else (wrong in str(told))


def test_rows_of_what_is_no_parquet_file_are_not_counted_reading_it_names_it(tmp_path: Path) -> None:
    (tmp_path / "r.parquet").write_bytes(b"\x07" * 5_000)
    assert total_rows([tmp_path / "r.parquet"]) is None
    assert total_rows([tmp_path / "missing.parquet"]) is None


def test_rows_are_not_counted_in_a_parquet_file_whose_text_is_damaged(tmp_path: Path) -> None:
    file = tmp_path / "r.parquet"
    pq.write_table(pa.table({"meter": ["a"]}), file)
    file.write_bytes(file.read_bytes().replace(b"meter", b"\xffeter"))
    assert total_rows([file]) is None


def test_factors_are_known_as_of_a_day_and_nothing_else() -> None:
    asked = [
        "replay",
        "plan",
        "--from",
        "2026-01-01",
        "--to",
        "2026-01-02",
        "--registry",
        "zone.yaml",
        "--factors-as-of",
        "last year",
    ]
    found = CliRunner().invoke(app, asked)
    assert found.exit_code == 2
    assert "--factors-as-of 'last year': write a date" in found.output
