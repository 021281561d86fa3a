"""Alerts that are long over get tombstones, and no others: real broker, a topic with a past."""

import json

import pytest
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.structs import OffsetAndMetadata
from live_parts import Record, produce

from zonepulse.schemas.messages.topics import ALERTS
from zonepulse.streams.kafka.consumer_groups import commit_offsets, coordinated
from zonepulse.streams.kafka.topics_admin import ensure_topics
from zonepulse.streams.workers.alert_sweep import KEEP_MS, AlertSweep

pytestmark = pytest.mark.integration
NOW_MS = 1_795_392_000_000
OLD, NEW = NOW_MS - KEEP_MS - 1, NOW_MS - KEEP_MS


def said(key: bytes, state: str | None, at_ms: int) -> Record:
    return 0, key, None if state is None else json.dumps({"zone": "z", "state": state}).encode(), [], at_ms


def pass_to(bootstrap: str, group: str, offset: int) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        commits = {TopicPartition("zp.alerts", 0): OffsetAndMetadata(offset, "", -1)}
        coordinated(lambda: commit_offsets(admin, group, commits))
    finally:
        admin.close()


def test_what_is_long_over_and_passed_by_every_reader_goes_and_nothing_else(bootstrap: str) -> None:
    ensure_topics(bootstrap, "zp.", 1, is_simulated=True, replication=1, topics=[ALERTS])
    records = [
        said(b"over", "raised", OLD), said(b"over", "resolved", OLD), said(b"open", "raised", OLD), said(b"young", "resolved", NEW),
        said(b"again", "resolved", OLD), said(b"again", "updated", OLD), said(b"gone", "resolved", OLD), said(b"gone", None, OLD),
        (0, b"junk", b"no JSON", [], OLD), said(b"moves", "resolved", OLD), said(b"unread", "resolved", OLD),
    ]  # fmt: skip
    produce(bootstrap, "zp.alerts", records)
    sweep = AlertSweep(bootstrap, "zp.")
    assert sweep.find(NOW_MS) == set(), "the store has read nothing yet"
    pass_to(bootstrap, "zp.store", len(records) - 1)
    assert sweep.find(NOW_MS) == {b"over", b"moves"}
    pass_to(bootstrap, "zp.notify", 1)
    assert sweep.find(NOW_MS) == set(), "those who notify lag behind"
    pass_to(bootstrap, "zp.notify", len(records))
    found = sweep.find(NOW_MS)
    produce(bootstrap, "zp.alerts", [said(b"moves", "updated", OLD)])
    assert sweep.confirm(found) == [b"over"]
    produce(bootstrap, "zp.alerts", [said(b"over", None, NOW_MS)])
    assert sweep.find(NOW_MS) == set()
    assert AlertSweep(bootstrap, "zp.").find(NOW_MS) == set()
