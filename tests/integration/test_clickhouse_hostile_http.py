"""What comes in over HTTP before and around a statement: bytes, bombs, stalls, crowds. And the process that takes it."""

# ruff: noqa: E501

import http.client
import os
import random
import resource
import signal
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from endpoint_server import as_writer, ask

from zonepulse.streams.cli.doctor.servers import confinement
from zonepulse.streams.embedded.clickhouse.process import READER, WRITER, ClickHouseProcess
from zonepulse.streams.embedded.processes import landlock
from zonepulse.streams.embedded.processes.process import ProcessDied

pytestmark = pytest.mark.integration

STALL_S = 4
OPTIONS = ("--max-memory-mb", "1200", "--max-result-mb", "200", "--max-body-mb", "64", "--stall-seconds", str(STALL_S))
ROUNDS = int(os.environ.get("ZONEPULSE_HUNT_ROUNDS", "150"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseProcess]:
    server = ClickHouseProcess(tmp_path_factory.mktemp("http") / "store", options=OPTIONS)
    server.start()
    as_writer(server, "CREATE DATABASE zonepulse")
    as_writer(server, "CREATE TABLE zonepulse.kept (n Int64) ENGINE = MergeTree ORDER BY n")
    yield server
    server.stop()


def opened(server: ClickHouseProcess, data: bytes = b"", timeout_s: float = 60) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=timeout_s)
    if data:
        connection.sendall(data)
    return connection


def raw(server: ClickHouseProcess, data: bytes, *, is_last: bool = False) -> bytes:
    """All that is answered to some bytes, until the connection ends; `is_last`: the server is told that nothing follows."""
    with opened(server, data) as connection:
        if is_last:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionResetError:
            pass
        return answer


def keys(server: ClickHouseProcess, user: str = READER) -> bytes:
    return f"X-ClickHouse-User: {user}\r\nX-ClickHouse-Key: {server.password(user)}\r\n".encode()


