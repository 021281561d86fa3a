"""A reader only reads: hostile statements of every kind against one endpoint."""

# ruff: noqa: E501

import http.client
import itertools
import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import refused_names
from endpoint_server import as_writer, ask
from patience import slowness

from zonepulse.streams.embedded.clickhouse.functions import READER_FUNCTIONS
from zonepulse.streams.embedded.clickhouse.lists import READER_SETTINGS
from zonepulse.streams.embedded.clickhouse.process import WRITER, ClickHouseProcess

pytestmark = pytest.mark.integration

CANARY = "canary-8f1d2c"
OPTIONS = ("--max-memory-mb", "1200", "--max-result-mb", "400", "--reader-seconds", "2", "--max-body-mb", "64")
ROUNDS = int(os.environ.get("ZONEPULSE_HUNT_ROUNDS", "150"))
REFUSED = (36, 46, 47, 57, 60, 62, 73, 81, 164, 446, 497, 701)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseProcess]:
    folder = tmp_path_factory.mktemp("gate")
    (folder / "canary").write_text(CANARY)
    server = ClickHouseProcess(folder / "store", options=OPTIONS)
    server.start()
    (server.folder / "work" / "canary").write_text(CANARY)
    (server.folder / "store" / "canary").write_text(CANARY)
    as_writer(server, "CREATE DATABASE zonepulse")
    as_writer(server, "CREATE TABLE zonepulse.kept (n Int64, s String) ENGINE = MergeTree ORDER BY n")
    as_writer(server, "INSERT INTO zonepulse.kept VALUES (1, 'a'), (2, 'b')")
    yield server
    server.stop()


@pytest.fixture
def outside(server: ClickHouseProcess) -> Iterator[Path]:
    """A folder beside the store in which nothing may come to be."""
    folder = server.folder.parent / "outside"
    folder.mkdir(exist_ok=True)
    yield folder
    assert list(folder.iterdir()) == []


def refuse(server: ClickHouseProcess, sql: str, query: str = "", codes: tuple[int, ...] = REFUSED) -> None:
    answer = ask(server, sql, query)
    assert answer.code in codes, (sql, query, answer)
    assert CANARY.encode() not in answer.body


CALLS = [
    f"{f}({{f:Identifier}}, ['canary'])"
    for f in ("arrayMap", "arraySort", "arrayFilter", "arrayExists", "arrayFirst", "arrayCount")
]
PLACES = [
    *(f"SELECT {call}" for call in CALLS),
    "SELECT arrayFold({f:Identifier}, ['canary'], 'a')",
    "SELECT * FROM system.{f:Identifier}",
    "SELECT * FROM {f:Identifier}.processes",
    "SELECT * FROM {f:Identifier}",
    "SHOW CREATE TABLE {f:Identifier}",
    "DESCRIBE TABLE {f:Identifier}",
    "SELECT {f:Identifier} FROM zonepulse.kept",
    "SELECT 1 AS {f:Identifier}",
    "SELECT 1 WHERE 1 IN {f:Identifier}",
    "SELECT * APPLY({f:Identifier}) FROM (SELECT 'canary')",
    "EXPLAIN SELECT arrayMap({ f : Identifier }, ['canary'])",
    "SELECT arrayMap({f:Nullable(Identifier)}, ['canary'])",
    "SELECT arrayMap({f:`Identifier`}, ['canary'])",
]


@pytest.mark.parametrize("name", ["file", "processes", "system", "url", "python", "kept"])
def test_no_parameter_puts_a_name_into_a_statement(server: ClickHouseProcess, name: str) -> None:
    for sql in PLACES:
        refuse(server, sql, f"param_f={name}")


