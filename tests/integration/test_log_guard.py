"""The log may not be what a task remembers of it: nothing is passed over in silence, and there is always a command that goes on."""

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import commands
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from live_parts import create_topics, process, produce, produce_many, wait_until

from zonepulse.streams.checkpoints.log import CheckpointLog, Found
from zonepulse.streams.embedded.kafka.broker import Broker

pytestmark = pytest.mark.integration
WORKER = Path(__file__).with_name("counting_worker.py")


class Case:
    """A zone of its own whose intervals task only counts."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        self.broker, self.folder = broker.bootstrap, folder
        self.prefix = f"{uuid4().hex[:6]}."
        self.topic, self.group = f"{self.prefix}readings", f"{self.prefix}intervals"
        self.changelog = f"{self.group}-checkpoints-changelog"
        self.out, self.log_file = folder / "out.jsonl", folder / "worker.log"
        create_topics(self.broker, {self.topic: 1})

    def worker(self, **options: Any) -> Any:
        chosen = {
            "broker": self.broker, "data_dir": str(self.folder / "data"), "group": self.group, "topic": self.topic,
            "partitions": 1, "out": str(self.out),
        }  # fmt: skip
        return process(WORKER, chosen | options, self.log_file)

    def send(self, count: int) -> None:
        produce_many(self.broker, self.topic, 0, (b"%d" % i for i in range(count)))

    def admin(self, what: str, *args: Any) -> Any:
        admin = KafkaAdminClient(bootstrap_servers=self.broker)
        try:
            return getattr(admin, what)(*args)
        finally:
            admin.close()

    def delete_before(self, offset: int, topic: str = "") -> None:
        self.admin("delete_records", {TopicPartition(topic or self.topic, 0): offset})

    def last(self, event: str) -> dict[str, Any]:
        lines = self.out.read_text().splitlines(keepends=True) if self.out.exists() else []
        return next((e for e in map(json.loads, reversed([x for x in lines if x.endswith("\n")])) if e["event"] == event), {})

    def log(self) -> str:
        return self.log_file.read_text() if self.log_file.exists() else ""

    def counted(self, count: int, **options: Any) -> None:
        """A worker comes, counts up to `count`, keeps it, and leaves."""
        with self.worker(**options) as worker:
            wait_until(lambda: self.last("saved").get("count") == count or worker.poll() is not None, 60, f"{count} counted")
            assert worker.poll() is None, self.log()[-3000:]

    @contextmanager
    def behind(self) -> Iterator[tuple[Any, Path]]:
        """A worker that waits at a gate, records for it that are not read yet, and behind them 30,000 more, up to offset 90,000."""
        self.send(60_000)
        gate = self.out.with_name("gate")
        with self.worker(max_records=100, gate_at=500, gate=str(gate)) as worker:
            wait_until(lambda: self.last("counted").get("count", 0) >= 500, 60, "the worker is busy")
            produce_many(self.broker, self.topic, 0, (b"%01000d" % i for i in range(30_000)))
            yield worker, gate

    def stopped(self) -> str:
        """A worker comes and ends; what it said."""
        before = len(self.log())
        with self.worker() as worker:
            wait_until(lambda: worker.poll() is not None, 60, "the worker ends")
            assert worker.poll() == 1
        return self.log()[before:]

    def zonepulse(self, *args: str) -> str:
        settings = {"ZONEPULSE_BROKER": self.broker, "ZONEPULSE_TOPIC_PREFIX": self.prefix}
        done = commands.run(*args, env=os.environ | settings)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def case(broker: Broker, tmp_path: Path) -> Case:
    return Case(broker, tmp_path)


def test_what_retention_ate_unread_is_named_and_the_rest_is_read(case: Case) -> None:
    case.send(100)
    case.counted(100)
    case.send(100)
    case.delete_before(150)
    case.counted(150)
    assert f"{case.topic}/0: offsets 100 to 149 were deleted unread" in case.log()


def test_what_retention_eats_under_a_running_worker_is_named_and_the_rest_is_read(case: Case) -> None:
    with case.behind() as (worker, gate):
        produce_many(case.broker, case.topic, 0, (b"%01000d" % i for i in range(100)))
        case.delete_before(90_000)
        gate.touch()
        wait_until(lambda: case.last("counted").get("next_offset") == 90_100 or worker.poll() is not None, 120, "the end is read")
        assert worker.poll() is None, case.log()[-3000:]
    assert " to 89999 were deleted unread" in case.log()


def test_what_retention_eats_to_the_very_end_is_named_too(case: Case) -> None:
    """The client goes on at the log's beginning before there is a record that could tell."""
    with case.behind() as (worker, gate):
        case.delete_before(90_000)
        gate.touch()
        wait_until(lambda: " to 89999 were deleted unread" in case.log() or worker.poll() is not None, 60, "the loss is named")
        case.send(100)
        wait_until(lambda: case.last("counted").get("next_offset") == 90_100 or worker.poll() is not None, 60, "the end is read")
        assert worker.poll() is None, case.log()[-3000:]
    assert case.log().count("were deleted unread") == 1