def rss(server: ClickHouseProcess) -> int:
    status = Path(f"/proc/{server.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def wait_until(holds: Callable[[], bool], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


# Bytes


@pytest.mark.parametrize(
    "header",
    [
        *(b"X-ClickHouse-User: \xff", b"X-ClickHouse-User: dashboard\r\nX-ClickHouse-Key: \xff\xfe", b"Authorization: Basic \xff", b"Authorization: \xff"),
        b"Authorization: Basic " + b"=" * 100,
    ],
)  # fmt: skip
def test_bytes_of_a_stranger_end_in_403_and_no_traceback(server: ClickHouseProcess, header: bytes) -> None:
    before = server.process.log.read_bytes()
    answer = raw(server, b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + header + b"\r\nContent-Length: 8\r\n\r\nSELECT 1")
    assert answer.startswith((b"HTTP/1.1 403", b"HTTP/1.1 400"))
    assert b"Traceback" not in server.process.log.read_bytes()[len(before) :]


@pytest.mark.parametrize(
    ("header", "url", "statuses"),
    [
        (b"X-ClickHouse-Database: \xff", b"/", (400,)),
        (b"X-ClickHouse-Format: \xff", b"/", (400,)),
        (b"X-ClickHouse-Format: DataFrame", b"/", (404,)),
        (b"X-ClickHouse-Format: ArrowTable", b"/", (404,)),
        (b"Content-Type: multipart/form-data", b"/", (400,)),
        (b"Content-Type: multipart/form-data; boundary=x", b"/", (400,)),
        (b"Content-Type: multipart/form-data; boundary=" + b"x" * 300, b"/", (400,)),
        (b"Content-Encoding: zstd", b"/", (501,)),
        (b"Content-Encoding: \xff", b"/", (501,)),
        (b"Accept-Encoding: \xff", b"/?enable_http_compression=1", (200,)),
        (b"X: y", b"/?default_format=DataFrame", (404,)),
        (b"X: y", b"/?default_format=%FF%00", (404,)),
        (b"X: y", b"/?database=%ED%A0%80", (400, 404)),
        (b"X: y", b"/?param_a=%ED%A0%80", (200, 400)),
        (b"X: y", b"/?%FF=%FF", (404, 500)),
        (b"X: y", b"/?max_threads=%00", (400, 404, 500)),
    ],
)
def test_bytes_of_a_reader_end_in_a_status_and_no_traceback(
    server: ClickHouseProcess, header: bytes, url: bytes, statuses: tuple[int, ...]
) -> None:
    before = server.process.log.read_bytes()
    request = (
        b"POST "
        + url
        + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        + keys(server)
        + header
        + b"\r\nContent-Length: 8\r\n\r\nSELECT 1"
    )
    answer = raw(server, request)
    assert int(answer.split()[1]) in statuses, answer
    assert b"the endpoint itself" not in answer
    assert b"Traceback" not in server.process.log.read_bytes()[len(before) :]


@pytest.mark.parametrize("headers", [b"X: " + b"x" * 9_000 + b"\r\n", b"X: y\r\n" * 40_000], ids=["long", "many"])
def test_headers_beyond_all_measure_are_refused_or_closed(server: ClickHouseProcess, headers: bytes) -> None:
    try:
        answer = raw(server, b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + headers + b"\r\n")
    except (BrokenPipeError, ConnectionResetError):
        answer = b""
    assert answer == b"" or answer.split()[1] == b"400", answer[:200]
    assert ask(server, "SELECT 1").body == b"1\n"


def test_a_stranger_is_answered_before_any_of_his_body_is_there(server: ClickHouseProcess) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nX-ClickHouse-User: zonepulse\r\nX-ClickHouse-Key: a wrong one\r\n"
    with opened(server, head + b"Content-Encoding: gzip\r\nContent-Length: 60000000\r\n\r\n") as connection:
        assert connection.recv(12) == b"HTTP/1.1 403"


def test_a_file_in_a_form_is_refused_before_it_is_read(server: ClickHouseProcess) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n' + b"x" * 100 + b"\r\n--b--\r\n"
    answer = ask(server, body, "query=SELECT+1", headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert (answer.status, answer.code) == (501, 48)


def test_hostile_requests_are_answered_or_closed_and_the_server_goes_on(server: ClickHouseProcess) -> None:
    """Requests that are changed at random places; the long run draws new ones."""
    seed = random.randrange(1 << 32) if ROUNDS > 1000 else 1
    random_ = random.Random(seed)
    good = (
        b"POST /?query=SELECT+1&param_a=b HTTP/1.1\r\nHost: x\r\n"
        + keys(server)
        + b"Content-Type: multipart/form-data; boundary=b\r\n"
    )
    good += b'Content-Length: 63\r\n\r\n--b\r\nContent-Disposition: form-data; name="f"\r\n\r\nvalue\r\n--b--\r\n'
    pieces = [
        b"\xff",
        b"\0",
        b"\r\n",
        b"\r\n\r\n",
        b"%FF",
        b"Transfer-Encoding: chunked\r\n",
        b"-1",
        b"9" * 30,
        b" ",
        b":",
        b"x" * 9000,
        b"Content-Length: 5\r\n",
    ]
    before = server.process.log.read_bytes()
    for _ in range(ROUNDS):
        request = bytearray(good)
        for _ in range(random_.randint(1, 4)):
            at = random_.randrange(len(request))
            request[at : at + random_.choice((0, 1, 5))] = random_.choice(pieces)
        answer = raw(server, bytes(request), is_last=True)
        assert answer == b"" or answer.startswith(b"HTTP/1."), (seed, request, answer)
        assert b"the endpoint itself failed" not in answer, (seed, request)
    assert b"the endpoint itself failed" not in server.process.log.read_bytes()[len(before) :]
    assert ask(server, "SELECT 1").body == b"1\n"


# Bodies and answers


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "br", "bz2", "xz", "deflate"])
def test_a_readers_statement_is_not_compressed_and_a_writers_bomb_is_refused(server: ClickHouseProcess, encoding: str) -> None:
    stream = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(stream.compress(bytes(1 << 20)) for _ in range(512)) + stream.flush()
    assert ask(server, bomb, headers={"Content-Encoding": encoding}).code == 48
    before = rss(server)
    answer = ask(
        server, bomb, "query=INSERT+INTO+zonepulse.kept+FORMAT+Native", user=WRITER, headers={"Content-Encoding": encoding}
    )
    assert answer.code in (307, 271, 48)
    assert rss(server) - before < 300 << 20


def test_a_readers_body_has_a_mebibyte_at_most(server: ClickHouseProcess) -> None:
    assert ask(server, b"SELECT 1 -- " + b"x" * (1 << 20)).code == 307


def test_what_stalls_is_closed_and_inserts_go_on(server: ClickHouseProcess) -> None:
    """Headers without an end, bodies without an end, answers that nobody reads."""
    with ExitStack() as keep:
        head = b"POST / HTTP/1.1\r\nHost: x\r\n" + keys(server)
        stalled = [keep.enter_context(opened(server, head)) for _ in range(5)]
        stalled += [keep.enter_context(opened(server, head + b"Content-Length: 500000\r\n\r\nSELECT")) for _ in range(5)]
        stalled += [keep.enter_context(opened(server, b"G")), keep.enter_context(opened(server))]
        as_writer(server, "INSERT INTO zonepulse.kept FORMAT TSV\n1\n", timeout_s=20)
        for connection in stalled:
            connection.settimeout(60)
            try:
                while connection.recv(65536):
                    pass
            except ConnectionResetError:
                pass


def test_answers_that_nobody_reads_are_bounded(server: ClickHouseProcess) -> None:
    """An answer of a reader has 25 MB at most here, those not read 50 MB and four that run: 150 MB, and once more inside the engine, and
    what its allocator keeps. All 32 would be 1.6 GB."""
    ask(server, "SELECT repeat('x', 1000) FROM numbers(24000)")
    before = rss(server)
    sql = b"SELECT repeat('x', 1000) FROM numbers(24000)"
    request = b"POST / HTTP/1.1\r\nHost: x\r\n" + keys(server) + f"Content-Length: {len(sql)}\r\n\r\n".encode() + sql
    with ExitStack() as keep:
        unread = [keep.enter_context(opened(server, request)) for _ in range(32)]
        highest = 0
        deadline = time.monotonic() + STALL_S
        while time.monotonic() < deadline:
            as_writer(server, "INSERT INTO zonepulse.kept FORMAT TSV\n1\n", timeout_s=20)
            highest = max(highest, rss(server))
        statuses = [int(connection.recv(12).split()[1]) for connection in unread]
        assert 503 in statuses
        assert highest - before < 1 << 30
    wait_until(lambda: ask(server, "SELECT 1").body == b"1\n", 30)