@pytest.mark.parametrize(
    "expression",
    [
        "file('{}')",
        "`file`('{}')",
        "`fi\\x6ce`('{}')",
        "arrayMap(file, ['{}'])",
        "arrayMap(x -> file(x), ['{}'])",
        "arraySort(FILE, ['{}'])",
        "(WITH file AS g SELECT g('{}'))",
        "(WITH x -> file(x) AS g SELECT g('{}'))",
        "(SELECT * APPLY(file) FROM (SELECT '{}'))",
        "(SELECT COLUMNS('a') APPLY(x -> file(x)) FROM (SELECT '{}' AS a))",
        "(SELECT * REPLACE (file(a) AS a) FROM (SELECT '{}' AS a))",
        "if(1, file('{}'), '')",
        "sum(1) OVER (PARTITION BY file('{}'))",
        "formatRow('Protobuf', '{}')",
        "(SELECT * FROM file('{}', 'LineAsString'))",
        "(SELECT * FROM loop(file('{}', 'LineAsString')))",
        "(SELECT * FROM view(SELECT file('{}')))",
        "(SELECT 1 FROM zonepulse.kept WHERE s IN (SELECT file('{}')))",
        "dictGet('{}', 'a', 1)",
        "joinGet('{}', 'a', 1)",
    ],
)
def test_no_expression_reads_a_file(server: ClickHouseProcess, expression: str) -> None:
    for path in ("canary", "../canary", "../store/canary", str(server.folder.parent / "canary"), "../users.json"):
        written = expression.replace("{}", path)
        for sql in (
            f"SELECT {written}",
            f"SELECT 1 FROM zonepulse.kept ORDER BY {written}",
            f"EXPLAIN QUERY TREE SELECT {written}",
        ):
            refuse(server, sql)


EXTERNAL = [
    *("url('http://127.0.0.1:1/', 'LineAsString')", "remote('127.0.0.1:1', system.one)", "mysql('127.0.0.1:1', 'd', 't', 'u', 'p')"),
    *("postgresql('127.0.0.1:1', 'd', 't', 'u', 'p')", "mongodb('127.0.0.1:1', 'd', 't', 'u', 'p', 'a Int8')"),
    *("redis('127.0.0.1:1', 'k', 'k String')", "jdbc('a', 'b', 'c')", "odbc('a', 'b', 'c')", "hdfs('hdfs://127.0.0.1:1/a', 'TSV')"),
    *("s3('http://127.0.0.1:1/a')", "azureBlobStorage('a', 'b', 'c')", "deltaLakeLocal('/tmp')", "icebergLocal('/tmp')", "hudi('http://127.0.0.1:1/')"),
    *("executable('id', 'TSV', 'a String')", "filesystem('/')", "dictionary('d')", "loop(zonepulse.kept)", "format(TSV, 'n Int8', '1')"),
    *("viewIfPermitted(SELECT 1 ELSE null('a Int8'))", "viewExplain('EXPLAIN', '', (SELECT 1))", "fileCluster('c', 'f')", "eval('SELECT 1')"),
    *("cluster('c', system.one)", "python(x)", "Python(x)", "input('a Int8')", "merge('zonepulse', '^k')", "merge('system', '^proc')"),
    *("mergeTreeIndex('zonepulse', 'kept')", "mergeTreeProjection('zonepulse', 'kept', 'p')", "mergeTreeAnalyzeIndexes(zonepulse, kept)"),
]  # fmt: skip


@pytest.mark.parametrize("table", EXTERNAL)
def test_no_table_function_leaves_the_store_or_passes_by_a_tables_name(server: ClickHouseProcess, table: str) -> None:
    for sql in (
        f"SELECT * FROM {table}",
        f"DESCRIBE TABLE {table}",
        f"EXPLAIN SELECT * FROM {table}",
        f"EXPLAIN QUERY TREE SELECT * FROM {table}",
    ):
        refuse(server, sql)


def test_no_statement_makes_a_file(server: ClickHouseProcess, outside: Path) -> None:
    new = f"{outside}/new.db"
    for table in (
        f"sqlite('{new}', 't')",
        f"loop(sqlite('{new}', 't'))",
        f"file('{new}', 'TSV', 'a Int8')",
        "sqlite({p:String}, 't')",
    ):
        for sql in (f"SELECT * FROM {table}", f"EXPLAIN SELECT * FROM {table}", f"DESCRIBE {table}"):
            refuse(server, sql, f"param_p={quote(new)}", (*REFUSED, 456))
    for sql in ("SELECT 1", "SHOW TABLES", "EXPLAIN SELECT 1"):
        refuse(server, f"{sql} INTO OUTFILE '{new}'")
        refuse(server, f"{sql} INTO OUTFILE '{new}' TRUNCATE FORMAT TSV")
    for form in refused_names.FORMATS:
        refuse(server, f"SELECT 1 AS a FORMAT {form}")
        refuse(server, "SELECT 1 AS a", f"default_format={form}")


