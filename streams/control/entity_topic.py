"""Topics that hold entities of the registry's types apart from its versions: one record an entity, under its id."""

import logging
from collections.abc import Iterable
from contextlib import closing
from typing import Any, TypeVar

import msgspec
from kafka import KafkaProducer

from zonepulse.schemas.messages.topics import Topic
from zonepulse.schemas.registry.wire import decode_one, encode_one
from zonepulse.streams.access.address import connection_to
from zonepulse.streams.control.registry_topic import CONNECT_MS, SEND_TIMEOUT_S, read_to_end

T = TypeVar("T")
log = logging.getLogger(__name__)


def read_entities(broker: str, prefix: str, topic: Topic, entity_type: type[T]) -> list[T]:
    """The newest of each id, in the order of the log; what is none is left out with a warning. Raises kafka.errors.KafkaError."""
    name, newest = topic.full_name(prefix), dict[bytes, bytes | None]()
    for record in read_to_end(broker, name):
        key = record.key or b""
        newest.pop(key, None)
        newest[key] = record.value
    found = []
    for key, value in newest.items():
        try:
            if value is not None:
                found.append(decode_one(value, entity_type))
        except (ValueError, TypeError, msgspec.ValidationError, RecursionError) as error:
            log.warning("%s: record %.100r is left out: %.200s", name, key, error)
    return found


def publish_entities(broker: str, prefix: str, topic: Topic, entities: Iterable[Any]) -> None:
    """Durable when it returns. The topic must exist. Raises kafka.errors.KafkaError."""
    with closing(KafkaProducer(**connection_to(broker), bootstrap_timeout_ms=CONNECT_MS, acks="all")) as producer:
        name = topic.full_name(prefix)
        for sent in [producer.send(name, key=one.id.encode(), value=encode_one(one)) for one in entities]:
            sent.get(SEND_TIMEOUT_S)
