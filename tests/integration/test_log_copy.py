"""What the oracle of chaos reads of a log whose beginning was deleted, also where the broker has forgotten the deletion."""

from pathlib import Path
from uuid import uuid4

import pytest
from live_parts import create_topics, produce_many

from zonepulse.streams.chaos.log_copy import LogCopy
from zonepulse.streams.embedded.kafka.broker import Broker

pytestmark = pytest.mark.integration


def test_what_a_killed_broker_shows_again_is_read_once_and_what_was_lost_never(broker: Broker, tmp_path: Path) -> None:
    topic = f"{uuid4().hex[:6]}.readings"
    create_topics(broker.bootstrap, {topic: 1})
    produce_many(broker.bootstrap, topic, 0, [b"%d" % i for i in range(10)])
    log = LogCopy(broker.bootstrap, topic, tmp_path)

    def read() -> list[bytes | None]:
        return [record.value for record in log.records(0)]

    assert read() == [b"%d" % i for i in range(10)]
    log.keep(0, 4, 6)
    assert read() == [b"0", b"1", b"2", b"3", b"6", b"7", b"8", b"9"]
    log.keep(0, 8, 9)
    assert read() == [b"0", b"1", b"2", b"3", b"6", b"7", b"9"]
    assert log.lost == {0: [(4, 6), (8, 9)]}
