"""`zonepulse acl`, `topics` and `migrate` as processes, at the secured broker."""

import commands
import pytest
from kafka.admin import ACLFilter, ConfigResource, ConfigResourceType
from secured_zone import Zone

from zonepulse.schemas.messages.tasks import TASKS
from zonepulse.schemas.messages.topics import TOPICS
from zonepulse.streams.access.roles import roles
from zonepulse.streams.access.rules import acls, apply
from zonepulse.streams.demo.run import PREFIX
from zonepulse.streams.kafka.log_facts import admin_of

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
ROLES = roles(PREFIX)


def run(zone: Zone, *words: str, **more: str) -> tuple[int, str]:
    done = commands.run(*words, env=zone.stack.worker_environment | more, timeout_s=60)
    return done.returncode, done.stdout + done.stderr


def test_rules_that_differ_are_told_and_mended(zone: Zone) -> None:
    assert run(zone, "acl", "check") == (0, "the broker's rules are the roles'\n")
    (mine,) = acls([ROLES["gateway"]], "User:visitor-{role}")
    code, said = run(zone, "acl", "check", "gateway", "--principal", "User:visitor-{role}")
    assert (code, said) == (1, "missing: User:visitor-gateway may write topic zp.readings\n")
    apply(zone.security.admin(), acls([ROLES["monitor"]], "User:visitor-gateway"))
    code, said = run(zone, "acl", "check", "gateway", "--principal", "User:visitor-{role}")
    assert code == 1 and "beyond the roles: User:visitor-gateway may describe group zp.*" in said
    apply(zone.security.admin(), [mine], remove_foreign=True)
    assert run(zone, "acl", "check", "gateway", "--principal", "User:visitor-{role}")[0] == 0
    with admin_of(zone.security.admin()) as admin:
        admin.delete_acls([ACLFilter(mine.principal, mine.host, mine.operation, mine.permission_type, mine.resource_pattern)])


def test_who_may_not_change_rules_is_told_so(zone: Zone) -> None:
    code, said = run(zone, "acl", "apply", "gateway", "--principal", "User:other-{role}")
    assert code == 1 and "this user may not" in said and "Traceback" not in said


def test_topics_that_differ_are_told_and_mended(zone: Zone) -> None:
    environ = {"ZONEPULSE_TOPIC_PREFIX": "zp.plan.", "ZONEPULSE_PARTITIONS": "2", "ZONEPULSE_SIMULATED": "off"}
    code, said = run(zone, "topics", "check", **environ)
    assert code == 1 and said.count("missing: zp.plan.") == len(TOPICS) + sum(task.has_snapshots for task in TASKS.values())
    assert run(zone, "topics", "apply", **environ)[0] == 0
    assert run(zone, "topics", "check", **environ) == (0, "the topics are as they are to be\n")
    changed = {"retention.ms": "-1", "min.insync.replicas": "2"}
    with admin_of(zone.stack.kafka) as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, "zp.plan.deadletters", changed)])
    code, said = run(zone, "topics", "apply", **environ)
    assert code == 1
    assert "changed: zp.plan.deadletters min.insync.replicas=1, was 2" in said and "(--shrink)" in said
    assert run(zone, "topics", "apply", "--shrink", **environ)[0] == 0
    assert run(zone, "topics", "check", **environ)[0] == 0
    code, said = run(zone, "topics", "check", **environ | {"ZONEPULSE_PARTITIONS": "3"})
    assert code == 1 and "zp.plan.readings has 2 partitions, expected 3" in said
    code, said = run(zone, "topics", "check", "--replication", "3", **environ)
    assert code == 1 and "has 1 copies, expected 3: kafka-reassign-partitions" in said
    assert run(zone, "topics", "check", "--min-insync", "2", **environ)[0] == 2


def test_the_store_is_up_to_date(zone: Zone) -> None:
    assert run(zone, "migrate") == (0, "the store is up to date\n")
