"""The ClickHouse engine in this process, one statement at a time.

Every statement gets a connection of its own (0.3 ms), so nothing that one sets is left for the next. What a reader may do
is held three times: by the engine's grants (a role), by `readonly = 1`, and by `_refuse_unless_reading`, since inside a
process the engine does not guard the `file` function, INTO OUTFILE and SET ROLE.
"""

import io
import json
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pyarrow as pa
from chdb import ChdbError
from chdb.state.sqlitelike import Connection

from zonepulse.streams.embedded.clickhouse_errors import BAD_ARGUMENTS, READONLY, SYNTAX_ERROR, UNKNOWN_SETTING, ClickHouseError
from zonepulse.streams.embedded.clickhouse_users import User

_CONFIG: Final = """<clickhouse>
  <users_config>{path}</users_config>
  <max_server_memory_usage>{memory_bytes}</max_server_memory_usage>
  <storage_configuration><disks><default><keep_free_space_bytes>{keep_free}</keep_free_space_bytes></default></disks></storage_configuration>
  <profiles><default><async_insert>0</async_insert></default></profiles>
  <quotas><default/></quotas>
  <roles>
    <writer><grants><query>GRANT ALL ON *.*</query></grants></writer>
    <reader><grants><query>GRANT SELECT ON {database}.*</query></grants></reader>
  </roles>
  <users>
    <default>
      <no_password/><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
      <grants><query>GRANT writer</query><query>GRANT reader</query></grants>
    </default>
  </users>
</clickhouse>
"""
_NAME: Final = r"(?:\w+|`[^`]+`|\"[^\"]+\")"
_INSERT: Final = re.compile(
    (
        rf"\s*(INSERT\s+INTO\s+(?:TABLE\s+)?{_NAME}(?:\.{_NAME})?\s*(?:\([^()]*\))?(?:\s*SETTINGS\s[^()]*?)?)"
        r"\s*\bFORMAT\s+(\w+)[ \t\f]*(?:\r?\n)?"
    ).encode(),
    re.IGNORECASE,
)
"""An INSERT with its data behind a FORMAT clause: the statement and the format; the data follow the match."""
_FORMAT: Final = re.compile(r"\sFORMAT\s+(\w+)\s*(?:SETTINGS\s[^'`\"]*)?;?\s*\Z", re.IGNORECASE)
_READS: Final = frozenset({"SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN", "("})
_OF_READERS: Final = frozenset({36, 43, 46, 47, 53, 60, 62, 73, 81, 115, 158, 159, 164, 215, 394, 396, 497, 516})
"""Codes of mistakes in a statement, of its limits and of its end, none of which an insert meets while it writes."""
_FORBIDDEN: Final = re.compile(r"\b(file|outfile|infile|python|processes|user_processes|processlist)\b", re.IGNORECASE)
_STRING: Final = re.compile(r"(`(?:[^`\\]|\\.)*`)|'(?:[^'\\]|\\.)*'", re.DOTALL)
"""A string literal of a formatted statement; group 1 is a quoted identifier, which may hold apostrophes."""
_READER_SETTINGS: Final = re.compile(
    r"max_(execution_time|memory_usage|result_rows|result_bytes|block_size|threads|rows_to_read|bytes_to_read)"
    r"|(result|read|timeout)_overflow_mode|(output|input)_format_\w+|date_time_(in|out)put_format|session_timezone|final|use_query_cache"
    r"|extremes|join_use_nulls|log_comment|readonly|buffer_size|http_\w+|send_timeout|receive_timeout|connect_timeout|log_queries"
)
"""What a reader's client may set with a request; the time and memory settings only downwards."""


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
        return {**asked, **{name: _lower(name, asked.get(name, "0"), bound) for name, bound in bounds.items()}}


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


class Engine:
    """The engine on a data folder; one per process and one per folder. Safe for many threads. Raises ClickHouseError."""

    def __init__(self, folder: Path, memory_bytes: int, keep_free_bytes: int = 0, database: str = "zonepulse") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        config = folder.resolve() / "engine.xml"
        config.write_text(
            _CONFIG.format(path=config, memory_bytes=memory_bytes, keep_free=keep_free_bytes, database=database), "utf-8"
        )
        self._where = f"{folder.resolve() / 'store'}?config-file={config}"
        self._root = Connection(self._where)
        """Keeps the engine open while there are no statements."""
        self.version = self._root.query("SELECT version()", "TSV").bytes().decode().strip()

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
        if statement.user.role == "reader":
            _refuse_unless_reading(connection, statement)
        if statement.database:
            connection.query(f"USE {_quoted(statement.database, '`')}", "Null")
        connection.query(_set_up(statement), "Null")
        insert = _INSERT.match(statement.sql)
        if insert:
            return _insert(connection, insert[1].decode(), insert[2].decode(), memoryview(statement.sql)[insert.end() :])
        return _query(connection, statement)


def _query(connection: Connection, statement: Statement) -> Result:
    sql = _text(statement.sql)
    named = _FORMAT.search(sql)
    name = named[1] if named else statement.default_format
    started = time.perf_counter()
    result = connection.query(sql, name, dict(statement.parameters))
    if result is None:
        return Result(b"", name)
    return Result(
        result.bytes() or b"",
        name,
        result.rows_read(),
        result.bytes_read(),
        result.rows_written(),
        result.bytes_written(),
        time.perf_counter() - started,
    )


