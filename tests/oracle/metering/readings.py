"""Sent readings into accepted readings of a channel, or into the reason of a dead letter."""

from functools import cache
from typing import Final, NamedTuple

from zonepulse.oracle.metering.clock import period_of
from zonepulse.oracle.metering.decode import Sent
from zonepulse.oracle.zone.registry import Facts, Registry

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
    starts_ms: int
    """The earliest instant that the reading speaks of."""

    @property
    def is_impossible(self) -> bool:
        """A power or the energy of a period that nothing can have been; values of registers are judged by what came before."""
        if self.facts.kind == "power":
            return not self.facts.is_flow_possible(self.energy, 3_600_000)
        return self.facts.kind == "interval" and not self.facts.is_flow_possible(self.energy, self.ts_ms - self.starts_ms)


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
        if (sent.meter, sent.register) not in self._registry.channels:
            return "unknown_register"
        policy, facts = self._registry.policy, self._facts(sent.meter, sent.register, sent.ts_ms)
        snapped_ms = begin_ms = key_ms = sent.ts_ms
        if facts is not None and facts.kind == "interval":
            snapped_ms, begin_ms, key_ms = period_of(policy.timezone, facts, sent.ts_ms)
        at_ms = key_ms if facts is not None and facts.is_stamped_at_start else sent.ts_ms
        if at_ms - ingest_ms > policy.future_ms:
            return "future"
        if ingest_ms - at_ms > policy.lateness_ms:
            return "late"
        if facts is None:
            return "not_valid"
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
        if abs(sent.ts_ms - snapped_ms) > policy.tolerance_ms:
            return "off_grid"
        return Reading(key_ms, reg, energy, sent.seq, sent.quality, facts, begin_ms)

    def _facts(self, meter: str, register: str, ts_ms: int) -> Facts | None:
        """The version valid then. Exactly on an edge a power sample and a period stamped at its start begin the later version, any
        other reading ends the earlier one.
        """
        here = self._registry.facts_at(meter, register, ts_ms)
        before = self._registry.facts_at(meter, register, ts_ms - 1)
        begins = here is not None and (here.kind == "power" or here.is_stamped_at_start)
        return here if before is None or begins else before