@pytest.mark.parametrize("records", [50, pytest.param(200, marks=pytest.mark.soak)])
def test_a_topic_made_anew_stops_the_task_until_it_is_accepted(case: Case, records: int) -> None:
    case.send(100)
    case.counted(100)
    case.admin("delete_topics", [case.topic])
    wait_until(lambda: case.topic not in case.admin("list_topics"), 30, "the topic is gone")
    create_topics(case.broker, {case.topic: 1})
    case.send(records)
    told = case.stopped()
    assert f"{case.topic}/0 was deleted and made anew" in told
    assert "zonepulse checkpoints accept intervals" in told
    case.zonepulse("checkpoints", "accept", "intervals")
    case.counted(100 + records)
    assert json.loads(case.zonepulse("checkpoints", "list", "--json"))["checkpoints"][0]["found"] == "ok"


def test_a_topic_made_anew_under_a_running_worker_stops_it_until_it_is_accepted(case: Case) -> None:
    """It has more records than before by the time it is read: from the next offset on it looks like the old one."""
    case.send(100)
    with case.worker() as worker:
        wait_until(lambda: case.last("saved").get("count") == 100, 60, "100 counted and kept")
        case.admin("delete_topics", [case.topic])
        wait_until(lambda: case.topic not in case.admin("list_topics"), 30, "the topic is gone")
        create_topics(case.broker, {case.topic: 1})
        case.send(200)
        wait_until(lambda: worker.poll() is not None, 60, "the worker ends")
        assert worker.poll() == 1
    assert f"{case.topic}/0 was deleted and made anew" in case.log()
    assert "zonepulse checkpoints accept intervals" in case.log()
    assert f"{case.topic}/0 was deleted and made anew" in case.stopped()
    case.zonepulse("checkpoints", "accept", "intervals")
    counted = case.last("saved")["count"]
    case.counted(counted + 200)


def test_group_offsets_that_expired_are_not_missed(case: Case) -> None:
    case.send(100)
    case.counted(100)
    wait_until(lambda: case.admin("describe_groups", [case.group])[case.group]["group_state"] == "Empty", 30, "the group is empty")
    case.admin("delete_groups", [case.group])
    case.send(10)
    case.counted(110)
    assert case.last("found") == {"event": "found", "partition": 0, "count": 100, "is_stored": True}


@pytest.mark.parametrize("how", ["deleted", "emptied"])
def test_snapshots_that_are_gone_stop_the_task_until_it_is_told_to_begin(case: Case, how: str) -> None:
    case.send(100)
    case.counted(100)
    if how == "deleted":
        case.admin("delete_topics", [case.changelog])
    else:
        topic = ConfigResource(ConfigResourceType.TOPIC, case.changelog, {"cleanup.policy": "compact,delete"})  # else it is refused
        case.admin("alter_configs", [topic])
        case.delete_before(-1, case.changelog)
    told = case.stopped()
    assert f"intervals has handled {case.topic}/0 up to offset 100, but its snapshots are gone" in told
    assert "zonepulse checkpoints begin intervals" in told
    assert "the log is whole" in told
    case.delete_before(30)
    assert "what is left begins at offset 30" in case.stopped()
    case.zonepulse("checkpoints", "begin", "intervals")
    case.counted(70)
    case.send(5)
    case.counted(75)


def test_a_task_without_snapshots_does_not_begin_in_the_middle_of_a_log_unasked(case: Case) -> None:
    case.send(100)
    case.delete_before(40)
    assert "its first 40 records are deleted" in case.stopped()
    case.zonepulse("checkpoints", "begin", "intervals", "--partition", "0")
    case.counted(60)


def whole(case: Case, progress: Callable[[], object] = lambda: None) -> Found:
    """The snapshots' topic as a task reads it."""
    return asyncio.run(CheckpointLog(case.changelog, case.broker, 1, 1).read([0], progress))[0]


