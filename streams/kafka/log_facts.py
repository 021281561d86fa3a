"""What a broker says of its logs: where they begin, how far they can be read, how far they go, and which topic a name stands for now."""

from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Final, NamedTuple

from faust.types import TP
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.protocol.consumer.offsets import IsolationLevel

from zonepulse.streams.access.address import connection_to

ANSWER_MS: Final = 5_000


class Ends(NamedTuple):
    """Offsets of one partition: the first record kept, the end of what a reader gets, the end of what is written.

    `stable` < `end`: a transaction is open. `start` = `end`: nothing is there.
    """

    start: int
    stable: int
    end: int


def admin_of(broker: str) -> "closing[KafkaAdminClient]":
    """A client to ask questions with, closed at the end of a `with` block. Raises kafka.errors.KafkaError."""
    return closing(KafkaAdminClient(**connection_to(broker), bootstrap_timeout_ms=ANSWER_MS, client_id="zonepulse-facts"))


def ends_of(admin: KafkaAdminClient, tps: Iterable[TP]) -> dict[TP, Ends]:
    """Of every partition asked for. Raises kafka.errors.KafkaError, also for a topic that is not there."""
    asked = [TopicPartition(tp.topic, tp.partition) for tp in tps]
    if not asked:
        return {}
    start = _offsets(admin, asked, OffsetSpec.EARLIEST, IsolationLevel.READ_UNCOMMITTED)
    stable = _offsets(admin, asked, OffsetSpec.LATEST, IsolationLevel.READ_COMMITTED)
    end = _offsets(admin, asked, OffsetSpec.LATEST, IsolationLevel.READ_UNCOMMITTED)  # last: the end only grows
    return {tp: Ends(start[tp], stable[tp], end[tp]) for tp in start}


def _offsets(admin: KafkaAdminClient, asked: list[TopicPartition], spec: OffsetSpec, level: IsolationLevel) -> Mapping[TP, int]:
    found = admin.list_partition_offsets(dict.fromkeys(asked, spec), isolation_level=level, timeout_ms=ANSWER_MS)
    return {TP(tp.topic, tp.partition): at.offset for tp, at in found.items()}


def partitions_of(admin: KafkaAdminClient, topics: Iterable[str]) -> list[TP]:
    """Every partition of those topics that exist."""
    wanted = sorted(set(topics) & set(admin.list_topics()))
    found = admin.describe_topics(wanted) if wanted else ()
    return [TP(topic["name"], p["partition_index"]) for topic in found for p in topic["partitions"]]


def topic_ids(admin: KafkaAdminClient, topics: Iterable[str]) -> dict[str, str]:
    """Kafka's id of each topic that exists; a topic that is deleted and made anew under the same name has another one."""
    return {found["name"]: str(found["topic_id"]) for found in admin.describe_topics(sorted(topics)) if not found["error_code"]}
