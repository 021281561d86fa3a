"""Records on `zp.readings` that once ended a worker: each is a dead letter, nothing dies, and the next good reading counts."""

import json
import struct
from collections.abc import Container, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import psutil
import pyarrow as pa
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from live_parts import wait_until
from patience import patience_s
from prometheus_client.parser import text_string_to_metric_families
from zones import ONE_METER

from zonepulse.oracle.run import run as run_oracle
from zonepulse.schemas.factors.shipped import shipped_factors_csv
from zonepulse.schemas.messages.readings import REASONS
from zonepulse.schemas.messages.tasks import WHOLE
from zonepulse.schemas.messages.topics import TOPICS
from zonepulse.schemas.tables.results import TABLES
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.control.registry_topic import publish
from zonepulse.streams.demo.run import PREFIX, read_partition
from zonepulse.streams.embedded.processes.process import free_port
from zonepulse.streams.embedded.zone_stack import ZoneStack
from zonepulse.streams.kernels.warm_up import warm_up

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
MANY = 10_000
"""Refused records, and records that are no commands."""
START_MS = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp() * 1000)
ARROW = [("content-type", b"application/vnd.apache.arrow.stream")]


def reading(minute: int, meter: str = "M-1") -> dict[str, object]:
    return {"meter": meter, "register": "1.8.0", "ts": START_MS + minute * 60_000, "value": 100.0 + minute}


def block(meters: list[str], old: bytes = b"", new: bytes = b"") -> bytes:
    n = len(meters)
    table = pa.table({"meter": meters, "register": ["1.8.0"] * n, "ts": [START_MS] * n, "value": [1.0] * n})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    whole = bytes(sink.getvalue())
    assert old in whole
    return whole.replace(old, new) if old else whole


def hostile() -> Iterator[tuple[bytes, list[tuple[str, bytes]]]]:
    good = json.dumps(reading(1)).encode()
    yield json.dumps([reading(1, f"X{i}") for i in range(20_000)]).encode(), []
    offsets = struct.pack("<3i", 0, 2, 7)
    yield block(["ab", "cdefg"], offsets, struct.pack("<3i", 0, 2, 2**30)), ARROW
    yield block(["ab", "cdefg"], offsets, struct.pack("<3i", 7, 2, 0)), ARROW
    yield block([f"Y{i}" for i in range(3_000)]), ARROW
    yield good, [("registry", b"999")]
    yield json.dumps(reading(2)).encode(), [("registry", b"9" * 5_000)]
    yield b"[]", [("registry", b"9" * 5_000)]
    yield json.dumps(reading(3)).encode(), [("h", b"")] * 1_001
    yield b"x" * 7_990_000, []
    yield b"\x1b[2J\xff\xfe", []


def log_of(stack: ZoneStack, worker: str) -> str:
    return (stack.folder / "logs" / f"{worker}.log").read_text()


def listens(stack: ZoneStack, worker: str) -> set[int]:
    """The ports on which a worker waits for anybody."""
    found = psutil.Process(stack.workers[worker].pid).net_connections("all")
    return {c.laddr.port for c in found if c.status == psutil.CONN_LISTEN}


def probed(port: int, path: str) -> tuple[int, str]:
    """Code and text of a probe's answer; 0 before anything listens."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as refused:
        return refused.code, refused.read().decode()
    except URLError:
        return 0, ""


LABELS: dict[str, Container[str]] = {
    "topic": {topic.name for topic in TOPICS},
    "partition": {"", "0"},
    "reason": REASONS,
    "task": WHOLE,
    "table": TABLES,
    "step": {
        "process",
        "kernels",
        "registry_read",
        "registry_compile",
        "ready",
        "joined",
        "changelog",
        "restore",
        "catch_up",
        "total",
    },
}


def check_labels(page: str) -> None:
    """Every value of a label comes from us, none from whoever sends."""
    found = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    values = {(name, value) for sample in found for name, value in sample.labels.items() if name != "le"}
    assert ("reason", "unknown_meter") in values and ("reason", "capped") in values
    assert {(name, value) for name, value in values if value not in LABELS[name]} == set()


def test_workers_live_through_hostile_records_and_every_letter_is_as_the_oracle_says(tmp_path: Path) -> None:
    del tmp_path
    warm_up()
    topic = f"{PREFIX}readings"
    with ZoneStack(1, is_simulated=True) as stack, stack.client() as client:
        publish(stack.kafka, PREFIX, parse_zone(ONE_METER), 1, timestamp_ms=START_MS)
        port = free_port()
        for task in WHOLE:
            stack.start_worker(task, extra={"ZONEPULSE_METRICS_PORT": str(port)} if task == "intervals" else None)
        wait_until(lambda: probed(port, "/readyz") == (200, "ready\n"), 60, "the worker has its share")
        assert probed(port, "/healthz") == (200, "alive\n")
        packed = KafkaProducer(bootstrap_servers=stack.kafka, compression_type="gzip", max_request_size=1 << 30)
        plain = KafkaProducer(bootstrap_servers=stack.kafka, max_request_size=1 << 30)
        for n, (value, headers) in enumerate(hostile()):
            plain.send(topic, value, b"sender %d" % n, headers, 0, START_MS + 600_000).get(patience_s(60))
        packed.send(topic, b"x" * 20_000_000, b"M-1", [], 0, START_MS + 600_000).get(patience_s(60))
        for n in range(MANY):
            plain.send(topic, b"no reading %d" % n, b"M-1", [], 0, START_MS + 600_000)
            plain.send(f"{PREFIX}commands", b"no command %d" % n, None, [], 0, START_MS)
        last = plain.send(topic, json.dumps(reading(9, "last")).encode(), b"M-1", [], 0, START_MS + 600_000).get(patience_s(60))
        plain.close()
        packed.close()

        arrived = "SELECT count() FROM dead_letters_final WHERE offset = {at:Int64}"
        wait_until(lambda: client.query(arrived, {"at": last.offset}).first_row == (1,), 240, "the last record's dead letter")
        rows = client.query(
            "SELECT offset, item, reason, key, value FROM dead_letters_final ORDER BY offset, item",
            column_formats={"key": "bytes", "value": "bytes"},
        ).result_rows
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            page = answer.read().decode()
        wait_until(lambda: all("is no command" in log_of(stack, name) for name in stack.workers), 60, "all read the commands")
        lines = {name: log_of(stack, name).count("\n") for name in stack.workers}
        listening = {name: listens(stack, name) for name in stack.workers}
        log = list(read_partition(stack.kafka, topic, 0))
        consumer = KafkaConsumer(bootstrap_servers=stack.kafka)
        letters = TopicPartition(f"{PREFIX}deadletters", 0)
        partitions = [TopicPartition(letters.topic, p) for p in consumer.partitions_for_topic(letters.topic) or ()]
        sent = sum(consumer.end_offsets(partitions).values())
        consumer.close()
    assert max(lines.values()) < MANY / 10, "lines do not grow with what is refused"
    assert listening == {f"{task}-0": {port} if task == "intervals" else set() for task in WHOLE}, "nothing else answers"
    check_labels(page)
    oracle = run_oracle(ONE_METER, shipped_factors_csv(), log, 1)["dead_letters"]
    expected = sorted((x["offset"], x["item"], x["reason"], x["key"], x["value"]) for x in oracle)
    assert [tuple(row) for row in rows] == expected
    assert sent == len(rows)  # a worker that died on the way would have sent its letters again
    assert {row[2] for row in rows} == {"unknown_meter", "malformed", "capped"}
    assert max(len(row[4]) for row in rows) == 1_000_000
