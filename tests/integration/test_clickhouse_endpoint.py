"""The embedded ClickHouse endpoint, through clickhouse-connect and plain HTTP."""

import base64
import gzip
import http.client
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import clickhouse_connect
import numpy as np
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from zonepulse.streams.cli.sql import is_reader
from zonepulse.streams.embedded.clickhouse.errors import ClickHouseError
from zonepulse.streams.embedded.clickhouse.process import READER, WRITER, ClickHouseProcess
from zonepulse.streams.embedded.clickhouse.users import BadUsers, User, Users, read_users, write_users
from zonepulse.streams.embedded.http import codec
from zonepulse.streams.embedded.processes.process import ProcessDied

pytestmark = pytest.mark.integration

OPTIONS = ("--max-memory-mb", "1200", "--max-result-mb", "400", "--reader-seconds", "3", "--max-body-mb", "64")
ENDLESS = "SELECT count() FROM numbers(10000000000000) WHERE sipHash64(number) = 1"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseProcess]:
    server = ClickHouseProcess(tmp_path_factory.mktemp("clickhouse"), options=OPTIONS)
    server.start()
    with connect(server, database="default") as client:
        client.command("CREATE DATABASE zonepulse")
        client.command("CREATE TABLE zonepulse.kept (n Int64) ENGINE = MergeTree ORDER BY n")
        client.insert("zonepulse.kept", [[1], [2]], column_names=["n"])
    yield server
    server.stop()


def connect(server: ClickHouseProcess, user: str = WRITER, **options: Any) -> Client:
    options = {"database": "zonepulse", "password": server.password(user), "compress": False, **options}
    return clickhouse_connect.get_client(
        host="127.0.0.1", port=server.port, username=user, autogenerate_session_id=False, **options
    )


@pytest.fixture
def client(server: ClickHouseProcess) -> Iterator[Client]:
    with connect(server) as client:
        yield client


@pytest.fixture
def reader(server: ClickHouseProcess) -> Iterator[Client]:
    with connect(server, READER) as client:
        yield client


@pytest.fixture
def table(client: Client) -> Iterator[str]:
    client.command(
        "CREATE TABLE fresh (n Int64, name String, at DateTime64(3, 'UTC'), x Nullable(Float64)) ENGINE = MergeTree ORDER BY n"
    )
    yield "fresh"
    client.command("DROP TABLE fresh SYNC")


