"""A worker that gets a twentieth of a core: a backlog of refused readings ends, and nothing takes slowness for a standstill."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import psutil
import pytest
from kafka import KafkaConsumer, TopicPartition
from live_parts import Record, produce, wait_until
from zones import ONE_METER

from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.control.registry_topic import publish
from zonepulse.streams.demo.run import PREFIX
from zonepulse.streams.embedded.zone_stack import ZoneStack
from zonepulse.streams.kernels.warm_up import warm_up

pytestmark = [pytest.mark.integration, pytest.mark.timeout(7200)]
START_MS = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp() * 1000)
BACKLOG = int(os.environ.get("ZONEPULSE_SOAK_BACKLOG", "50000"))
TURN_S = 1.0
STALL_S = 5.0


@contextmanager
def share_of_a_core(pid: int, share: float) -> Iterator[None]:
    """The process runs for so much of every second, and is stopped for the rest."""
    ended = threading.Event()
    process = psutil.Process(pid)

    def turns() -> None:
        with suppress(psutil.NoSuchProcess):
            while not ended.wait(share * TURN_S):
                process.send_signal(signal.SIGSTOP)
                ended.wait((1 - share) * TURN_S)
                process.send_signal(signal.SIGCONT)

    thread = threading.Thread(target=turns)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGCONT)


def test_a_backlog_of_refused_readings_ends_at_a_twentieth_of_a_core() -> None:
    warm_up()
    with ZoneStack(1, is_simulated=True) as stack:
        publish(stack.kafka, PREFIX, parse_zone(ONE_METER), 1, timestamp_ms=START_MS)
        worker = stack.start_worker("intervals", "0", {"ZONEPULSE_STALL_S": str(STALL_S)})
        consumer = KafkaConsumer(bootstrap_servers=stack.kafka)
        topic = f"{PREFIX}deadletters"

        def letters() -> int:
            places = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic) or ()]
            return sum(consumer.end_offsets(places).values())

        produce(stack.kafka, f"{PREFIX}readings", backlog(1))
        wait_until(lambda: letters() == 1, 120, "the worker to be ready")
        with share_of_a_core(worker.pid, 0.05):
            produce(stack.kafka, f"{PREFIX}readings", backlog(BACKLOG))
            wait_until(lambda: letters() >= 1 + BACKLOG, BACKLOG / 50, "every letter")
        assert stack.supervisor.deaths == []
        assert letters() == 1 + BACKLOG, "none was sent twice"
        consumer.close()


def backlog(n: int) -> Iterator[Record]:
    """Readings of meters that nobody registered, each of a key of its own."""
    for i in range(n):
        value = json.dumps({"meter": f"X{i}", "register": "1.8.0", "ts": START_MS, "value": 1.0}).encode()
        yield 0, b"gateway %d" % i, value, [], START_MS + 60_000
