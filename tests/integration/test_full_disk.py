"""A disk that takes no more, and a place where nothing can be written: named, nothing acknowledged is lost, and it goes on."""

import json
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import commands
import psutil
import pytest
from endpoint_server import as_writer, ask
from kafka import KafkaProducer
from kafka.errors import KafkaError
from live_parts import create_topics, process, produce_many, wait_until
from patience import patience_s
from small_disks import SmallDisk, small_disk

from zonepulse.streams.chaos.parts import FULL_DISK
from zonepulse.streams.demo.run import read_partition
from zonepulse.streams.embedded.clickhouse.process import WRITER, ClickHouseProcess
from zonepulse.streams.embedded.kafka.broker import Broker
from zonepulse.streams.embedded.processes.process import ProcessDied

pytestmark = pytest.mark.integration
NOWHERE = "/sys/zonepulse"
"""Nobody makes a folder there."""
COUNTING = Path(__file__).with_name("counting_worker.py")
NOT_FULL = ("--keep-free-mb", "8")
RANDOM = "SELECT number + {first:Int64}, randomString(1000) FROM numbers(2000)"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk | None]:
    """A file system of its own; None where none can be mounted: then limits of the process and of the engine make one full."""
    with small_disk(tmp_path / "disk", 150) as made:
        yield made


def test_a_broker_whose_log_takes_no_more_says_so_and_has_all_that_it_acknowledged(tmp_path: Path) -> None:
    broker = Broker(tmp_path)
    broker.start()
    try:
        create_topics(broker.bootstrap, {"full": 1})
        produce_many(broker.bootstrap, "full", 0, [b"first"])
        psutil.Process(broker.pid).rlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
        producer = KafkaProducer(bootstrap_servers=broker.bootstrap, delivery_timeout_ms=20_000, request_timeout_ms=5_000)
        acknowledged = 0
        with pytest.raises(KafkaError):
            for acknowledged in range(100):
                producer.send("full", b"%d" % acknowledged * 25_000, partition=0).get(patience_s(30))
        producer.close(0)
        wait_until(lambda: broker.process.exit_code is not None, 60, "the broker to end")
        assert "File too large" in broker.process.log.read_text()
        broker.start()
        produce_many(broker.bootstrap, "full", 0, [b"last"])
        kept = [bytes(record.value or b"") for record in read_partition(broker.bootstrap, "full", 0)]
        expected = [b"first", *(b"%d" % n * 25_000 for n in range(acknowledged))]
        assert kept[: len(expected)] == expected
        assert kept[-1] == b"last" and len(kept) <= len(expected) + 2, "the one that nobody was told of may be there"
    finally:
        broker.stop()


def test_a_store_has_all_that_it_acknowledged_whatever_it_met_on_a_full_disk(disk: SmallDisk | None, tmp_path: Path) -> None:
    server = ClickHouseProcess((disk.folder if disk else tmp_path) / "store", options=NOT_FULL)
    kept = "SELECT count(), uniqExact(n), sum(cityHash64(s)) FROM zonepulse.t"
    if disk:
        disk.fill()
        with pytest.raises((OSError, ProcessDied)):
            server.start()
        disk.free()
    server.start()
    try:
        as_writer(server, "CREATE DATABASE zonepulse")
        as_writer(server, "CREATE TABLE zonepulse.t (n Int64, s String) ENGINE = MergeTree ORDER BY n")
        acknowledged = 0
        while acknowledged < 400_000:
            if not disk and acknowledged == 20_000:
                server.stop()
                server.start(*FULL_DISK)
            insert = f"INSERT INTO zonepulse.t {RANDOM}"
            if (answer := ask(server, insert, f"param_first={acknowledged}", user=WRITER)).code:
                assert answer.code == 243, answer
                break
            acknowledged += 2_000
        assert 0 < acknowledged < 400_000
        found = as_writer(server, kept)
        assert found.split()[:2] == [str(acknowledged).encode()] * 2
        os.kill(server.pid, signal.SIGKILL)
        wait_until(lambda: server.process.exit_code is not None, 30, "the endpoint to end")
        if disk:
            disk.fill()
        server.start(*(() if disk else FULL_DISK))
        assert as_writer(server, kept) == found
        assert ask(server, f"INSERT INTO zonepulse.t {RANDOM}", "param_first=0", user=WRITER).code == 243
        assert as_writer(server, kept) == found
        if disk:
            disk.free()
            as_writer(server, "TRUNCATE TABLE zonepulse.t")
        else:
            server.stop()
            server.start()
        as_writer(server, f"INSERT INTO zonepulse.t {RANDOM}", "param_first=1000000")
        assert as_writer(server, "SELECT count() FROM zonepulse.t WHERE n >= 1000000") == b"2000\n"
    finally:
        server.stop()


