"""A restore that takes longer than the watchdog's patience is work: the worker goes on from its snapshot, and is not ended."""

import json
from pathlib import Path
from typing import Any

import pytest
from live_parts import create_topics, process, produce_many, wait_until

from zonepulse.streams.embedded.kafka.broker import Broker

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
WORKER = Path(__file__).with_name("counting_worker.py")
CHUNKS = 12_000
"""Of the snapshot: a restore decodes them one by one."""


def test_a_restore_longer_than_the_stall_limit_is_seen_as_work(broker: Broker, tmp_path: Path) -> None:
    topic, out, log = "long-restore", tmp_path / "out.jsonl", tmp_path / "log"
    create_topics(broker.bootstrap, {topic: 1})
    options: dict[str, Any] = {
        "broker": broker.bootstrap, "data_dir": str(tmp_path), "group": topic, "topic": topic, "partitions": 1, "out": str(out),
        "chunks": CHUNKS,
    }  # fmt: skip

    def events(name: str) -> list[dict[str, Any]]:
        lines = out.read_text().splitlines(keepends=True) if out.exists() else []
        return [e for e in map(json.loads, (line for line in lines if line.endswith("\n"))) if e["event"] == name]

    def count_to(count: int, **more: Any) -> None:
        produce_many(broker.bootstrap, topic, 0, [b"1"] * (count - sum(sent)))
        sent.append(count - sum(sent))
        with process(WORKER, options | more, log) as worker:
            is_there = lambda: any(e["count"] == count for e in events("saved"))  # noqa: E731
            wait_until(lambda: is_there() or worker.poll() is not None, 120, f"{count} counted")
            assert worker.poll() is None, log.read_text()[-3000:]

    sent: list[int] = []
    count_to(1000)
    count_to(2000)  # restores, with all the patience there is
    assert events("found")[-1]["is_stored"]
    stall_s = events("restored")[-1]["seconds"] / 2
    assert stall_s > 0.5, "so few chunks take no time"
    count_to(3000, stall_s=stall_s)
    assert [e["count"] for e in events("found")] == [0, 1000, 2000]
