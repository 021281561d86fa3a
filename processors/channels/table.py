"""(meter, register) -> dense channel number, and what each channel means at a time, as plain arrays.

A *channel* is one register of one meter; it has one *version* for each validity of the meter, contiguous and sorted by time in `versions`.
Channel numbers keep their meaning when a later registry version only adds meters.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Final, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from zonepulse.schemas.messages.partitioner import partition_key, partition_of
from zonepulse.schemas.registry.calendar import NOT_JUDGED, offsets_of, stretch_of
from zonepulse.schemas.registry.calendars import CALENDARS
from zonepulse.schemas.registry.model import Detector, MeterVersion, Register, Registry, ZonePolicy
from zonepulse.schemas.registry.sections import entities_of

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
        ("power", "i8"),  # max_power in micro-units per hour
        ("rise_per_ms", "f8"),  # of the integer register, before the multiplier: NEARLY what max_power and its margin allow
        ("period", "i8"),
        ("offset", "i8"),  # of the period's grid, ms of local time
        ("on_reset", "i4"),  # 1: may begin anew at zero
        ("stamp", "i4"),  # 1: a reading names the begin of its period
        ("kind", "i4"),
        ("series", "i4"),  # versions of one channel with equal series continue each other
        ("partition", "i4"),
        ("unit", "i4"),
        ("detect", "i4"),  # bits of the detectors that may speak, places in DETECTORS; 0: off
        ("sign", "i4"),  # -1: an export, which detectors see as a flow the other way
        ("stretch", "i8"),  # ms that detectors judge at a time, NOT_JUDGED: none
    ]
)
MARGIN_MS_PER_HOUR: Final = 3_000_000
"""1.2 x power x ms / 3.6e6 = power x ms / 3e6."""
NEARLY: Final = 0.999
"""A step up to this part of what is good is good for certain, whatever floats round."""
LABELS: Final = ("meter", "register", "site", "company", "node", "carrier", "role", "direction")
DETECTORS: Final[tuple[Detector, ...]] = get_args(Detector)
FRIDAY, SUNDAY = 4, 6


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
    clock: NDArray[np.int64]
    """The zone's offset transitions: rows (from_utc_ms, offset_ms)."""
    weekdays: NDArray[np.int64]
    """Days of the zone's calendar that are not as their weekday: rows (day from 1970-01-01, weekday from Monday = 0). A holiday is as a
    Sunday, a weekend's day that is worked as a Friday."""

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


def _register_row(meter: MeterVersion, register: Register) -> tuple[object, ...]:
    """Of VERSION what the register alone says."""
    num, den = _fraction_parts(register.multiplier, f"{meter.id} {register.id}")
    modulus = -1 if register.modulus is None else round(register.modulus * register.scale) * num // den
    power = round(register.max_power * 1_000_000)
    begins = register.kind == "interval" and register.stamp == "start"
    resets = register.on_reset == "zero"
    facts = register.period_ms, register.offset_ms, resets, begins, KINDS[register.kind]
    rise_per_ms = float(Fraction(power * den, num * MARGIN_MS_PER_HOUR)) * NEARLY
    return 0, 0, float(register.scale), num, den, modulus, power, rise_per_ms, *facts, 0, 0, 0


def _same_series(a: Register, b: Register) -> bool:
    """Whether readings go on: another unit alone changes no micro-unit."""
    return _counted(a) == _counted(b)


def _counted(r: Register) -> tuple[object, ...]:
    modulus = None if r.modulus is None else r.modulus * r.scale * r.multiplier
    return r.base_unit, r.multiplier, modulus, r.reference, r.steam, r.kind


def utc_offsets(zone: ZonePolicy) -> NDArray[np.int64]:
    """The offset transitions of a zone, as stored with the registry version; of versions without any, those that are installed."""
    return np.array(zone.utc_offsets or offsets_of(zone.timezone), np.int64).reshape(-1, 2)


def weekdays_of(registry: Registry) -> NDArray[np.int64]:
    """The days of the zone's calendar, ascending; shape (n, 2)."""
    found = {}
    for calendar in (one for one in entities_of(registry, CALENDARS) if one.id == registry.zone.calendar):
        found = {_day(day): FRIDAY for day in calendar.workdays if date.fromisoformat(day).weekday() > FRIDAY}
        found |= {_day(day): SUNDAY for day in calendar.holidays}
    return np.array(sorted(found.items()), np.int64).reshape(-1, 2)


def _day(iso: str) -> int:
    return (date.fromisoformat(iso) - date(1970, 1, 1)).days


def _watched_as(register: Register, window_ms: int) -> tuple[int, int, int]:
    """VERSION.detect, sign and stretch."""
    names = DETECTORS if register.detect is None else register.detect
    stretch = stretch_of(register.period_ms, window_ms)
    detect = 0 if stretch == NOT_JUDGED else sum(1 << DETECTORS.index(name) for name in names)
    return detect, -1 if register.direction == "export" else 1, stretch


def energy_of(value: float, scale: float, num: int, den: int) -> int:
    """Micro-units after the multiplier of one transmitted value (design: rint of one float64 product, then floor)."""
    return round(value * scale) * num // den


def channel_names(registry: Registry) -> Iterator[tuple[str, str]]:
    """Meter and register of every channel, in the order in which numbers are given; those of several versions more than once."""
    for meter in registry.meters:
        for register in meter.registers:
            yield meter.id, register.id


