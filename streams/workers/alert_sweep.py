"""Alerts that are over leave `zp.alerts`: 30 days after they were resolved their keys get tombstones, and compaction removes them.

Two steps, so that no transition is lost that somebody has yet to read: first the topic is read to its end, and only what its readers have
passed is taken (the store; of optional tasks those that have ever committed); then, while the ledger writes nothing, it is read on, and
what has moved meanwhile is left alone.
"""

from collections.abc import Iterable
from contextlib import closing
from typing import Final, NamedTuple

import msgspec
from kafka import KafkaConsumer, TopicPartition

from zonepulse.schemas.messages.tasks import TASKS
from zonepulse.schemas.messages.topics import ALERTS
from zonepulse.streams.access.address import connection_to
from zonepulse.streams.kafka.consumer_groups import committed
from zonepulse.streams.kafka.log_facts import ANSWER_MS, admin_of

KEEP_MS: Final = 30 * 86_400_000
FIRST_S: Final = 30.0
EVERY_S: Final = 3_600.0
READERS: Final = tuple(task for task in TASKS.values() if ALERTS in task.reads and task.commits)


class _Last(NamedTuple):
    """Of a key: its last record's offset and time, and whether it says resolved."""

    offset: int
    at_ms: int
    is_over: bool


class _State(msgspec.Struct):
    state: str


class AlertSweep:
    """What stands on the alerts' topic of a zone. Blocks; for one thread."""

    def __init__(self, broker: str, prefix: str) -> None:
        self._broker, self._prefix = broker, prefix
        self._tp = TopicPartition(ALERTS.full_name(prefix), 0)
        self._last: dict[bytes, _Last] = {}
        self._next = 0

    def find(self, now_ms: int) -> set[bytes]:
        """Reads on to the end; keys of alerts that were resolved long before `now_ms` (epoch ms) and that every reader has passed.

        Raises kafka.errors.KafkaError.
        """
        self._read()
        passed = self._passed()
        return {key for key, last in self._last.items() if last.is_over and last.at_ms < now_ms - KEEP_MS and last.offset < passed}

    def confirm(self, found: Iterable[bytes]) -> list[bytes]:
        """Reads on to the end; those of the keys that have not moved since `find`. To be called while nobody writes."""
        before = {key: self._last[key].offset for key in found}
        self._read()
        return sorted(key for key, offset in before.items() if key in self._last and self._last[key].offset == offset)

    def _passed(self) -> int:
        with admin_of(self._broker) as admin:
            passed = [(reader, committed(admin, reader.group(self._prefix)).get(self._tp)) for reader in READERS]
        return min((at or 0 for reader, at in passed if at is not None or not reader.is_optional), default=0)

    def _read(self) -> None:
        consumer = KafkaConsumer(**connection_to(self._broker), bootstrap_timeout_ms=ANSWER_MS, enable_auto_commit=False)
        with closing(consumer):
            consumer.assign([self._tp])
            start, end = consumer.beginning_offsets([self._tp])[self._tp], consumer.end_offsets([self._tp])[self._tp]
            consumer.seek(self._tp, max(self._next, start))
            while consumer.position(self._tp) < end:
                for record in consumer.poll(1_000).get(self._tp, ()):
                    self._put(record.key, record.offset, record.timestamp, record.value)
            self._next = consumer.position(self._tp)

    def _put(self, key: bytes | None, offset: int, at_ms: int, value: bytes | None) -> None:
        if key is None:
            return
        if value is None:
            self._last.pop(key, None)
            return
        try:
            is_over = msgspec.json.decode(value, type=_State).state == "resolved"
        except (msgspec.MsgspecError, UnicodeDecodeError):
            is_over = False  # not of ours: it stays
        self._last[key] = _Last(offset, at_ms, is_over)
