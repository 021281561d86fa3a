"""No control character of a foreign text reaches a terminal, whichever way it is printed."""

import ast
import io
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.table import Table
from typer.testing import CliRunner
from zones import SMALL

import zonepulse.streams.screen as output
from zonepulse.schemas.values import CONTROLS, visible
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.cli.main import app
from zonepulse.streams.explain.explain import CannotExplain, question

REPOSITORY = Path(__file__).parents[3]
HOSTILE = "a\x1b[2J\x1b]0;title\x07b\x9b31mc\u202ed\x00e\rf\x7f"
ALLOWED = {"streams/screen.py", "streams/bench/baselines.py", "streams/demo/screen.py"}
"""The room itself; a program that answers another one; a picture that goes to a file."""


def only_harmless(text: str) -> bool:
    return not CONTROLS.search(text.replace("\n", ""))


def test_control_characters_are_written_out_and_nothing_else_is() -> None:
    assert visible(HOSTILE) == r"a\x1b[2J\x1b]0;title\x07b\x9b31mc\u202ed\x00e\rf\x7f"
    assert visible("line\nline") == r"line\nline"
    assert visible("太仓 Größe é") == "太仓 Größe é"


@pytest.mark.parametrize("printed", ["say", "error", "remark", "table", "facts", "json", "console"])
def test_every_way_to_print(printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    ways = {
        "say": lambda: output.say(HOSTILE),
        "error": lambda: output.show_error(HOSTILE),
        "remark": lambda: output.show_remark(HOSTILE),
        "table": lambda: output.print_table((HOSTILE,), [(HOSTILE,)], title=HOSTILE),
        "facts": lambda: output.print_facts([(HOSTILE, HOSTILE)]),
        "json": lambda: output.print_json({HOSTILE: HOSTILE}),
        "console": lambda: output.stderr().print(HOSTILE, Table(HOSTILE), markup=False),
    }
    ways[printed]()
    told = capsys.readouterr()
    assert only_harmless(told.out + told.err) and told.out + told.err
    if printed == "json":
        assert json.loads(told.out) == {HOSTILE: HOSTILE}


def test_on_a_terminal_only_our_own_escape_sequences_are_left() -> None:
    screen = output.SafeConsole(file=io.StringIO(), force_terminal=True, width=80)
    table = Table(title="[bold]ours")
    table.add_column("a")
    table.add_row(HOSTILE)
    screen.print(table, f"[red]ours[/red] {HOSTILE}")
    assert isinstance(screen.file, io.StringIO)
    told = screen.file.getvalue()
    assert "\x1b[31m" in told
    assert only_harmless(re.sub("\x1b\\[[0-9;]*m", "", told))


def test_a_text_cannot_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(("key",), [("k\nforged",)])
    assert r"k\nforged" in capsys.readouterr().out


def prints(file: Path) -> list[int]:
    """Lines that print by another way than output.py's."""
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in ("print", "typer.echo", "typer.secho", "Console", "click.echo"):
                found.append(node.lineno)
    return found


def test_everything_printed_goes_through_one_room() -> None:
    files = {f.relative_to(REPOSITORY).as_posix(): f for f in (REPOSITORY / "streams").rglob("*.py")}
    assert {name: prints(file) for name, file in files.items() if name not in ALLOWED and prints(file)} == {}


@pytest.mark.parametrize("width", ["20", "40", "60", "80", "120", "240"])
def test_no_table_breaks_an_id_or_address_however_narrow(
    width: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    words = ("newcomer", "mailto:n***@***.example", "steelworks", "warning", "zh", "zone.yaml", "unsubscribed")
    row = (*words, "a text that may be folded where its words end")
    output.print_table(("id", "to", "sees", "from severity", "language", "from", "state", "why"), [row, row])
    shown = capsys.readouterr().out
    assert all(shown.count(word) >= 2 for word in words) and "…" not in shown


GIVEN = HOSTILE.replace("\0", "")
"""No argument and no variable holds a NUL."""


@pytest.mark.parametrize(
    "words",
    [
        ["deadletters", "list", "--reason", f"x' OR 1=1 -- {GIVEN}"],
        ["deadletters", "redrive", "--reason", f"late' OR '1'='1{GIVEN}"],
        ["replay", "file", "zone.yaml", "--run", GIVEN],
        ["explain", "c", "--at", "2026-01-01"],
        ["chaos", "--only", GIVEN],
        [GIVEN],
    ],
    ids=lambda words: words[0] if words[0] != GIVEN else "a command",
)
def test_what_is_given_wrongly_is_told_without_its_escapes(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "zone.yaml").write_text(SMALL)
    done = CliRunner().invoke(app, words, env={"ZONEPULSE_BROKER": GIVEN})
    assert done.exit_code in (1, 2)
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert r"a\x1b[2J" in done.output and only_harmless(done.output)


@pytest.mark.integration
def test_a_terminal_gets_no_escape_sequence_of_a_file(tmp_path: Path) -> None:
    """On a real one: what `convert --look` shows of columns, meters and refused rows of a file that is all escapes."""
    row = f'"{GIVEN}",1.8.0,1790000000000,1'.encode("utf-8", "surrogateescape")
    (tmp_path / "r.csv").write_bytes(
        f'meter,register,ts,value,"{GIVEN}"\n'.encode() + row + b",x\n" + row.replace(b"1790", b"\x1b[2J") + b",x\n"
    )
    controller, terminal = pty.openpty()
    argv = [sys.executable, "-m", "zonepulse.streams.cli.main", "convert", "--look", "r.csv"]
    with subprocess.Popen(argv, cwd=tmp_path, stdin=terminal, stdout=terminal, stderr=terminal) as child:
        os.close(terminal)
        told = b""
        try:
            while piece := os.read(controller, 65_536):
                told += piece
        except OSError:  # the other end is closed
            pass
        assert child.wait(60) in (0, 3)
    os.close(controller)
    text = re.sub("\x1b\\[[0-9;]*m", "", told.decode().replace("\r\n", "\n"))
    assert r"\x1b[2J" in text.replace("\n", "") and only_harmless(text)


@pytest.mark.parametrize(("company", "basis"), [(f"x' OR 1=1 -- {HOSTILE}", "location"), ("a", HOSTILE)])
def test_explain_refuses_names_that_nobody_has_before_it_asks_the_store(
    company: str, basis: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CannotExplain) as refused:
        question(parse_zone(SMALL), company, basis, 0)
    output.show_error(output.explain(refused.value))
    assert only_harmless(capsys.readouterr().err)
