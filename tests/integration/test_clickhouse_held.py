"""What a reader was refused, or was given within its bounds, stays so: one endpoint, and a listener that nobody may call."""

# ruff: noqa: E501

import socket
from collections.abc import Iterator
from urllib.parse import quote

import psutil
import pytest
from endpoint_server import as_writer, ask

from zonepulse.streams.embedded.clickhouse.process import ClickHouseProcess

pytestmark = pytest.mark.integration

OPTIONS = ("--max-memory-mb", "1200", "--max-result-mb", "400", "--reader-seconds", "2", "--max-body-mb", "64")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseProcess]:
    server = ClickHouseProcess(tmp_path_factory.mktemp("held") / "store", options=OPTIONS)
    server.start()
    as_writer(server, "CREATE DATABASE zonepulse")
    as_writer(server, "CREATE TABLE zonepulse.kept (n Int64) ENGINE = MergeTree ORDER BY n")
    as_writer(server, "INSERT INTO zonepulse.kept VALUES (1), (2)")
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def unchanged(server: ClickHouseProcess) -> Iterator[None]:
    """Whatever a test asked: the table is as it was, and the server answers."""
    yield
    assert ask(server, "SELECT count(), sum(n) FROM zonepulse.kept").body == b"2\t3\n"


REMOTE = [
    *("url('http://{0}/', 'LineAsString')", "remote('{0}', system.one)", "mysql('{0}', 'd', 't', 'u', 'p')", "postgresql('{0}', 'd', 't', 'u', 'p')"),
    *("mongodb('{0}', 'd', 't', 'u', 'p', 'a Int8')", "redis('{0}', 'k', 'k String')", "hdfs('hdfs://{0}/a', 'TSV')", "arrowFlight('{0}', 'd')"),
    *("azureBlobStorage('http://{0}/', 'c', 'b', 'n', 'a2V5')", "ytsaurus('http://{0}', '//t', 'k', 'a Int8')", "bigquery('http://{0}', 'd', 't')"),
    *(f"{name}('http://{{0}}/a', 'k', 's')" for name in ("s3", "gcs", "oss", "cosn", "hudi", "deltaLake", "iceberg", "paimon")),
]  # fmt: skip


def test_it_listens_on_loopback_only(server: ClickHouseProcess) -> None:
    assert {c.laddr.ip for c in psutil.Process(server.pid).net_connections("tcp") if c.status == psutil.CONN_LISTEN} == {
        "127.0.0.1"
    }