def _insert(connection: Connection, sql: str, form: str, data: memoryview) -> Result:
    before = _errors(connection)
    with connection.send_insert(sql, form) as inserter:
        if len(data):
            inserter.append(data)
        done = inserter.finish()
    for code, (count, message) in _errors(connection).items():
        if count > before.get(code, (0, ""))[0]:
            raise ClickHouseError(code, message or "the insert failed; the engine does not say why")
    announced = _rows_announced(form, data)
    if announced is not None and done.rows_written < announced:
        raise ClickHouseError(BAD_ARGUMENTS, f"{announced} rows were sent and {done.rows_written} written: send them again")
    return Result(b"", form, written_rows=done.rows_written, written_bytes=done.bytes_written, elapsed_s=done.elapsed)


def _errors(connection: Connection) -> dict[int, tuple[int, str]]:
    """Code -> how often it came up in this process, and its last message; without what only readers cause.

    The engine keeps to itself what goes wrong while the rows of an insert are written (disk full, too many parts) and says that
    all of them are. An error of another statement at the same moment makes an insert fail that did not: it is sent again, and
    written once, since it has the same deduplication token.
    """
    found = connection.query("SELECT code, toUInt64(value), last_error_message FROM system.errors", "JSONCompactEachRow").bytes()
    rows = [json.loads(line) for line in found.splitlines()]
    return {int(code): (int(count), message) for code, count, message in rows if int(code) not in _OF_READERS}


def _rows_announced(form: str, data: memoryview) -> int | None:
    """Rows that the data say they hold, where a format says it without being parsed."""
    if form == "Arrow" and len(data):
        with pa.ipc.open_file(pa.py_buffer(data)) as reader:
            return int(sum(reader.get_batch(i).num_rows for i in range(reader.num_record_batches)))
    if form == "ArrowStream" and len(data):
        with pa.ipc.open_stream(io.BytesIO(data)) as reader:
            return int(sum(batch.num_rows for batch in reader))
    return None


def _set_up(statement: Statement) -> str:
    """The SET statements that come before it; roles and `readonly` last, since they bar the others."""
    asked = dict(statement.settings)
    is_reader = statement.user.role == "reader"
    for name in asked:
        if not re.fullmatch(r"\w+", name):
            raise ClickHouseError(UNKNOWN_SETTING, f"Unknown setting {name!r}. (UNKNOWN_SETTING)")
        if is_reader and not _READER_SETTINGS.fullmatch(name):
            raise ClickHouseError(READONLY, f"Cannot modify '{name}' setting in readonly mode. (READONLY)")
    readonly = "1" if is_reader else "2" if statement.is_get else asked.pop("readonly", "0")
    asked.pop("readonly", None)
    final = {**statement.limits.settings(asked), **statement.user.settings, "log_comment": statement.tag}
    lines = ["SET " + ", ".join(f"{name} = {_quoted(value)}" for name, value in final.items())]
    if is_reader:
        lines.append("SET ROLE reader")
    if readonly != "0":
        lines.append(f"SET readonly = {_quoted(readonly)}")
    return "; ".join(lines)


def _refuse_unless_reading(connection: Connection, statement: Statement) -> None:
    """Lets one reading statement through. The engine itself parses it and writes it down without comments and odd quoting."""
    first = re.match(rb"\s*(\w+)", statement.sql)
    if first and first[1].upper() == b"INSERT":
        raise _readonly(statement.user)
    query = {"query": _text(statement.sql).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\0", "\\0")}
    plain = connection.query("SELECT formatQuerySingleLine({query:String})", "RawBLOB", query).bytes().decode()
    start = re.match(r"\w+|\(", plain)
    forbidden = _FORBIDDEN.search(_STRING.sub(lambda found: found[1] or "''", plain))
    if start is None or start[0].upper() not in _READS:
        raise _readonly(statement.user)
    if forbidden:
        raise ClickHouseError(READONLY, f"{statement.user.name}: {forbidden[0]} is not open to readers. (READONLY)")


def _readonly(user: User) -> ClickHouseError:
    return ClickHouseError(READONLY, f"{user.name}: Cannot execute query in readonly mode. (READONLY)")


def _lower(name: str, asked: str, bound: int) -> str:
    """The smaller of the two, where 0 is no bound."""
    try:
        wanted = float(asked)
    except ValueError:
        raise ClickHouseError(BAD_ARGUMENTS, f"setting {name} = {asked!r} is no number") from None
    return asked if wanted > 0 and (bound == 0 or wanted <= bound) else str(bound)


def _quoted(text: str, quote: str = "'") -> str:
    return quote + text.replace("\\", "\\\\").replace(quote, "\\" + quote) + quote


def _text(sql: bytes) -> str:
    try:
        return sql.decode()
    except UnicodeDecodeError as error:
        raise ClickHouseError(SYNTAX_ERROR, f"Syntax error: the statement is no UTF-8: {error}. (SYNTAX_ERROR)") from None