class _Entries:
    """Every register of every meter version, in the order of the registry: which channel, and whose facts. Registers and meters are
    many and their distinct facts few, so arrays of numbers are made of what is looked at once."""

    def __init__(self, registry: Registry, previous: Sequence[tuple[str, str]]) -> None:
        self.index: dict[tuple[str, str], int] = {name: c for c, name in enumerate(previous)}
        self.registers: list[tuple[MeterVersion, Register]] = []
        """Distinct ones, each with the first meter that has it."""
        numbers: dict[int, int] = {}  # by identity: every register lives as long as the registry
        index, channel, register_of = self.index, [], []
        for meter in registry.meters:
            meter_id = meter.id
            for register in meter.registers:
                name = meter_id, register.id
                channel.append(index.setdefault(name, len(index)))
                if (number := numbers.setdefault(id(register), len(numbers))) == len(self.registers):
                    self.registers.append((meter, register))
                register_of.append(number)
        sizes = np.array([len(meter.registers) for meter in registry.meters], np.int64)
        meter_of = np.repeat(np.arange(len(sizes)), sizes)
        valid_from = np.array([meter.valid_from_ms for meter in registry.meters], np.int64)
        order = np.lexsort((valid_from[meter_of], np.array(channel, np.int64)))
        self.channel = np.array(channel, np.int64)[order]
        self.meter, self.register = meter_of[order], np.array(register_of, np.int64)[order]

    def series(self, first: NDArray[np.int64]) -> NDArray[np.int64]:
        """How often a channel's facts have changed up to each of its versions."""
        is_new = np.zeros(len(self.channel), np.int64)
        changed = (self.channel[1:] == self.channel[:-1]) & (self.register[1:] != self.register[:-1])
        for i in np.flatnonzero(changed).tolist():
            before, after = (self.registers[self.register[j]][1] for j in (i, i + 1))
            is_new[i + 1] = not _same_series(before, after)
        total = np.cumsum(is_new)
        return total - total[first[self.channel]]


def _numbered(texts: Sequence[str], of: NDArray[np.int64]) -> tuple[list[str], NDArray[np.int32]]:
    """`texts[i] for i in of` as distinct texts in order of appearance and the number of each."""
    distinct: dict[str, int] = {}
    codes = np.array([distinct.setdefault(text, len(distinct)) for text in texts], np.int64)[of]
    first = np.full(len(distinct), len(codes), np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # the last one written is the first one there
    order = np.argsort(first, kind="stable")[: int((first < len(codes)).sum())]
    place = np.zeros(len(distinct), np.int32)
    place[order] = np.arange(len(order))
    names = list(distinct)
    return [names[i] for i in order.tolist()], place[codes]


def compile_registry(registry: Registry, partitions: int, previous: Sequence[tuple[str, str]] = ()) -> Channels:
    """Arrays of a registry. `previous` are the channel names of the version before, whose numbers are kept."""
    entries = _Entries(registry, previous)
    count = np.bincount(entries.channel, minlength=len(entries.index))
    first = np.cumsum(count) - count
    sites = {s.id: s for s in registry.sites}
    meters, registers = registry.meters, [register for _, register in entries.registers]
    meter_sites = [sites[meter.site] for meter in meters]
    units, unit_of = _numbered([r.unit for r in registers], entries.register)
    window_ms = registry.zone.window_ms
    rows = [(*_register_row(meter, register), *_watched_as(register, window_ms)) for meter, register in entries.registers]
    versions = np.array(rows, VERSION)[entries.register]
    versions["unit"] = unit_of
    versions["series"] = entries.series(first)
    versions["valid_from"] = np.array([m.valid_from_ms for m in meters], np.int64)[entries.meter]
    versions["valid_to"] = np.array([m.valid_to_ms for m in meters], np.int64)[entries.meter]
    homes: dict[str, int] = {}
    for key in (keys := [partition_key(registry.zone, meter) for meter in meters]):
        if key not in homes:
            homes[key] = partition_of(key, partitions)
    versions["partition"] = np.array([homes[key] for key in keys], np.int32)[entries.meter]
    columns: dict[str, tuple[Sequence[str], NDArray[np.int64]]] = {
        "meter": ([m.id for m in meters], entries.meter),
        "register": ([r.id for r in registers], entries.register),
        "site": ([s.id for s in meter_sites], entries.meter),
        "company": ([s.company for s in meter_sites], entries.meter),
        "node": ([s.node for s in meter_sites], entries.meter),
        "carrier": ([r.carrier for r in registers], entries.register),
        "role": ([m.role for m in meters], entries.meter),
        "direction": ([r.direction for r in registers], entries.register),
    }
    texts, labels = {}, {}
    for name in LABELS:
        found, labels[name] = _numbered(*columns[name])
        texts[name] = pa.array(found, pa.string())
    changes, change_first = _changes(registry, entries.index, first, count, versions)
    return Channels(
        registry, partitions, tuple(entries.index), entries.index, frozenset(m.id for m in meters),
        {unit: i for i, unit in enumerate(units)}, first, count, versions, labels, texts, changes, change_first, utc_offsets(registry.zone),
        weekdays_of(registry),
    )  # fmt: skip


def _changes(
    registry: Registry,
    index: dict[tuple[str, str], int],
    first: NDArray[np.int64],
    count: NDArray[np.int64],
    table: NDArray[np.void],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:

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
