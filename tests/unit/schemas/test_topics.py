"""What topics promise of themselves."""

from zonepulse.schemas.messages.topics import FOREVER_MS, TOPICS, simulated


def test_what_expires_by_time_is_bounded_in_bytes_too() -> None:
    for topic in TOPICS:
        is_timed = topic.retention_ms != FOREVER_MS
        assert is_timed == (topic.cleanup == "delete")
        assert (int(topic.config()["retention.bytes"]) > 0) == is_timed
        assert simulated(topic).config()["retention.bytes"] == simulated(topic).config()["retention.ms"] == "-1"