def test_snapshots_that_find_no_room_are_taken_again_and_nothing_is_counted_twice(disk: SmallDisk | None, tmp_path: Path) -> None:
    broker, out = Broker((disk.folder if disk else tmp_path) / "kafka"), tmp_path / "out.jsonl"
    broker.start()
    chosen = {
        "broker": broker.bootstrap, "data_dir": str(tmp_path / "data"), "group": "full", "topic": "full", "partitions": 1,
        "out": str(out),
    }  # fmt: skip

    def last(event: str) -> dict[str, Any]:
        lines = [line for line in (out.read_text() if out.exists() else "").splitlines(keepends=True) if line.endswith("\n")]
        return next((e for e in map(json.loads, reversed(lines)) if e["event"] == event), {})

    try:
        create_topics(broker.bootstrap, {"full": 1})
        produce_many(broker.bootstrap, "full", 0, [b"first"] * 100)
        with process(COUNTING, chosen, tmp_path / "worker.log"):
            wait_until(lambda: last("saved").get("count") == 100, 60, "100 counted and kept")
            if disk:
                disk.fill()
            else:
                psutil.Process(broker.pid).rlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
            producer = KafkaProducer(bootstrap_servers=broker.bootstrap, delivery_timeout_ms=20_000, request_timeout_ms=5_000)
            with pytest.raises(KafkaError):
                for _ in range(1_000):
                    producer.send("full", bytes(25_000), partition=0).get(patience_s(30))
            producer.close(0)
            wait_until(lambda: broker.process.exit_code is not None, 60, "the broker to end")
            said = broker.process.log.read_bytes()
            has_no_room = len(said) % resource.getpagesize() == 0  # it lies on the full disk
            assert b"No space left on device" in said or b"File too large" in said or has_no_room or not disk
            if disk:
                disk.free()
            broker.start()
        produce_many(broker.bootstrap, "full", 0, [b"last"])
        log = list(read_partition(broker.bootstrap, "full", 0))
        assert log[-1].value == b"last"
        with process(COUNTING, chosen, tmp_path / "worker.log"):
            wait_until(lambda: last("saved").get("count", 0) >= len(log), 60, "all counted and kept")
        assert last("found")["is_stored"] and last("saved")["count"] == len(log) == last("counted")["next_offset"]
    finally:
        broker.stop()


@pytest.fixture
def read_only(disk: SmallDisk | None, tmp_path: Path) -> Path:
    """A folder in which nothing can be made, with a file that was made before."""
    if disk is None and os.geteuid() == 0:
        return Path("/sys/kernel")  # root may write everywhere else
    folder = disk.folder if disk else tmp_path / "disk"
    (folder / "kept").write_text("kept")
    disk.remount("ro") if disk else folder.chmod(0o500)
    return folder


def test_what_can_be_read_and_not_written_is_named_and_nothing_runs(read_only: Path, tmp_path: Path) -> None:
    for server in (Broker(read_only / "kafka"), ClickHouseProcess(read_only / "store")):
        with pytest.raises(OSError, match=str(read_only)):
            server.start()
    (tmp_path / "r.csv").write_text("meter,register,ts,value\nM,1.8.0,2026-01-01T00:00:00Z,1\n")
    for command in (
        ["up", "--folder", str(read_only / "zone")],
        ["convert", str(tmp_path / "r.csv"), "--out", f"{read_only}/o.csv"],
    ):
        told = refused_in_a_line(command, tmp_path)
        assert str(read_only) in told


def refused_in_a_line(command: list[str], folder: Path) -> str:
    done = commands.run(*command, cwd=folder, timeout_s=120)
    assert done.returncode in (1, 2), done
    assert len(done.stderr.splitlines()) == 1 and "Traceback" not in done.stderr, done.stderr
    return done.stderr


@pytest.mark.parametrize("command", [["up", "--folder", NOWHERE], ["convert", "READINGS", "--out", f"{NOWHERE}.csv"]])
def test_a_place_where_nothing_can_be_written_is_one_line(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("meter,register,ts,value\nM,1.8.0,2026-01-01T00:00:00Z,1\n")
    words = [str(tmp_path / "r.csv") if word == "READINGS" else word for word in command]
    assert str(Path(NOWHERE).parent) in refused_in_a_line(words, tmp_path)
