"""Registry versions on `zp.registry`: reading them, and publishing the next so that every partition switches at a known place.

Order, never another: the version's entities acknowledged (the zone's last) -> read back and found equal -> a heartbeat that names
the version to every partition of `zp.readings`. After a crash halfway, publish again: the same registry keeps its number.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any, Final

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.admin import OffsetSpec as Offsets

from zonepulse.schemas.messages.records import CONTENT_TYPE, HEARTBEAT, JSON
from zonepulse.schemas.messages.records import REGISTRY as HEADER
from zonepulse.schemas.messages.topics import MAX_MESSAGE_BYTES, READINGS, REGISTRY
from zonepulse.schemas.registry.mend import Mend, mends
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.wire import by_version, checked_key, from_entities, is_complete, to_entities
from zonepulse.streams.access.address import connection_to

CONNECT_MS: Final = 10_000
SEND_TIMEOUT_S: Final = 60
BATCH_BYTES: Final = 1 << 19
log = logging.getLogger(__name__)


class RegistryRace(RuntimeError):
    """Another `registry apply` wrote the same version number at the same time; nothing switched to it."""


def load_versions(broker: str, topic: str) -> dict[int, Registry]:
    """Every complete registry version on the topic, by number; empty without such a topic. Raises kafka.errors.KafkaError.

    Records that are none of a registry are left out with a warning, and so is a version that cannot be read.
    """
    versions = by_version(_newest_values(broker, topic))
    read = {number: registry_of(topic, number, entities) for number, entities in sorted(versions.items())}
    return {number: registry for number, registry in read.items() if registry is not None}


def registry_of(topic: str, number: int, entities: Mapping[str, bytes]) -> Registry | None:
    """One version, None if it is not whole or not readable."""
    try:
        return from_entities(entities) if is_complete(entities) else None
    except Exception as error:  # foreign text raises of any kind
        log.warning("%s: version %d cannot be read and is left out: %s; publish a new one with `zonepulse registry apply`",
                    topic, number, f"{type(error).__name__}: {error}"[:300])  # fmt: skip
        return None


def plan_mends(broker: str, topic: str, new: Registry) -> list[Mend]:
    """What of the topic is mendable, and how: see registry_mend.py. Nothing is written. Raises kafka.errors.KafkaError."""
    return mends({record.key or b"": record.value for record in read_to_end(broker, topic)}, new)


def mend(broker: str, topic: str, planned: Iterable[Mend]) -> None:
    """Writes the records and tombstones of `plan_mends`. Raises kafka.errors.KafkaError."""
    with closing(_producer(broker)) as producer:
        sent = [producer.send(topic, key=key, value=value) for one in planned for key, value in one.records]
        for future in sent:
            future.get(SEND_TIMEOUT_S)


def publish(broker: str, prefix: str, registry: Registry, partitions: int, *, timestamp_ms: int | None = None) -> int:
    """Publishes `registry` and tells every one of the `partitions`; returns its version number. Topics must exist.

    The number is the next free one, whatever `registry.version` says; a registry equal to the newest complete version keeps that
    one's. The broker stamps the heartbeats; on a simulated topic they get `timestamp_ms`, by default that of the newest record.
    Raises RegistryRace, kafka.errors.KafkaError.
    """
    topic = REGISTRY.full_name(prefix)
    entities = by_version(_newest_values(broker, topic))
    complete = {n: found for n, records in entities.items() if (found := registry_of(topic, n, records)) is not None}
    number = max(complete, default=0)
    with closing(_producer(broker)) as producer:
        if not complete or complete[number] != replace(registry, version=number):
            number = 1 + max(entities, default=0)
            _send_entities(producer, topic, replace(registry, version=number))
            if load_versions(broker, topic).get(number) != replace(registry, version=number):
                raise RegistryRace(f"{topic}: another process published version {number} at the same time; apply again")
        _send_heartbeats(producer, broker, READINGS.full_name(prefix), partitions, number, timestamp_ms)
    return number


def newest_times(broker: str, topic: str, partitions: int) -> list[int | None]:
    """The largest record timestamp of each partition (epoch ms), None for an empty one."""
    wanted = {TopicPartition(topic, p): Offsets.MAX_TIMESTAMP for p in range(partitions)}
    with closing(KafkaAdminClient(**connection_to(broker), bootstrap_timeout_ms=CONNECT_MS)) as admin:
        found = admin.list_partition_offsets(wanted)
    return [None if found[tp].offset < 0 else int(found[tp].timestamp) for tp in wanted]


def end_offset(broker: str, topic: str) -> int:
    """The offset behind the newest record of a topic with one partition. Raises kafka.errors.KafkaError."""
    consumer = KafkaConsumer(**connection_to(broker), bootstrap_timeout_ms=CONNECT_MS, group_id=None, enable_auto_commit=False)
    with closing(consumer):
        tp = TopicPartition(topic, 0)
        return int(consumer.end_offsets([tp])[tp])


def read_to_end(broker: str, topic: str, last: int | None = None) -> Iterator[Any]:
    """The client's records of a topic up to its present end, partition by partition; of each only the `last` offsets, if given."""
    consumer = KafkaConsumer(
        **connection_to(broker),
        bootstrap_timeout_ms=CONNECT_MS,
        enable_auto_commit=False,
        allow_auto_create_topics=False,
        max_partition_fetch_bytes=MAX_MESSAGE_BYTES,
        max_poll_records=5000,
    )
    with closing(consumer):
        tps = [TopicPartition(topic, p) for p in sorted(consumer.partitions_for_topic(topic) or ())]
        begins, ends = consumer.beginning_offsets(tps), consumer.end_offsets(tps)
        for tp in tps:
            consumer.assign([tp])
            consumer.seek(tp, begins[tp] if last is None else max(begins[tp], ends[tp] - last))
            while consumer.position(tp) < ends[tp]:
                for record in consumer.poll(timeout_ms=500).get(tp, ()):
                    if record.offset < ends[tp]:
                        yield record


