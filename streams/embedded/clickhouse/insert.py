"""INSERT with its data behind a FORMAT clause, judged by what the engine says of this very statement.

The engine's streaming insert keeps to itself what goes wrong while rows are written (disk full, too many parts, a constraint) and counts
them as written. A statement with FROM INFILE raises it. The file is one in memory that only this process has.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from chdb.state.sqlitelike import Connection

from zonepulse.streams.embedded.clickhouse.sql_tokens import Token, tokens

_HEAD_BYTES: Final = 256 * 1024


class Insert(NamedTuple):
    """`INSERT INTO ... (columns)`, its SETTINGS clause ("" if none), its format, and where its data begin."""

    head: str
    settings: str
    format: str
    data_start: int


def parse_insert(sql: bytes) -> Insert | None:
    """None for everything else, also for INSERT ... VALUES and INSERT ... SELECT, which the engine takes as they are."""
    text = sql[:_HEAD_BYTES].decode("latin-1")  # a byte is a character, so that places agree; data may be anything
    words = _Words(text)
    end = _after_columns(words) if words.take("insert") and words.take("into") else 0
    if not end:
        return None
    start = words.here.start
    if words.take("settings"):
        while words.here.folded not in ("format", "select", "values", "with") and words.here.text not in ("(", ")", ""):
            words.step()
    settings = text[start : words.here.start].strip()
    if not words.take("format") or words.here.kind != "word":
        return None
    try:
        head, settings = sql[:end].decode(), settings.encode("latin-1").decode()
    except UnicodeDecodeError:
        return None
    return Insert(head, settings, words.here.text, _data_start(sql, words.here.end))


def insert(connection: Connection, parsed: Insert, form: str, data: memoryview) -> Any:
    """Runs it; the engine's result. Raises what the engine says, after which rows may be written in part, as ClickHouse does it."""
    with _file_of(data) as path:
        sql = f"{parsed.head} FROM INFILE '{path}' COMPRESSION 'none' {parsed.settings} FORMAT {form}"
        return connection.query(sql, "Null")


@contextmanager
def _file_of(data: memoryview) -> Iterator[str]:
    file = os.memfd_create("insert", os.MFD_CLOEXEC)
    try:
        at = 0
        while at < len(data):
            at += os.write(file, data[at:])
        yield f"/proc/self/fd/{file}"
    finally:
        os.close(file)


class _Words:
    """The words of a statement one after the other; `here` is the present one, empty at the end."""

    def __init__(self, text: str) -> None:
        self._left = tokens(text)
        self._end = Token("other", "", len(text), len(text))
        self.here = next(self._left, self._end)

    def step(self) -> Token:
        """Goes on; the word that was here."""
        passed, self.here = self.here, next(self._left, self._end)
        return passed

    def take(self, word: str) -> bool:
        """Steps over a word, if it is that."""
        if self.here.folded != word and self.here.text != word:
            return False
        self.step()
        return True


def _after_columns(words: _Words) -> int:
    """Where `[TABLE] [database.]table [(columns)]` ends; 0 if something else comes."""
    words.take("table")
    if words.here.folded == "function" or not words.here.name:
        return 0
    end = words.step().end
    if words.take("."):
        if not words.here.name:
            return 0
        end = words.step().end
    if words.here.text == "(":
        depth = 0
        while words.here.text:
            depth += (words.here.text == "(") - (words.here.text == ")")
            end = words.step().end
            if depth == 0:
                return end
        return 0
    return end


def _data_start(sql: bytes, at: int) -> int:
    while sql[at : at + 1] in (b" ", b"\t", b"\f") and at < len(sql):
        at += 1
    if sql[at : at + 2] == b"\r\n":
        return at + 2
    return at + 1 if sql[at : at + 1] == b"\n" else at
