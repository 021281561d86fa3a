"""Three brokers with three copies: one is killed under load and nothing stands still; two, and nothing is acknowledged; nothing is lost."""

import asyncio
import os
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from core_runs import disagreements, emitted, expected, fetches, final
from live_parts import wait_until
from zone_runs import piece

from zonepulse.schemas.messages.topics import INPUTS, READINGS
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.access.address import connection_to
from zonepulse.streams.chaos.data import chaos_sample, chaos_zone_yaml
from zonepulse.streams.control.registry_topic import publish
from zonepulse.streams.control.topic_plan import carry_out, compare, wanted
from zonepulse.streams.demo.run import PREFIX, Feed, read_partition
from zonepulse.streams.embedded.kafka.broker import Broker
from zonepulse.streams.embedded.kafka.cluster import cluster, min_insync

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
BROKERS, PARTITIONS, RECORDS = 3, 2, 3_000
SENT_IN_S = 10


def start(brokers: list[Broker]) -> None:
    with ThreadPoolExecutor(BROKERS) as pool:
        list(pool.map(Broker.start, brokers))


def is_acknowledged(kafka: str, value: bytes, patience_ms: int) -> bool:
    """Whether as many brokers as must have taken a record."""

    async def send() -> bool:
        producer = AIOKafkaProducer(**connection_to(kafka), acks="all", request_timeout_ms=patience_ms)
        await producer.start()
        try:
            await producer.send_and_wait(INPUTS.full_name(PREFIX), value, b"k")
        except KafkaError:
            return False
        finally:
            await producer.stop()
        return True

    return asyncio.run(send())


def test_brokers_die_and_nothing_is_lost(tmp_path: Path) -> None:
    whole = chaos_sample(1, 5)
    sample, zone_yaml = piece(whole, 0, RECORDS), chaos_zone_yaml(whole.changes)
    zone = parse_zone(zone_yaml)
    span_s = (int(sample.arrival_ms[-1]) - int(sample.arrival_ms[0])) / 1000
    brokers = cluster(tmp_path, BROKERS)
    kafka = ",".join(broker.bootstrap for broker in brokers)
    feed = Feed(kafka, sample, PARTITIONS, zone.zone, span_s / SENT_IN_S)
    try:
        start(brokers)
        topics = wanted(PREFIX, PARTITIONS, BROKERS, min_insync(BROKERS), is_simulated=True)
        carry_out(kafka, compare(kafka, topics))
        assert compare(kafka, topics).is_empty
        publish(kafka, PREFIX, zone, PARTITIONS, timestamp_ms=int(sample.arrival_ms[0]))
        feed.start()
        wait_until(lambda: feed.sent > 0.2 * len(sample), 60, "a fifth is sent")
        os.kill(brokers[0].pid, signal.SIGKILL)
        assert is_acknowledged(kafka, b"one is away", 60_000)
        os.kill(brokers[1].pid, signal.SIGKILL)
        assert not is_acknowledged(kafka, b"two are away", 8_000), "one copy is too few"
        start(brokers[1:2])  # two of three are enough
        wait_until(lambda: feed.is_done, 120, "all is sent")
        assert feed.failure is None
        log = [record for p in range(PARTITIONS) for record in read_partition(kafka, READINGS.full_name(PREFIX), p)]
    finally:
        feed.stop()
        for broker in brokers:
            broker.stop(timeout_s=1.0)
    sent = Counter(zip(sample.key, sample.value, sample.arrival_ms.tolist(), strict=True))
    assert not sent - Counter((record.key, record.value, record.timestamp_ms) for record in log), "every record is there"
    assert disagreements(expected(zone_yaml, log, PARTITIONS), final(emitted(zone_yaml, fetches(log), PARTITIONS))) == []
