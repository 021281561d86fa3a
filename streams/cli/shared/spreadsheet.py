"""CSV and TSV that a spreadsheet may open: a text that would be run as a formula is given a quote in front, and is then only shown.

A number may begin with a sign; ClickHouse writes texts of CSV in double quotes and numbers without, texts of TSV bare.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

_NUMBER: Final = rb"-?(?:\d[\d.]*(?:e[-+]?\d+)?|inf|nan)(?=[,\t\r\n]|\Z)"
_CELL: Final = re.compile(rb'(?P<quoted>"(?:[^"]|"")*")|(?P<bare>[^",\t\n]+)')
_STARTS: Final = (b"=", b"+", b"-", b"@", b"\t", b"\r")


def without_formulas(pieces: Iterable[bytes], is_quoting: bool) -> Iterator[bytes]:
    """The same table with harmless cells, in pieces that end with a line. `is_quoting`: double quotes may hold line ends (CSV)."""
    rest = b""
    for piece in pieces:
        lines = rest + piece
        end = _end_of_lines(lines, is_quoting)
        yield _harmless(lines[:end], is_quoting)
        rest = lines[end:]
    yield _harmless(rest, is_quoting)


def _end_of_lines(lines: bytes, is_quoting: bool) -> int:
    """Behind the last line end that stands in no quotes."""
    if not is_quoting:
        return lines.rfind(b"\n") + 1
    parts, end = lines.split(b'"'), len(lines)
    for number in range(len(parts) - 1, -1, -1):
        end -= len(parts[number])
        if number % 2 == 0 and (at := parts[number].rfind(b"\n")) >= 0:
            return end + at + 1
        end -= 1
    return 0


def _harmless(lines: bytes, is_quoting: bool) -> bytes:
    return _CELL.sub(_cell, lines) if is_quoting else b"\n".join(map(_tsv_line, lines.split(b"\n")))


def _cell(found: "re.Match[bytes]") -> bytes:
    if found["quoted"]:
        text = found["quoted"]
        return b"\"'" + text[1:] if text[1:2] in _STARTS else text
    return _plain(found["bare"])


def _tsv_line(line: bytes) -> bytes:
    return b"\t".join(map(_plain, line.split(b"\t")))


def _plain(text: bytes) -> bytes:
    return b"'" + text if text[:1] in _STARTS and not re.fullmatch(_NUMBER, text) else text