def post(
    server: ClickHouseProcess, query: str, body: bytes = b"", user: str = WRITER, method: str = "POST", **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    basic = base64.b64encode(f"{user}:{server.password(user)}".encode()).decode()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request(
            method, f"/?{query}", body, {"Authorization": f"Basic {basic}"} | {k.replace("_", "-"): v for k, v in headers.items()}
        )
        response = connection.getresponse()
        return response.status, response.read(), dict(response.getheaders())
    finally:
        connection.close()


def code_of(run: Callable[[], object]) -> int:
    with pytest.raises(DatabaseError) as caught:
        run()
    text = str(caught.value)
    return int(text.split("code: ")[1].split(",")[0])


# Data in and out


@pytest.mark.parametrize("compression", [False, "lz4", "zstd", "gzip"])
def test_numpy_columns_in_many_blocks_arrive_completely_and_come_back(
    server: ClickHouseProcess, table: str, compression: str | bool
) -> None:
    rows = 500_000
    n = np.arange(rows, dtype=np.int64)
    names = np.array([f"meter-{i % 1000}" for i in range(rows)])
    with connect(server, compress=compression) as client:
        summary = client.insert(table, [n, names, n.tolist(), n / 7], column_names=["n", "name", "at", "x"], column_oriented=True)
        assert summary.written_rows == rows
        assert client.query(f"SELECT count(), sum(n), uniqExact(name), max(at) FROM {table}").result_rows[0][:3] == (
            rows,
            int(n.sum()),
            1000,
        )
        back = client.query_np(f"SELECT n, x FROM {table} ORDER BY n")
        assert np.array_equal(back["n"], n) and np.array_equal(back["x"], n / 7)


@pytest.mark.parametrize("compression", [False, "lz4", "zstd", "gzip"])
def test_arrow_tables_come_back_as_they_went(server: ClickHouseProcess, table: str, compression: str | bool) -> None:
    sent = pa.table(
        {
            "n": pa.array(range(50_000), pa.int64()),
            "name": pa.array([f"m{i}" for i in range(50_000)]),
            "at": pa.array(range(50_000), pa.timestamp("ms", "UTC")),
            "x": pa.array([None if i % 3 else i / 3 for i in range(50_000)], pa.float64()),
        }
    )
    with connect(server, compress=compression) as client:
        assert client.insert_arrow(table, sent).written_rows == 50_000
        got = client.query_arrow(f"SELECT * FROM {table} ORDER BY n", use_strings=True)
        assert got.cast(sent.schema).equals(sent)


def test_arrow_streams_and_raw_formats_are_inserted(client: Client, table: str) -> None:
    batch = pa.record_batch({"n": [1, 2], "name": ["a", "b"]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    client.raw_insert(table, ["n", "name"], sink.getvalue().to_pybytes(), fmt="ArrowStream")
    client.raw_insert(table, ["n", "name"], '{"n": 3, "name": "c; FORMAT d"}\n', fmt="JSONEachRow", compression=None)
    client.command(f"INSERT INTO {table} (n, name) VALUES (4, 'x;y FORMAT z')")
    assert client.query(f"SELECT n, name FROM {table} ORDER BY n").result_rows == [
        (1, "a"),
        (2, "b"),
        (3, "c; FORMAT d"),
        (4, "x;y FORMAT z"),
    ]


def test_a_truncated_insert_is_an_error_and_writes_nothing(server: ClickHouseProcess, client: Client, table: str) -> None:
    native = client.raw_query("SELECT number::Int64 AS n FROM numbers(1000)", fmt="Native")
    insert = f"database=zonepulse&query=INSERT+INTO+{table}+(n)+FORMAT+Native"
    assert post(server, insert, native[:-5])[0] == 500
    compressed = gzip.compress(native)
    status, answer, _ = post(server, insert, compressed[:-5], Content_Encoding="gzip")
    assert status == 500 and b"ends inside a frame" in answer
    assert client.query(f"SELECT count() FROM {table}").result_rows == [(0,)]
    assert post(server, insert, compressed + compressed, Content_Encoding="gzip")[0] == 200
    assert client.query(f"SELECT count() FROM {table}").result_rows == [(2000,)]


@pytest.mark.parametrize("encoding", ["lz4", "zstd", "gzip"])
def test_every_encoding_is_spoken_in_both_directions(server: ClickHouseProcess, table: str, encoding: str) -> None:
    lines = "".join(f"{n}\tname\n" for n in range(2000)).encode()
    body, used = codec.encode(lines, encoding)
    assert used == encoding
    assert (
        post(server, f"database=zonepulse&query=INSERT+INTO+{table}+(n,name)+FORMAT+TSV", body, Content_Encoding=encoding)[0] == 200
    )
    ask = f"enable_http_compression=1&database=zonepulse&query=SELECT+n,name+FROM+{table}+ORDER+BY+n"
    status, answer, headers = post(server, ask, Accept_Encoding=f"{encoding};q=1, unknown")
    assert (status, headers["Content-Encoding"]) == (200, encoding)
    assert codec.decode(answer, encoding, 1 << 20) == lines


@pytest.mark.parametrize("encoding", ["br", "deflate", "xz", "bz2", "nonsense"])
def test_encodings_whose_decoders_cannot_be_stopped_are_not_spoken(server: ClickHouseProcess, encoding: str) -> None:
    status, answer, _ = post(server, "query=SELECT+1", b"x", Content_Encoding=encoding)
    assert status == 501 and b"use lz4, zstd, gzip" in answer
    status, answer, headers = post(server, "enable_http_compression=1&query=SELECT+repeat('x',5000)", Accept_Encoding=encoding)
    assert (status, "Content-Encoding" in headers) == (200, False)


def test_a_body_beyond_the_limit_is_refused_before_and_after_decompression(server: ClickHouseProcess) -> None:
    zeros = b"\0" * (65 << 20)
    assert post(server, "query=INSERT+INTO+zonepulse.kept+FORMAT+Native", zeros)[0] == 413
    bomb, _ = codec.encode(zeros, "zstd")
    status, _, headers = post(server, "query=INSERT+INTO+zonepulse.kept+FORMAT+Native", bomb, Content_Encoding="zstd")
    assert (status, headers["X-ClickHouse-Exception-Code"]) == (413, "307")


# Statements


def test_parameters_are_bound_by_the_engine(client: Client) -> None:
    text = 'it\'s \t\\ 数\n"x"'
    asked = {"s": text, "a": [1, 2], "n": None}
    assert client.query("SELECT {s:String}, {a:Array(Int64)}, {n:Nullable(Int64)}", parameters=asked).result_rows == [
        (text, [1, 2], None)
    ]


def test_parameters_may_come_in_a_form(server: ClickHouseProcess) -> None:
    with connect(server, form_encode_query_params=True) as client:
        assert client.query("SELECT {n:Int64}", parameters={"n": 7}).result_rows == [(7,)]


@pytest.mark.parametrize("where", ["query", "body", "argument"])
def test_the_format_may_be_said_in_three_places(server: ClickHouseProcess, where: str) -> None:
    query = {
        "query": "query=SELECT+1+AS+a+FORMAT+JSONEachRow",
        "body": "",
        "argument": "default_format=JSONEachRow&query=SELECT+1+AS+a",
    }[where]
    status, answer, headers = post(server, query, b"SELECT 1 AS a FORMAT JSONEachRow;" if where == "body" else b"")
    assert (status, answer, headers["X-ClickHouse-Format"]) == (200, b'{"a":1}\n', "JSONEachRow")


def test_settings_end_with_their_request(client: Client) -> None:
    asked = "SELECT toUInt64(getSetting('max_block_size')), getSetting('join_use_nulls')"
    before = client.query(asked).result_rows
    assert client.query(asked, settings={"max_block_size": 77, "join_use_nulls": 1}).result_rows == [(77, True)]
    client.command("SET join_use_nulls = 1")
    for _ in range(8):
        assert client.query(asked).result_rows == before


def test_inserts_are_never_asynchronous_by_default(client: Client) -> None:
    assert client.query("SELECT getSetting('async_insert')").result_rows == [(False,)]


def test_the_server_lives_in_utc(client: Client) -> None:
    assert client.query("SELECT timezone()").result_rows == [("UTC",)]


def test_ddl_and_system_statements_work_for_the_writer(client: Client) -> None:
    client.command("CREATE TABLE d (n Int64) ENGINE = ReplacingMergeTree ORDER BY n")
    client.command("ALTER TABLE d ADD COLUMN m Int64")
    client.command("SYSTEM STOP MERGES d")
    client.command("SYSTEM START MERGES d")
    client.command("CREATE VIEW d_final AS SELECT * FROM d FINAL")
    assert client.command("EXISTS TABLE d") == 1
    client.command("DROP VIEW d_final")
    client.command("DROP TABLE d")


@pytest.mark.parametrize(
    ("sql", "code", "status"),
    [
        ("SELECT * FROM nowhere", 60, 404),
        ("SELECT nothing FROM kept", 47, 404),
        ("SELEC 1", 62, 400),
        ("SELECT * FROM nowhere.at_all", 81, 404),
        ("SELECT nofunction(1)", 46, 404),
        ("SELECT throwIf(1)", 395, 500),
        ("SELECT 1 SETTINGS no_such_setting = 1", 115, 404),
        ("CREATE TABLE kept (n Int64) ENGINE = Memory", 57, 500),
    ],
)
def test_errors_carry_clickhouse_codes(server: ClickHouseProcess, sql: str, code: int, status: int) -> None:
    got, text, headers = post(server, "database=zonepulse", sql.encode())
    assert (got, headers["X-ClickHouse-Exception-Code"]) == (status, str(code))
    assert text.startswith(f"Code: {code}. DB::Exception: ".encode())


def test_an_unknown_setting_of_a_request_is_refused(server: ClickHouseProcess) -> None:
    assert post(server, "no_such_setting=1&query=SELECT+1")[2]["X-ClickHouse-Exception-Code"] == "115"


def test_get_reads_and_does_not_write(server: ClickHouseProcess) -> None:
    assert post(server, "query=SELECT+1", method="GET")[:2] == (200, b"1\n")
    assert post(server, "query=DROP+TABLE+zonepulse.kept", method="GET")[2]["X-ClickHouse-Exception-Code"] == "164"


def test_the_hello_of_clickhouse_go_is_answered_in_its_newest_form_with_revision_zero(
    server: ClickHouseProcess, client: Client
) -> None:
    status, answer, _ = post(server, "default_format=Native", b"SELECT displayName(), version(), revision(), timezone()")
    version = str(client.command("SELECT version()")).encode()
    expected = (
        b"\x01\x00\x02\xff\xff\xff\xff\x00\x04\x01"
        b"\x0ddisplayName()\x06String\x00\x09zonepulse"
        b"\x09version()\x06String\x00" + bytes([len(version)]) + version + b"\x0arevision()\x06UInt32\x00\x00\x00\x00\x00"
        b"\x0atimezone()\x06String\x00\x03UTC"
    )
    assert (status, answer) == (200, expected)


def test_the_summary_counts_rows(server: ClickHouseProcess) -> None:
    _, _, headers = post(server, "query=SELECT+n+FROM+zonepulse.kept")
    assert json.loads(headers["X-ClickHouse-Summary"])["read_rows"] == "2"


# Users


def test_ping_needs_no_password_and_a_statement_does(server: ClickHouseProcess) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", "/ping")
    assert connection.getresponse().read() == b"Ok.\n"
    connection.request("POST", "/", "SELECT 1")
    response = connection.getresponse()
    assert (response.status, response.getheader("X-ClickHouse-Exception-Code")) == (403, "516")
    connection.close()


def test_credentials_are_taken_from_headers_basic_and_url(server: ClickHouseProcess) -> None:
    password = server.password(READER)
    for query, headers in (
        ("query=SELECT+1", {"X-ClickHouse-User": READER, "X-ClickHouse-Key": password}),
        (f"query=SELECT+1&user={READER}&password={password}", {}),
        ("query=SELECT+1", {"Authorization": "Basic " + base64.b64encode(f"{READER}:{password}".encode()).decode()}),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request("GET", f"/?{query}", headers=headers)
        assert connection.getresponse().read() == b"1\n"
        connection.close()


@pytest.mark.parametrize("user", [WRITER, "nobody"])
def test_a_wrong_password_and_an_unknown_user_are_refused_alike(server: ClickHouseProcess, user: str) -> None:
    with pytest.raises(DatabaseError, match="code: 516"):
        clickhouse_connect.get_client(host="127.0.0.1", port=server.port, username=user, password="wrong")


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO kept VALUES (3)",
        "/* x */ INSERT INTO kept SELECT 3",
        "DROP TABLE kept",
        "SET readonly = 0",
        "SET ROLE writer",
        "KILL QUERY WHERE 1",
        "SYSTEM FLUSH LOGS",
        "SELECT 1 SETTINGS readonly = 0",
        "SELECT 1 SETTINGS max_execution_time = 0",
        "SELECT file('/etc/hostname')",
        "SELECT `file`('/etc/hostname')",
        "SELECT `fi\\x6ce`('/etc/hostname')",
        "SELECT 1 AS `a'b`, file('/etc/hostname'), 'c'",
        "SELECT arrayMap(file, ['/etc/hostname'])",
        "SELECT * APPLY(file) FROM (SELECT '/etc/hostname')",
        "SELECT * FROM file('/etc/hostname', 'LineAsString')",
        "SELECT 1 INTO OUTFILE '/tmp/never-written'",
        "SELECT * FROM system.processes",
        "SHOW PROCESSLIST",
        "SELECT * FROM python(x)",
    ],
)
def test_the_reader_cannot_write_change_limits_or_reach_files(reader: Client, client: Client, sql: str) -> None:
    assert code_of(lambda: reader.raw_query(sql)) == 164
    assert client.query("SELECT count() FROM kept").result_rows == [(2,)]


def test_the_reader_cannot_leave_its_role_with_a_second_statement(reader: Client) -> None:
    assert code_of(lambda: reader.raw_query("SELECT 1; SET ROLE writer")) == 62
    assert reader.query("SELECT currentRoles()").result_rows == [(["reader"],)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM system.users",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
        "SELECT * FROM `/etc/hostname`",
        "SELECT * FROM system.grants",
    ],
)
def test_the_reader_has_no_grant_beyond_the_database(reader: Client, sql: str) -> None:
    assert code_of(lambda: reader.raw_query(sql)) in (60, 164, 497)


def test_the_reader_reads_what_dashboards_need(reader: Client) -> None:
    assert reader.query("WITH 1 AS one SELECT sum(n), 'a file; x' FROM kept -- note\n").result_rows == [(3, "a file; x")]
    assert reader.query("DESCRIBE TABLE kept").result_rows[0][:2] == ("n", "Int64")
    assert reader.query("SELECT name FROM system.tables WHERE database = 'zonepulse'").result_rows == [("kept",)]
    assert reader.query("SELECT {n:Int64} + n FROM kept ORDER BY n", parameters={"n": 1}).result_rows == [(2,), (3,)]


def test_the_readers_request_settings_are_bounded_downwards(server: ClickHouseProcess) -> None:
    asked = "query=SELECT+toFloat64(getSetting('max_execution_time'))"
    assert post(server, f"{asked}&max_execution_time=2", user=READER)[1] == b"2\n"
    assert post(server, f"{asked}&max_execution_time=1000", user=READER)[1] == b"3\n"
    assert post(server, f"{asked}&max_execution_time=0", user=READER)[1] == b"3\n"
    assert post(server, f"{asked}&additional_table_filters={{}}", user=READER)[2]["X-ClickHouse-Exception-Code"] == "164"


def test_passwords_are_neither_in_the_log_nor_on_the_command_line(server: ClickHouseProcess) -> None:
    command = Path(f"/proc/{server.pid}/cmdline").read_bytes()
    log = server.process.log.read_bytes()
    for user in (WRITER, READER):
        assert server.password(user).encode() not in command + log
    assert server.users_file.stat().st_mode & 0o777 == 0o600


def test_users_come_from_a_closed_file_or_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "users.json"
    write_users(file, [User("a", "writer", password_env="A_PASSWORD"), User("b", "reader", "secret")])
    users = read_users(file, {"A_PASSWORD": "x"})
    assert users.authenticate("a", "x").role == "writer"
    with pytest.raises(BadUsers, match="A_PASSWORD"):
        read_users(file, {})
    file.chmod(0o644)
    with pytest.raises(BadUsers, match="chmod 600"):
        read_users(file, {"A_PASSWORD": "x"})
    with pytest.raises(ClickHouseError, match="516"):
        Users([], {}).authenticate("", "")


# Bounds


def test_statements_run_beside_each_other(server: ClickHouseProcess) -> None:
    def sleep() -> None:
        with connect(server) as client:
            client.query("SELECT sleep(1)")

    threads = [threading.Thread(target=sleep) for _ in range(4)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - started < 3


def test_a_statement_that_takes_too_long_is_ended_and_the_server_goes_on(server: ClickHouseProcess, reader: Client) -> None:
    started = time.monotonic()
    status, _, headers = post(server, "max_execution_time=1", ENDLESS.encode(), user=READER)
    assert (status, headers["X-ClickHouse-Exception-Code"]) == (408, "159")
    assert time.monotonic() - started < 3
    assert code_of(lambda: reader.query(ENDLESS)) == 159
    assert reader.query("SELECT 1").result_rows == [(1,)]


def test_a_statement_that_takes_too_much_memory_is_ended_and_the_server_goes_on(client: Client) -> None:
    assert code_of(lambda: client.query("SELECT length(groupArray(number)) FROM numbers(1000000000)")) == 241
    assert code_of(lambda: client.query("SELECT number FROM numbers(1000000000)")) == 396
    assert client.query("SELECT 1").result_rows == [(1,)]


def test_readers_do_not_hold_up_writers_and_too_many_are_turned_away(server: ClickHouseProcess, client: Client) -> None:
    connections = []
    for _ in range(70):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.request("POST", f"/?user={READER}&password={server.password(READER)}", "SELECT sleep(2)")
        connections.append(connection)
    started = time.monotonic()
    assert client.query("SELECT 1").result_rows == [(1,)]
    assert time.monotonic() - started < 2
    last = connections[-1].getresponse()
    assert (last.status, last.getheader("X-ClickHouse-Exception-Code")) == (503, "202")
    for connection in connections:
        connection.close()
    asleep = "SELECT count() FROM system.processes WHERE query LIKE 'SELECT sleep%'"
    wait_until(lambda: client.query(asleep).result_rows == [(0,)])


def test_a_client_that_goes_away_ends_its_statement(server: ClickHouseProcess, client: Client) -> None:
    running = "SELECT count() FROM system.processes WHERE query LIKE '%10000000000000%' AND query NOT LIKE '%system%'"
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("POST", f"/?user={WRITER}&password={server.password(WRITER)}", ENDLESS)
    wait_until(lambda: client.query(running).result_rows == [(1,)])
    connection.close()
    wait_until(lambda: client.query(running).result_rows == [(0,)])


def wait_until(holds: Callable[[], bool], timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


# Life and death


def test_an_acknowledged_insert_survives_a_kill(tmp_path: Path) -> None:
    server = ClickHouseProcess(tmp_path / "own")
    server.start()
    try:
        with connect(server, database="default") as client:
            client.command("CREATE TABLE t (n Int64) ENGINE = MergeTree ORDER BY n")
            for n in range(20):
                client.insert("t", [[n]], column_names=["n"])
        password = server.password(WRITER)
        os.kill(server.pid, signal.SIGKILL)
        with pytest.raises(ProcessDied, match="SIGKILL"):
            server.process.wait_ready(lambda: False, 10)
        server.start()
        assert server.password(WRITER) == password
        with connect(server, database="default") as client:
            assert client.query("SELECT count() FROM t").result_rows == [(20,)]
    finally:
        server.stop()
    assert server.process.exit_code == 0


def test_the_command_line_knows_who_may_only_read(client: Client, reader: Client) -> None:
    assert is_reader(reader) and not is_reader(client)
    assert reader.query("SELECT 7", settings={}).result_rows == [(7,)]
