"""The load of `zonepulse bench recovery`: meters with many registers that send one reading each 15 minutes, in Arrow blocks."""

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
from aiokafka import AIOKafkaProducer
from numpy.typing import NDArray

from zonepulse.schemas.messages.records import HEARTBEAT
from zonepulse.schemas.messages.topics import MAX_MESSAGE_BYTES
from zonepulse.schemas.registry.model import Registry
from zonepulse.streams.access.address import connection_to
from zonepulse.streams.bench.load import START_MS, TRAVEL_MS, Load, gateway, meter_name

REGISTERS: Final = 25
"""Of each meter."""
STEP_MS: Final = 900_000
LATENESS_MS: Final = 7_200_000
SPREAD_MS: Final = 60_000
"""The readings of a round lie within its first minute."""
BLOCK: Final = 10_000
"""Readings of a block while state is filled."""
PACE_S: Final = 0.5
"""Between two blocks of the constant load."""


class Block(NamedTuple):
    """One record: some meters' readings of one round."""

    partition: int
    at_ms: int
    value: bytes


@dataclass(frozen=True, slots=True)
class QuarterHours(Load):
    """A zone of `channels` registers, `channels / 25` meters in equal parts on the partitions; `rounds` readings each to begin with."""

    def meters(self, partition: int) -> range:
        """Numbers of the meters of one partition."""
        size = self.channels // REGISTERS // self.partitions
        return range(partition * size, (partition + 1) * size)

    def registry(self) -> Registry:
        """Every meter has the same registers."""
        base = Load(self.zone, self.channels // REGISTERS, self.partitions, self.rounds).registry()
        registers = tuple(replace(base.meters[0].registers[0], id=f"{i + 1}.8.0", period_ms=STEP_MS) for i in range(REGISTERS))
        meters = tuple(replace(meter, registers=registers) for meter in base.meters)
        return replace(base, zone=replace(base.zone, lateness_ms=LATENESS_MS), meters=meters)

    def blocks(self, turn: int, size: int) -> Iterator[Block]:
        """One round in blocks of at least `size` readings, partition by partition in turn."""
        step = -(-size // REGISTERS)
        meters = len(self.meters(0))
        for first in range(0, meters, step):
            for partition in range(self.partitions):
                yield self._block(partition, turn, first, min(first + step, meters))

    def _block(self, partition: int, turn: int, first: int, stop: int) -> Block:
        meters = self.meters(partition)
        begun = START_MS + turn * STEP_MS
        phases = np.arange(first, stop) * SPREAD_MS // len(meters)
        numbers = np.arange(meters.start + first, meters.start + stop)
        channels = numbers[:, None] * REGISTERS + np.arange(REGISTERS)
        noise = (channels * 2_654_435_761 + turn * 40_503_001) % 4_093  # no two channels are alike: snapshots of likes are small
        watt_hours = channels * 997 % 10_000_000 + turn * 5_000 + noise
        n = stop - first
        columns = {
            "meter": _texts(np.repeat(np.arange(n), REGISTERS), [meter_name(i) for i in numbers.tolist()]),
            "register": _texts(np.tile(np.arange(REGISTERS), n), [f"{i + 1}.8.0" for i in range(REGISTERS)]),
            "ts": pa.array(np.repeat(begun + phases, REGISTERS), pa.int64()).cast(pa.timestamp("ms", tz="UTC")),
            "value": pa.array(watt_hours.ravel() / 1000),
        }
        batch = pa.RecordBatch.from_pydict(columns)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        return Block(partition, int(begun + phases[-1]) + TRAVEL_MS, bytes(sink.getvalue()))


def _texts(codes: NDArray[np.int64], names: list[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(names, pa.string()))


async def _send(producer: AIOKafkaProducer, topic: str, load: QuarterHours, block: Block) -> None:
    key = gateway(block.partition, load.partitions).encode()
    await producer.send(topic, block.value, key, block.partition, block.at_ms)


def _producer(broker: str) -> AIOKafkaProducer:
    return AIOKafkaProducer(**connection_to(broker), max_batch_size=1 << 20, max_request_size=MAX_MESSAGE_BYTES)


def fill(broker: str, topic: str, load: QuarterHours) -> None:
    """Sends the first rounds as fast as the broker takes them, and a heartbeat behind them to every partition."""

    async def send() -> None:
        async with _producer(broker) as producer:
            for turn in range(load.rounds):
                for block in load.blocks(turn, BLOCK):
                    await _send(producer, topic, load, block)
            end_ms = START_MS + load.rounds * STEP_MS - 1
            for partition in range(load.partitions):
                await _send(producer, topic, load, Block(partition, end_ms, HEARTBEAT))

    asyncio.run(send())


@dataclass(slots=True)
class ConstantLoad:
    """Goes on where `fill` ended, in a thread, with `rate` readings a second."""

    broker: str
    topic: str
    load: QuarterHours
    rate: int
    sent: int = 0
    """Readings so far."""
    failure: BaseException | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> "ConstantLoad":
        self._thread = threading.Thread(target=self._run, name="constant-load", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(30)

    def check(self) -> None:
        """Raises what went wrong."""
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            asyncio.run(self._send_all())
        except BaseException as error:
            self.failure = error

    async def _send_all(self) -> None:
        size = max(REGISTERS, int(self.rate * PACE_S) // self.load.partitions)
        begun, turn = time.monotonic(), self.load.rounds
        async with _producer(self.broker) as producer:
            while not self._stop.is_set():
                for block in self.load.blocks(turn, size):
                    await asyncio.sleep(max(0.0, begun + self.sent / self.rate - time.monotonic()))
                    if self._stop.is_set():
                        return
                    await _send(producer, self.topic, self.load, block)
                    self.sent += size
                turn += 1