def _newest_values(broker: str, topic: str) -> dict[str, bytes | None]:
    found: dict[str, bytes | None] = {}
    for record in read_to_end(broker, topic):
        try:
            key = checked_key(record.key or b"")
        except ValueError as error:
            log.warning("%s offset %d: key %.100r is left out: %.200s", topic, record.offset, record.key, error)
        else:
            found[key] = record.value
    return found


def _producer(broker: str) -> KafkaProducer:
    return KafkaProducer(
        **connection_to(broker),
        bootstrap_timeout_ms=CONNECT_MS,
        acks="all",
        linger_ms=5,
        max_request_size=MAX_MESSAGE_BYTES,
        compression_type="zstd",  # meters are much alike, and the client checks what it reads in plain Python, byte by byte
        batch_size=BATCH_BYTES,
    )


def _send_entities(producer: KafkaProducer, topic: str, registry: Registry) -> None:
    sent = [producer.send(topic, key=key.encode(), value=value) for key, value in to_entities(registry)]
    for future in sent:
        future.get(SEND_TIMEOUT_S)


def _send_heartbeats(
    producer: KafkaProducer, broker: str, topic: str, partitions: int, number: int, timestamp_ms: int | None
) -> None:
    headers = [(CONTENT_TYPE, JSON), (HEADER, b"%d" % number)]
    newest = newest_times(broker, topic, partitions)
    latest = max((at for at in newest if at is not None), default=0)  # nothing yet: 1970 comes before every reading
    times = [timestamp_ms if timestamp_ms is not None else latest if at is None else at for at in newest]
    sent = [producer.send(topic, value=HEARTBEAT, headers=headers, partition=p, timestamp_ms=at) for p, at in enumerate(times)]
    for future in sent:
        future.get(SEND_TIMEOUT_S)
