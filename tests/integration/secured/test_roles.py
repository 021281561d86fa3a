"""Every role does its job at a secured broker, and nothing else; README's table is what the broker says."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import ClusterAuthorizationFailedError, GroupAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError
from kafka.structs import OffsetAndMetadata
from live_parts import wait_until
from secured_zone import Zone

from zonepulse.schemas.messages.tasks import TASKS
from zonepulse.schemas.messages.topics import TOPICS
from zonepulse.streams.access.address import connection_to
from zonepulse.streams.access.roles import roles
from zonepulse.streams.access.rules import NoRules, acls, apply
from zonepulse.streams.demo.run import PREFIX
from zonepulse.streams.kafka.log_facts import admin_of

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
README = Path(__file__).parents[3] / "README.md"
ROLES = roles(PREFIX)
ROW = re.compile(r"^\| `([a-z]+)` \| ([^|]*) \| ([^|]*) \| ([^|]*) \|$", re.M)
SNAPSHOTS = {task.snapshots(PREFIX).removeprefix(PREFIX) for task in TASKS.values() if task.has_snapshots}
NAMES = {topic.name for topic in TOPICS} | SNAPSHOTS
GROUPS = {group.removeprefix(PREFIX) for task in TASKS.values() for group in (task.group(PREFIX), task.starts(PREFIX))}


def cells(role: str, cell: str) -> set[str]:
    """The names in a cell of README's table."""
    words = set(filter(None, re.split(r", ", cell.strip()))) - {"-"}
    if "snapshots" in words:
        words = words - {"snapshots"} | {TASKS[role].snapshots(PREFIX).removeprefix(PREFIX)}
    if "all" in words:
        return NAMES
    return {role, f"{role}-starts"} if words == {"its own"} else words


def told_topics(admin: KafkaAdminClient, operation: str) -> set[str]:
    """Those on which the broker lets this user do it."""
    described = admin.describe_topics([PREFIX + name for name in sorted(NAMES)])
    return {t["name"].removeprefix(PREFIX) for t in described if not t["error_code"] and operation in t["authorized_operations"]}


def told_groups(admin: KafkaAdminClient) -> Iterator[str]:
    """Those that the broker lets this user be in."""
    for name in sorted(GROUPS):
        try:
            group = admin.describe_groups([PREFIX + name])[PREFIX + name]
        except GroupAuthorizationFailedError:
            continue
        if "READ" in (group["authorized_operations"] or ()):
            yield name


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_what_readmes_table_says_and_no_more(zone: Zone, role: str) -> None:
    table = {m[1]: m.groups()[1:] for m in ROW.finditer(README.read_text("utf-8"))}
    assert set(table) >= set(ROLES)
    reads, writes, groups = (cells(role, cell) for cell in table[role])
    with admin_of(zone.stack.kafka) as admin:
        wait_until(lambda: {PREFIX + name for name in SNAPSHOTS} <= set(admin.list_topics()), 120, "the topics of snapshots")
    with admin_of(zone.security.address(role)) as admin:
        assert (told_topics(admin, "READ"), told_topics(admin, "WRITE")) == (reads, writes)
        assert set(told_groups(admin)) == (GROUPS if role == "operator" else groups)


def sent(zone: Zone, role: str, topic: str) -> bool:
    with closing(KafkaProducer(**connection_to(zone.security.address(role)), max_block_ms=10_000)) as producer:
        try:
            producer.send(PREFIX + topic, b"[]", b"k").get(10)
        except TopicAuthorizationFailedError:
            return False
    return True


def read(zone: Zone, role: str, topic: str) -> bool:
    consumer = KafkaConsumer(**connection_to(zone.security.address(role)), enable_auto_commit=False, consumer_timeout_ms=5_000)
    with closing(consumer):
        tp = TopicPartition(PREFIX + topic, 0)
        consumer.assign([tp])
        try:
            consumer.seek_to_beginning(tp)
            return bool(consumer.poll(5_000))
        except TopicAuthorizationFailedError:
            return False


@pytest.mark.parametrize(
    ("role", "writes", "reads"),
    [
        ("gateway", "results", "readings"), ("replay", "intervals", "alerts"), ("store", "results", "readings"),
        ("notify", "alerts", "readings"),
    ],
)  # fmt: skip
def test_what_is_refused_is_refused_when_it_is_tried(zone: Zone, role: str, writes: str, reads: str) -> None:
    assert not sent(zone, role, writes)
    assert not read(zone, role, reads)


def test_a_replay_reads_the_readings(zone: Zone) -> None:
    wait_until(lambda: zone.feed.sent > 100, 120, "the gateway to send")
    assert read(zone, "replay", "readings")


def test_nobody_commits_for_the_group_of_another(zone: Zone) -> None:
    commit = {TopicPartition(f"{PREFIX}alerts", 0): OffsetAndMetadata(0, "", -1)}
    with admin_of(zone.security.address("notify")) as admin, pytest.raises(GroupAuthorizationFailedError):
        admin.alter_group_offsets(f"{PREFIX}store", commit)


def test_an_operator_gives_nobody_rights(zone: Zone) -> None:
    with pytest.raises(NoRules, match=r"rules are refused: this user may not: .* set ZONEPULSE_BROKER_USER"):
        apply(zone.security.address("operator"), acls([ROLES["gateway"]], "User:somebody"))
    with pytest.raises((ClusterAuthorizationFailedError, KafkaError)), admin_of(zone.security.address("operator")) as admin:
        admin.create_topics({"other.readings": {"num_partitions": 1}})


def test_another_zone_is_not_to_be_seen(zone: Zone) -> None:
    with admin_of(zone.security.admin()) as admin:
        admin.create_topics({"other.readings": {"num_partitions": 1}}, wait_for_metadata=True)
    with admin_of(zone.security.address("operator")) as admin:
        assert "other.readings" not in admin.list_topics()
