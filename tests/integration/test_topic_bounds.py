"""Topics made before their bound in bytes are named by `doctor`, with the command that sets it; nothing deletes records unasked."""

from dataclasses import replace

import pytest

from zonepulse.schemas.messages.topics import TOPICS
from zonepulse.streams.cli.doctor.servers import topics
from zonepulse.streams.embedded.kafka.broker import Broker
from zonepulse.streams.kafka.topics_admin import ensure_topics, unbounded
from zonepulse.streams.settings import Settings

pytestmark = pytest.mark.integration


def test_a_topic_without_a_bound_in_bytes_is_named_and_left_as_it_is(broker: Broker) -> None:
    ensure_topics(broker.bootstrap, "old.", 2, topics=[replace(t, retention_bytes=-1) for t in TOPICS])
    timed = {t.full_name("old."): t.retention_bytes for t in TOPICS if t.retention_bytes > 0}
    assert timed
    assert dict(unbounded(broker.bootstrap, "old.", TOPICS)) == timed
    settings = Settings(broker=broker.bootstrap, topic_prefix="old.", partitions=2)
    told = [c for c in topics(settings, {t.full_name("old.") for t in TOPICS}) if c.state == "warn"]
    assert len(told) == len(timed)
    for name, limit in timed.items():
        assert [
            f"retention.bytes={limit}" in c.remedy and "deleted at once" in c.remedy for c in told if f" {name} " in c.found
        ] == [True]
    assert ensure_topics(broker.bootstrap, "old.", 2) == []
    assert dict(unbounded(broker.bootstrap, "old.", TOPICS)) == timed


def test_new_topics_and_those_of_a_simulation_have_nothing_to_tell(broker: Broker) -> None:
    ensure_topics(broker.bootstrap, "new.", 2)
    assert unbounded(broker.bootstrap, "new.", TOPICS) == []
    assert unbounded(broker.bootstrap, "old.", TOPICS, is_simulated=True) == []
