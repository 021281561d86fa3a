"""Creates the topics that are missing and refuses those that would break the ledger."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import TopicAlreadyExistsError

from zonepulse.schemas.messages.topics import TOPICS, Topic, simulated
from zonepulse.streams.access.address import connection_to

_CHECKED: Final = {
    "cleanup.policy": "kafka-configs --alter --entity-type topics --entity-name {name} --add-config cleanup.policy={expected}",
    "message.timestamp.type": "kafka-configs --alter --entity-type topics --entity-name {name} --add-config "
    "message.timestamp.type={expected}; records already there keep their times, so prefer a new topic prefix",
}
"""Setting -> remedy."""
_BYTES: Final = "retention.bytes"


class WrongTopic(RuntimeError):
    """An existing topic is not as needed; each line names the topic, what was found, what is expected and the remedy."""


def ensure_topics(
    broker: str,
    prefix: str,
    partitions: int,
    *,
    is_simulated: bool = False,
    replication: int = -1,
    topics: Iterable[Topic] = TOPICS,
) -> list[str]:
    """Creates missing topics, checks existing ones; returns the names created. `replication` -1 = the broker's default.

    `partitions` is N of the readings topic. Simulated topics take their times from the producer and keep everything.
    Raises WrongTopic, or kafka.errors.KafkaError when the broker cannot be reached.
    """
    wanted = {t.full_name(prefix): simulated(t) if is_simulated else t for t in topics}
    admin = KafkaAdminClient(**connection_to(broker), client_id="zonepulse-topics")
    try:
        existing = wanted.keys() & set(admin.list_topics())
        found = {name: _found(admin, name) for name in sorted(existing)}
        if wrong := [line for name, state in found.items() for line in _differences(name, wanted[name], state, partitions)]:
            raise WrongTopic("\n".join(wrong))
        missing = [name for name in wanted if name not in existing]
        for name in missing:
            _create(admin, name, wanted[name], partitions, replication)
        return missing
    finally:
        admin.close()


def unbounded(broker: str, prefix: str, topics: Iterable[Topic], *, is_simulated: bool = False) -> list[tuple[str, int]]:
    """(name, bytes of a partition) of those that exist and are to be bounded in bytes, and are not.

    Nobody sets the bound but the operator: where a partition is larger already, the broker deletes its oldest records at once.
    Raises kafka.errors.KafkaError when the broker cannot be reached.
    """
    wanted = {t.full_name(prefix): int((simulated(t) if is_simulated else t).config()["retention.bytes"]) for t in topics}
    bounded = {name: limit for name, limit in wanted.items() if limit > 0}
    admin = KafkaAdminClient(**connection_to(broker), client_id="zonepulse-topics")
    try:
        names = sorted(bounded.keys() & set(admin.list_topics()))
        return [(name, bounded[name]) for name in names if int(_found(admin, name)[_BYTES]) < 0]
    finally:
        admin.close()


def _create(admin: Any, name: str, topic: Topic, partitions: int, replication: int) -> None:
    options = {"num_partitions": topic.partitions or partitions, "replication_factor": replication, "configs": topic.config()}
    try:
        admin.create_topics({name: options}, wait_for_metadata=True)
    except TopicAlreadyExistsError:  # another worker was faster
        return


def _found(admin: Any, name: str) -> dict[str, str]:
    resource = ConfigResource(ConfigResourceType.TOPIC, name)
    configs = admin.describe_configs([resource], config_filter="all")["topic"][name]
    (description,) = admin.describe_topics([name])
    return {"partitions": str(len(description["partitions"]))} | {key: configs[key]["value"] for key in (*_CHECKED, _BYTES)}


def _differences(name: str, topic: Topic, found: dict[str, str], partitions: int) -> Iterator[str]:
    count = str(topic.partitions or partitions)
    if found["partitions"] != count:
        setting = f"set ZONEPULSE_PARTITIONS={found['partitions']} or " if topic.partitions is None else ""
        why = "chosen once, since it decides where records go"
        yield f"topic {name} has {found['partitions']} partitions, expected {count} ({why}): {setting}use another topic prefix"
    for setting, remedy in _CHECKED.items():
        expected = topic.config()[setting]
        if found[setting] != expected:
            fix = remedy.format(name=name, expected=expected)
            yield f"topic {name} has {setting}={found[setting]}, expected {expected}: {fix}"
