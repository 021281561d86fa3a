"""The ClickHouse engine in this process, one statement at a time.

Every statement gets a connection of its own (0.3 ms), so nothing that one sets is left for the next. What a reader may do
is held three times: by the engine's grants (a role), by `readonly = 1`, and by the gate (`clickhouse_gate`), since inside a
process the engine does not guard the `file` function, INTO OUTFILE and SET ROLE. Companies are not held apart: whoever may
read the store may read the zone. A writer may use the files of the server's user, as far as its process may.
"""

import math
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from chdb import ChdbError
from chdb.state.sqlitelike import Connection

from zonepulse.streams.embedded.clickhouse.config import CONFIG, STORE
from zonepulse.streams.embedded.clickhouse.errors import BAD_ARGUMENTS, READONLY, SYNTAX_ERROR, UNKNOWN_SETTING, ClickHouseError
from zonepulse.streams.embedded.clickhouse.gate import CATALOGS, MAX_STATEMENT_BYTES, judged
from zonepulse.streams.embedded.clickhouse.insert import Insert, insert, parse_insert
from zonepulse.streams.embedded.clickhouse.lists import OUTPUT_TO_FILES, READER_SETTINGS
from zonepulse.streams.embedded.clickhouse.names import ask_names
from zonepulse.streams.embedded.clickhouse.sql_tokens import format_named, tokens
from zonepulse.streams.embedded.clickhouse.users import User

_LEAST: Final = 0.001
"""Of a bound: ClickHouse counts an execution time in whole microseconds, and 0 of them is no bound at all."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds of one statement; a client may lower them. Zero means no bound, as in ClickHouse."""

    max_execution_time_s: int
    max_memory_usage_bytes: int
    max_result_bytes: int

    def settings(self, asked: Mapping[str, str]) -> dict[str, str]:
        """The settings asked for, with these bounds applied."""
        bounds = {
            "max_execution_time": self.max_execution_time_s,
            "max_memory_usage": self.max_memory_usage_bytes,
            "max_result_bytes": self.max_result_bytes,
        }
        lowered = {name: _lower(name, asked.get(name, "0"), bound) for name, bound in bounds.items()}
        whole = {name: str(math.ceil(value)) for name, value in lowered.items() if name != "max_execution_time"}
        return {**asked, **whole, "max_execution_time": f"{lowered['max_execution_time']:.3f}"}


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of an authenticated user. `sql` may end with the data of an INSERT."""

    user: User
    sql: bytes
    limits: Limits
    database: str = ""
    default_format: str = "TabSeparated"
    settings: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    """As in the HTTP interface: text, escaped as in TabSeparated."""
    is_get: bool = False
    """GET changes nothing."""
    tag: str = field(default_factory=lambda: uuid.uuid4().hex)
    """By which `cancel` finds it."""


@dataclass(frozen=True, slots=True)
class Result:
    """Bytes in `format`, and what was counted."""

    data: bytes
    format: str
    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    elapsed_s: float = 0.0


class EngineUnconfigured(RuntimeError):
    """The engine runs without its configuration: no limits, no roles. The message says what it says of itself."""


class Engine:
    """The engine on a prepared data folder; one per process and one per folder. Safe for many threads. Raises ClickHouseError.

    `folder` is part of the engine's address, which gives ? & % a meaning: the process goes into a folder beside the data instead and names
    it with dots. Raises EngineUnconfigured unless the engine has the memory limit and the roles of the configuration.
    """

    def __init__(self, folder: Path, memory_bytes: int) -> None:
        self._where = f"{folder / STORE}?config-file={folder / CONFIG}"
        self._root = Connection(self._where)
        """Keeps the engine open while there are no statements."""
        try:
            self._require_configuration(memory_bytes)
        except BaseException:
            self._root.close()
            raise
        self.version = self._ask("SELECT version()")[0]
        self.names = ask_names(self._ask)

    def _require_configuration(self, memory_bytes: int) -> None:
        told = self._ask("SELECT getServerSetting('max_server_memory_usage')")
        if told != [str(memory_bytes)]:
            raise EngineUnconfigured(f"the engine's memory limit is {told}, not {memory_bytes}: it has not read its configuration")
        try:
            with Connection(self._where) as connection:
                connection.query("SET ROLE reader", "Null")
        except (RuntimeError, ChdbError) as error:
            raise EngineUnconfigured(f"the engine has no role reader: it has not read its configuration: {error}") from error

    def close(self) -> None:
        """Ends the engine; call it when no statement runs."""
        self._root.close()

    def cancel(self, tag: str) -> None:
        """Ends the statement with this tag, if it runs."""
        with Connection(self._where) as connection:
            connection.query(f"KILL QUERY WHERE Settings['log_comment'] = {_quoted(tag)} ASYNC", "Null")

    def execute(self, statement: Statement) -> Result:
        """Runs it to its end."""
        with Connection(self._where) as connection:
            try:
                return self._execute(connection, statement)
            except (RuntimeError, ChdbError) as error:
                raise ClickHouseError.from_engine(error) from None

    def _execute(self, connection: Connection, statement: Statement) -> Result:
        if statement.database:
            self._use(connection, statement)
        set_up = _set_up(statement)
        parsed = parse_insert(statement.sql)
        if parsed and _readonly(statement) == "0":
            form = self.names.format(parsed.format)
            connection.query(set_up, "Null")
            return _insert(connection, statement, parsed, form)
        sql = _text(statement.sql)
        if _readonly(statement) == "0":
            form = self.names.format(_format_named(sql) or statement.default_format)
        else:
            is_reader = statement.user.role == "reader"
            sql, form = judged(connection, sql, statement.parameters, statement.default_format, self.names, is_reader=is_reader)
        connection.query(set_up, "Null")
        return _query(connection, statement, sql, form)

    @staticmethod
    def _use(connection: Connection, statement: Statement) -> None:
        """The gate knows a table of the catalog by its database, so no reader leaves that out."""
        if statement.user.role == "reader" and statement.database.casefold() in CATALOGS:
            raise ClickHouseError(READONLY, "name tables of the catalog with their database: system.tables. (READONLY)")
        connection.query(f"USE {_quoted(statement.database, '`')}", "Null")

    def _ask(self, sql: str) -> list[str]:
        return str(self._root.query(sql, "TSVRaw").bytes().decode()).splitlines()


def _query(connection: Connection, statement: Statement, sql: str, form: str) -> Result:
    started = time.perf_counter()
    result = connection.query(sql, form, dict(statement.parameters))
    if result is None:
        return Result(b"", form)
    return Result(
        result.bytes() or b"",
        form,
        result.rows_read(),
        result.bytes_read(),
        result.rows_written(),
        result.bytes_written(),
        time.perf_counter() - started,
    )


def _insert(connection: Connection, statement: Statement, parsed: Insert, form: str) -> Result:
    started = time.perf_counter()
    result = insert(connection, parsed, form, memoryview(statement.sql)[parsed.data_start :])
    elapsed_s = time.perf_counter() - started
    return Result(b"", form, written_rows=result.rows_written(), written_bytes=result.bytes_written(), elapsed_s=elapsed_s)


def _format_named(sql: str) -> str | None:
    """A text that is too long for the engine's parser is an INSERT with its rows, and answers nothing."""
    return format_named(list(tokens(sql))) if len(sql) <= MAX_STATEMENT_BYTES else None