def test_no_table_function_opens_a_connection(server: ClickHouseProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        place = f"127.0.0.1:{listener.getsockname()[1]}"
        for table in (one.format(place) for one in REMOTE):
            for start in ("SELECT * FROM", "DESCRIBE TABLE", "EXPLAIN SELECT * FROM", "EXPLAIN QUERY TREE SELECT * FROM"):
                assert ask(server, f"{start} {table}").code in (36, 46, 62, 164, 497, 701), table
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.parametrize(
    "sql",
    [
        *("SELECT * FROM eval('SELECT 1')", "SELECT * FROM PyThOn(x)", "SELECT * FROM `python`(x)", "SELECT * FROM input('a Int8')"),
        *("SELECT aiGenerate('a', 'b')", "SELECT * FROM cluster('c', system.one)", "SELECT getClientHTTPHeader('Cookie')", "SELECT * FROM `/etc/hostname`"),
        *("SELECT arrayReduce('file', ['a'])", "SELECT * FROM merge('system', '^proc')", "WITH 1 AS a INSERT INTO zonepulse.kept SELECT a"),
        *("INSERT INTO zonepulse.kept WITH 1 AS a SELECT a", "EXPLAIN INSERT INTO zonepulse.kept VALUES (3)", "SELECT 1; INSERT INTO zonepulse.kept VALUES (3)"),
        *("SELECT 1 PARALLEL WITH SELECT 2", "INSERT INTO zonepulse.kept VALUES (3) PARALLEL WITH SELECT 1", "CHECK GRANT SELECT ON zonepulse.kept"),
        *("SHOW PROCESSLIST", "SHOW USERS", "SHOW ACCESS", "SHOW CREATE USER reader", "KILL QUERY WHERE 1", "SYSTEM SHUTDOWN", "SET ROLE writer"),
        *("DROP TABLE zonepulse.kept", "TRUNCATE TABLE zonepulse.kept", "ALTER TABLE zonepulse.kept DELETE WHERE 1", "CREATE TABLE zonepulse.b (n Int8) ENGINE = Memory"),
        *("SELECT 1 SETTINGS readonly = 0", "EXPLAIN SELECT 1 SETTINGS readonly = 0"),
        "SELECT 1\0",
    ],
)  # fmt: skip
def test_it_is_refused(server: ClickHouseProcess, sql: str) -> None:
    assert ask(server, sql).code


@pytest.mark.parametrize(
    "query",
    [
        *("additional_table_filters=" + quote("{'zonepulse.kept':'n=1'}"), "database=" + quote("a`b"), "database=" + quote("a;b"), "database=" + quote("a\\b")),
        *("default_format=" + quote(name) for name in ("TSV;", "TSV\n", "TSV INTO OUTFILE 'a'", "TSV\r\nX-Mine: 1")),
    ],
)  # fmt: skip
def test_an_argument_is_refused(server: ClickHouseProcess, query: str) -> None:
    answer = ask(server, "SELECT 1", query)
    assert answer.code in (73, 81, 164), answer


@pytest.mark.parametrize("query", ["role=writer", "readonly=0"])
def test_an_argument_gives_no_rights(server: ClickHouseProcess, query: str) -> None:
    answer = ask(server, "SELECT getSetting('readonly')", query)
    assert answer.code or answer.body == b"1\n", answer
    assert ask(server, "INSERT INTO zonepulse.kept VALUES (3)", query).code


@pytest.mark.parametrize("name", ["readonly", "max_execution_time", "max_memory_usage", "max_threads"])
def test_settings_of_a_subquery_have_no_effect(server: ClickHouseProcess, name: str) -> None:
    plain = ask(server, f"SELECT getSetting('{name}')")
    assert plain.code == 0
    inner = ask(server, f"SELECT * FROM (SELECT getSetting('{name}') SETTINGS {name} = 7)")
    assert inner.code or inner.body == plain.body, inner


def test_settings_of_a_subquery_lift_no_time_limit(server: ClickHouseProcess) -> None:
    endless = "SELECT count() FROM numbers(10000000000000) WHERE sipHash64(number) = 1"
    assert ask(server, f"SELECT * FROM ({endless} SETTINGS max_execution_time = 0)").code == 159


DEEP = {
    "parentheses": "SELECT " + "(" * 100_000 + "1" + ")" * 100_000,
    "brackets": "SELECT " + "[" * 50_000 + "1" + "]" * 50_000,
    "not": "SELECT " + "NOT " * 60_000 + "1",
    "minus": "SELECT " + "- " * 60_000 + "1",
    "case": "SELECT " + "CASE WHEN 1 THEN " * 10_000 + "1" + " END" * 10_000,
    "subqueries": "SELECT * FROM " + "(SELECT * FROM " * 5_000 + "system.one" + ")" * 5_000,
    "array": "SELECT CAST('', '" + "Array(" * 5_000 + "Int8" + ")" * 5_000 + "')",
    "lambda": "SELECT arrayMap(" + "x -> " * 20_000 + "x, [1])",
    "tuple": "SELECT (1, 2)" + ".1" * 50_000,
    "json": "SELECT JSONExtractString('" + '{"a":' * 20_000 + "', 'a'), throwIf(1)",
    "geometry": "SELECT readWKTPolygon('" + "(" * 100_000 + "')",
    "pattern": "SELECT match('a', '" + "(" * 50_000 + "')",
    "long": "SELECT '" + "a" * 300_000 + "'",
    "pairs": "SELECT sum(sipHash64(a.number, b.number)) FROM numbers(10000000) AS a, numbers(10000000) AS b",
    "made up": "SELECT sum(length(s)) FROM generateRandom('s String', 1, 1000000, 2) LIMIT 1000000000",
    "repeat": "SELECT repeat(repeat('a', 1000000), 1000000)",
}


@pytest.mark.parametrize("name", DEEP)
def test_depth_and_size_end_in_an_error(server: ClickHouseProcess, name: str) -> None:
    assert ask(server, DEEP[name]).code
