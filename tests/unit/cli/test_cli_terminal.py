"""No control character of a foreign text reaches a terminal, whichever way it is printed."""

import ast
import io
import json
import re
from pathlib import Path

import pytest
from rich.table import Table

import zonepulse.streams.screen as output
from zonepulse.schemas.values import CONTROLS, visible

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