def test_no_setting_names_a_place(server: ClickHouseProcess, outside: Path) -> None:
    """Every setting that a reader may set is given a path; those that may be meant for one are all refused, in the text, too."""
    path = quote(f"{outside}/new")
    words = ("path", "schema", "file", "filters", "url", "command", "script", "template", "prefix", "rows_format", "role")
    for name in refused_names.SETTINGS:
        if any(word in name for word in words):
            refuse(server, "SELECT 1 AS a", f"{name}={path}", (164,))
    for name, form in itertools.product(sorted(READER_SETTINGS), ("Native", "Parquet", "JSON")):
        ask(server, f"SELECT 1 AS a FORMAT {form}", f"{name}={path}")
    for text in (f"SETTINGS output_format_schema = '{outside}/x'", f"FORMAT TSV SETTINGS output_format_schema = '{outside}/x'"):
        refuse(server, f"SELECT 1 {text}", codes=(164, 62))


def test_what_is_asked_by_get_or_read_only_makes_no_file_either(server: ClickHouseProcess, outside: Path) -> None:
    new = f"{outside}/new"
    for sql in (
        f"SELECT 1 INTO OUTFILE '{new}'",
        f"SELECT * FROM sqlite('{new}', 't')",
        f"SELECT * FROM loop(sqlite('{new}', 't'))",
    ):
        assert ask(server, "", f"query={quote(sql)}", user=WRITER, method="GET").code == 164
        assert ask(server, sql, "readonly=2", user=WRITER).code == 164
    schema = f"output_format_schema={quote(new)}"
    assert ask(server, "", f"query=SELECT+1+FORMAT+Protobuf&{schema}", user=WRITER, method="GET").code == 164
    assert ask(server, "SELECT 1 FORMAT Protobuf", f"{schema}&readonly=2", user=WRITER).code == 164
    assert int(ask(server, "SELECT count() FROM system.parts", "readonly=2", user=WRITER).body) > 0


def test_the_catalog_tells_names_and_no_paths_counts_statements_or_errors(server: ClickHouseProcess) -> None:
    ask(server, "SELECT throwIf(1, 'secret-of-writer')", user=WRITER)
    for table in refused_names.SYSTEM_TABLES:
        refuse(server, f"SELECT * FROM system.{table}", codes=(164,))
        refuse(server, f"SELECT 1 FROM zonepulse.kept WHERE n IN system.{table}", codes=(164,))
    for table, columns in refused_names.HIDDEN_COLUMNS.items():
        refuse(server, f"SELECT * FROM system.{table}", codes=(164,))
        refuse(server, f"SELECT COLUMNS('.*') FROM system.{table}", codes=(164,))
        refuse(server, f"SELECT t.* FROM system.{table} AS t", codes=(164,))
        refuse(server, f"SELECT * FROM (SELECT * FROM `system`.`{table}`)", codes=(164,))
        for column in columns:
            refuse(server, f"SELECT `{column}` FROM system.{table}", codes=(164,))
            refuse(server, f"SELECT x.{column} FROM system.{table} AS x", codes=(164,))
    refuse(server, "SELECT total_rows FROM tables", "database=system", (164,))
    refuse(server, "SELECT table_rows FROM information_schema.tables", codes=(164,))
    for database in ("`x`", "zone;pulse", "a\\b", "information_schema", "SYSTEM"):
        assert ask(server, "SELECT 1", f"database={quote(database)}").code in (81, 164)
    found = ask(server, "SELECT name, engine FROM system.tables WHERE database = 'zonepulse' AND name = 'kept'")
    assert found.body == b"kept\tMergeTree\n"


@pytest.mark.parametrize(
    "value", ["1e-9", "1e-7", "5e-7", "1e-6", "0", "-0", "nan", "inf", "-1", "1e400", "", "0.5", "1e-320", "%D9%A1", " 1 "]
)
def test_no_number_switches_the_time_limit_off(server: ClickHouseProcess, value: str) -> None:
    query = f"max_execution_time={quote(value, safe='%')}"
    answer = ask(server, "SELECT toFloat64(getSetting('max_execution_time'))", query)
    # a limit of a millisecond may end this question too, or its only row
    assert answer.code == 159 or not answer.body or 0 < float(answer.body) <= 2
    assert ask(server, "SELECT count() FROM numbers(10000000000000) WHERE sipHash64(number) = 1", query).code == 159
    for name in ("max_memory_usage", "max_result_bytes"):
        answer = ask(server, f"SELECT toUInt64(getSetting('{name}'))", f"{name}={quote(value, safe='%')}")
        assert answer.code in (241, 396) or 0 < int(answer.body) <= 150 << 20


