"""A replay reads the log that it was planned from, to the end that it was planned to, or says what is gone: nothing is passed over."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from live_parts import create_topics, produce_many
from zones import ONE_METER

from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.replay.log import FETCH_BYTES, fetches
from zonepulse.streams.replay.plan import CannotReplay, Plan, make_plan

pytestmark = pytest.mark.integration
VALUE = b"x" * 10_000
MANY = 6 * FETCH_BYTES // len(VALUE)
"""Records that no reader has fetched whole when it hands on its first ones."""


def admin(bootstrap: str, what: str, *arguments: Any) -> None:
    client = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        getattr(client, what)(*arguments)
    finally:
        client.close()


def planned(bootstrap: str, prefix: str) -> Plan:
    return make_plan(bootstrap, prefix, parse_zone(ONE_METER).zone, "r", (0, 1), "", "", 0)


def topic_of(bootstrap: str, records: int) -> str:
    """A new topic of readings with so many records; its prefix."""
    prefix = f"{uuid4().hex[:6]}."
    create_topics(bootstrap, {f"{prefix}readings": 1})
    produce_many(bootstrap, f"{prefix}readings", 0, (VALUE for _ in range(records)))
    return prefix


def offsets_read(bootstrap: str, plan: Plan, meanwhile: Callable[[], None] = lambda: None, silence_s: float = 30) -> list[int]:
    """The offsets that come; `meanwhile` happens after the first of them."""
    found: list[int] = []

    async def read() -> None:
        async for records in fetches(bootstrap, plan, silence_s):
            if not found:
                await asyncio.to_thread(meanwhile)
            found.extend(records.offset.tolist())

    try:
        asyncio.run(read())
    except CannotReplay as gone:
        assert found == list(range(len(found))), "what came before is whole"
        raise gone
    return found


def test_the_log_is_read_to_the_planned_end_and_not_to_what_came_since(bootstrap: str) -> None:
    prefix = topic_of(bootstrap, 20)
    plan = replace_end(planned(bootstrap, prefix), 20)
    produce_many(bootstrap, plan.topic, 0, (VALUE for _ in range(5)))
    assert offsets_read(bootstrap, plan) == list(range(20))


def replace_end(plan: Plan, end: int) -> Plan:
    return Plan(**{f: getattr(plan, f) for f in plan.__struct_fields__} | {"offsets": ((0, end),)})


def test_retention_that_overtakes_a_running_replay_ends_it_with_the_range_that_is_gone(bootstrap: str) -> None:
    plan = replace_end(planned(bootstrap, topic_of(bootstrap, MANY)), MANY)

    def retention() -> None:
        admin(bootstrap, "delete_records", {TopicPartition(plan.topic, 0): MANY - 1})

    with pytest.raises(CannotReplay, match=rf"offsets \d+ to {MANY - 2} are gone, the log begins at {MANY - 1} now"):
        offsets_read(bootstrap, plan, retention)


def test_what_retention_took_since_the_plan_is_named_before_anything_is_read(bootstrap: str) -> None:
    plan = replace_end(planned(bootstrap, topic_of(bootstrap, 20)), 20)
    admin(bootstrap, "delete_records", {TopicPartition(plan.topic, 0): 7})
    with pytest.raises(CannotReplay, match=r"offsets 0 to 6 are gone, the log begins at 7 now.*plan it anew"):
        offsets_read(bootstrap, plan)


def test_a_topic_made_anew_under_the_same_name_is_another_one(bootstrap: str) -> None:
    plan = replace_end(planned(bootstrap, topic_of(bootstrap, 20)), 20)
    admin(bootstrap, "delete_topics", [plan.topic])
    create_topics(bootstrap, {plan.topic: 1})
    produce_many(bootstrap, plan.topic, 0, (VALUE for _ in range(30)))
    with pytest.raises(CannotReplay, match=r"was deleted and made anew.*plan it anew"):
        offsets_read(bootstrap, plan)


def test_a_log_that_ends_before_the_planned_end_is_not_waited_for(bootstrap: str) -> None:
    plan = replace_end(planned(bootstrap, topic_of(bootstrap, 20)), 25)
    with pytest.raises(CannotReplay, match="ends at offset 20, before the 25 of the plan"):
        offsets_read(bootstrap, plan)


def test_a_topic_that_goes_away_meanwhile_ends_the_replay(bootstrap: str) -> None:
    plan = replace_end(planned(bootstrap, topic_of(bootstrap, MANY)), MANY)
    with pytest.raises(CannotReplay, match=r"nothing came from offset \d+ on"):
        offsets_read(bootstrap, plan, lambda: admin(bootstrap, "delete_topics", [plan.topic]), silence_s=3)
