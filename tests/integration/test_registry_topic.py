"""Registry versions on a real broker: published whole, numbered once, and announced to every partition."""

import json
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer
from kafka.errors import KafkaError
from live_parts import produce
from typer.testing import CliRunner
from zones import SMALL, small, zone

from zonepulse.schemas.messages.records import HEARTBEAT
from zonepulse.schemas.messages.topics import INPUTS, READINGS, REGISTRY
from zonepulse.schemas.registry.wire import to_entities
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.cli.main import app
from zonepulse.streams.control.registry_topic import load_versions, mend, newest_times, plan_mends, publish, read_to_end
from zonepulse.streams.embedded.kafka.broker import Broker
from zonepulse.streams.kafka.topics_admin import ensure_topics

pytestmark = pytest.mark.integration
PARTITIONS = 3
_numbers = count()


@pytest.fixture
def prefix() -> str:
    return f"t{next(_numbers)}."


def announced(broker: Broker, prefix: str) -> list[tuple[int, bytes, int]]:
    """(partition, version, timestamp) of the heartbeats that name one."""
    records = read_to_end(broker.bootstrap, READINGS.full_name(prefix))
    return [(r.partition, v, r.timestamp) for r in records if r.value == HEARTBEAT for k, v in r.headers if k == "registry"]


def test_a_published_version_is_loaded_as_it_was_and_announced_to_every_partition(broker: Broker, prefix: str) -> None:
    ensure_topics(broker.bootstrap, prefix, PARTITIONS)
    registry = zone()
    assert publish(broker.bootstrap, prefix, registry, PARTITIONS) == 1
    assert load_versions(broker.bootstrap, REGISTRY.full_name(prefix)) == {1: replace(registry, version=1)}
    assert [(p, v) for p, v, _ in announced(broker, prefix)] == [(p, b"1") for p in range(PARTITIONS)]


def test_another_registry_gets_the_next_number_and_the_same_one_keeps_its_own(broker: Broker, prefix: str) -> None:
    ensure_topics(broker.bootstrap, prefix, 1)
    first, second = zone(), zone(("{id: b}", "{id: c}"), ("company: b", "company: c"))
    assert [publish(broker.bootstrap, prefix, r, 1) for r in (first, second, second)] == [1, 2, 2]
    assert sorted(load_versions(broker.bootstrap, REGISTRY.full_name(prefix))) == [1, 2]
    assert [v for _, v, _ in announced(broker, prefix)] == [b"1", b"2", b"2"]


def test_a_version_that_was_left_half_written_is_not_loaded_and_its_number_not_used_again(broker: Broker, prefix: str) -> None:
    ensure_topics(broker.bootstrap, prefix, 1)
    half = to_entities(replace(zone(), version=1))[:-1]
    produce(broker.bootstrap, REGISTRY.full_name(prefix), [(0, key.encode(), value, [], None) for key, value in half])
    assert load_versions(broker.bootstrap, REGISTRY.full_name(prefix)) == {}
    assert publish(broker.bootstrap, prefix, zone(), 1) == 2


def test_junk_on_the_topic_is_removed_and_what_it_damaged_is_whole_again(broker: Broker, prefix: str) -> None:
    ensure_topics(broker.bootstrap, prefix, 1)
    topic, registry = REGISTRY.full_name(prefix), zone()
    publish(broker.bootstrap, prefix, registry, 1)
    junk = [b"junk", b"\xff\xfe", b"7/zone/x", b"1/extra/forged"]
    produce(broker.bootstrap, topic, [(0, key, b"{}", [], None) for key in junk])
    produce(broker.bootstrap, topic, [(0, b"1/company/a", b"damaged", [], None)])
    assert load_versions(broker.bootstrap, topic) == {}
    planned = plan_mends(broker.bootstrap, topic, registry)
    assert load_versions(broker.bootstrap, topic) == {}
    mend(broker.bootstrap, topic, planned)
    assert load_versions(broker.bootstrap, topic) == {1: replace(registry, version=1)}
    assert plan_mends(broker.bootstrap, topic, registry) == []
    newest = {record.key: record.value for record in read_to_end(broker.bootstrap, topic)}
    assert [newest[key] for key in junk] == [None] * 4


def test_a_record_without_a_key_is_refused_by_the_broker(broker: Broker, prefix: str) -> None:
    ensure_topics(broker.bootstrap, prefix, 1)
    topic = REGISTRY.full_name(prefix)
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap, retries=0)
    with pytest.raises(KafkaError):
        producer.send(topic, b"{}", partition=0).get(30)
    producer.close()
    assert [record for record in read_to_end(broker.bootstrap, topic) if record.key is None] == []
    assert publish(broker.bootstrap, prefix, zone(), 1) == 1


def test_without_a_topic_there_are_no_versions(broker: Broker, prefix: str) -> None:
    assert load_versions(broker.bootstrap, REGISTRY.full_name(prefix)) == {}