def test_readers_together_may_use_half_of_the_memory(server: ClickHouseProcess) -> None:
    each = int(ask(server, "SELECT toUInt64(getSetting('max_memory_usage'))").body)
    whole = int(as_writer(server, "SELECT getServerSetting('max_server_memory_usage')"))
    assert whole == 1200 << 20
    assert 4 * each <= whole // 2


def test_inserts_have_memory_beside_readers_at_their_limit(server: ClickHouseProcess) -> None:
    """Four readers that take all they may, again and again; inserts of 50 MB in between."""
    as_writer(server, "CREATE TABLE zonepulse.large (s String) ENGINE = MergeTree ORDER BY tuple()")
    done = threading.Event()
    codes: list[int] = []

    def take() -> None:
        while not done.is_set():
            codes.append(ask(server, "SELECT length(groupArray(number)) FROM numbers_mt(10000000000)").code)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        line = b"x" * 999 + b"\n"
        for _ in range(8):
            as_writer(server, b"INSERT INTO zonepulse.large FORMAT TSV\n" + line * 50_000)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert 241 in codes
    assert as_writer(server, "SELECT count() FROM zonepulse.large") == b"400000\n"


FAILING = [
    *("SELECT throwIf(1)", "SELECT intDiv(1, 0)", "SELECT toDate('zz')", "SELECT arrayJoin(range(1000000000))", "SELECT CAST('x' AS Int8)"),
    *("SELECT * FROM nowhere", "SELECT nothing FROM zonepulse.kept", "SELEC", "SELECT length(groupArray(number)) FROM numbers(1000000000)"),
    *("SELECT {a:Int8}", "SELECT * FROM system.users", "SELECT 1 FORMAT x", "SELECT parseDateTime('a', '%Y')", "SELECT toDecimal32(1e9, 9)"),
    *("SELECT number FROM numbers(1000000000)", "SELECT repeat('x', 10000000000)", "SELECT toUUID('x')", "SELECT [1][toString(1)]", "SELECT 1 + 'a'"),
    *("SELECT JSONExtract('1', 'x')", "SELECT extract('a', '(')", "SELECT count(1, 2, 3)", "SELECT 1 SETTINGS nosuch = 1", "SELECT max(max(n)) FROM zonepulse.kept"),
    *("SELECT n FROM zonepulse.kept GROUP BY s", "SELECT (SELECT n FROM zonepulse.kept)", "SELECT toFixedString('abc', 1)", "SELECT a.n FROM zonepulse.kept AS a, zonepulse.kept AS a"),
]  # fmt: skip


