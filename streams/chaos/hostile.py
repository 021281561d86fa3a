"""Hostile faults: records on every topic, requests to the store, files to the commands, a switch to a version that nobody published."""

import http.client
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from kafka import KafkaProducer

from zonepulse.schemas.messages.commands import Place as Target
from zonepulse.schemas.messages.records import HEARTBEAT, REGISTRY
from zonepulse.schemas.messages.topics import READINGS
from zonepulse.streams.access.address import connection_to
from zonepulse.streams.chaos import hostile_records as made
from zonepulse.streams.chaos.flow import PARTITIONS
from zonepulse.streams.chaos.hostile_records import Hostile
from zonepulse.streams.chaos.plan import ChaosStuck, Fault, Kind
from zonepulse.streams.control.command_log import skip_of, tell
from zonepulse.streams.demo.run import PREFIX
from zonepulse.streams.embedded.stack import ClickHouseAccess

if TYPE_CHECKING:
    from zonepulse.streams.chaos.run import Chaos

SEND_TIMEOUT_S: Final = 120
ANSWER_S: Final = 60.0
_WITH_LETTERS: Final[dict[str, Callable[[random.Random], Iterator[Hostile]]]] = {
    "intervals": made.intervals,
    "results": made.results,
    "alerts": made.alerts,
    "deadletters": made.deadletters,
    "registry": made.registry,
}
_WITHOUT: Final[dict[str, Callable[[random.Random], Iterator[Hostile]]]] = {
    "commands": made.commands,
    "intervals-checkpoints-changelog": made.checkpoints,
    "ledger-checkpoints-changelog": made.checkpoints,
}


def _send_records(chaos: "Chaos", fault: Fault) -> None:
    """Hostile records of every topic, each topic's in an order of their own."""
    rng, at_ms = _random(fault), chaos.feed.arrival_ms
    with closing(_producer(chaos)) as producer:
        for name, make in (_WITH_LETTERS | _WITHOUT).items():
            for record in _shuffled(rng, make(rng)):
                sent = _sent(producer, PREFIX + name, record, 0, at_ms)
                if name in _WITH_LETTERS:
                    chaos.aside.add((PREFIX + name, sent.partition, sent.offset))
        for record in _shuffled(rng, made.readings(rng, at_ms)):
            _sent(producer, READINGS.full_name(PREFIX), record, rng.randrange(PARTITIONS), at_ms)


def _shuffled(rng: random.Random, records: Iterator[Hostile]) -> list[Hostile]:
    found = list(records)
    rng.shuffle(found)
    return found


def _random(fault: Fault) -> random.Random:
    """What a fault makes up is its own, and the same in every run of a seed."""
    return random.Random(f"{fault.kind} {fault.share}")


def _producer(chaos: "Chaos") -> KafkaProducer:
    return KafkaProducer(**connection_to(chaos.stack.kafka), max_request_size=1 << 27, acks="all", compression_type="gzip")


def _sent(producer: KafkaProducer, topic: str, record: Hostile, partition: int, at_ms: int) -> Any:
    headers = list(record.headers)
    return producer.send(topic, record.value, record.key, headers, partition, at_ms).get(SEND_TIMEOUT_S)


def _missing_version(chaos: "Chaos", fault: Fault) -> None:
    """A partition stands before a switch to a version that nobody published, until a command skips it."""
    rng = _random(fault)
    topic, partition = READINGS.full_name(PREFIX), rng.randrange(PARTITIONS)
    record = Hostile(HEARTBEAT, None, ((REGISTRY, b"%d" % rng.randrange(100, 1_000)),))
    with closing(_producer(chaos)) as producer:
        sent = _sent(producer, topic, record, partition, chaos.feed.arrival_ms)
    chaos.aside.add((topic, partition, sent.offset))
    time.sleep(fault.seconds)
    place = Target(READINGS.name, partition, sent.offset)
    tell(chaos.stack.kafka, PREFIX, skip_of(place, "a version that nobody published", "chaos"), chaos.feed.arrival_ms)


# --- requests ---------------------------------------------------------------------------------------------------------------------

