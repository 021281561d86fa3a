"""Consumer groups as the broker sees them."""

from collections.abc import Iterable, Mapping
from typing import Final

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import CoordinatorLoadInProgressError, CoordinatorNotAvailableError, NotCoordinatorError

NO_COORDINATOR: Final = (CoordinatorNotAvailableError, CoordinatorLoadInProgressError, NotCoordinatorError)
"""While a broker makes, reads or hands over the topic that groups are kept in: soon after it starts, and before its first group."""


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
