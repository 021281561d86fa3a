"""Everything the engine has is in a list, allowed or refused: what a new engine brings is looked at before anyone may use it."""

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import refused_names

from zonepulse.streams.embedded.clickhouse import lists as clickhouse_lists
from zonepulse.streams.embedded.clickhouse.functions import COMBINATORS, READER_FUNCTIONS, is_open_function

pytestmark = pytest.mark.integration

ASK = """
import json, sys
from chdb.state.sqlitelike import Connection
with Connection(sys.argv[1]) as c:
    def ask(sql): return c.query(sql, "TSVRaw").bytes().decode().splitlines()
    print(json.dumps({
        **{t: ask(f"SELECT name FROM system.{t}") for t in ("functions", "table_functions", "formats", "settings")},
        "combinators": ask("SELECT name FROM system.aggregate_function_combinators"),
        "system_tables": ask("SELECT name FROM system.tables WHERE database = 'system'"),
        **{f"columns of {t}": ask(f"SELECT name FROM system.columns WHERE database = 'system' AND table = '{t}'")
           for t in ("tables", "columns", "databases")},
    }))
"""
SYNTAX = {"lambda", "exists", "grouping", "untuple"}
TELLTALE = ("path", "schema", "url", "file", "command", "script", "template", "dir", "disk", "host", "user", "role")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    store = tmp_path_factory.mktemp("store")
    told = subprocess.run([sys.executable, "-c", ASK, str(store)], check=True, capture_output=True, timeout=120)
    return msgspec.json.decode(told.stdout, type=dict[str, list[str]])


def folded(names: list[str]) -> set[str]:
    return {name.casefold() for name in names}


def in_lists(has: set[str], allowed: set[str], refused: set[str]) -> None:
    assert not allowed & refused
    assert has - allowed - refused == set(), "in no list: look at each and decide"
    assert (allowed | refused) - has == set(), "the engine has it no more"


def test_every_function_is_allowed_or_refused(engine: dict[str, list[str]]) -> None:
    in_lists(folded(engine["functions"]), set(READER_FUNCTIONS) - SYNTAX, folded(refused_names.FUNCTIONS))
    assert folded(engine["combinators"]) == set(COMBINATORS)
    assert [name for name in refused_names.FUNCTIONS if is_open_function(name)] == []


def test_every_table_function_is_allowed_or_refused(engine: dict[str, list[str]]) -> None:
    allowed = set(clickhouse_lists.READER_TABLE_FUNCTIONS)
    in_lists(folded(engine["table_functions"]), allowed, folded(refused_names.TABLE_FUNCTIONS))
    assert folded(engine["table_functions"]) >= clickhouse_lists.INNER_TABLE_FUNCTIONS


def test_every_format_is_allowed_or_refused(engine: dict[str, list[str]]) -> None:
    in_lists(folded(engine["formats"]), set(clickhouse_lists.READER_FORMATS), folded(refused_names.FORMATS))


def test_every_system_table_and_column_of_the_catalog_is_allowed_or_refused(engine: dict[str, list[str]]) -> None:
    in_lists(set(engine["system_tables"]), set(clickhouse_lists.READER_SYSTEM_TABLES), set(refused_names.SYSTEM_TABLES))
    for table, visible in clickhouse_lists.VISIBLE_COLUMNS.items():
        in_lists(set(engine[f"columns of {table}"]), set(visible), set(refused_names.HIDDEN_COLUMNS[table]))


def test_every_setting_is_allowed_or_refused_and_none_that_is_allowed_names_a_place(engine: dict[str, list[str]]) -> None:
    in_lists(set(engine["settings"]), set(clickhouse_lists.READER_SETTINGS), set(refused_names.SETTINGS))
    assert [s for s in clickhouse_lists.READER_SETTINGS if any(word in s.split("_") for word in TELLTALE)] == []
    assert set(engine["settings"]) >= clickhouse_lists.OUTPUT_TO_FILES


def test_no_column_of_the_zones_tables_is_called_like_a_refused_function() -> None:
    sql = "".join(file.read_text("utf-8") for file in sorted(Path("deploy/clickhouse").glob("*.sql")))
    columns = set(re.findall(r"^    `?(\w+)`? [A-Z]\w", sql, re.MULTILINE))
    assert len(columns) > 50
    assert {name for name in columns if name.casefold() in folded(refused_names.FUNCTIONS)} == set()
