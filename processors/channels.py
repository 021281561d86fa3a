"""(meter, register) -> dense channel number, and what each channel means at a time, as plain arrays.

A *channel* is one register of one meter; it has one *version* for each validity of the meter, contiguous and sorted by time in `versions`.
Channel numbers keep their meaning when a later registry version only adds meters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from zonepulse.schemas.partitioner import partition_key, partition_of
from zonepulse.schemas.registry import MeterVersion, Register, Registry

KINDS: Final = {"cumulative": 0, "interval": 1, "power": 2}
CUMULATIVE, INTERVAL, POWER = 0, 1, 2

VERSION: Final = np.dtype(
    [
        ("valid_from", "i8"),
        ("valid_to", "i8"),
        ("scale", "f8"),  # micro-units in one transmitted unit
        ("num", "i8"),  # multiplier = num / den
        ("den", "i8"),
        ("modulus", "i8"),  # micro-units after the multiplier, -1 unknown
        ("power", "i8"),  # max_power in micro-units per hour, -1 unknown
        ("period", "i8"),
        ("kind", "i4"),
        ("series", "i4"),  # versions of one channel with equal series continue each other
        ("partition", "i4"),
        ("unit", "i4"),
    ]
)
LABELS: Final = ("meter", "register", "site", "company", "node", "carrier", "role", "direction")


class RegistryTooLarge(ValueError):
    """A number of the registry does not fit the kernels' integers."""


@dataclass(frozen=True, slots=True)
class Channels:
    """The compiled registry of one zone for a partition count.

    `versions[first[c] : first[c] + count[c]]` are the versions of channel c. `labels[name]` gives, for each version, an index into
    `texts[name]`. `changes` are the known meter changes sorted by (channel, at): rows (at, old, new) in micro-units after the
    multiplier, `change_first[c] : change_first[c + 1]` those of channel c.
    """

    registry: Registry
    partitions: int
    names: tuple[tuple[str, str], ...]
    index: dict[tuple[str, str], int]
    meters: frozenset[str]
    units: dict[str, int]
    first: NDArray[np.int64]
    count: NDArray[np.int64]
    versions: NDArray[np.void]
    labels: dict[str, NDArray[np.int32]]
    texts: dict[str, pa.Array]
    changes: NDArray[np.int64]
    change_first: NDArray[np.int64]

    def partition_channels(self, partition: int) -> NDArray[np.int64]:
        """The channels with a version whose readings belong to `partition`, ascending; shape (m,)."""
        owner = np.repeat(np.arange(len(self.names)), self.count)
        return np.unique(owner[self.versions["partition"] == partition])

    def label(self, name: str, version: int) -> str:
        """Text of a label of a version."""
        return str(self.texts[name][int(self.labels[name][version])])


def _fraction_parts(multiplier: Fraction, where: str) -> tuple[int, int]:
    num, den = multiplier.numerator, multiplier.denominator
    if num * den >= 1 << 62:
        raise RegistryTooLarge(f"{where}: multiplier {multiplier} has too many digits; write it with fewer decimals")
    return num, den


def _version_row(meter: MeterVersion, register: Register, series: int, partition: int, unit: int) -> tuple[object, ...]:
    num, den = _fraction_parts(register.multiplier, f"{meter.id} {register.id}")
    modulus = -1 if register.modulus is None else round(register.modulus * register.scale) * num // den
    power = -1 if register.max_power is None else round(register.max_power * 1_000_000)
    return (
        meter.valid_from_ms, meter.valid_to_ms, float(register.scale), num, den, modulus, power, register.period_ms,
        KINDS[register.kind], series, partition, unit,
    )  # fmt: skip


def _same_series(a: Register, b: Register) -> bool:
    return (a.unit, a.scale, a.multiplier, a.modulus, a.kind) == (b.unit, b.scale, b.multiplier, b.modulus, b.kind)


def energy_of(value: float, scale: float, num: int, den: int) -> int:
    """Micro-units after the multiplier of one transmitted value (design: rint of one float64 product, then floor)."""
    return round(value * scale) * num // den


def compile_registry(registry: Registry, partitions: int, previous: Sequence[tuple[str, str]] = ()) -> Channels:
    """Arrays of a registry. `previous` are the channel names of the version before, whose numbers are kept."""
    found: dict[tuple[str, str], list[tuple[MeterVersion, Register]]] = {name: [] for name in previous}
    for meter in registry.meters:
        for register in meter.registers:
            found.setdefault((meter.id, register.id), []).append((meter, register))
    sites = {s.id: s for s in registry.sites}
    units: dict[str, int] = {}
    rows: list[tuple[object, ...]] = []
    texts: dict[str, dict[str, int]] = {name: {} for name in LABELS}
    labels: dict[str, list[int]] = {name: [] for name in LABELS}
    first, count = [], []
    for (meter_id, register_id), versions in found.items():
        versions.sort(key=lambda v: v[0].valid_from_ms)
        first.append(len(rows))
        count.append(len(versions))
        series = 0
        for i, (meter, register) in enumerate(versions):
            series += i > 0 and not _same_series(versions[i - 1][1], register)
            partition = partition_of(partition_key(registry.zone, meter), partitions)
            rows.append(_version_row(meter, register, series, partition, units.setdefault(register.unit, len(units))))
            site = sites[meter.site]
            cells = (meter_id, register_id, site.id, site.company, site.node, register.carrier, meter.role, register.direction)
            for name, text in zip(LABELS, cells, strict=True):
                labels[name].append(texts[name].setdefault(text, len(texts[name])))
    index = {name: c for c, name in enumerate(found)}
    changes, change_first = _changes(registry, index, first, count, rows)
    return Channels(
        registry, partitions, tuple(found), index, frozenset(m.id for m in registry.meters), units,
        np.array(first, np.int64), np.array(count, np.int64), np.array(rows, VERSION),
        {n: np.array(v, np.int32) for n, v in labels.items()}, {n: pa.array(list(t), pa.string()) for n, t in texts.items()},
        changes, change_first,
    )  # fmt: skip


def _changes(
    registry: Registry, index: dict[tuple[str, str], int], first: list[int], count: list[int], rows: list[tuple[object, ...]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    table = np.array(rows, VERSION)

    def energy(channel: int, instants: tuple[int, int], value: float) -> int:
        """By the version that is valid at the first of the instants at which one is."""
        mine = table[first[channel] : first[channel] + count[channel]]
        version = next(v for at in instants for v in mine if v["valid_from"] <= at < v["valid_to"])
        return energy_of(value, float(version["scale"]), int(version["num"]), int(version["den"]))

    keyed = sorted(
        (index[change.meter, change.register], change.at_ms, change.old_final, change.new_initial)
        for change in registry.meter_changes
        if (change.meter, change.register) in index
    )
    found = [(at, energy(c, (at - 1, at), old), energy(c, (at, at - 1), new)) for c, at, old, new in keyed]
    changes = np.array(found, np.int64).reshape(-1, 3)
    change_first = np.searchsorted(np.array([c for c, *_ in keyed], np.int64), np.arange(len(index) + 1))
    return changes, change_first.astype(np.int64)