def test_a_restore_ends_when_everything_is_deleted_under_it(case: Case) -> None:
    create_topics(case.broker, {case.changelog: 1})
    topic = ConfigResource(ConfigResourceType.TOPIC, case.changelog, {"cleanup.policy": "compact,delete"})  # else it is refused
    case.admin("alter_configs", [topic])
    produce(case.broker, case.changelog, [(0, b"0/%d/1/abcdef01/%d" % (i, i), bytes(100_000), [], None) for i in range(300)])
    deleted: list[int] = []

    def delete_all() -> None:
        if not deleted:
            deleted.append(len(deleted))
            case.delete_before(-1, case.changelog)

    found = whole(case, delete_all)
    assert deleted
    assert found.manifests == {}
    assert whole(case).chunks == {}


def test_a_restore_ends_in_a_topic_whose_records_compaction_took(case: Case) -> None:
    configs = {
        "cleanup.policy": "compact",
        "segment.ms": "100",
        "min.cleanable.dirty.ratio": "0.001",
        "max.compaction.lag.ms": "100",
    }
    configs |= {"delete.retention.ms": "0"}
    case.admin("create_topics", {case.changelog: {"num_partitions": 1, "replication_factor": 1, "configs": configs}})
    kept = b"0/7/1/abcdef01/7"

    def compacted() -> bool:
        """Another segment closes with each record; what stood in the closed ones goes."""
        produce(
            case.broker, case.changelog, [(0, b"0/1/1/abcdef01/1", b"again", [], None), (0, b"0/2/1/abcdef01/1", None, [], None)]
        )
        return records_in(case.broker, case.changelog) < 50

    produce(case.broker, case.changelog, [(0, kept, b"kept", [], None)])
    produce(case.broker, case.changelog, [(0, b"0/1/1/abcdef01/1", b"%d" % i, [], None) for i in range(500)])
    wait_until(compacted, 90, "the broker compacts")
    assert whole(case).chunks == {kept.decode(): b"kept", "0/1/1/abcdef01/1": b"again"}


def records_in(broker: str, topic: str) -> int:
    """How many there are now, fewer than its offsets say."""
    consumer, tp = KafkaConsumer(bootstrap_servers=broker, enable_auto_commit=False), TopicPartition(topic, 0)
    consumer.assign([tp])
    consumer.seek_to_beginning(tp)
    end, count = consumer.end_offsets([tp])[tp], 0
    while consumer.position(tp) < end:
        count += len(consumer.poll(500).get(tp, ()))
    consumer.close()
    return count


STRAYS = [
    (b"junk", b"junk"),
    (b"0/manifest/99/x", b"junk"),
    (b"0/manifest/99/abcdef01", b"junk"),
    (b"0/manifest/98/abcdef01", b'{"schema":99}'),
    (b"0/manifest/97/abcdef01", b'{"schema":1,"generation":97,"owner":7}'),
    (b"0/manifest/96/abcdef01", b"\xff\xfe"),
    (b"0/5/xx/y/1", b"junk"),
    (b"0/5/3/abcdef01/1", b"junk"),
    (b"\xff\xfe", b"junk"),
    (b"0/junk", b"junk"),
    (b"77/manifest/1/abcdef01", b"junk"),
    (b"", b"junk"),
]


def test_records_from_nowhere_among_the_snapshots_are_named_and_passed_over(case: Case) -> None:
    case.send(100)
    case.counted(100)
    produce(case.broker, case.changelog, [(0, key, value, [], None) for key, value in STRAYS])
    case.send(10)
    case.counted(110)
    assert case.last("found")["count"] == 100
    assert case.log().count("are no snapshots of ours") == 1
    assert "manifest 0/manifest/99/abcdef01 cannot be used" in case.log()


def test_a_task_whose_snapshots_are_all_damaged_stops_with_the_commands(case: Case) -> None:
    produce_to_be = [(0, b"0/manifest/99/abcdef01", b"junk", [], None)]
    case.send(100)
    create_topics(case.broker, {case.changelog: 1})
    produce(case.broker, case.changelog, produce_to_be)
    told = case.stopped()
    assert "none of the 1 snapshots of intervals" in told
    assert "zonepulse checkpoints begin intervals" in told


def test_a_restore_ends_behind_the_marker_of_an_aborted_transaction(case: Case) -> None:
    case.send(100)
    case.counted(100)
    other = KafkaProducer(bootstrap_servers=case.broker, transactional_id=case.group, transaction_timeout_ms=60_000)
    other.init_transactions()
    other.begin_transaction()
    other.send(case.changelog, key=b"other", value=b"other", partition=0).get(30)
    other.abort_transaction()
    other.close()
    case.send(10)
    case.counted(110)
    assert case.last("found")["count"] == 100
