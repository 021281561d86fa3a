"""Raw record batches and ordinary records of a real broker are the same records, in every codec and with aborted transactions."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from live_parts import create_topics, process, produce, wait_until

from zonepulse.streams.embedded.kafka.broker import Broker

pytestmark = pytest.mark.integration
WORKER = Path(__file__).with_name("raw_batch_worker.py")
CODECS = [None, "gzip", "snappy", "lz4", "zstd"]
EACH = 300


async def send_all(bootstrap: str, topic: str) -> None:
    for codec in CODECS:
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap, compression_type=codec, linger_ms=20)
        async with producer:
            headers = [("content-type", b"application/json")]
            sent = [
                await producer.send(
                    topic, b"%s %d" % (str(codec).encode(), i), b"k" if i % 2 else None, headers=headers if i % 3 else []
                )
                for i in range(EACH)
            ]
            await asyncio.gather(*sent)
    for name, is_committed in (("bad", False), ("good", True), ("worse", False)):
        async with AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=f"{topic}-{name}") as producer:
            await producer.begin_transaction()
            await asyncio.gather(*[await producer.send(topic, b"%s %d" % (name.encode(), i)) for i in range(5)])
            await (producer.commit_transaction() if is_committed else producer.abort_transaction())
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        await producer.send_and_wait(topic, b"the end")


def received(broker: Broker, topic: str, folder: Path, is_raw: bool) -> list[Any]:
    out = folder / f"{is_raw}.jsonl"
    options = {
        "broker": broker.bootstrap, "data_dir": str(folder / f"data-{is_raw}"), "group": f"{topic}-{is_raw}", "topic": topic,
        "out": str(out), "is_raw": is_raw,
    }  # fmt: skip
    with process(WORKER, options, folder / "worker.log"):
        wait_until(lambda: out.exists() and "the end" in out.read_text(), 60, f"all received, raw {is_raw}")
    return [json.loads(line)[:-1] for line in out.read_text().splitlines()]


def test_both_paths_hand_on_the_same_committed_records(broker: Broker, tmp_path: Path) -> None:
    create_topics(broker.bootstrap, {"mixed": 1})
    asyncio.run(send_all(broker.bootstrap, "mixed"))
    raw, plain = (received(broker, "mixed", tmp_path, is_raw) for is_raw in (True, False))
    assert raw == plain
    values = [row[3] for row in raw]
    assert len(values) == EACH * len(CODECS) + 5 + 1
    assert [v for v in values if v.startswith(("good", "bad", "worse"))] == [f"good {i}" for i in range(5)]


@pytest.mark.parametrize("is_raw", [True, False])
def test_a_batch_that_a_disk_has_damaged_is_one_record_and_the_flow_goes_on_behind_it(tmp_path: Path, is_raw: bool) -> None:
    """A broker refuses a batch with a wrong checksum, so the byte turns where it lies: a fetch hands on what the file has."""
    broker, topic = Broker(tmp_path / "kafka"), f"damaged-{is_raw}"
    broker.start()
    try:
        create_topics(broker.bootstrap, {topic: 1})
        for value in (b"before", b"of a damaged batch", b"behind"):
            produce(broker.bootstrap, topic, [(0, b"k", value, [], None)])
        broker.stop()
        (segment,) = (tmp_path / "kafka").rglob(f"{topic}-0/*.log")
        whole = segment.read_bytes()
        assert whole.count(b"damaged") == 1
        segment.write_bytes(whole.replace(b"damaged", b"dimaged"))
        broker.start()
        produce(broker.bootstrap, topic, [(0, b"k", b"the end", [], None)])
        rows = received(broker, topic, tmp_path, is_raw)
    finally:
        broker.stop()
    assert [row[0] for row in rows] == [0, 1, 2, 3]
    assert [row[3] for row in rows][::2] == ["before", "behind"]
    assert "dimaged" in rows[1][3] and rows[1][3] != "of a dimaged batch", "the whole batch, as it lies there"
