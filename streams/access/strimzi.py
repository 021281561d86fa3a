"""The roles as Strimzi's KafkaUser resources: its operator makes the user, the Secret with the password, and the rules."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Final

import yaml

from zonepulse.streams.access.roles import Grant, Role

CLUSTER: Final = "zonepulse"
_KINDS: Final = {"topic": "topic", "group": "group", "transactional_id": "transactionalId", "cluster": "cluster"}


def strimzi_users(roles: Iterable[Role]) -> str:
    """YAML documents, one a role."""
    return yaml.safe_dump_all(map(_user, roles), sort_keys=False)


def _user(role: Role) -> dict[str, Any]:
    return {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaUser",
        "metadata": {"name": role.name, "labels": {"strimzi.io/cluster": CLUSTER}, "annotations": {"zonepulse/about": role.about}},
        "spec": {"authentication": {"type": "scram-sha-512"}, "authorization": {"type": "simple", "acls": list(_rules(role))}},
    }


def _rules(role: Role) -> Iterator[dict[str, Any]]:
    for (kind, name, is_prefix), grants in groupby(sorted(role.grants, key=_resource), key=_resource):
        resource = {"type": _KINDS[kind]}
        if kind != "cluster":
            resource |= {"name": name, "patternType": "prefix" if is_prefix else "literal"}
        words = ["".join(word.capitalize() for word in operation.split("_")) for operation in sorted(g.operation for g in grants)]
        yield {"resource": resource, "operations": words}


def _resource(grant: Grant) -> tuple[str, str, bool]:
    return grant.kind, grant.name, grant.is_prefix
