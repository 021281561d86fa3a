"""Real servers for integration tests, and the few things that tests do with them."""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from forked import Forked, script
from kafka.admin import KafkaAdminClient
from patience import patience_s

from zonepulse.streams.access.address import connection_to

Record = tuple[int, bytes | None, bytes | None, list[tuple[str, bytes]], int | None]
"""partition, key, value, headers, timestamp_ms"""


def create_topics(bootstrap: str, partitions: dict[str, int]) -> None:
    admin = KafkaAdminClient(**connection_to(bootstrap))
    try:
        admin.create_topics({name: {"num_partitions": n} for name, n in partitions.items()}, wait_for_metadata=True)
    finally:
        admin.close()


def produce(bootstrap: str, topic: str, records: Iterable[Record]) -> None:
    """Sends and waits for all acknowledgements."""

    async def send() -> None:
        producer = AIOKafkaProducer(**connection_to(bootstrap), linger_ms=5, max_request_size=8_000_000)
        await producer.start()
        try:
            sent = [await producer.send(topic, v, k, partition=p, timestamp_ms=t, headers=h) for p, k, v, h, t in records]
            await asyncio.gather(*sent)
        finally:
            await producer.stop()

    asyncio.run(send())


def produce_many(bootstrap: str, topic: str, partition: int, values: Iterable[bytes]) -> int:
    """The fast way for plain values; how many were sent."""

    async def send() -> int:
        producer = AIOKafkaProducer(**connection_to(bootstrap), linger_ms=5, max_batch_size=1 << 18)
        await producer.start()
        count, sent = 0, []
        try:
            builder = producer.create_batch()
            for value in values:
                while builder.append(key=b"k", value=value, timestamp=None) is None:
                    builder.close()
                    sent.append(await producer.send_batch(builder, topic, partition=partition))
                    builder = producer.create_batch()
                count += 1
            sent.append(await producer.send_batch(builder, topic, partition=partition))
            await asyncio.gather(*sent)
        finally:
            await producer.stop()
        return count

    return asyncio.run(send())


def wait_until(is_so: Callable[[], bool], timeout_s: float, what: str) -> None:
    deadline = time.monotonic() + patience_s(timeout_s)
    while not is_so():
        assert time.monotonic() < deadline, f"after {timeout_s} s still not: {what}"
        time.sleep(0.05)


@contextmanager
def process(program: Path, options: dict[str, Any], log: Path) -> Iterator[Forked]:
    """A Python program with its options as one JSON argument, ended at the end of the block."""
    child = Forked(script, [str(program), json.dumps(options, default=str)], os.environ, Path.cwd(), log)
    try:
        yield child
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(patience_s(20))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
