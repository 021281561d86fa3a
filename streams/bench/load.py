"""The load of `zonepulse bench ingest`: a zone of equal meters and its readings, the same bytes at every run.

Every channel sends a cumulative register each 10 s; a partition's channels share one gateway, whose phases spread them over the 10 s.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import count
from typing import Any, Final

import numpy as np
import pyarrow as pa
from aiokafka import AIOKafkaProducer
from numpy.typing import NDArray

from zonepulse.schemas.factors.shipped import load_factors, shipped_factors_csv
from zonepulse.schemas.messages.partitioner import partition_of
from zonepulse.schemas.messages.records import HEARTBEAT
from zonepulse.schemas.messages.topics import MAX_MESSAGE_BYTES
from zonepulse.schemas.registry.model import ALWAYS, FOREVER, Company, Gateway, MeterVersion, Register, Registry, Site, ZonePolicy
from zonepulse.streams.access.address import connection_to

PERIOD_MS: Final = 10_000
WINDOW_MS: Final = 900_000
TICK_MS: Final = 60_000
DELAY_MS: Final = 300_000
"""Longer than a block of Arrow covers, so that nothing is revised."""
LATENESS_MS: Final = 600_000
START_MS: Final = 1_790_000_100_000
"""An edge of the window grid."""
TRAVEL_MS: Final = 200
"""From a reading's time to its arrival."""
METERS_A_COMPANY: Final = 20
BATCH_BYTES: Final = 1 << 17
_WAITING: Final = 16
"""Record batches under way to the broker."""


@dataclass(frozen=True, slots=True)
class Form:
    """How readings are put into records: JSON objects or arrays (`items` readings), or Arrow blocks."""

    name: str
    items: int = 1
    is_arrow: bool = False
    compression: str | None = None


FORMS: Final = {
    form.name: form
    for form in (Form("json"), Form("json-lz4", compression="lz4"), Form("array", 100), Form("arrow", 10_000, is_arrow=True))
}


