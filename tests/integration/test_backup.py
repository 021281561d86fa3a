"""What people told a zone and what its archive holds come back on a Kafka that has nothing, at the old places and times."""

from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from core_runs import spans
from kafka import KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType
from live_parts import wait_until
from zones import ONE_METER

from zonepulse.oracle.metering.decode import Record
from zonepulse.schemas.messages.commands import Command
from zonepulse.schemas.messages.records import HEARTBEAT
from zonepulse.schemas.messages.topics import COMMANDS, READINGS
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.archive import backup as backups
from zonepulse.streams.archive.archive import Archive
from zonepulse.streams.archive.backup import KEPT, BadBackup
from zonepulse.streams.archive.record_table import table_of
from zonepulse.streams.archive.restore import restore
from zonepulse.streams.control.command_log import tell
from zonepulse.streams.control.registry_topic import publish, read_to_end
from zonepulse.streams.demo.run import read_partition
from zonepulse.streams.embedded.kafka.broker import Broker
from zonepulse.streams.kafka.log_facts import admin_of
from zonepulse.streams.kafka.topics_admin import ensure_topics

pytestmark = pytest.mark.integration
PARTITIONS = 2


def records(broker: str, topic: str) -> list[Record]:
    return [record for p in range(PARTITIONS) for record in read_partition(broker, topic, p)]


def told(broker: str, prefix: str) -> dict[str, list[tuple[int, bytes | None, bytes | None]]]:
    """What counts of every topic that is kept."""
    found = {}
    for topic in KEPT:
        rows = [(r.timestamp, r.key, r.value) for r in read_to_end(broker, topic.full_name(prefix))]
        newest = {key: (at, key, value) for at, key, value in rows} if topic is not COMMANDS else dict(enumerate(rows))
        found[topic.name] = sorted((row for row in newest.values() if row[2] is not None), key=repr)
    return found


def settings_of(broker: str, topic: str) -> tuple[str, str]:
    with admin_of(broker) as admin:
        found = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all")["topic"][topic]
    return found["message.timestamp.type"]["value"], found["retention.ms"]["value"]


def test_a_zone_comes_back_on_an_empty_kafka(broker: Broker, tmp_path: Path) -> None:
    kafka, prefix = broker.bootstrap, f"lost-{uuid4().hex[:6]}."
    topic = READINGS.full_name(prefix)
    ensure_topics(kafka, prefix, PARTITIONS)
    publish(kafka, prefix, parse_zone(ONE_METER), PARTITIONS)
    with closing(KafkaProducer(bootstrap_servers=kafka, acks="all")) as producer:
        for name in ("factors", "inputs", "subscribers", "alerts", "notify"):
            for value in (b"old", b"new"):
                producer.send(f"{prefix}{name}", value, b"kept", partition=0).get(30)
            producer.send(f"{prefix}{name}", None, b"forgotten", partition=0).get(30)
        for number in range(5):
            producer.send(topic, b'{"n": %d}' % number, b"M-1", [("h", b"1")], number % PARTITIONS).get(30)
    with closing(KafkaProducer(bootstrap_servers=kafka, acks="all", transactional_id=prefix)) as gateway:
        gateway.init_transactions()
        for value in (b"behind a gap", b"at the end"):
            gateway.begin_transaction()
            gateway.send(topic, value, b"M-1", partition=1).get(30)
            gateway.commit_transaction()
    for target in ("readings/1/2", "intervals/0/7"):
        tell(kafka, prefix, Command("skip", target, "somebody", "it is broken"))
    tell(kafka, prefix, Command("maintenance", "meter=M-1", "somebody", "works", until_ms=1))

    before, before_told = records(kafka, topic), told(kafka, prefix)
    taken = backups.take(kafka, prefix)
    archive = Archive(str(tmp_path / "archive"), taken.zone, topic, taken.topic_id)
    for p in range(PARTITIONS):
        mine = [record for record in before if record.partition == p]
        archive.write(p, 0, mine[-1].offset + 1, "2026-03-02", table_of(spans(mine, topic)))
    file = tmp_path / "zone.backup"
    backups.write(taken, file)
    assert file.stat().st_mode & 0o077 == 0, "it holds people's addresses"
    with pytest.raises(BadBackup, match="only empty topics are filled"):
        restore(kafka, prefix, backups.read(file), archive, is_simulated=False)
    with admin_of(kafka) as admin:
        mine_all = [name for name in admin.list_topics() if name.startswith(prefix)]
        admin.delete_topics(mine_all)
        wait_until(lambda: not {*mine_all} & {*admin.list_topics()}, 60, "the topics are gone")

    counts = restore(kafka, prefix, backups.read(file), archive, is_simulated=False)
    after = {(record.partition, record.offset): record for record in records(kafka, topic)}
    assert counts["readings"] == len(before) and {
        place: after.pop(place) for place in [(r.partition, r.offset) for r in before]
    } == {(r.partition, r.offset): r for r in before}
    ends = {p: max(r.offset for r in before if r.partition == p) + 1 for p in range(PARTITIONS)}
    filled = {place: record for place, record in after.items() if place[1] < ends[place[0]]}
    assert len(filled) == 1 and all((r.timestamp_ms, r.value, r.headers) == (0, HEARTBEAT, ()) for r in filled.values())
    assert {place[0] for place in after.keys() - filled.keys()} == set(ends), "each partition is told of the registry"
    lost = [row for row in before_told["commands"] if b"intervals/0/7" in (row[2] or b"")]
    assert told(kafka, prefix) == before_told | {"commands": [row for row in before_told["commands"] if row not in lost]}
    assert len(lost) == 1, "another record stands at that place now"
    assert settings_of(kafka, topic) == ("LogAppendTime", "-1")


def test_a_file_that_is_no_backup_is_named(tmp_path: Path) -> None:
    file = tmp_path / "x.backup"
    for content in (b"", b"PAR1 no PAR1"):
        file.write_bytes(content)
        with pytest.raises(BadBackup, match=r"x\.backup is no file that `zonepulse backup take` wrote"):
            backups.read(file)
