"""A zone on an empty Kafka again: what a backup holds, and the readings of the archive at their old offsets and times.

Workers that begin with such a log make the same rows: what was skipped is skipped, letters name the same offsets, nothing is late. Offsets
that the archive does not have (control records, or what retention deleted unread) become heartbeats of 1970, which close nothing.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

from kafka import KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from zonepulse.schemas.messages.commands import BadCommand, parse_command
from zonepulse.schemas.messages.records import HEARTBEAT, RecordSpans
from zonepulse.schemas.messages.topics import COMMANDS, FOREVER_MS, MAX_MESSAGE_BYTES, READINGS, REGISTRY, Topic
from zonepulse.streams.access.address import connection_to
from zonepulse.streams.archive.archive import Archive, Kept, stretches
from zonepulse.streams.archive.backup import KEPT, Backup, BadBackup
from zonepulse.streams.control.registry_topic import BATCH_BYTES, CONNECT_MS, SEND_TIMEOUT_S, load_versions, publish
from zonepulse.streams.kafka.log_facts import admin_of, ends_of, partitions_of
from zonepulse.streams.kafka.topics_admin import ensure_topics

AT_ONCE: Final = 5_000
"""Records on their way at a time."""
_STAMPED: Final = "message.timestamp.type"


def restore(broker: str, prefix: str, backup: Backup, archive: Archive | None, *, is_simulated: bool) -> dict[str, int]:
    """Makes the topics and fills them, the readings too where an archive is given; records by topic.

    Nobody else may send meanwhile. At last every partition is told of the newest registry. With an archive the readings' topic keeps what
    it got, however old, until `topics apply --shrink`. Raises BadBackup, BadArchive, kafka.errors.KafkaError.
    """
    ensure_topics(broker, prefix, backup.partitions, is_simulated=is_simulated)
    filled = [*KEPT, *([READINGS] if archive is not None else [])]
    with admin_of(broker) as admin:
        _require_empty(admin, prefix, filled)
        stamped = [topic.full_name(prefix) for topic in filled if topic.timestamp_type != "CreateTime" and not is_simulated]
        if archive is not None:
            _configure(admin, [READINGS.full_name(prefix)], {"retention.ms": str(FOREVER_MS), "retention.bytes": "-1"})
        with _own_times(admin, stamped), closing(_producer(broker)) as producer:
            counts = {topic.name: _refill(producer, prefix, topic, _kept(backup, topic, archive is not None)) for topic in KEPT}
            if archive is not None:
                counts[READINGS.name] = _refill_readings(producer, prefix, archive, backup.partitions)
    versions = load_versions(broker, REGISTRY.full_name(prefix))
    publish(broker, prefix, versions[max(versions)], backup.partitions)
    return counts


def _kept(backup: Backup, topic: Topic, has_readings: bool) -> list[dict[str, Any]]:
    """The records of a topic; of commands no skip of a record that another one stands in the place of."""
    records = backup.of(topic)
    return [record for record in records if topic is not COMMANDS or _holds(record["value"], has_readings)]


def _holds(value: bytes | None, has_readings: bool) -> bool:
    try:
        place = parse_command(value or b"").place
    except BadCommand:
        return True
    return place is None or (has_readings and place.topic == READINGS.name)


def _require_empty(admin: KafkaAdminClient, prefix: str, topics: Iterable[Topic]) -> None:
    found = ends_of(admin, partitions_of(admin, [topic.full_name(prefix) for topic in topics]))
    for tp, ends in sorted(found.items()):
        if ends.end:
            raise BadBackup(
                f"{tp.topic}/{tp.partition} has records up to offset {ends.end}, and only empty topics are filled: stop workers and"
                " gateways, delete the zone's topics, or choose another ZONEPULSE_TOPIC_PREFIX"
            )


@contextmanager
def _own_times(admin: KafkaAdminClient, topics: list[str]) -> Iterator[None]:
    """Records keep the times that they are sent with."""
    _configure(admin, topics, {_STAMPED: "CreateTime"})
    try:
        yield
    finally:
        _configure(admin, topics, {_STAMPED: "LogAppendTime"})


def _configure(admin: KafkaAdminClient, topics: Iterable[str], settings: dict[str, str]) -> None:
    if changes := [ConfigResource(ConfigResourceType.TOPIC, name, settings) for name in topics]:
        admin.alter_configs(changes)


def _producer(broker: str) -> KafkaProducer:
    return KafkaProducer(
        **connection_to(broker), bootstrap_timeout_ms=CONNECT_MS, acks="all", enable_idempotence=True, linger_ms=20,
        max_request_size=MAX_MESSAGE_BYTES, batch_size=BATCH_BYTES, compression_type="zstd",
    )  # fmt: skip


class _Filling:
    """Records on their way into one partition, whose offsets must come out one after another from 0 on."""

    def __init__(self, producer: KafkaProducer, topic: str, partition: int) -> None:
        self._producer, self._topic, self._partition = producer, topic, partition
        self._sent: list[Any] = []
        self.next = 0

    def send(self, time_ms: int, key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]] = ()) -> None:
        self._sent.append(
            self._producer.send(
                self._topic, value=value, key=key, partition=self._partition, timestamp_ms=time_ms, headers=list(headers)
            )
        )
        self.next += 1
        if len(self._sent) == AT_ONCE:
            self.wait()

    def fill_to(self, offset: int) -> None:
        """What follows stands at this offset."""
        while self.next < offset:
            self.send(0, None, HEARTBEAT)

    def wait(self) -> None:
        """Everything is acknowledged."""
        for offset, future in enumerate(self._sent, self.next - len(self._sent)):
            if (found := future.get(SEND_TIMEOUT_S).offset) != offset:
                raise BadBackup(
                    f"{self._topic}/{self._partition}: a record that must stand at offset {offset} stands at {found}, so somebody else"
                    " sends: stop gateways and workers, delete the zone's topics and begin again"
                )
        self._sent.clear()


def _refill(producer: KafkaProducer, prefix: str, topic: Topic, records: list[dict[str, Any]]) -> int:
    filling = _Filling(producer, topic.full_name(prefix), 0)
    for record in records:
        headers = [(header["name"], header["value"]) for header in record["headers"]]
        filling.send(record["time"], record["key"], record["value"], headers)
    filling.wait()
    return filling.next


def _refill_readings(producer: KafkaProducer, prefix: str, archive: Archive, partitions: int) -> int:
    """How many records of the archive were sent."""
    count, files = 0, archive.files()
    for partition in range(partitions):
        filling = _Filling(producer, READINGS.full_name(prefix), partition)
        for records in _archived(archive.read, files.get(partition, []), partition):
            for i in range(len(records)):
                filling.fill_to(int(records.offset[i]))
                filling.send(int(records.timestamp_ms[i]), records.key(i), records.value(i), records.headers.get(i, ()))
            count += len(records)
        filling.wait()
    return count


def _archived(read: Callable[..., Iterator[RecordSpans]], files: list[Kept], partition: int) -> Iterator[RecordSpans]:
    for first, next_ in stretches(files):
        yield from read(files, partition, first, next_)
