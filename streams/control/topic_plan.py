"""A zone's topics as a cluster is to have them, what it has, and what of that may be changed.

Changed are settings that lose nothing. What deletes records (a shorter retention) is changed when it is asked for. Partitions, copies,
compaction and the kind of timestamps are told with their remedy and never changed: they decide what the records mean, or move all of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from zonepulse.schemas.messages.tasks import TASKS
from zonepulse.schemas.messages.topics import TOPICS, simulated
from zonepulse.streams.checkpoints import log as checkpoints
from zonepulse.streams.kafka.log_facts import admin_of

MIN_INSYNC: Final = "min.insync.replicas"
SHRINKING: Final = ("retention.ms", "retention.bytes")
FIXED: Final = {
    "cleanup.policy": "it decides which records stay: use another topic prefix, or set it with kafka-configs if no record was lost yet",
    "message.timestamp.type": "records already there keep their times: use another topic prefix",
}
"""Never changed here -> remedy."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One topic as it is to be."""

    name: str
    partitions: int
    copies: int
    config: Mapping[str, str]


@dataclass(slots=True)
class Plan:
    """What differs."""

    missing: list[Wanted] = field(default_factory=list)
    changes: dict[str, dict[str, tuple[str, str]]] = field(default_factory=dict)
    """Topic -> setting -> (found, wanted): changed by `carry_out`."""
    shrinking: dict[str, dict[str, tuple[str, str]]] = field(default_factory=dict)
    """The same, and records beyond it are deleted at once."""
    remarks: list[str] = field(default_factory=list)
    """What is not changed here, with its remedy."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs."""
        return not (self.missing or self.changes or self.shrinking or self.remarks)


def wanted(prefix: str, partitions: int, copies: int, min_insync: int, *, is_simulated: bool = False) -> list[Wanted]:
    """Every topic of a zone, those of snapshots included. `partitions` of readings."""
    found = [
        Wanted(t.full_name(prefix), t.partitions or partitions, copies, (simulated(t) if is_simulated else t).config())
        for t in TOPICS
    ]
    found += [
        Wanted(task.snapshots(prefix), task.reads[0].partitions or partitions, copies, checkpoints.CONFIG)
        for task in TASKS.values()
        if task.has_snapshots
    ]
    return [Wanted(t.name, t.partitions, t.copies, {**t.config, MIN_INSYNC: str(min_insync)}) for t in found]


def compare(broker: str, topics: list[Wanted]) -> Plan:
    """Raises kafka.errors.KafkaError."""
    plan = Plan()
    with admin_of(broker) as admin:
        existing = set(admin.list_topics())
        plan.missing = [topic for topic in topics if topic.name not in existing]
        for topic in topics:
            if topic.name in existing:
                _compare(admin, topic, plan)
    return plan


def carry_out(broker: str, plan: Plan, *, shrink: bool = False) -> None:
    """Makes what is missing and changes what differs. Raises kafka.errors.KafkaError."""
    with admin_of(broker) as admin:
        for topic in plan.missing:
            options = {"num_partitions": topic.partitions, "replication_factor": topic.copies, "configs": dict(topic.config)}
            admin.create_topics({topic.name: options}, wait_for_metadata=True)
        by_topic: dict[str, dict[str, str]] = {}
        for part in (plan.changes, plan.shrinking if shrink else {}):
            for name, settings in part.items():
                by_topic.setdefault(name, {}).update({key: value for key, (_, value) in settings.items()})
        if by_topic:
            admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, config) for name, config in by_topic.items()])


def _compare(admin: KafkaAdminClient, topic: Wanted, plan: Plan) -> None:
    found: Mapping[str, Any] = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name)], config_filter="all")[
        "topic"
    ][topic.name]
    for key, value in topic.config.items():
        now = str(found[key]["value"])
        if now == value:
            continue
        if key in FIXED:
            plan.remarks.append(f"topic {topic.name} has {key}={now}, expected {value}: {FIXED[key]}")
        else:
            part = plan.shrinking if key in SHRINKING and _is_less(value, now) else plan.changes
            part.setdefault(topic.name, {})[key] = (now, value)
    (described,) = admin.describe_topics([topic.name])
    plan.remarks += _layout(topic, described["partitions"])


def _is_less(value: str, now: str) -> bool:
    """Of a retention, where -1 is for ever."""
    return int(value) >= 0 and not 0 <= int(now) <= int(value)


def _layout(topic: Wanted, partitions: list[Any]) -> Iterator[str]:
    if len(partitions) != topic.partitions:
        yield (
            f"topic {topic.name} has {len(partitions)} partitions, expected {topic.partitions} (chosen once, since it decides where"
            " records go): set ZONEPULSE_PARTITIONS as it is, or use another topic prefix"
        )
    copies = {len(p["replica_nodes"]) for p in partitions}
    if copies != {topic.copies}:
        yield (
            f"topic {topic.name} has {' and '.join(map(str, sorted(copies)))} copies, expected {topic.copies}:"
            " kafka-reassign-partitions moves them, while the zone runs"
        )
