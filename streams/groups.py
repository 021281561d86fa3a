"""Consumer groups as the broker sees them."""

from collections.abc import Iterable

from kafka.admin import KafkaAdminClient
from kafka.errors import CoordinatorLoadInProgressError, CoordinatorNotAvailableError


def are_stable(admin: KafkaAdminClient, groups: Iterable[str]) -> bool:
    """Whether each group has members that have been given their partitions."""
    try:
        found = admin.describe_groups(list(groups)).values()
    except (CoordinatorNotAvailableError, CoordinatorLoadInProgressError):  # no group has ever been on this broker
        return False
    return all(group["group_state"] == "Stable" for group in found)
