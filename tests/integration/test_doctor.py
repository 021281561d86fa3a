"""What `doctor` says of workers that die again and again, of partitions behind open transactions and of clocks that ran ahead."""

import time
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import msgspec
import pyarrow as pa
import pytest
from kafka import KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata
from live_parts import produce_many
from store_parts import ClickHouse, block
from zones import SMALL

from zonepulse.schemas.tables.results import TOTALS
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.cli.checkpoints import views
from zonepulse.streams.cli.doctor.workers import AHEAD_MS, MOST_RESTARTS, applied, partitions, workers
from zonepulse.streams.clickhouse import migrations
from zonepulse.streams.clickhouse.stored_rows import stored
from zonepulse.streams.embedded.kafka.broker import Broker
from zonepulse.streams.health.starts import note_start
from zonepulse.streams.kafka.consumer_groups import commit_offsets, coordinated
from zonepulse.streams.kafka.log_facts import admin_of
from zonepulse.streams.kafka.log_guard import Note
from zonepulse.streams.kafka.topics_admin import ensure_topics
from zonepulse.streams.settings import Settings

pytestmark = pytest.mark.integration


@pytest.fixture
def site(broker: Broker) -> Settings:
    prefix = f"z{uuid4().hex[:8]}."
    ensure_topics(broker.bootstrap, prefix, 2)
    return Settings(broker=broker.bootstrap, topic_prefix=prefix, partitions=2)


def test_a_worker_that_was_started_again_and_again_is_a_failure_also_where_none_holds_partitions(site: Settings) -> None:
    for _ in range(MOST_RESTARTS + 1):
        note_start(site.broker, site.topic_prefix, "intervals", "7")
    assert [check.state for check in workers(site)] == ["warn"], "two restarts are a bad day"
    note_start(site.broker, site.topic_prefix, "intervals", "7")
    dying, *_ = workers(site)
    assert (dying.name, dying.state) == ("workers", "fail")
    assert "intervals-7@" in dying.found and f"was started {MOST_RESTARTS + 2} times" in dying.found
    assert "zonepulse skip" in dying.remedy


def test_a_partition_behind_an_open_transaction_is_named_with_the_command_that_ends_it(site: Settings) -> None:
    topic = f"{site.topic_prefix}readings"
    gateway = KafkaProducer(bootstrap_servers=site.broker, transactional_id=topic, transaction_timeout_ms=60_000)
    gateway.init_transactions()
    gateway.begin_transaction()
    gateway.send(topic, b"of a gateway that hangs", partition=1).get(30)
    produce_many(site.broker, topic, 1, [b"{}"] * 3)
    (standing,) = [check for check in partitions(site, watch_s=0.1) if check.name == "partitions"]
    gateway.abort_transaction()
    gateway.close()
    assert standing.state == "fail"
    assert f"{topic}/1 stands at offset 0" in standing.found and "the 4 records behind it" in standing.found
    assert f"abort --topic {topic} --partition 1 --start-offset 0" in standing.found


def test_an_optional_task_is_looked_at_where_it_has_begun(site: Settings) -> None:
    assert [*views(site)] == ["intervals", "ledger", "store"]
    with admin_of(site.broker) as admin:
        begun = {TopicPartition(f"{site.topic_prefix}alerts", 0): OffsetAndMetadata(0, "", -1)}
        coordinated(lambda: commit_offsets(admin, f"{site.topic_prefix}notify", begun))
    assert [*views(site)] == ["intervals", "ledger", "store", "notify"]


def test_ticks_of_a_day_after_tomorrow_are_a_failure(tmp_path: Path) -> None:
    zone, now_ms = parse_zone(SMALL).zone, round(time.time() * 1000)
    clickhouse = ClickHouse(tmp_path)
    clickhouse.start()
    try:
        with clickhouse.client() as client:
            migrations.apply(client)
            client.database = "zonepulse"
            assert list(applied(client, zone, now_ms)) == []
            for ahead_ms, state in ((AHEAD_MS, "ok"), (48 * 3_600_000, "fail")):
                rows = stored(TOTALS, pa.ipc.open_stream(block(TOTALS, 1, 0, zone.id)).read_all())
                revision = pa.array([(now_ms + ahead_ms) // zone.tick_ms], rows.schema.field("revision").type)
                rows = rows.set_column(rows.schema.get_field_index("revision"), "revision", revision)
                client.insert_arrow("totals", rows, settings={"async_insert": 0})
                (said,) = applied(client, zone, now_ms)
                assert (said.name, said.state) == ("ledger", state)
            assert "48.0 h ahead" in said.found and "replay" in said.remedy
    finally:
        clickhouse.process.stop()


def commit(site: Settings, task: str, topic: str, offset: int, note: Note) -> None:
    place, text = TopicPartition(f"{site.topic_prefix}{topic}", 0), msgspec.json.encode(note).decode()
    with admin_of(site.broker) as admin:
        coordinated(lambda: commit_offsets(admin, f"{site.topic_prefix}{task}", {place: OffsetAndMetadata(offset, text, -1)}))


@pytest.mark.parametrize(("task", "topic"), [("intervals", "readings"), ("ledger", "intervals"), ("store", "results")])
def test_a_partition_that_nobody_gets_past_is_named_with_the_command_that_steps_over(site: Settings, task: str, topic: str) -> None:
    produce_many(site.broker, f"{site.topic_prefix}{topic}", 0, [b"before", b"of which its worker dies", b"behind"])
    commit(site, task, topic, 1, Note())
    (standing,) = [check for check in partitions(site, watch_s=0.1) if f" for {task}: " in check.found]
    assert standing.state == "fail"
    assert f"{site.topic_prefix}{topic}/0 stands at offset 1 for {task}: 2 records wait there" in standing.found
    assert f"zonepulse skip {site.topic_prefix}{topic} 0 OFFSET" in standing.remedy


def test_a_partition_whose_time_ran_ahead_is_a_failure_but_in_a_simulation(site: Settings) -> None:
    produce_many(site.broker, f"{site.topic_prefix}readings", 0, [b"[]"])
    now_ms = round(time.time() * 1000)
    for ahead_ms, states in ((AHEAD_MS // 2, ["ok"]), (48 * 3_600_000, ["ok", "fail"])):
        commit(site, "intervals", "readings", 1, Note(at_ms=now_ms + ahead_ms))
        found = list(partitions(site, watch_s=0.1))
        assert [check.state for check in found] == states
    assert f"{site.topic_prefix}readings/0 is 48.0 h ahead" in found[-1].found
    assert [check.state for check in partitions(replace(site, is_simulated=True), watch_s=0.1)] == ["ok"]
