"""Quantities that were given by hand with `zonepulse inputs apply`, on `zp.inputs`, beside those of zone.yaml."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from zonepulse.schemas.checks.inputs import accepted
from zonepulse.schemas.messages.topics import INPUTS
from zonepulse.schemas.registry.inputs import INPUTS as SECTION
from zonepulse.schemas.registry.inputs import Input
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.sections import entities_of
from zonepulse.streams.control.entity_topic import publish_entities, read_entities

log = logging.getLogger(__name__)


def published_inputs(broker: str, prefix: str) -> list[Input]:
    """All of them, in the order in which they were given. Raises kafka.errors.KafkaError."""
    return read_entities(broker, prefix, INPUTS, Input)


def publish_inputs(broker: str, prefix: str, inputs: Sequence[Input]) -> None:
    """Durable when it returns. The topic must exist. Raises kafka.errors.KafkaError."""
    publish_entities(broker, prefix, INPUTS, inputs)


def with_inputs(registry: Registry, published: Sequence[Input]) -> Registry:
    """The registry with the inputs that were published beside it; one that contradicts those before it is left out with a warning."""
    given, contradicting = accepted(entities_of(registry, SECTION), published)
    for one, why in contradicting:
        log.warning("input %r does not count: %s", one.id, why)
    return replace(registry, more={**registry.more, SECTION.name: given}) if given else registry