@dataclass(frozen=True, slots=True)
class Load:
    """`rounds` readings of each of `channels` channels in `partitions` equal parts, and its zone `zone`."""

    zone: str
    channels: int
    partitions: int
    rounds: int
    is_watched: bool = True
    """Whether the channels' detectors are on, as they are in a zone that says nothing."""

    @property
    def readings(self) -> int:
        """How many there are."""
        return self.rounds * self.channels

    @property
    def windows(self) -> int:
        """How many windows they touch; each channel gets one row in each."""
        return -(-self.rounds * PERIOD_MS // WINDOW_MS)

    @property
    def end_ms(self) -> int:
        """Ingest time of the closing heartbeat."""
        return START_MS + self.windows * WINDOW_MS + DELAY_MS + TICK_MS

    @property
    def last_tick(self) -> int:
        """The tick that the closing heartbeat closes."""
        return self.end_ms // TICK_MS

    def before(self, at_ms: int) -> int:
        """Readings of one partition that arrive before `at_ms`, when each comes in a record of its own."""
        whole, rest = divmod(max(0, at_ms - START_MS - TRAVEL_MS), PERIOD_MS)
        size = self.channels // self.partitions
        return min(self.rounds * size, whole * size + -(-rest * size // PERIOD_MS))

    def meters(self, partition: int) -> range:
        """Numbers of the meters of one partition."""
        size = self.channels // self.partitions
        return range(partition * size, (partition + 1) * size)

    def registry(self) -> Registry:
        """The zone's registry: one main electricity meter a channel."""
        companies = tuple(Company(f"c-{i:05}", {}) for i in range(-(-self.channels // METERS_A_COMPANY)))
        sites = tuple(Site(f"s-{c.id}", c.id, "n-0") for c in companies)
        gateways = tuple(Gateway(gateway(p, self.partitions), sites[0].id) for p in range(self.partitions))
        register = Register("1.8.0", "electricity", "import", "cumulative", "kWh", "kWh", Fraction(1_000_000), Fraction(1), None,
                            Fraction(1000), PERIOD_MS, Fraction(0), detect=None if self.is_watched else ())  # fmt: skip
        meters = tuple(
            MeterVersion(meter_name(i), sites[i // METERS_A_COMPANY].id, gateways[p].id, "main", "", (register,), ALWAYS, FOREVER)
            for p in range(self.partitions)
            for i in self.meters(p)
        )
        factors = load_factors(shipped_factors_csv(), "Asia/Shanghai")
        return Registry(1, self._policy(), companies, sites, gateways, meters, (), factors, ())

    def _policy(self) -> ZonePolicy:
        return ZonePolicy(
            self.zone, {}, ("CN-JS", "CN"), "Asia/Shanghai", "gateway", WINDOW_MS, TICK_MS, 5_000, DELAY_MS, LATENESS_MS, 300_000,
            10_000, 7 * 86_400_000, 3, 60_000,
        )  # fmt: skip

    def records(self, partition: int, form: Form) -> Iterator[tuple[int, bytes]]:
        """(arrival ms, value) of one partition's records, in order."""
        meters = self.meters(partition)
        return self._blocks(meters, form.items) if form.is_arrow else self._texts(meters, form.items)

    def _texts(self, meters: range, items: int) -> Iterator[tuple[int, bytes]]:
        heads = [b'{"meter":"%b","register":"1.8.0","ts":' % meter_name(i).encode() for i in meters]
        phases = _phases(len(meters)).tolist()
        for turn in range(self.rounds):
            at = START_MS + turn * PERIOD_MS
            values = _registers(meters, turn).tolist()
            readings = [
                b'%b%d,"value":%d.%03d,"unit":"kWh","seq":%d}' % (head, at + phase, wh // 1000, wh % 1000, turn)
                for head, phase, wh in zip(heads, phases, values, strict=True)
            ]
            if items == 1:
                yield from zip((at + phase + TRAVEL_MS for phase in phases), readings, strict=True)
            else:
                for first in range(0, len(readings), items):
                    last = min(first + items, len(readings)) - 1
                    yield at + phases[last] + TRAVEL_MS, b"[%b]" % b",".join(readings[first : last + 1])

    def _blocks(self, meters: range, items: int) -> Iterator[tuple[int, bytes]]:
        size = min(items, len(meters))
        turns = max(1, min(items // size, LATENESS_MS // (2 * PERIOD_MS)))
        for start in range(0, self.rounds, turns):
            mine = range(start, min(start + turns, self.rounds))
            for first in range(0, len(meters), size):
                part = slice(first, first + size)
                table = _block(meters, part, mine)
                yield START_MS + mine[-1] * PERIOD_MS + int(_phases(len(meters))[part][-1]) + TRAVEL_MS, table


def meter_name(number: int) -> str:
    """`BZ-000042-E1`."""
    return f"BZ-{number:06}-E1"


@cache
def gateway(partition: int, partitions: int) -> str:
    """A gateway id whose records go to `partition`."""
    return next(name for name in (f"gw-{i}" for i in count()) if partition_of(name, partitions) == partition)


def _phases(size: int) -> NDArray[np.int64]:
    return np.arange(size) * PERIOD_MS // size


def _registers(meters: range, turn: int) -> NDArray[np.int64]:
    """Wh on each meter: 3.6 to 360 kW for ever."""
    number = np.arange(meters.start, meters.stop)
    return number * 997 % 10_000_000 + turn * (10 + number % 991)


def _block(meters: range, part: slice, turns: range) -> bytes:
    names = pa.array([meter_name(i) for i in meters[part]], pa.string())
    n = len(names)
    registers = np.concatenate([_registers(meters, turn)[part] for turn in turns])
    ts = np.concatenate([START_MS + turn * PERIOD_MS + _phases(len(meters))[part] for turn in turns])
    zeros = pa.array(np.zeros(len(ts), np.int32))
    codes = pa.array(np.tile(np.arange(n, dtype=np.int32), len(turns)))
    columns = {
        "meter": pa.DictionaryArray.from_arrays(codes, names),
        "register": pa.DictionaryArray.from_arrays(zeros, pa.array(["1.8.0"])),
        "ts": pa.array(ts, pa.int64()).cast(pa.timestamp("ms", tz="UTC")),
        "value": pa.array(registers / 1000),
    }
    batch = pa.RecordBatch.from_pydict(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


@asynccontextmanager
async def _producer(broker: str, form: Form) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        **connection_to(broker),
        compression_type=form.compression,
        max_batch_size=BATCH_BYTES if form.items == 1 else MAX_MESSAGE_BYTES // 2,
        max_request_size=MAX_MESSAGE_BYTES,
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


def produce(broker: str, topic: str, load: Load, form: Form) -> int:
    """Sends the whole load, and a closing heartbeat to every partition; the bytes of its values."""

    async def send() -> int:
        async with _producer(broker, form) as producer:
            sizes = [await _send_partition(producer, topic, load, form, p) for p in range(load.partitions)]
        return sum(sizes)

    return asyncio.run(send())


async def _send_partition(producer: AIOKafkaProducer, topic: str, load: Load, form: Form, partition: int) -> int:
    key, size, waiting = gateway(partition, load.partitions).encode(), 0, list[Any]()
    batch = producer.create_batch()
    for at, value in _closed(load, partition, form):
        size += len(value)
        while batch.append(key=key, value=value, timestamp=at) is None:
            waiting.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            if len(waiting) >= _WAITING:
                await waiting.pop(0)
    waiting.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*waiting)
    return size


def _closed(load: Load, partition: int, form: Form) -> Iterator[tuple[int, bytes]]:
    yield from load.records(partition, form)
    yield load.end_ms, HEARTBEAT
