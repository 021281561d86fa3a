"""Sent readings into accepted readings of a channel, or into the reason of a dead letter."""

from functools import cache
from typing import Final, NamedTuple

from zonepulse.oracle.decode import Sent
from zonepulse.oracle.registry import Facts, Registry

LIMIT_REG: Final = 1 << 53
LIMIT_ENERGY: Final = 1 << 62


class Reading(NamedTuple):
    """An accepted reading. `ts_ms` is its key: of an interval, the end of its period on the grid."""

    ts_ms: int
    reg: int
    energy: int
    seq: int
    quality: str
    facts: Facts

    @property
    def starts_ms(self) -> int:
        """The earliest instant that the reading speaks of."""
        return self.ts_ms - self.facts.period_ms if self.facts.kind == "interval" else self.ts_ms


@cache
def partition_of(key: str, partitions: int) -> int:
    """Kafka's default partitioner: positive murmur2 of the key, modulo the number of partitions."""
    data, m, mask = key.encode(), 0x5BD1E995, 0xFFFFFFFF
    h = (0x9747B28C ^ len(data)) & mask
    whole = len(data) // 4 * 4
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & mask
        k = (k ^ (k >> 24)) * m & mask
        h = (h * m & mask) ^ k
    if whole < len(data):
        h = (h ^ int.from_bytes(data[whole:], "little")) * m & mask
    h = (h ^ (h >> 13)) * m & mask
    return ((h ^ (h >> 15)) & 0x7FFFFFFF) % partitions


class Gate:
    """Decides which readings of a log are accepted."""

    def __init__(self, registry: Registry, partitions: int) -> None:
        self._registry = registry
        self._partitions = partitions

    def judge(self, sent: Sent, partition: int, ingest_ms: int) -> Reading | str:
        """The accepted reading, or the first reason that refuses it."""
        if sent.meter not in self._registry.meters:
            return "unknown_meter"
        here = self._facts(sent.meter, sent.register, sent.ts_ms)
        if here is None:
            return "unknown_register"
        ts_ms = sent.ts_ms if here.kind != "interval" else _nearest(sent.ts_ms, here.period_ms)
        facts = self._facts(sent.meter, sent.register, ts_ms)
        if facts is None:
            return "unknown_register"
        if partition_of(facts.key, self._partitions) != partition:
            return "wrong_partition"
        if sent.unit is not None and sent.unit != facts.unit:
            return "unit_mismatch"
        try:
            reg = facts.reg(sent.value)
        except OverflowError:
            return "out_of_range"
        energy = facts.energy(reg)
        if abs(reg) >= LIMIT_REG or abs(energy) >= LIMIT_ENERGY:
            return "out_of_range"
        if here.kind == "interval" and not self._is_on_grid(sent.ts_ms, ts_ms, facts):
            return "off_grid"
        if sent.ts_ms - ingest_ms > self._registry.policy.future_ms:
            return "future"
        if ingest_ms - sent.ts_ms > self._registry.policy.lateness_ms:
            return "late"
        return Reading(ts_ms, reg, energy, sent.seq, sent.quality, facts)

    def _facts(self, meter: str, register: str, ts_ms: int) -> Facts | None:
        """A power sample on an edge begins the later version, any other reading ends the earlier one."""
        here = self._registry.facts_at(meter, register, ts_ms)
        before = self._registry.facts_at(meter, register, ts_ms - 1)
        return here if before is None or (here is not None and here.kind == "power") else before

    def _is_on_grid(self, sent_ms: int, end_ms: int, facts: Facts) -> bool:
        """Whether a period was sent near enough to its end, and the version that its end belongs to has such a period."""
        is_near = abs(sent_ms - end_ms) <= self._registry.policy.tolerance_ms
        return is_near and facts.kind == "interval" and end_ms % facts.period_ms == 0


def _nearest(ts_ms: int, period_ms: int) -> int:
    """The nearest instant of the period grid."""
    return (ts_ms + period_ms // 2) // period_ms * period_ms