def test_inserts_succeed_while_readers_fail_in_every_way_they_can(server: ClickHouseProcess) -> None:
    as_writer(server, "CREATE TABLE zonepulse.beside (n Int64) ENGINE = MergeTree ORDER BY n")
    done = threading.Event()
    codes: set[int] = set()

    def fail() -> None:
        for sql in itertools.cycle(FAILING):
            if done.is_set():
                return
            codes.add(ask(server, sql).code)

    threads = [threading.Thread(target=fail) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        count, deadline = 0, time.monotonic() + 120
        while count < 60 or (len(codes) < 15 and time.monotonic() < deadline):
            as_writer(server, f"INSERT INTO zonepulse.beside FORMAT TSV\n{count}\n")
            count += 1
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert len(codes - {0}) >= 15, codes
    assert as_writer(server, "SELECT count(), uniqExact(n) FROM zonepulse.beside").split() == [str(count).encode()] * 2


@pytest.mark.parametrize(
    ("table", "rows", "code"),
    [
        ("(n Int64, CONSTRAINT c CHECK n < 10) ENGINE = MergeTree ORDER BY n", "1\n20\n", 469),
        ("(n Int64) ENGINE = MergeTree ORDER BY n SETTINGS parts_to_throw_insert = 1, parts_to_delay_insert = 0", "1\n", 252),
    ],
)
def test_an_insert_that_fails_while_it_writes_says_so(server: ClickHouseProcess, table: str, rows: str, code: int) -> None:
    as_writer(server, f"CREATE OR REPLACE TABLE zonepulse.failing {table}")
    as_writer(server, "SYSTEM STOP MERGES zonepulse.failing")
    as_writer(server, "INSERT INTO zonepulse.failing VALUES (1)")
    answer = ask(server, f"INSERT INTO zonepulse.failing FORMAT TSV\n{rows}", user=WRITER)
    assert answer.code == code
    assert as_writer(server, "SELECT count() FROM zonepulse.failing") == b"1\n"


def statements(random_: random.Random) -> Iterator[str]:
    """Hostile SQL: words that matter in places where they may pass."""
    names = [
        *refused_names.FUNCTIONS,
        *refused_names.TABLE_FUNCTIONS,
        *refused_names.SYSTEM_TABLES,
        *random_.sample(sorted(READER_FUNCTIONS), 40),
    ]
    pieces = [
        "SELECT ",
        "FROM ",
        "(",
        ")",
        ",",
        "'canary'",
        "`",
        "'",
        '"',
        "\\",
        "--\n",
        "/*",
        "*/",
        " AS ",
        "{f:Identifier}",
        "{s:String}",
        "[",
        "]",
    ]
    pieces += [
        "APPLY(",
        "EXPLAIN ",
        "WITH ",
        "x -> ",
        "system.",
        "zonepulse.kept",
        "INTO OUTFILE 'new'",
        " FORMAT ",
        "JSON",
        ";",
        "$a$",
        "*",
        "\0",
        "\n",
    ]
    frames = [
        "SELECT {}('canary')",
        "SELECT arrayMap({}, ['canary'])",
        "SELECT * FROM {}('canary')",
        "SELECT * FROM system.{}",
        "DESCRIBE {}('canary')",
    ]
    frames += [
        "SELECT * APPLY({}) FROM (SELECT 'canary')",
        "WITH {} AS g SELECT g('canary')",
        "SELECT * FROM {}",
        "EXPLAIN SELECT {}('canary', 'canary')",
    ]
    while True:
        if random_.random() < 0.6:
            yield random_.choice(frames).format(random_.choice(names))
        else:
            yield "".join(random_.choice([*pieces, random_.choice(names)]) for _ in range(random_.randint(2, 14)))


def test_hostile_statements_read_no_file_make_none_and_change_nothing(server: ClickHouseProcess) -> None:
    seed = random.randrange(1 << 32) if ROUNDS > 1000 else 1
    hostile = statements(random.Random(seed))
    before = set(server.folder.parent.iterdir()) | set((server.folder / "work").iterdir())
    for sql in itertools.islice(hostile, ROUNDS):
        answer = ask(server, sql, "param_f=file&param_s=canary")
        assert CANARY.encode() not in answer.body, (seed, sql)
        assert b"the endpoint itself failed" not in answer.body, (seed, sql)
    assert ask(server, "SELECT count() FROM zonepulse.kept").body == b"2\n"
    assert set(server.folder.parent.iterdir()) | set((server.folder / "work").iterdir()) == before


LONG = {
    "FORMAT and blanks": "SELECT ' FORMAT a" + " " * 261_000 + "x'",
    "a comment of formats": "SELECT 1 /*" + " FORMAT a SETTINGS b" * 13_000 + "'*/",
    "numbers": "SELECT " + ",".join("1" for _ in range(130_000)),
    "names": "SELECT " + ",".join(f"a{n % 10}" for n in range(87_000)),
    "deep": "SELECT " + "(" * 900 + "1" + ")" * 900 + ",1" * 120_000,
    "parentheses": "SELECT " + "(" * 130_000,
    "unions": "SELECT 1" + " UNION ALL SELECT 1" * 12_000,
    "ands": "SELECT 1" + " AND 1" * 40_000,
}


@pytest.mark.parametrize("kind", list(LONG))
def test_ping_is_answered_beside_any_statement(server: ClickHouseProcess, kind: str) -> None:
    """At most 0.5 s; on a machine that is busy with other things, a multiple of what it takes without the statement."""

    def ping() -> float:
        started = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("GET", "/ping")
        assert connection.getresponse().read() == b"Ok.\n"
        connection.close()
        return time.monotonic() - started

    before = max(ping() for _ in range(20))
    asking = threading.Thread(target=ask, args=(server, LONG[kind]))
    asking.start()
    longest = ping()
    while asking.is_alive():
        longest = max(longest, ping())
    alone = max(before, *(ping() for _ in range(20)))
    assert longest < max(0.5 * slowness(), 20 * alone)