def test_heartbeats_of_a_simulated_topic_stand_at_its_newest_record(broker: Broker, prefix: str) -> None:
    ensure_topics(broker.bootstrap, prefix, 2, is_simulated=True)
    publish(broker.bootstrap, prefix, parse_zone(SMALL), 2)
    produce(broker.bootstrap, READINGS.full_name(prefix), [(1, b"k", b"[]", [], 1_790_000_000_000)])
    publish(broker.bootstrap, prefix, parse_zone(small(more="\n# changed\n")), 2)
    publish(broker.bootstrap, prefix, parse_zone(small(more="\n# once more\n")), 2, timestamp_ms=1_790_000_000_777)
    assert announced(broker, prefix) == [
        (0, b"1", 0), (0, b"2", 0), (0, b"3", 1_790_000_000_777),
        (1, b"1", 0), (1, b"2", 1_790_000_000_000), (1, b"3", 1_790_000_000_777),
    ]  # fmt: skip
    assert newest_times(broker.bootstrap, READINGS.full_name(prefix), 2) == [1_790_000_000_777] * 2


def test_a_long_topic_is_read_to_its_end_and_its_tail_alone(broker: Broker, prefix: str) -> None:
    ensure_topics(broker.bootstrap, prefix, 1)
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap, linger_ms=20, batch_size=1 << 18)
    for i in range(12_000):
        producer.send(REGISTRY.full_name(prefix), key=b"%d/meter/x" % (i % 7), value=b"x" * 1000)
    producer.close()
    topic = REGISTRY.full_name(prefix)
    assert sum(1 for _ in read_to_end(broker.bootstrap, topic)) == 12_000
    assert [r.offset for r in read_to_end(broker.bootstrap, topic, last=5)] == list(range(11_995, 12_000))


def test_inputs_of_files_are_given_corrected_and_listed_and_the_file_of_the_zone_may_not_contradict_them(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    def run(*arguments: str, code: int = 0) -> Any:
        environment = {"ZONEPULSE_BROKER": broker.bootstrap, "ZONEPULSE_TOPIC_PREFIX": prefix, "ZONEPULSE_PARTITIONS": "1"}
        result = CliRunner().invoke(app, list(arguments), env=environment)
        assert result.exit_code == code, result.output
        return json.loads(result.output) if "--json" in arguments else result.output

    def given(*rows: str, code: int = 0, more: tuple[str, ...] = ()) -> Any:
        file = tmp_path / "given.csv"
        file.write_text("\n".join(["company,quantity,period,value,reason", *rows]), "utf-8")
        who = ("--by", "L. Chen", "--evidence", "book 7", "--given", "2026-04-02")
        return run("inputs", "apply", str(file), *who, *more, code=code)

    ensure_topics(broker.bootstrap, prefix, 1)
    own = """\
inputs:
  - {id: w1, company: a, quantity: solid_waste_t, period: 2026-03, value: 3, by: M. Wu, given: 2026-04-01, evidence: book 6}
"""
    (tmp_path / "zone.yaml").write_text(small(more=own), "utf-8")
    run("registry", "apply", str(tmp_path / "zone.yaml"))
    assert "1 would be given, 0 of them corrections" in given("a,product_units,2026-03,9,", more=("--dry-run",))
    assert not list(read_to_end(broker.bootstrap, INPUTS.full_name(prefix)))
    assert "given.csv: 2 given, 1 of them corrections; 0 unchanged" in given(
        "a,product_units,2026-03,9,", "a,solid_waste_t,2026-03,3.5,again"
    )
    assert "0 given, 0 of them corrections; 2 unchanged" in given("a,product_units,2026-03,9,", "a,solid_waste_t,2026-03,3.5,again")
    before = list(read_to_end(broker.bootstrap, INPUTS.full_name(prefix)))
    assert "given.csv:3: company: unknown company 'c'" in given("b,product_units,2026-03,9,", "c,product_units,2026-03,9,", code=2)
    assert list(read_to_end(broker.bootstrap, INPUTS.full_name(prefix))) == before

    counting = run("inputs", "list", "--json")["inputs"]
    assert [(one["quantity"], one["exact"], one["from"]) for one in counting] == [
        ("product_units", "9", "inputs apply"), ("solid_waste_t", "7/2", "inputs apply"),
    ]  # fmt: skip
    every = run("inputs", "list", "--all", "--json", "--quantity", "solid_waste_t")["inputs"]
    assert [(one["id"], one["state"], one["replaces"]) for one in every] == [
        ("w1", "corrected", None),
        (every[1]["id"], "counts", "w1"),
    ]

    contradicting = own + own.splitlines()[1].replace("w1", "p1").replace("solid_waste_t", "product_units") + "\n"
    (tmp_path / "zone.yaml").write_text(small(more=contradicting), "utf-8")
    said = run("registry", "apply", str(tmp_path / "zone.yaml"), code=2)
    assert "would not count any more: 'p1' counts for product_units of a in 2026-03; leave that one out" in said
