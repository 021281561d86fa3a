"""Any part may die at any moment: what is left in the store is what the oracle says."""

import re
import shutil
import subprocess
import time
from pathlib import Path
from uuid import uuid4

import commands
import pytest
from clickhouse_connect.driver.client import Client
from kafka import KafkaProducer
from kafka.errors import KafkaError
from live_parts import create_topics, process, produce_many, wait_until
from patience import patience_s
from zone_runs import piece

from zonepulse.schemas.tables.results import FINAL_TABLES
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams import exit_codes
from zonepulse.streams.archive.archive import Archive, stretches
from zonepulse.streams.chaos.data import chaos_sample, chaos_zone_yaml
from zonepulse.streams.chaos.run import RESTART
from zonepulse.streams.control.registry_topic import publish
from zonepulse.streams.demo.drain import Drain
from zonepulse.streams.demo.run import PREFIX, Feed, Progress, oracle_differences, readings_of
from zonepulse.streams.embedded.kafka.broker import Broker
from zonepulse.streams.embedded.zone_stack import ZoneStack
from zonepulse.streams.kafka.log_facts import admin_of, ends_of, partitions_of, topic_ids

pytestmark = [pytest.mark.integration, pytest.mark.long]
JUMPING_CLOCK = Path(__file__).with_name("jumping_clock")
RECORDS = 12_000
STALLED = Path(__file__).with_name("stalled_worker.py")


