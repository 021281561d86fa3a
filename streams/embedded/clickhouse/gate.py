"""Which statements are let through to the engine that are only to read: a reader's, and a writer's that is to change nothing.

What is judged is what runs: the engine writes the statement down in its own words, without comments and odd quoting, and this text is
judged and run. Two things say what is in it: the engine's own parser (EXPLAIN AST), for functions that are called and tables that are
read, and the words of the text, for functions that are named without being called (`arrayMap(file, ...)`, `APPLY(file)`).
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from chdb.state.sqlitelike import Connection

from zonepulse.streams.embedded.clickhouse.errors import READONLY, SYNTAX_ERROR, UNKNOWN_FUNCTION, ClickHouseError
from zonepulse.streams.embedded.clickhouse.functions import is_open_function
from zonepulse.streams.embedded.clickhouse.lists import (
    INNER_TABLE_FUNCTIONS,
    READER_FORMATS,
    READER_SYSTEM_TABLES,
    READER_TABLE_FUNCTIONS,
    VISIBLE_COLUMNS,
)
from zonepulse.streams.embedded.clickhouse.names import EngineNames
from zonepulse.streams.embedded.clickhouse.sql_tokens import Token, format_named, tokens

MAX_STATEMENT_BYTES: Final = 256 * 1024
CATALOGS: Final = frozenset({"system", "information_schema"})
_BOUNDS: Final = "SET max_execution_time = 10, max_memory_usage = 536870912, max_result_bytes = 134217728"
"""Of the questions to the parser, whatever the client sets for its own statement."""
_SHOWN: Final = frozenset(
    {"tables", "databases", "columns", "fields", "create", "index", "indexes", "indices", "keys", "functions", "settings", "full"}
)
_STATEMENTS: Final = frozenset(
    {"SelectWithUnionQuery", "SelectIntersectExceptQuery", "DescribeQuery", "ExistsTableQuery", "ExistsViewQuery", "Explain"}
    | {"ExistsDatabaseQuery", "ShowTables", "ShowColumns", "ShowIndexes", "ShowFunctions", "ShowCreateTableQuery"}
    | {"ShowCreateViewQuery", "ShowCreateDatabaseQuery"}
)
_EXPLAINS: Final = re.compile(r"EXPLAIN(?: (?:AST|SYNTAX|QUERY TREE|PLAN|PIPELINE|ESTIMATE))?\Z")
_NODE: Final = re.compile(r"( *)(\S+)(?: (.*))?\Z")
_CHILDREN: Final = re.compile(r" ?\(children \d+\)\Z")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]|\\[^\\`\"']")


class Node(NamedTuple):
    """A line of the engine's syntax tree."""

    kind: str
    name: str
    alias: str
    parent: str


def judged(
    connection: Connection, sql: str, parameters: Mapping[str, str], default_format: str, names: EngineNames, *, is_reader: bool
) -> tuple[str, str]:
    """The text to run and the format of its answer, if the statement only reads. Raises ClickHouseError, mostly 164."""
    first = next(tokens(sql), None)
    if first is None or first.folded == "insert":  # its data are no statement
        raise readonly()
    plain = _in_engines_words(connection, sql)
    words = list(tokens(plain))
    form = names.format(format_named(words) or default_format)
    _refuse_by_words(words)
    if is_reader:
        _refuse_parameters(tokens(sql))
        if form.casefold() not in READER_FORMATS:
            raise _closed(f"format {form}")
        _refuse_parameters(words)
        _refuse_named_functions(words, names)
        _refuse_shows(words)
    nodes = list(_tree(connection, plain, parameters))
    _refuse_table_functions(nodes, names, READER_TABLE_FUNCTIONS if is_reader else INNER_TABLE_FUNCTIONS)
    if is_reader:
        _refuse_by_statement(nodes)
        _refuse_functions(nodes, names)
        _refuse_tables(nodes, words, names)
    return plain, form


