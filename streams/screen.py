"""What a command prints: a table for people or, with --json, exactly one object for machines; errors as one clear line.

Everything printed goes through here: what came from a meter, a key or a file may hold escape sequences, and no control character of
theirs reaches a terminal. `visible` is for a foreign text inside a line: it also writes out line ends.

Exit codes: streams/exit_codes.py.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from zonepulse.schemas.values import CONTROLS, visible
from zonepulse.streams.exit_codes import BAD_INPUT, FAILED

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]
MOST_CHARACTERS: Final = 2_000
"""Of a cell, or a line of an error, that is shown; --json has all of it."""
_CLIENTS: Final = ("kafka", "clickhouse_connect", "urllib3")
"""Libraries whose exceptions say what a server refused."""


class Stop(Exception):
    """Ends a command: the message names the thing, the value and the remedy."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


class BadInput(Stop):
    """What the user gave cannot be used."""

    def __init__(self, message: str) -> None:
        super().__init__(message, BAD_INPUT)


def exit_code(error: BaseException) -> int | None:
    """The exit code of an error that its own message explains; None for one that is a mistake in the program."""
    if isinstance(error, Stop):
        return error.code
    module = type(error).__module__
    if module.startswith("zonepulse."):
        return BAD_INPUT if isinstance(error, ValueError) else FAILED
    return FAILED if isinstance(error, OSError) or module.partition(".")[0] in _CLIENTS else None


def explain(error: BaseException) -> str:
    """An error in one line, or the lines that it was given."""
    if type(error).__module__.startswith("zonepulse."):
        return str(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {(error.strerror or str(error)).lower()}"
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


class SafeConsole(Console):
    """A rich console that writes out the control characters of what it shows; its own escape sequences stay."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """As rich does, without foreign control characters."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


def printable(text: str) -> str:
    """Lines without control characters but their line ends."""
    return "\n".join(visible(line) for line in text.split("\n"))


def say(*lines: str, err: bool = False) -> None:
    """Lines on stdout, or stderr; never wrapped."""
    typer.echo(printable("\n".join(lines)), err=err)


def show_error(message: str) -> None:
    """On stderr, never wrapped; what a message quotes may be as long as a file, so a line is cut."""
    say(*map(_cut, message.split("\n")), err=True)


def show_remark(message: str) -> None:
    """On stderr: something that the user should know, and no error."""
    say(f"note: {message}", err=True)


def stderr() -> Console:
    """For progress and remarks; stdout is the command's result."""
    return SafeConsole(stderr=True, highlight=False)


def print_json(result: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
    """One object, or a list of them, on stdout; every control character as JSON writes it."""
    text = json.dumps(result, ensure_ascii=False, default=_plain)
    typer.echo(CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "", right: Sequence[str] = ()) -> None:
    """`right`: columns of numbers. Cells are shown as they are, without markup; no id, number or address is ever broken.

    Columns of single words keep their width, texts are folded at spaces; where that does not fit, a row is a list of names and values.
    """
    cells = [[_cell(cell) for cell in row] for row in rows]
    table = Table(title=title or None, title_justify="left", title_style="bold", header_style="bold")
    needed = 1
    for n, name in enumerate(columns):
        texts = [name, *(row[n] for row in cells)]
        is_whole = name in right or not any(" " in text for text in texts[1:])
        table.add_column(name, justify="right" if name in right else "left", no_wrap=is_whole, overflow="fold")
        needed += 3 + max(cell_len(word) for text in texts for word in ([text] if is_whole else text.split(" ")))
    out = console()
    if needed > out.width:
        if title:
            say(title)
        for row in cells:
            say(*(f"{name}: {text}" for name, text in zip(columns, row, strict=True)), "")
        return
    for row in cells:
        table.add_row(*(Text(text) for text in row))
    out.print(table)


def print_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Name and value, a line each."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(Text(name), Text(_cell(value)))
    console().print(table)


def console() -> Console:
    """Stdout. Not a terminal: as wide as COLUMNS says, else wide enough that nothing is folded for a pipe."""
    plain = SafeConsole()
    return plain if plain.is_terminal or "COLUMNS" in os.environ else SafeConsole(width=240)


def either(names: Iterable[str]) -> str:
    """`a, b or c`."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def count(number: int) -> str:
    """A whole number with its thousands apart."""
    return f"{number:,}"


def time_text(at: datetime) -> str:
    """ISO 8601 in UTC, cut to the second where there are no fractions."""
    text = at.astimezone(UTC).isoformat(timespec="milliseconds" if at.microsecond else "seconds")
    return text.replace("+00:00", "Z")


def _cell(cell: object) -> str:
    if cell is None:
        return "-"
    return time_text(cell) if isinstance(cell, datetime) else visible(_cut(str(cell)))


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}... ({len(text)} characters)"


def _plain(value: object) -> object:
    """What JSON has no form for."""
    if isinstance(value, datetime):
        return time_text(value if value.tzinfo else value.replace(tzinfo=UTC))
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value)
