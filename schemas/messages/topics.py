"""The Kafka topics of a zone as data: one zone = one prefix. `streams/kafka/topics_admin.py` creates and checks them.

Sizes in bytes, durations in milliseconds; `retention_ms` -1 keeps for ever.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

from zonepulse.schemas.tables.results import TABLES

DEFAULT_PREFIX: Final = "zp."
MAX_MESSAGE_BYTES: Final = 8_000_000
"""Largest record that producers send and consumers fetch."""
FOREVER_MS: Final = -1
_DAY_MS: Final = 86_400_000
_ANY_MS: Final = (1 << 63) - 1
_GIB: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. `name` is without prefix; `partitions` None = as configured for the zone, chosen once."""

    name: str
    key: str
    value: str
    partitions: int | None = 1
    cleanup: Literal["delete", "compact"] = "delete"
    retention_ms: int = FOREVER_MS
    retention_bytes: int = -1
    """Of each partition, where time alone would let a flood fill the disk; -1 = no bound."""
    timestamp_type: Literal["CreateTime", "LogAppendTime"] = "CreateTime"
    max_message_bytes: int = MAX_MESSAGE_BYTES
    messages: tuple[str, ...] = ()
    """Names of its kinds of records, which documents/asyncapi.py describes; none: one kind, of which `key` and `value` say all."""

    def full_name(self, prefix: str = DEFAULT_PREFIX) -> str:
        """The name on the broker."""
        return prefix + self.name

    def config(self) -> dict[str, str]:
        """The topic's settings as the broker names them. Simulated times may lie in the future, which brokers refuse by default."""
        return {
            "cleanup.policy": self.cleanup,
            "retention.ms": str(self.retention_ms),
            "retention.bytes": str(self.retention_bytes),
            "message.timestamp.type": self.timestamp_type,
            "message.timestamp.after.max.ms": str(_ANY_MS),
            "max.message.bytes": str(self.max_message_bytes),
        }


READINGS: Final = Topic(
    "readings",
    key="what the zone's `key` names: gateway, site or meter id",
    value="one reading (JSON object), several (JSON array) or an Arrow IPC stream",
    partitions=None,
    retention_ms=90 * _DAY_MS,
    retention_bytes=256 * _GIB,
    timestamp_type="LogAppendTime",
    messages=("reading", "readings", "readingBlock", "heartbeat"),
)
REGISTRY: Final = Topic(
    "registry",
    key="version / kind / entity id",
    value="one entity of a registry version with all its validities",
    cleanup="compact",
    messages=("registryEntity",),
)
FACTORS: Final = Topic(
    "factors",
    key="factor id",
    value="an emission factor that was published after the windows it is for (JSON object); replays use it, live tasks do not",
    cleanup="compact",
    messages=("publishedFactor",),
)
INPUTS: Final = Topic(
    "inputs",
    key="input id",
    value="a quantity that no meter measures, given by hand: who, when, evidence (JSON object); corrections are further ones",
    cleanup="compact",
    messages=("input",),
)
INTERVALS: Final = Topic(
    "intervals",
    key="source partition",
    value="Arrow IPC block of interval rows sorted by revision",
    retention_ms=30 * _DAY_MS,
    retention_bytes=64 * _GIB,
    messages=("intervalBlock", "liveSums", "alertCandidates"),
)
RESULTS: Final = Topic(
    "results",
    key="table",
    value="Arrow IPC block of that table's rows",
    retention_ms=30 * _DAY_MS,
    retention_bytes=64 * _GIB,
    messages=tuple(table.name for table in TABLES.values() if not table.own_topic),
)
ALERTS: Final = Topic(
    "alerts",
    key="fingerprint/starts_at",
    value="one transition (JSON object of the alerts table's columns)",
    cleanup="compact",
    messages=("alert",),
)
DEADLETTERS: Final = Topic(
    "deadletters",
    key="original key",
    value="original bytes; headers say where from and why",
    retention_ms=90 * _DAY_MS,
    retention_bytes=16 * _GIB,
    messages=("deadLetter",),
)
COMMANDS: Final = Topic(
    "commands",
    key="kind and target",
    value="who told what, until when and why (JSON object); an empty JSON array carries time alone",
    retention_ms=90 * _DAY_MS,
    retention_bytes=_GIB,
    timestamp_type="LogAppendTime",
    messages=("command", "commandTime"),
)
SUBSCRIBERS: Final = Topic(
    "subscribers",
    key="subscriber id, or id/wish",
    value="a self-registered subscriber (JSON object), or what a subscriber asked for; a tombstone forgets",
    cleanup="compact",
    messages=("subscriber",),
)
NOTIFY: Final = Topic(
    "notify",
    key="kind of entry / its id",
    value="what notification remembers: alerts, groups, parcels on their way (JSON object)",
    cleanup="compact",
    messages=("notifyEntry",),
)

TOPICS: Final = (READINGS, REGISTRY, FACTORS, INPUTS, INTERVALS, RESULTS, ALERTS, DEADLETTERS, COMMANDS, SUBSCRIBERS, NOTIFY)


def simulated(topic: Topic) -> Topic:
    """The topic as demo, bench and tests need it: the producer sets the time (years back, if it likes) and nothing expires."""
    return replace(topic, timestamp_type="CreateTime", retention_ms=FOREVER_MS, retention_bytes=-1)
