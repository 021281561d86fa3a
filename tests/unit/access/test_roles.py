"""Who may do what, as it follows from the tasks."""

from zonepulse.schemas.messages.tasks import TASKS
from zonepulse.schemas.messages.topics import TOPICS
from zonepulse.streams.access.roles import Grant, roles
from zonepulse.streams.access.rules import acls, command, line

ROLES = roles("zp.")


def may(role: str, operation: str) -> set[str]:
    return {g.name.removeprefix("zp.") for g in ROLES[role].grants if g.kind == "topic" and g.operation == operation}


def test_a_gateway_sends_readings_and_nothing_else() -> None:
    assert ROLES["gateway"].grants == {Grant("topic", "zp.readings", "write")}


def test_a_task_has_its_topics_and_groups() -> None:
    assert may("store", "read") == {"intervals", "results", "alerts", "deadletters", "registry", "inputs", "commands"}
    assert may("store", "write") == {"intervals", "deadletters"}
    assert may("intervals", "read") == {"readings", "registry", "commands", "intervals-checkpoints-changelog", "hand-over-"}
    assert may("ledger", "create") == {"ledger-checkpoints-changelog"}
    groups = {g.name for g in ROLES["ledger"].grants if g.kind == "group" and g.operation == "read"}
    assert groups == {"zp.ledger", "zp.ledger-starts"}


def test_only_notify_reads_who_subscribed_and_only_tasks_of_readings_read_them() -> None:
    assert {task for task in TASKS if "subscribers" in may(task, "read")} == {"notify"}
    assert {task for task in TASKS if "readings" in may(task, "read")} == {"intervals", "archive"}


def test_a_replay_writes_nothing() -> None:
    assert {g.operation for g in ROLES["replay"].grants} == {"read"}


def test_nobody_may_alter_the_cluster_or_see_another_zone() -> None:
    names = {topic.full_name("zp.") for topic in TOPICS}
    for role in ROLES.values():
        for grant in role.grants:
            assert grant.name.startswith("zp.") or grant == Grant("cluster", "kafka-cluster", "describe")
            assert grant.kind != "topic" or grant.is_prefix or grant.name in names or grant.name.endswith("-changelog")


def test_rules_are_written_for_people_and_for_kafkas_own_tool() -> None:
    (gateway,) = acls([ROLES["gateway"]], "User:CN={role},O=zone")
    assert line(gateway) == "User:CN=gateway,O=zone may write topic zp.readings"
    assert command(gateway).endswith(
        "--allow-principal 'User:CN=gateway,O=zone' --operation Write --topic 'zp.readings' --resource-pattern-type literal"
    )
    told = [line(acl) for acl in acls([ROLES["monitor"]], "User:{role}")]
    assert "User:monitor may describe_configs topic zp.*" in told