# Crowds


def test_guessing_passwords_is_slow_on_any_number_of_connections(server: ClickHouseProcess) -> None:
    def guess(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        for _ in range(5):
            connection.request("POST", "/", "SELECT 1", {"X-ClickHouse-User": WRITER, "X-ClickHouse-Key": f"guess {number}"})
            response = connection.getresponse()
            assert (response.status, response.getheader("X-ClickHouse-Exception-Code")) == (403, "516")
            response.read()

    before, started = server.process.log.stat().st_size, time.monotonic()
    threads = [threading.Thread(target=guess, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - started >= 80 * 0.05 / 4
    assert server.process.log.stat().st_size - before < 20_000


def test_a_crowd_of_half_open_connections_holds_up_nobody(tmp_path: Path) -> None:
    """Twice as many as the process may open files; the log stays short."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    server = ClickHouseProcess(tmp_path / "store", options=OPTIONS)
    server.process.argv = ()
    limited = ["bash", "-c", 'ulimit -n 600; exec "$@"', "bash", *server._argv]
    server._argv = tuple(limited)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4000), hard))
    server.start()
    try:
        as_writer(server, "CREATE TABLE t (n Int64) ENGINE = MergeTree ORDER BY n")
        before = server.process.log.stat().st_size
        with ExitStack() as keep:
            for n in range(1200):
                keep.enter_context(opened(server, b"GET / HTTP/1.1\r\nHost: x\r\n"))
                if n % 300 == 299:
                    as_writer(server, "INSERT INTO t FORMAT TSV\n1\n", timeout_s=30)
            files = len(os.listdir(f"/proc/{server.pid}/fd"))
            assert files < 500
            as_writer(server, "INSERT INTO t FORMAT TSV\n1\n", timeout_s=30)
        assert server.process.log.stat().st_size - before < 100_000
    finally:
        server.stop()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# The process


@pytest.mark.parametrize("name", ["a&b", "p%41", "q?config-file=x", "lt<x>", "blank s", "ünï", "a#b;c{}'\"", "new\nline"])
def test_any_name_of_a_folder_has_its_configuration_and_its_files(tmp_path: Path, name: str) -> None:
    server = ClickHouseProcess(tmp_path / name, options=OPTIONS)
    server.start()
    try:
        assert as_writer(server, "SELECT getServerSetting('max_server_memory_usage')") == f"{1200 << 20}\n".encode()
        assert ask(server, "SELECT currentRoles()").body == b"['reader']\n"
        as_writer(server, "CREATE DATABASE zonepulse")
        as_writer(server, "CREATE TABLE zonepulse.t (n Int64) ENGINE = MergeTree ORDER BY n")
        as_writer(server, "INSERT INTO zonepulse.t VALUES (1)")
    finally:
        server.stop()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, f"{name}-passwords.json"])
    assert (server.folder / "store" / "metadata").exists()
    open_to_others = [path for path in server.folder.rglob("*") if path.lstat().st_mode & 0o077 and not path.is_symlink()]
    assert open_to_others == []


def test_the_process_is_confined_where_the_kernel_can_and_doctor_says_so(server: ClickHouseProcess, tmp_path: Path) -> None:
    told = confinement("127.0.0.1", server.port)
    assert told is not None
    assert told.state == ("ok" if landlock.version() else "warn")
    if not landlock.version():
        assert "not confined" in told.found
        return
    assert f"Landlock {landlock.version()}" in told.found
    secret = tmp_path / "secret"
    secret.write_text("canary")
    for path in (str(secret), "../users.json", str(server.passwords_file), "/etc/hostname", "/etc/passwd"):
        answer = ask(server, f"SELECT file('{path}')", user=WRITER)
        assert answer.code != 0 and b"canary" not in answer.body, path
    for path in (f"{tmp_path}/new", "../new", "../users.json"):
        assert ask(server, f"SELECT 1 INTO OUTFILE '{path}' TRUNCATE", user=WRITER).code != 0
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
    assert ask(server, "SELECT 1").body == b"1\n"


def test_a_start_on_a_folder_that_cannot_be_written_can_be_done_again(tmp_path: Path) -> None:
    """The files of the first start are written whole or not at all: here the limit on a file's size plays the full disk."""
    server = ClickHouseProcess(tmp_path / "store", options=OPTIONS)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, hard))
    try:
        with pytest.raises((OSError, ProcessDied)):
            server.start()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    server.start()
    try:
        assert ask(server, "SELECT 1").body == b"1\n"
    finally:
        server.stop()