def _in_engines_words(connection: Connection, sql: str) -> str:
    if len(sql.encode()) > MAX_STATEMENT_BYTES:
        raise ClickHouseError(SYNTAX_ERROR, f"Syntax error: a statement that reads has {MAX_STATEMENT_BYTES} bytes at most.")
    connection.query(_BOUNDS, "Null")
    query = {"query": sql.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\0", "\\0")}
    told = connection.query("SELECT formatQuerySingleLine({query:String})", "RawBLOB", query).bytes()
    return str(told.decode())


def _tree(connection: Connection, plain: str, parameters: Mapping[str, str]) -> Iterator[Node]:
    """The parser's view of it; names hold no line breaks, so that each line is a node."""
    above: list[str] = []
    for line in connection.query(f"EXPLAIN AST {plain}", "TSVRaw", dict(parameters)).bytes().decode().splitlines():
        found = _NODE.match(line)
        if found is None:
            raise _closed("what the parser's tree does not show")
        depth, kind = len(found[1]), found[2]
        name, _, alias = _CHILDREN.sub("", found[3] or "").partition("(alias ")
        del above[depth:]
        yield Node(kind, name.strip(), alias.removesuffix(")"), above[-1] if above else "")
        above.append(kind)


def _refuse_shows(words: list[Token]) -> None:
    if words[0].folded == "show" and (len(words) < 2 or words[1].folded not in _SHOWN):
        raise readonly()


def _refuse_by_words(words: list[Token]) -> None:
    for word, following in itertools.pairwise(words):
        if word.folded == "into" and following.folded == "outfile":
            raise _closed("INTO OUTFILE")
    if any(word.kind == "quoted" and _CONTROL.search(word.text) for word in words):
        raise _closed("a name with control characters")


def _refuse_parameters(words: Iterable[Token]) -> None:
    """`{name:Identifier}` puts a name into the statement after it was judged."""
    inside = False
    for word in words:
        if word.text in ("{", "}"):
            inside = word.text == "{"
        elif inside and word.name.casefold() == "identifier":
            raise _closed("a parameter of type Identifier")


def _refuse_named_functions(words: list[Token], names: EngineNames) -> None:
    for word in words:
        name = word.name.casefold()
        if name in names.functions and not is_open_function(name):
            raise _closed(word.name)


def _refuse_by_statement(nodes: list[Node]) -> None:
    if not nodes or nodes[0].kind not in _STATEMENTS:
        raise readonly()
    for node in nodes:
        if node.kind == "Explain" and not _EXPLAINS.match(node.name):
            raise _closed(node.name)


def _refuse_table_functions(nodes: list[Node], names: EngineNames, allowed: frozenset[str]) -> None:
    """Also as the argument of another, as in `loop(sqlite(...))`."""
    for node in nodes:
        name = node.name.casefold()
        is_one = node.parent == "TableExpression" or (name in names.table_functions and name not in names.functions)
        if node.kind == "Function" and is_one and name not in allowed:
            raise _closed(f"table function {node.name}")


def _refuse_functions(nodes: list[Node], names: EngineNames) -> None:
    aliases = {node.alias for node in nodes if node.alias}
    for node in nodes:
        if node.kind != "Function" or node.parent == "TableExpression" or is_open_function(node.name) or node.name in aliases:
            continue
        if node.name.casefold() in names.functions:
            raise _closed(f"function {node.name}")
        raise ClickHouseError(UNKNOWN_FUNCTION, f"Function with name `{node.name}` does not exist. (UNKNOWN_FUNCTION)")


def _refuse_tables(nodes: list[Node], words: list[Token], names: EngineNames) -> None:
    """Of the catalog only listed tables; of those that tell paths and counts as well only listed columns."""
    is_partly_hidden = False
    for node in nodes:
        database, _, table = node.name.partition(".")
        if database.casefold() not in CATALOGS:
            continue
        if node.kind == "TableIdentifier" and database == "system" and table in READER_SYSTEM_TABLES:
            is_partly_hidden |= table in VISIBLE_COLUMNS
        elif node.kind in ("TableIdentifier", "Identifier") and table:
            raise _closed(f"table {node.name}")
    if not is_partly_hidden:
        return
    if any("Asterisk" in node.kind or "Matcher" in node.kind for node in nodes):
        raise _closed(f"* of {', '.join(f'system.{table}' for table in VISIBLE_COLUMNS)}: name the columns; it")
    hidden = next((word.name for word in words if word.name in names.hidden_columns), None)
    if hidden is not None:
        raise _closed(f"column {hidden} of the catalog")


def readonly() -> ClickHouseError:
    """A statement that is to read and does not."""
    return ClickHouseError(READONLY, "Cannot execute query in readonly mode. (READONLY)")


def _closed(what: str) -> ClickHouseError:
    return ClickHouseError(READONLY, f"{what} is not open to statements that only read. (READONLY)")
