"""The batched path against a real broker, in worker processes of their own."""

import json
import re
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
from live_parts import create_topics, process, produce, produce_many, wait_until

from zonepulse.streams.embedded.kafka.broker import Broker

pytestmark = pytest.mark.integration
WORKER = Path(__file__).with_name("batch_worker.py")
PARTITIONS = 4


class Case:
    """A topic of its own, and what its workers wrote down."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        self.broker, self.folder = broker, folder
        self.topic = f"hot-{uuid4().hex[:8]}"
        self.out = folder / "out.jsonl"
        create_topics(broker.bootstrap, {self.topic: PARTITIONS, f"{self.topic}-ordinary": 1})
        self.options: dict[str, Any] = {
            "broker": broker.bootstrap,
            "data_dir": str(folder / "data"),
            "group": self.topic,
            "topic": self.topic,
            "ordinary": f"{self.topic}-ordinary",
            "out": str(self.out),
            "partitions": PARTITIONS,
        }

    def worker(self, **options: Any) -> Any:
        return process(WORKER, self.options | options, self.folder / "worker.log")

    def fill(self, per_partition: int, size: int = 20) -> None:
        for partition in range(PARTITIONS):
            produce_many(self.broker.bootstrap, self.topic, partition, (b"%0*d" % (size, i) for i in range(per_partition)))

    def events(self, kind: str) -> list[dict[str, Any]]:
        if not self.out.exists():
            return []
        lines = self.out.read_text().splitlines(keepends=True)
        found = [json.loads(line) for line in lines if line.endswith("\n")]
        return [event for event in found if event["event"] == kind]

    def received(self) -> int:
        return sum(event["records"] for event in self.events("batch"))

    def log(self) -> str:
        return (self.folder / "worker.log").read_text()


@pytest.fixture
def case(broker: Broker, tmp_path: Path) -> Case:
    return Case(broker, tmp_path)


def ranges(events: list[dict[str, Any]], partition: int) -> list[tuple[int, int]]:
    return [(e["first"], e["last"]) for e in events if e["partition"] == partition]


def assert_each_once_in_order(events: list[dict[str, Any]], per_partition: int, start: int = 0) -> None:
    assert all(e["in_order"] for e in events)
    for partition in range(PARTITIONS):
        expected = start
        for first, last in ranges(events, partition):
            assert first == expected, f"partition {partition} went on at {first} instead of {expected}"
            expected = last + 1
        assert expected == per_partition


def test_every_record_arrives_once_in_order_as_few_events_beside_an_ordinary_topic(case: Case) -> None:
    case.fill(25_000)
    produce(case.broker.bootstrap, f"{case.topic}-ordinary", [(0, None, b"%d" % i, [], None) for i in range(50)])
    with case.worker():
        wait_until(lambda: case.received() >= 100_000 and len(case.events("ordinary")) >= 50, 30, "all records received")
        produce(case.broker.bootstrap, case.topic, [(2, b"k", b"late", [], None)])
        wait_until(lambda: case.received() >= 100_001, 10, "a record sent later received")
    batches = case.events("batch")
    late = batches.pop()
    assert (late["partition"], late["first"], late["next_offset"], late["lag"]) == (2, 25_000, 25_001, 0)
    assert_each_once_in_order(batches, 25_000)
    assert len(batches) <= 40
    assert [e["value"] for e in case.events("ordinary")] == [str(i) for i in range(50)]


def test_headers_times_and_null_keys_and_values_are_kept(case: Case) -> None:
    sent = [
        (0, None, b"only value", [], 1_700_000_000_123),
        (0, b"only key", None, [], 1_700_000_000_124),
        (0, b"other key", None, [("a", b"1"), ("a", b"2")], 1_600_000_000_000),
        (0, b"", b"", [("content-type", b"application/json")], 1_700_000_000_125),
        (0, b"key", b"value", [], 1_700_000_000_126),
    ]
    produce(case.broker.bootstrap, case.topic, sent)
    with case.worker():
        wait_until(lambda: case.received() >= 5, 20, "five records received")
    contents = [record for event in case.events("batch") for record in event["contents"]]
    assert contents == [
        [k.decode() if k is not None else None, v.decode() if v is not None else None, [[n, h.decode()] for n, h in hs], t]
        for _, k, v, hs, t in sent
    ]


def test_a_slow_agent_bounds_memory_and_still_gets_everything(case: Case) -> None:
    case.fill(100_000, size=1000)
    with case.worker(sleep_s=0.08, max_records=4_000) as worker:
        wait_until(lambda: case.received() >= 40_000, 30, "a tenth received")
        process_info, largest = psutil.Process(worker.pid), 0
        produce(case.broker.bootstrap, f"{case.topic}-ordinary", [(0, None, b"meanwhile", [], None)])
        wait_until(lambda: bool(case.events("ordinary")), 5, "an ordinary record passing the full channel")
        assert case.received() < 300_000

        def is_done() -> bool:
            nonlocal largest
            largest = max(largest, process_info.memory_info().rss)
            return case.received() >= 400_000

        wait_until(is_done, 60, "all received")
    assert_each_once_in_order(case.events("batch"), 100_000)
    assert largest < 350 << 20  # 400 MB were sent


def test_a_worker_without_commits_starts_from_the_beginning_and_one_with_a_state_from_there(case: Case) -> None:
    case.fill(1000)
    with case.worker():
        wait_until(lambda: case.received() >= 4000, 20, "all received")
    case.out.unlink()
    with case.worker():
        wait_until(lambda: case.received() >= 4000, 20, "all received again")
    assert_each_once_in_order(case.events("batch"), 1000)
    case.out.unlink()
    with case.worker(start=990):
        wait_until(lambda: case.received() >= 40, 20, "the tail received")
    assert_each_once_in_order(case.events("batch"), 1000, start=990)


def test_a_second_worker_takes_its_share_and_a_killed_ones_work_without_loss_or_double(case: Case) -> None:
    filled = 5_000
    case.fill(filled)
    options = {"commit": True, "sleep_s": 0.06, "max_records": 200}
    with case.worker(**options) as first:
        wait_until(lambda: case.received() >= 3_000, 60, "the first worker busy")
        with case.worker(**options) as second:
            deadline = time.monotonic() + 120
            while not any(e["pid"] == second.pid for e in case.events("batch")):  # however long it takes to start, data flow
                assert time.monotonic() < deadline, "the second worker is not busy"
                if case.received() > PARTITIONS * (filled - 2_000):
                    case.fill(2_000)
                    filled += 2_000
                time.sleep(0.05)
            case.fill(5_000)
            filled += 5_000
            wanted = case.received() + 4_000
            wait_until(lambda: case.received() >= wanted, 60, "both busy")
            second.kill()
        wait_until(lambda: coverage(case) >= PARTITIONS * filled, 90, "the survivor has done the rest")
        assert first.poll() is None
    for partition in range(PARTITIONS):
        done = ranges(case.events("batch"), partition)
        assert [offset for first, last in committed(done) for offset in range(first, last + 1)] == list(range(filled))
    repeated = case.received() - PARTITIONS * filled
    assert repeated <= 4 * 200, "only batches whose commit was cut off may come again"


def test_an_agent_that_fails_ends_the_worker_with_an_exit_code(case: Case) -> None:
    case.fill(100)
    with case.worker(fail_at=50) as worker:
        assert worker.wait(30) == 1
    assert "asked to fail" in case.log()


def test_a_seek_reads_on_from_there_and_drops_what_was_on_its_way(case: Case) -> None:
    case.fill(1000)
    with case.worker(seek_once=50, max_records=100):
        wait_until(lambda: case.received() >= 4_050, 30, "all received, and some again")
    assert [e["first"] for e in case.events("batch") if e["partition"] == 0] == [0, *range(50, 1000, 100)]


def test_a_table_recovers_beside_batch_topics(case: Case) -> None:
    case.fill(100)
    with case.worker(table="sums"):
        wait_until(lambda: case.received() >= 400, 30, "all received")
    assert_each_once_in_order(case.events("batch"), 100)


def test_a_state_beyond_the_end_of_the_topic_is_refused(case: Case) -> None:
    case.fill(10)
    with case.worker(start=11) as worker:
        assert worker.wait(30) == 1
    assert re.search(r"ends at offset 10, but the state of \S+ goes on at 11", case.log())


def coverage(case: Case) -> int:
    """Distinct records received."""
    seen: set[tuple[int, int]] = set()
    for event in case.events("batch"):
        seen.update((event["partition"], offset) for offset in range(event["first"], event["last"] + 1))
    return len(seen)


def committed(done: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Batches in order, each without what an earlier one held."""
    kept, expected = [], 0
    for first, last in done:
        if last >= expected:
            kept.append((max(first, expected), last))
            expected = last + 1
    return kept