def _readonly(statement: Statement) -> str:
    """1: nothing but reading; 2: settings may be changed; 0: all."""
    if statement.user.role == "reader":
        return "1"
    asked = statement.settings.get("readonly", "0")
    return "2" if statement.is_get and asked == "0" else asked


def _set_up(statement: Statement) -> str:
    """The SET statements that come before it; roles and `readonly` last, since they bar the others."""
    asked = dict(statement.settings)
    asked.pop("readonly", None)
    readonly_level = _readonly(statement)
    is_reader = statement.user.role == "reader"
    for name in asked:
        if not re.fullmatch(r"\w+", name, re.ASCII):
            raise ClickHouseError(UNKNOWN_SETTING, f"Unknown setting {name[:100]!a}. (UNKNOWN_SETTING)")
        if (is_reader and name not in READER_SETTINGS) or (readonly_level != "0" and name in OUTPUT_TO_FILES):
            raise ClickHouseError(READONLY, f"Cannot modify '{name}' setting in readonly mode. (READONLY)")
    final = {**statement.limits.settings(asked), **statement.user.settings, "log_comment": statement.tag}
    lines = ["SET " + ", ".join(f"{name} = {_quoted(value)}" for name, value in final.items())]
    if is_reader:
        lines.append("SET ROLE reader")
    if readonly_level != "0":
        lines.append(f"SET readonly = {_quoted(readonly_level)}")
    return "; ".join(lines)


def _lower(name: str, asked: str, bound: float) -> float:
    """The number to set: the one asked for where it is less than the bound; 0 of either is none. Never less than `_LEAST`."""
    try:
        wanted = float(asked or "0")
    except ValueError:
        raise ClickHouseError(BAD_ARGUMENTS, f"setting {name} = {asked[:100]!a} is no number") from None
    if not (wanted > 0 and math.isfinite(wanted)):
        return bound
    wanted = max(wanted, _LEAST)
    return wanted if bound == 0 else min(wanted, bound)


def _quoted(text: str, quote: str = "'") -> str:
    return quote + text.replace("\\", "\\\\").replace(quote, "\\" + quote) + quote


def _text(sql: bytes) -> str:
    try:
        return sql.decode()
    except UnicodeDecodeError as error:
        raise ClickHouseError(SYNTAX_ERROR, f"Syntax error: the statement is no UTF-8: {error}. (SYNTAX_ERROR)") from None
