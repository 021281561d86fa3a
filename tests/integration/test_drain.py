"""A zone is drained when everything sent has gone through every stage: not earlier, and whoever dies or comes last meanwhile."""

import json
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.structs import OffsetAndMetadata
from live_parts import produce, wait_until
from zones import ONE_METER

from zonepulse.processors.channels.table import compile_registry
from zonepulse.processors.flow import ROW, new_rows
from zonepulse.schemas.messages.records import HEARTBEAT
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.control.registry_topic import publish
from zonepulse.streams.demo.drain import Drain
from zonepulse.streams.demo.run import INTERVALS_GROUP, LEDGER_GROUP, PREFIX, STORE_GROUP, Progress
from zonepulse.streams.embedded.kafka.broker import Broker
from zonepulse.streams.embedded.zone_stack import ZoneStack
from zonepulse.streams.kafka.consumer_groups import commit_offsets, coordinated
from zonepulse.streams.kafka.interval_codec import interval_blocks
from zonepulse.streams.kafka.topics_admin import ensure_topics
from zonepulse.streams.kernels.warm_up import warm_up

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
START_MS = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp() * 1000)
TICK = START_MS // 60_000
LETTERS = 1900
"""Fewer of a key in a tick than are told one by one."""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[str]:
    """A broker whose zone is nobody else's."""
    broker = Broker(tmp_path)
    broker.start()
    yield broker.bootstrap
    broker.stop()


def commit(bootstrap: str, group: str, topic: str, *offsets: int) -> None:
    """What the tasks of a group would: one offset a partition."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        commits = {TopicPartition(PREFIX + topic, p): OffsetAndMetadata(at, "", -1) for p, at in enumerate(offsets)}
        coordinated(lambda: commit_offsets(admin, group, commits))
    finally:
        admin.close()


def close(bootstrap: str, partition: int, through: int) -> None:
    channels = compile_registry(parse_zone(ONE_METER), 2)
    blocks = interval_blocks(new_rows(ROW, 0), channels, partition, through)
    produce(bootstrap, f"{PREFIX}intervals", [(0, b"%d" % partition, block, [], START_MS) for block in blocks])


def wait_for(drain: Drain, stage: str) -> None:
    """Until it has read as far as to wait for this."""

    def is_at() -> bool:
        assert not drain.is_through()
        return drain.waits_for.startswith(stage)

    wait_until(is_at, 30, f"waits for: {stage}")


def test_each_stage_is_waited_for_to_the_end_that_it_had_when_the_one_before_was_through(own: str) -> None:
    ensure_topics(own, PREFIX, 2, is_simulated=True, replication=1)
    progress = Progress(own, 2)
    drain = Drain(own, progress, TICK)
    assert not drain.is_through()
    close(own, 0, TICK)
    wait_for(drain, f"tick 0 of {TICK} is closed")

    close(own, 1, TICK)
    produce(own, f"{PREFIX}readings", [(p, None, b"a reading whose letter is still to come", [], START_MS) for p in (0, 0, 1)])
    wait_for(drain, f"{INTERVALS_GROUP} has not committed")
    commit(own, INTERVALS_GROUP, "readings", 2, 2)  # the last reading of partition 0, but not the mark behind it
    assert not drain.is_through()
    commit(own, INTERVALS_GROUP, "readings", 3, 2)  # one mark each: asking again sends no other
    wait_for(drain, f"{LEDGER_GROUP} has not committed")

    close(own, 0, TICK + 1)  # live sums and the like go on for ever, and are not waited for
    commit(own, LEDGER_GROUP, "intervals", 1)
    assert not drain.is_through()
    commit(own, LEDGER_GROUP, "intervals", 2)
    wait_for(drain, f"{STORE_GROUP} has not committed")

    produce(own, f"{PREFIX}deadletters", [(0, None, b"refused by the store itself", [], START_MS)])
    commit(own, STORE_GROUP, "intervals", 3)
    wait_for(drain, f"{STORE_GROUP} has not committed")
    commit(own, STORE_GROUP, "deadletters", 1)
    close(own, 0, TICK + 2)
    wait_until(drain.is_through, 30, "all is through")
    assert drain.waits_for == "nothing"
    assert drain.is_through()
    progress.close()


def test_workers_killed_while_it_drains_and_letters_that_come_last_are_waited_for() -> None:
    warm_up()
    with ZoneStack(2, is_simulated=True) as stack, stack.client() as client:
        publish(stack.kafka, PREFIX, parse_zone(ONE_METER), 2, timestamp_ms=START_MS)
        stack.start_workers()
        progress = Progress(stack.kafka, 2)
        end_ms = START_MS + 60 * 60_000
        produce(stack.kafka, f"{PREFIX}readings", [(p, None, HEARTBEAT, [], at) for p in (0, 1) for at in (START_MS, end_ms)])
        letters = [(i % 2, None, json.dumps({"nobody's": i}).encode(), [], end_ms) for i in range(LETTERS)]
        produce(stack.kafka, f"{PREFIX}readings", letters)  # behind the tick that is waited for
        drain, killed = Drain(stack.kafka, progress, end_ms // 60_000), set[str]()

        def is_through() -> bool:
            if drain.is_through():
                return True
            if drain.waits_for.startswith(INTERVALS_GROUP) and not killed:
                for name in ("intervals-0", "ledger-0", "store-0"):
                    os.kill(stack.workers[name].pid, signal.SIGKILL)
                    killed.add(name)
            return False

        wait_until(is_through, 240, "all to be through")
        assert client.query("SELECT count(), countIf(reason = 'malformed') FROM dead_letters_final").first_row == (LETTERS, LETTERS)
        assert killed == {died.name for died in stack.supervisor.deaths}
        assert killed, "the drain was asked before the letters were committed"
        progress.close()
