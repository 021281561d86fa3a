"""Emission factors that were published for the past, on `zp.factors`: replays use them, live tasks never."""

from collections.abc import Iterable

from zonepulse.schemas.messages.topics import FACTORS
from zonepulse.schemas.registry.model import Factor
from zonepulse.streams.control.entity_topic import publish_entities, read_entities


def published_factors(broker: str, prefix: str) -> list[Factor]:
    """All of them, by id; what is no factor is left out with a warning. Raises kafka.errors.KafkaError."""
    return sorted(read_entities(broker, prefix, FACTORS, Factor), key=lambda factor: factor.id.encode())


def publish_factors(broker: str, prefix: str, factors: Iterable[Factor]) -> None:
    """Durable when it returns. The topic must exist. Raises kafka.errors.KafkaError."""
    publish_entities(broker, prefix, FACTORS, factors)
