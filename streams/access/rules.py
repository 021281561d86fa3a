"""The roles' rights as the broker's rules (ACLs): written, and compared with what the broker has."""

from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Final, NamedTuple

from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
)
from kafka.errors import KafkaError

from zonepulse.streams.access.address import connection_to
from zonepulse.streams.access.roles import Grant, Role

ANSWER_MS: Final = 10_000
ANYWHERE: Final = "*"


class NoRules(RuntimeError):
    """The broker takes or tells no rules; the message says why and what to do."""


class Drift(NamedTuple):
    """What the broker's rules differ in. `foreign`: rules for these users on anything, that no role asks for."""

    missing: list[ACL]
    foreign: list[ACL]


def acls(roles: Iterable[Role], principal: str) -> list[ACL]:
    """`principal` with `{role}` in it: the broker's name of a role's user, such as `User:{role}`."""
    return [_acl(principal.format(role=role.name), grant) for role in roles for grant in sorted(role.grants)]


def _acl(principal: str, grant: Grant) -> ACL:
    pattern = ACLResourcePatternType.PREFIXED if grant.is_prefix else ACLResourcePatternType.LITERAL
    return ACL(
        principal,
        ANYWHERE,
        ACLOperation[grant.operation.upper()],
        ACLPermissionType.ALLOW,
        ResourcePattern(ResourceType[grant.kind.upper()], grant.name, pattern),
    )


def line(acl: ACL) -> str:
    """One rule as a person reads it."""
    where = acl.resource_pattern
    star = "*" if where.pattern_type == ACLResourcePatternType.PREFIXED else ""
    verb = "may" if acl.permission_type == ACLPermissionType.ALLOW else "may not"
    from_host = "" if acl.host == ANYWHERE else f" from {acl.host}"
    operation, kind = acl.operation.name.lower(), where.resource_type.name.lower()
    return f"{acl.principal} {verb} {operation} {kind} {where.resource_name}{star}{from_host}"


def command(acl: ACL) -> str:
    """The same for Apache Kafka's own tool."""
    where = acl.resource_pattern
    names: Mapping[ResourceType, str] = {
        ResourceType.TOPIC: f"--topic '{where.resource_name}'",
        ResourceType.GROUP: f"--group '{where.resource_name}'",
        ResourceType.TRANSACTIONAL_ID: f"--transactional-id '{where.resource_name}'",
        ResourceType.CLUSTER: "--cluster",
    }
    words = "".join(word.capitalize() for word in acl.operation.name.split("_"))
    return (
        f"kafka-acls --bootstrap-server BROKER --command-config admin.properties --add --allow-principal '{acl.principal}'"
        f" --operation {words} {names[where.resource_type]} --resource-pattern-type {where.pattern_type.name.lower()}"
    )


def drift(broker: str, wanted: Iterable[ACL]) -> Drift:
    """Raises NoRules, kafka.errors.KafkaError."""
    asked = list(wanted)
    with closing(_admin(broker)) as admin:
        found = {acl for principal in sorted({acl.principal for acl in asked}) for acl in _of(admin, principal)}
    return Drift(sorted({*asked} - found, key=line), sorted(found - {*asked}, key=line))


def apply(broker: str, wanted: Iterable[ACL], *, remove_foreign: bool = False) -> Drift:
    """Adds what is missing; what was. Foreign rules stay unless they are to be removed. Raises NoRules, kafka.errors.KafkaError."""
    found = drift(broker, wanted)
    with closing(_admin(broker)) as admin:
        if found.missing and (failed := admin.create_acls(found.missing)["failed"]):
            raise NoRules(f"{len(failed)} of {len(found.missing)} rules are refused: {_why(failed[0])}")
        if remove_foreign and found.foreign:
            filters = [ACLFilter(a.principal, a.host, a.operation, a.permission_type, a.resource_pattern) for a in found.foreign]
            for _, _, error in admin.delete_acls(filters):
                if getattr(error, "errno", 0):
                    raise NoRules(f"a rule is not removed: {_why(error)}")
    return found


def _admin(broker: str) -> KafkaAdminClient:
    return KafkaAdminClient(**connection_to(broker), bootstrap_timeout_ms=ANSWER_MS, client_id="zonepulse-rules")


def _of(admin: KafkaAdminClient, principal: str) -> list[ACL]:
    everything = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
    wanted = ACLFilter(principal, None, ACLOperation.ANY, ACLPermissionType.ANY, everything)
    try:
        found, _ = admin.describe_acls(wanted)
    except KafkaError as error:
        raise NoRules(_why(error)) from error
    return list(found)


_WHYS: Final = {
    "SecurityDisabledError": "the broker has no authorizer, so everybody may do everything: set authorizer.class.name at every broker"
    " (KRaft: org.apache.kafka.metadata.authorizer.StandardAuthorizer), or start the embedded one with `zonepulse up --secure`",
    "ClusterAuthorizationFailedError": "this user may not: seeing rules takes Describe on the cluster (role operator), changing them"
    " takes Alter (one of the broker's super.users); set ZONEPULSE_BROKER_USER",
}


def _why(error: object) -> str:
    kind = error if isinstance(error, type) else type(error)
    return _WHYS.get(kind.__name__, f"{kind.__name__}: {error}")
