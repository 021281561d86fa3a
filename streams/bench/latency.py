"""How long from the sending of the record that causes a tick to its rows' visibility in the store, under a steady load."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from aiokafka import AIOKafkaProducer
from clickhouse_connect.driver.client import Client

from zonepulse.schemas.messages.tasks import WHOLE
from zonepulse.streams.access.address import connection_to
from zonepulse.streams.bench.load import FORMS, PERIOD_MS, TICK_MS, WINDOW_MS, Load, gateway
from zonepulse.streams.bench.pipeline import Trial, wait_for_groups
from zonepulse.streams.embedded.stack import Stack

SETTLE_S: Final = 3.0
"""At the beginning workers are still warming up: rows of that time do not count."""
POLL_S: Final = 0.02
TABLES: Final = ("intervals", "intensity")
_SEEN: Final = " UNION ALL ".join(
    f"SELECT '{table}', revision, count() FROM {table} WHERE run = 'live' AND zone = {{zone:String}} GROUP BY revision"
    for table in TABLES
)


@dataclass(slots=True)
class Feed:
    """Sends a load round by round in a thread, `rate` readings a second."""

    broker: str
    trial: Trial
    rate: float
    sent_s: dict[int, float] = field(default_factory=dict)
    """Tick -> when the last partition's first record that reaches it was sent (epoch s)."""
    behind_s: float = 0.0
    """How late the latest round was sent."""
    failure: BaseException | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin sending."""
        self._thread = threading.Thread(target=self._run, name="latency-feed", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop sending; raises what went wrong."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(30)
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            asyncio.run(self._send())
        except BaseException as error:
            self.failure = error

    async def _send(self) -> None:
        load = self.trial.load
        sources = [load.records(p, FORMS["json"]) for p in range(load.partitions)]
        keys = [gateway(p, load.partitions).encode() for p in range(load.partitions)]
        size, begun = load.channels // load.partitions, time.monotonic()
        producer = AIOKafkaProducer(**connection_to(self.broker), max_batch_size=1 << 20)
        await producer.start()
        try:
            for turn in range(load.rounds):
                ahead_s = turn * load.channels / self.rate - (time.monotonic() - begun)
                self.behind_s = max(0.0, -ahead_s)
                await asyncio.sleep(max(0.0, ahead_s))
                if self._stop.is_set():
                    return
                for number, source in enumerate(sources):
                    await self._send_round(producer, number, keys[number], source, size)
        finally:
            await producer.stop()

    async def _send_round(
        self, producer: AIOKafkaProducer, number: int, key: bytes, source: Iterator[tuple[int, bytes]], size: int
    ) -> None:
        batch, at = producer.create_batch(), 0
        for _ in range(size):
            at, value = next(source)
            if batch.append(key=key, value=value, timestamp=at) is None:
                await producer.send_batch(batch, self.trial.readings_topic, partition=number)
                batch = producer.create_batch()
                batch.append(key=key, value=value, timestamp=at)
        if at // TICK_MS != (at - PERIOD_MS) // TICK_MS:
            self.sent_s[at // TICK_MS] = time.time()
        await producer.send_batch(batch, self.trial.readings_topic, partition=number)


def measure(stack: Stack, trial: Trial, rate: float, seconds: float) -> dict[str, Any]:
    """Percentiles (ms) for interval rows and for the zone's intensity, at `rate` readings/s in JSON; every window is one sample."""
    trial.prepare(stack, is_filled=False)
    with ExitStack() as keep:
        client = keep.enter_context(stack.client())
        for task in WHOLE:
            keep.enter_context(trial.worker(stack, task))
        wait_for_groups(stack, trial, WHOLE)
        feed = Feed(stack.kafka, trial, rate)
        feed.start()
        try:
            seen = _watch(stack, client, trial, seconds)
        finally:
            feed.stop()
    first = min(feed.sent_s.values(), default=0.0) + SETTLE_S
    found: dict[str, Any] = {"readings_per_s": rate, "sender_behind_s": feed.behind_s}
    for table in TABLES:
        waits = [
            at - feed.sent_s[tick] for (name, tick), at in seen.items() if name == table and feed.sent_s.get(tick, 0.0) > first
        ]
        found[table] = {"samples": len(waits)} | _percentiles_ms(waits)
    return found


def _percentiles_ms(waits: list[float]) -> dict[str, float | None]:
    if not waits:
        return {"p50_ms": None, "p99_ms": None}
    p50, p99 = np.percentile(np.array(waits) * 1000, [50, 99])
    return {"p50_ms": float(p50), "p99_ms": float(p99)}


def _watch(stack: Stack, client: Client, trial: Trial, seconds: float) -> dict[tuple[str, int], float]:
    """(table, revision) -> when all its rows were first seen."""
    whole = {"intervals": trial.load.channels, "intensity": 1}
    seen: dict[tuple[str, int], float] = {}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        stack.check()
        for table, revision, rows in client.query(_SEEN, {"zone": trial.load.zone}).result_rows:
            if rows >= whole[table]:
                seen.setdefault((table, revision), time.time())
        time.sleep(POLL_S)
    return seen


def load_for(zone: str, channels: int, partitions: int, rate: float, seconds: float) -> Load:
    """More than can be sent in that time."""
    return Load(zone, channels, partitions, int(rate * (seconds + 60) / channels) + WINDOW_MS // PERIOD_MS)