_STATEMENTS: Final = (
    "SELECT throwIf(1)", "SELECT intDiv(1, 0)", "SELECT toDate('zz')", "SELECT file('/etc/passwd')",
    "SELECT * FROM url('http://127.0.0.1:1/')",
    "SELECT 1 INTO OUTFILE '/tmp/x'", "INSERT INTO totals SELECT * FROM totals", "DROP TABLE totals", "SELECT sleep(3)",
    "SELECT repeat('x', 1000) FROM numbers(250000)", "SELECT uniqExact(number) FROM numbers_mt(10000000000)", "SELECT " + "(" * 50_000,
    "SELECT ' FORMAT a" + " " * 40_000 + "x'", "SELECT * FROM system.processes", "SELECT arrayJoin(range(1000000000))", "", "\x00",
    "SELECT",
)  # fmt: skip
_RAW: Final = (
    b"GET / HTTP/1.1\r\nHost: x\r\n", b"\x16\x03\x01\x02\x00" * 50, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\nx",
    b"GET /?query=SELECT%201 HTTP/1.1\r\nHost: x\r\nX-ClickHouse-User: \xff\r\n\r\n", b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: zstd\r\nContent-Length: 4\r\n\r\n\xff\xff\xff\xff",
)  # fmt: skip


def _send_requests(chaos: "Chaos", fault: Fault) -> None:
    """Readers and strangers at the store while the stream goes on; what they are answered is not read by half of them."""
    threading.Thread(target=_besiege, args=(chaos.stack.dashboard, fault), name="hostile requests", daemon=True).start()


def _besiege(store: ClickHouseAccess, fault: Fault) -> None:
    rng, until = _random(fault), time.monotonic() + 2 * fault.seconds
    held: list[Any] = []
    while time.monotonic() < until:
        with suppress(OSError, http.client.HTTPException):
            held.append(_stranger(store, rng) if rng.random() < 0.4 else _reader(store, rng))
        for old in held[:-20]:
            old.close()
        held = held[-20:]
        time.sleep(0.05)
    for old in held:
        old.close()


def _stranger(store: ClickHouseAccess, rng: random.Random) -> socket.socket:
    connection = socket.create_connection((store.host, store.port), timeout=5)
    connection.sendall(rng.choice(_RAW))
    return connection


def _reader(store: ClickHouseAccess, rng: random.Random) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(store.host, store.port, timeout=5)
    sql = rng.choice(_STATEMENTS)
    key = store.password if rng.random() < 0.9 else "wrong"
    headers = {"X-ClickHouse-User": store.user, "X-ClickHouse-Key": key}
    more = rng.choice(("", "&max_execution_time=1e-9", f"&query={quote('SELECT {f:Identifier}')}"))
    connection.request("POST", f"/?param_f=file{more}", sql.encode("utf-8", "replace"), headers)
    if rng.random() < 0.5:
        connection.getresponse().read()
    return connection


# --- files ------------------------------------------------------------------------------------------------------------------------


_ENDS: Final = (0, 1, 2, 3)
"""Exit codes of commands; what ended by a signal has a negative one."""


def _files(rng: random.Random) -> Iterator[tuple[str, bytes, tuple[str, ...]]]:
    """(name, content, command) of files that a command must refuse by name."""
    apply = ("registry", "apply", "--dry-run")
    levels = "".join(f"a{i}: &a{i} {{x: [{', '.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 10))
    yield "bomb.yaml", b"a0: &a0 {x: 1}\n" + levels.encode(), apply
    yield "deep.yaml", b"[" * 100_000, apply
    yield "digits.yaml", b"zone: {id: z, timezone: UTC, window: " + b"9" * 6_000 + b"}", apply
    yield "object.yaml", b"zone: !!python/object/apply:os.system ['true']", apply
    yield "random.parquet", rng.randbytes(5_000), ("produce",)
    yield "random.csv", rng.randbytes(5_000), ("produce",)
    yield "deep.jsonl", b"[" * 100_000, ("produce",)
    yield "bomb.xlsx", b"PK\x03\x04" + rng.randbytes(500), ("produce",)


def _give_files(chaos: "Chaos", fault: Fault) -> None:
    """Two of the files to their commands: each is refused in words, or its lines are sent as they are; no signal, no traceback."""
    rng = _random(fault)
    with tempfile.TemporaryDirectory(prefix="zonepulse-chaos-") as folder:
        for name, content, command in rng.sample(list(_files(rng)), 2):
            file = Path(folder) / name
            file.write_bytes(content)
            argv = [sys.executable, "-m", "zonepulse.streams.cli.main", *command, str(file)]
            env = chaos.stack.worker_environment
            done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=ANSWER_S * 4, check=False)
            if done.returncode not in _ENDS or "Traceback" in done.stderr:
                raise ChaosStuck(f"{' '.join(command)} {name} ended with {done.returncode}: {done.stderr[-500:]}")


KINDS: Final = (
    Kind("hostile_records", 4, ("every topic",), _send_records, without_end=True),
    Kind("hostile_requests", 2, ("clickhouse",), _send_requests),
    Kind("hostile_files", 1, ("commands",), _give_files, without_end=True),
    Kind("missing_version", 1, (READINGS.name,), _missing_version),
)