@pytest.mark.timeout(1800)
def test_workers_come_and_go_on_hosts_whose_clocks_jump_kafka_is_lost_and_the_store_is_lost(tmp_path: Path) -> None:
    whole = chaos_sample(1, 3)
    sample, zone_yaml = piece(whole, 0, RECORDS), chaos_zone_yaml(whole.changes)
    zone = parse_zone(zone_yaml).zone
    with ZoneStack(4, tmp_path, is_simulated=True, restart=RESTART) as stack:
        publish(stack.kafka, PREFIX, parse_zone(zone_yaml), 4, timestamp_ms=int(sample.arrival_ms[0]))
        stack.start_workers()
        archive = {"ZONEPULSE_ARCHIVE": str(tmp_path / "archive"), "ZONEPULSE_ARCHIVE_AGE_S": "1"}
        stack.start_worker("archive", extra=archive)
        most = len(sample) * 4 // 5
        feed = Feed(stack.kafka, piece(sample, 0, most), 4, zone, 86_400 / 90, closes=False)
        progress = Progress(stack.kafka, 4)
        try:
            wait_until(lambda: progress.closed_tick() > 0, 90, "the workers are ready")
            feed.start()
            wait_until(lambda: feed.sent > 0.2 * len(sample), 60, "a fifth is sent")
            for task in ("intervals", "ledger"):  # scale out
                stack.start_worker(task, "1", {"PYTHONPATH": str(JUMPING_CLOCK)})
            wait_until(lambda: goes_on(stack, "intervals-1"), 60, "the second intervals worker holds partitions")
            for task in ("intervals", "ledger"):  # scale in: the first ones leave for good
                assert end(stack, f"{task}-0") == 0
            stack.workers["intervals-1"].stop()  # the supervisor starts it again
            wait_until(lambda: feed.is_done, 120, "most is sent")
        finally:
            feed.stop()
            progress.close()
        wait_until(lambda: goes_on(stack, "ledger-1"), 90, "the zone stage has moved with its books")
        wait_until(lambda: is_archived(stack, tmp_path / "archive"), 60, "the archive has all of it")
        file = tmp_path / "zone.backup"
        zonepulse(stack, "backup", "take", str(file))
        for name in ("archive-0", "intervals-1", "ledger-1", "store-0"):
            end(stack, name)
        stack.broker.stop()
        shutil.rmtree(stack.broker.folder)
        stack.broker.start()
        zonepulse(stack, "backup", "restore", str(file), "--readings", **archive)
        stack.start_workers()
        feed = Feed(stack.kafka, piece(sample, most), 4, zone, 86_400 / 60)
        progress = Progress(stack.kafka, 4)
        try:
            feed.start()
            wait_until(lambda: feed.is_done, 120, "all is sent")
            wait_until(Drain(stack.kafka, progress, feed.end_ms // zone.tick_ms).is_through, 240, "all is through")
        finally:
            feed.stop()
            progress.close()
        with stack.client() as client:
            found = oracle_differences(readings_of(stack.kafka), client, zone_yaml, 4)
            kept = final_rows(client)
        assert {name: lines[:3] for name, lines in found.items() if lines} == {}

        end(stack, "store-0")
        stack.clickhouse_process.stop()
        shutil.rmtree(tmp_path / "clickhouse")
        stack.clickhouse_process.start()
        zonepulse(stack, "migrate")
        zonepulse(stack, "checkpoints", "begin", "store")
        stack.start_worker("store")
        with stack.client() as client:
            wait_until(lambda: {name: len(final_rows(client)[name]) for name in kept} == {n: len(r) for n, r in kept.items()}, 120,
                       "the store has as many rows as before")  # fmt: skip
            again = final_rows(client)
        assert {name for name in kept if kept[name] != again[name]} == set()


def end(stack: ZoneStack, name: str) -> int | None:
    """A worker leaves for good; its exit code."""
    worker = stack.workers[name]
    stack.supervisor.forget(worker)
    return worker.stop()


def zonepulse(stack: ZoneStack, *words: str, **environment: str) -> None:
    done = commands.run(*words, env=stack.worker_environment | environment)
    assert done.returncode == 0, done.stdout + done.stderr


def is_archived(stack: ZoneStack, folder: Path) -> bool:
    """Whether the files reach every partition's end."""
    topic = f"{PREFIX}readings"
    with admin_of(stack.kafka) as admin:
        ends = ends_of(admin, partitions_of(admin, [topic]))
        files = Archive(str(folder), "chaos", topic, topic_ids(admin, [topic])[topic]).files()
    return all(stretches(files.get(tp.partition, [])) == [(0, at.end)] for tp, at in ends.items())


def final_rows(client: Client) -> dict[str, list[str]]:
    """What readers see of every table, in an order that says nothing."""
    found = {name: client.query(f"SELECT * FROM {name}_final WHERE run = 'live'").result_rows for name in FINAL_TABLES}
    return {name: sorted(map(repr, rows)) for name, rows in found.items()}


def goes_on(stack: ZoneStack, worker: str) -> bool:
    """Whether a worker went on from a snapshot that was not empty."""
    return any(int(at) for at in re.findall(r"goes on from its snapshot at offset (\d+)", stack.workers[worker].log.read_text()))


def options(broker: Broker, folder: Path, *, beats: bool = False, partitions: int = 1) -> dict[str, object]:
    topic = f"stalled-{uuid4().hex[:8]}"
    create_topics(broker.bootstrap, {topic: partitions})
    produce_many(broker.bootstrap, topic, 0, (b"%d" % i for i in range(1000)))
    return {"broker": broker.bootstrap, "data_dir": str(folder), "group": topic, "topic": topic, "beats": beats}


def test_a_worker_that_hangs_with_work_left_ends_with_a_diagnosis(broker: Broker, tmp_path: Path) -> None:
    with process(STALLED, options(broker, tmp_path, beats=False), tmp_path / "log") as worker:
        assert worker.wait(patience_s(60)) == exit_codes.STALLED
    told = (tmp_path / "log").read_text()
    assert re.search(r"no progress for \d+ s: stalled-\w+/0 has \d+ records left", told)
    assert "stalled_worker.py" in told, "the stack of the thread that hangs"


def test_a_worker_that_waits_for_its_sink_is_left_alone(broker: Broker, tmp_path: Path) -> None:
    with process(STALLED, options(broker, tmp_path, beats=True), tmp_path / "log") as worker:
        time.sleep(12)
        with pytest.raises(subprocess.TimeoutExpired):
            worker.wait(0.1)
        worker.kill()


def test_a_partition_behind_an_open_transaction_is_named_and_the_worker_lives(broker: Broker, tmp_path: Path) -> None:
    chosen, log = options(broker, tmp_path, partitions=2) | {"works": True}, tmp_path / "log"
    topic = str(chosen["topic"])
    gateway = KafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id=topic, transaction_timeout_ms=60_000)
    gateway.init_transactions()
    gateway.begin_transaction()
    gateway.send(topic, b"of a gateway that hangs", partition=1).get(30)
    with process(STALLED, chosen, log) as worker:
        wait_until(lambda: f"{topic}/1 stands at offset 0" in log.read_text(), 60, "the partition is named")
        assert f"abort --topic {topic} --partition 1 --start-offset 0" in log.read_text()
        produce_many(broker.bootstrap, topic, 0, [b"more"])
        assert worker.poll() is None
        gateway.abort_transaction()
        gateway.close()
        told = log.read_text().count("stands at offset")
        time.sleep(5)
        assert worker.poll() is None
        assert log.read_text().count("stands at offset") <= told + 1


def test_the_broker_ends_a_hanging_transaction_within_a_minute(broker: Broker) -> None:
    gateway = KafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id="slow", transaction_timeout_ms=600_000)
    with pytest.raises(KafkaError):
        gateway.init_transactions()
