"""Hostile records of chaos: those that the oracle judges have equal fates in the core, the others are refused by whoever reads them."""

import random

import pytest
from core_runs import disagreements, emitted, expected, fetches, final, spans

from zonepulse.oracle.metering.decode import Record
from zonepulse.schemas.messages.records import MAX_HEADERS
from zonepulse.schemas.messages.topics import ALERTS as ALERTS_TOPIC
from zonepulse.schemas.messages.topics import DEADLETTERS, RESULTS
from zonepulse.schemas.tables.results import ALERTS, DEAD_LETTERS
from zonepulse.streams.chaos import hostile_records as made
from zonepulse.streams.chaos.data import chaos_zone_yaml
from zonepulse.streams.clickhouse.registry_rows import RegistryRows
from zonepulse.streams.clickhouse.stored_rows import Poison, rows_of
from zonepulse.streams.kafka.origin import Origin
from zonepulse.streams.workers.interval_intake import _judge_all

START_MS = 1_790_812_800_000
ORIGIN = Origin("chaos", 4, 60_000, 300_000, lambda: {"0-E1/1.8.0"}, is_simulated=True)


def records(found: list[made.Hostile], partition: int = 0) -> list[Record]:
    return [Record(partition, i, START_MS + i, h.key, h.value, h.headers) for i, h in enumerate(found)]


@pytest.mark.large
@pytest.mark.parametrize("seed", range(3))
def test_readings_have_the_fate_that_the_oracle_says(seed: int) -> None:
    rng, zone = random.Random(seed), chaos_zone_yaml()
    few = [
        [h for h in made.readings(rng, START_MS) if len(h.headers) <= MAX_HEADERS] for _ in range(2)
    ]  # the client counts headers
    log = [r for p, found in enumerate(few) for r in records(found, p)]
    assert disagreements(expected(zone, log, 4), final(emitted(zone, fetches(log, (5,)), 4))) == []


@pytest.mark.parametrize("topic", [RESULTS, ALERTS_TOPIC, DEADLETTERS], ids=lambda t: t.name)
def test_the_store_refuses_every_one(topic: object) -> None:
    name = topic.name  # type: ignore[attr-defined]
    found = list({"results": made.results, "alerts": made.alerts, "deadletters": made.deadletters}[name](random.Random(1)))
    said = list(rows_of(spans(records(found), f"zp.{name}"), name, ORIGIN))
    assert [one.at for one in said if isinstance(one, Poison)] == list(range(len(found)))
    assert {one[0] for one in said if not isinstance(one, Poison)} <= {DEAD_LETTERS.name}
    assert ALERTS.name not in {one[0] for one in said if not isinstance(one, Poison)}


def test_the_store_refuses_every_one_of_the_registry() -> None:
    found = list(made.registry(random.Random(1)))
    said = list(RegistryRows("chaos").add(spans(records(found), "zp.registry")))
    assert [one.at for one in said if isinstance(one, Poison)] == list(range(len(found)))


def test_the_ledger_refuses_every_one() -> None:
    found = list(made.intervals(random.Random(1)))
    blocks = spans(records(found), "zp.intervals")
    judged = _judge_all(blocks, (), ORIGIN, lambda: None)
    assert [i for i, one in judged.items() if not isinstance(one, Exception)] == []
