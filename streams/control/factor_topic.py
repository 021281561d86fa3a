"""Emission factors that were published for the past, on `zp.factors`: replays use them, live tasks never."""

import logging
from collections.abc import Iterable
from contextlib import closing

import msgspec
from kafka import KafkaProducer

from zonepulse.schemas.messages.topics import FACTORS
from zonepulse.schemas.registry.model import Factor
from zonepulse.schemas.registry.wire import decode_factor, encode_factor
from zonepulse.streams.access.address import connection_to
from zonepulse.streams.control.registry_topic import CONNECT_MS, SEND_TIMEOUT_S, read_to_end

log = logging.getLogger(__name__)


def published_factors(broker: str, prefix: str) -> list[Factor]:
    """All of them, by id; what is no factor is left out with a warning. Raises kafka.errors.KafkaError."""
    topic, newest = FACTORS.full_name(prefix), dict[bytes, bytes | None]()
    for record in read_to_end(broker, topic):
        newest[record.key or b""] = record.value
    found = []
    for key, value in sorted(newest.items()):
        try:
            if value is not None:
                found.append(decode_factor(value))
        except (ValueError, TypeError, msgspec.ValidationError, RecursionError) as error:
            log.warning("%s: record %.100r is left out: %.200s", topic, key, error)
    return found


def publish_factors(broker: str, prefix: str, factors: Iterable[Factor]) -> None:
    """Durable when it returns. The topic must exist. Raises kafka.errors.KafkaError."""
    with closing(KafkaProducer(**connection_to(broker), bootstrap_timeout_ms=CONNECT_MS, acks="all")) as producer:
        topic = FACTORS.full_name(prefix)
        for sent in [producer.send(topic, key=factor.id.encode(), value=encode_factor(factor)) for factor in factors]:
            sent.get(SEND_TIMEOUT_S)
