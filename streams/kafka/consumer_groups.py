"""Consumer groups as the broker sees them."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeVar

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import CoordinatorLoadInProgressError, CoordinatorNotAvailableError, NotCoordinatorError
from kafka.structs import OffsetAndMetadata

NO_COORDINATOR: Final = (CoordinatorNotAvailableError, CoordinatorLoadInProgressError, NotCoordinatorError)
"""While a broker makes, reads or hands over the topic that groups are kept in: soon after it starts, and before its first group."""


T = TypeVar("T")
TRIES: Final = 50
PAUSE_S: Final = 0.2


def coordinated(ask: Callable[[], T]) -> T:
    """What `ask` returns, asked again for some seconds while groups have no coordinator."""
    for _ in range(TRIES):
        try:
            return ask()
        except NO_COORDINATOR:
            time.sleep(PAUSE_S)
    return ask()


def are_stable(admin: KafkaAdminClient, groups: Iterable[str]) -> bool:
    """Whether each group has members that have been given their partitions."""
    try:
        found = admin.describe_groups(list(groups)).values()
    except NO_COORDINATOR:
        return False
    return all(group["group_state"] == "Stable" for group in found)


def committed(admin: KafkaAdminClient, group: str) -> Mapping[TopicPartition, int]:
    """What a group has committed, by partition; empty when it has never committed, or nobody can tell yet."""
    try:
        found = admin.list_group_offsets(group)[group]
    except NO_COORDINATOR:
        return {}
    return {tp: max(0, meta.offset) for tp, meta in found.items()}


def commit_offsets(admin: KafkaAdminClient, group: str, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
    """Commits for a group that has no members. Raises kafka.errors.KafkaError, also what a broker says of one partition."""
    for failure in admin.alter_group_offsets(group, offsets).values():
        if failure.errno:
            raise failure
