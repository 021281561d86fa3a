"""Faults of what flows: a partition that stands, a registry that changes under load, retention that eats what nobody has read."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from faust.types import TP
from kafka import KafkaProducer

from zonepulse.schemas.messages.records import HEARTBEAT
from zonepulse.schemas.messages.topics import READINGS
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.access.address import connection_to
from zonepulse.streams.chaos.plan import Fault, Kind
from zonepulse.streams.control.registry_topic import publish
from zonepulse.streams.demo.run import INTERVALS_GROUP, PREFIX
from zonepulse.streams.kafka.log_facts import admin_of, ends_of

if TYPE_CHECKING:
    from zonepulse.streams.chaos.run import Chaos

PARTITIONS: Final = 4
_TRANSACTION_MS: Final = 59_000
"""Kafka ends a transaction that is open for longer."""
_SWITCH_S: Final = 60.0
"""Every task has switched to a new registry version by then."""
_HOUR_MS: Final = 3_600_000
_TOPIC: Final = READINGS.full_name(PREFIX)
_EVERY_PARTITION: Final = tuple(str(number) for number in range(PARTITIONS))


@contextmanager
def _standing(chaos: "Chaos", partition: int) -> Iterator[None]:
    """Nobody reads on in the partition: a gateway has begun a transaction, and hangs."""
    name = f"chaos-{partition}-{chaos.feed.sent}"
    producer = KafkaProducer(
        **connection_to(chaos.stack.kafka), transactional_id=name, transaction_timeout_ms=_TRANSACTION_MS, linger_ms=0
    )
    try:
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(_TOPIC, HEARTBEAT, partition=partition, timestamp_ms=0).get(30)
        yield
        producer.abort_transaction()
    finally:
        producer.close()


def _stand(chaos: "Chaos", fault: Fault) -> None:
    with _standing(chaos, int(fault.target)):
        time.sleep(fault.seconds)


def _apply_registry(chaos: "Chaos", _: Fault) -> None:
    """A factor of a company's own from a time that is not reached before every task has the version."""
    ahead_ms = max(2 * _HOUR_MS, int(_SWITCH_S * 1000 * chaos.feed.speed_up))
    from_ms = (chaos.feed.arrival_ms + ahead_ms) // _HOUR_MS * _HOUR_MS + _HOUR_MS
    number = chaos.zone_yaml.count("\n  - {id: own-")
    factor = (
        f"\n  - {{id: own-{number}, activity: grid_electricity, company: c{number % 12}, value: {0.3 + 0.01 * number:.2f}, unit: kgCO2/kWh,"
        f' source: chaos, valid_from: "{datetime.fromtimestamp(from_ms / 1000, UTC).isoformat()}"}}'
    )
    chaos.zone_yaml += factor if number else f"\nfactors:{factor}"
    publish(chaos.stack.kafka, PREFIX, parse_zone(chaos.zone_yaml), PARTITIONS)


def _eat(chaos: "Chaos", fault: Fault) -> None:
    """Everything behind a task's checkpoint is deleted before anybody reads it, and a copy of what was read is kept for the oracle."""
    partition = int(fault.target)
    tp = TP(_TOPIC, partition)
    workers = [worker for name, worker in chaos.stack.workers.items() if name.startswith("intervals-")]
    with admin_of(chaos.stack.kafka) as admin:
        with _standing(chaos, partition):
            stable = ends_of(admin, [tp])[tp].stable
            chaos.wait(
                lambda: chaos.progress.committed(INTERVALS_GROUP).get(tp, 0) >= stable, f"a checkpoint at {tp} offset {stable}"
            )
            time.sleep(fault.seconds)
            for worker in workers:
                os.kill(worker.pid, signal.SIGSTOP)
        try:
            end = ends_of(admin, [tp])[tp].end
            chaos.log.keep(partition, stable, end)
            admin.delete_records({tp: end})
        finally:
            for worker in workers:
                os.kill(worker.pid, signal.SIGCONT)
    if chaos.feed.is_done:  # its closing heartbeat may be gone
        with closing(KafkaProducer(**connection_to(chaos.stack.kafka))) as producer:
            producer.send(_TOPIC, HEARTBEAT, partition=partition, timestamp_ms=chaos.feed.end_ms).get(30)
    chaos.wait(lambda: chaos.progress.committed(INTERVALS_GROUP).get(tp, 0) > end, f"a checkpoint behind {tp} offset {end}")


KINDS: Final = (
    Kind("stand", 1, _EVERY_PARTITION, _stand, (2.0, 20.0)),
    Kind("apply_registry", 1, ("registry",), _apply_registry, without_end=True),
    Kind("eat", 0.5, _EVERY_PARTITION, _eat, (1.0, 5.0)),
)
