"""A zone's readings as meters would show them: counters rebuilt from measured series that are re-dated by whole weeks.

A series is a cycle of whole weeks laid on the
zone's local time, so every measured value keeps its weekday and its time of day, and very nearly its season. The last digit of a
counter is cut, never rounded up, and the rest carried on: the sum of its advances is the energy of the source to one last digit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from zonepulse.schemas.registry.model import Kind, MeterChange
from zonepulse.schemas.units import MS_PER_HOUR

MS_PER_DAY: Final = 24 * MS_PER_HOUR
MS_PER_WEEK: Final = 7 * MS_PER_DAY
MAX_DAYS: Final = 364
"""What a series of 52 weeks can fill without using a value twice."""
Form = Literal["single", "array", "arrow"]
"""How a gateway sends: a record a reading, or one record for all its readings of an instant as JSON array or Arrow block."""
FORMS: Final[tuple[Form, ...]] = ("single", "array", "arrow")
ABSENT: Final = -1

ROW: Final = np.dtype(
    [
        ("series", "i4"),  # position in the series given
        ("meter", "i4"),  # position in Labels
        ("register", "i4"),
        ("unit", "i4"),  # ABSENT: not sent
        ("key", "i4"),
        ("ts", "i8"),  # epoch ms
        ("value", "f8"),  # in the series' unit
        ("seq", "i8"),  # ABSENT: not sent
        ("quality", "i1"),  # as schemas.readings.QUALITIES; 0 is not sent
        ("form", "i1"),  # position in FORMS
        ("fault", "i1"),  # position in sample_faults.FAULTS, 0 none
        ("arrival", "i8"),  # epoch ms
    ]
)
"""One reading on its way to the zone."""
Rows = NDArray[np.void]


@dataclass(frozen=True, slots=True)
class Series:
    """What one register measured, as a cycle of whole weeks.

    `amount[i]` belongs to [start + i*period, start + (i+1)*period) of the source's wall clock: the quantity of the period, or its
    mean for kind `power`, in `unit` behind the multiplier; NaN where the source has nothing (no reading then).
    `start_local_ms` is that wall clock read as if it were UTC; the period divides an hour. Kind `cumulative` needs `modulus`.
    `decimals` is what the register shows, `key` what its records are partitioned by.
    """

    meter: str
    register: str
    key: str
    form: Form
    kind: Kind
    unit: str
    period_ms: int
    start_local_ms: int
    amount: NDArray[np.float64]
    decimals: int
    multiplier: float = 1.0
    modulus: float | None = None
    sends_unit: bool = False
    sends_seq: bool = False

    def __post_init__(self) -> None:
        if len(self.amount) * self.period_ms % MS_PER_WEEK:
            raise ValueError(f"{self.meter} {self.register}: {len(self.amount)} values are no whole weeks; cut the series")
        if self.kind == "cumulative" and self.modulus is None:
            raise ValueError(f"{self.meter} {self.register}: a counter without modulus; give the first value that it cannot show")


@dataclass(frozen=True, slots=True)
class Stretch:
    """The time that is filled: `days` up to `until_ms`. `utc_offset_ms` is the zone's local time, which has no summer time."""

    until_ms: int
    days: int
    utc_offset_ms: int

    def __post_init__(self) -> None:
        if not 1 <= self.days <= MAX_DAYS:
            raise ValueError(f"days is {self.days}; the series fill 1 to {MAX_DAYS}")

    @property
    def start_ms(self) -> int:
        """The first hour within the stretch: when counters send their first reading."""
        return -(-(self.until_ms - self.days * MS_PER_DAY) // MS_PER_HOUR) * MS_PER_HOUR


@dataclass(frozen=True, slots=True)
class Labels:
    """The texts behind the codes of a ROW; the last meter and register are known to no registry, the last unit fits no channel."""

    meters: tuple[str, ...]
    registers: tuple[str, ...]
    units: tuple[str, ...]
    keys: tuple[str, ...]

    @classmethod
    def of(cls, series: Sequence[Series]) -> "Labels":
        """The texts of these series, in order of appearance, and the strangers behind them."""
        meters = dict.fromkeys(s.meter for s in series)
        registers = dict.fromkeys(s.register for s in series)
        units = dict.fromkeys(s.unit for s in series)
        return cls((*meters, "TC-9999-X9"), (*registers, "99.99.99"), (*units, "MWh"), tuple(dict.fromkeys(s.key for s in series)))


@dataclass(frozen=True, slots=True)
class Swap:
    """A meter is exchanged; `recorded` says whether the registry is told."""

    meter: str
    at_ms: int
    recorded: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """Where the counters begin, in last digits by position of the series, and which meters are exchanged."""

    initial: Mapping[int, int]
    swaps: tuple[Swap, ...] = ()
    rolling: frozenset[int] = frozenset()
    """Positions of the series that pass their modulus within the stretch."""


def amounts_of(series: Series, stretch: Stretch) -> NDArray[np.float64]:
    """The amounts of the periods from `start_ms` on that end by `until_ms`; the cycle of whole weeks is followed on local time."""
    periods = (stretch.until_ms - stretch.start_ms) // series.period_ms
    first = (stretch.start_ms + stretch.utc_offset_ms - series.start_local_ms) // series.period_ms
    return series.amount[(first + np.arange(periods)) % len(series.amount)]


def counted(series: Series, stretch: Stretch) -> NDArray[np.int64]:
    """Last digits that a counter has advanced since `start_ms`, then and at the end of every period: shape (periods + 1,)."""
    energy = np.concatenate(([0.0], np.cumsum(np.nan_to_num(amounts_of(series, stretch)))))
    digits: NDArray[np.int64] = np.floor(energy / series.multiplier * 10**series.decimals + 1e-6).astype(np.int64)
    return digits


def plan_of(series: Sequence[Series], stretch: Stretch, rng: np.random.Generator, faults: bool) -> Plan:
    """Begins every counter at 5 to 50 % of its range; with faults one in eight rolls over and two other meters are exchanged."""
    counters = [i for i, s in enumerate(series) if s.kind == "cumulative"]
    total = {i: int(counted(series[i], stretch)[-1]) for i in counters}
    rolling = _pick_rolling(counters, total, rng) if faults else frozenset()
    initial = {}
    for i in counters:
        modulus = _modulus(series[i])
        share = rng.uniform(0.3, 0.7)
        initial[i] = modulus - int(total[i] * share) if i in rolling else int(rng.uniform(0.05, 0.5) * modulus)
    spared = {series[i].meter for i in rolling}
    steady = sorted({series[i].meter for i in counters} - spared)
    return Plan(initial, _pick_swaps(steady, stretch, rng) if faults else (), rolling)


def _modulus(series: Series) -> int:
    digits: int = round((series.modulus or 0.0) * 10**series.decimals)
    return digits


def _pick_rolling(counters: Sequence[int], total: Mapping[int, int], rng: np.random.Generator) -> frozenset[int]:
    moving = [i for i in counters if total[i] > 100]
    return frozenset(rng.choice(moving, -(-len(moving) // 8), replace=False).tolist()) if moving else frozenset()


def _pick_swaps(meters: Sequence[str], stretch: Stretch, rng: np.random.Generator) -> tuple[Swap, ...]:
    """Two meters, each between two readings in the middle of the stretch: one exchange on record and one that nobody told."""
    chosen = rng.choice(meters, min(2, len(meters)), replace=False).tolist()
    hours = rng.integers(stretch.days * 7, stretch.days * 17, len(chosen)).tolist()
    return tuple(
        Swap(meter, stretch.start_ms + hour * MS_PER_HOUR + 7 * 60_000, recorded)
        for meter, hour, recorded in zip(chosen, hours, (True, False), strict=False)
    )


def shown(series: Series, stretch: Stretch, initial: int, swap: Swap | None) -> tuple[NDArray[np.float64], MeterChange | None]:
    """What a counter shows at the start and at the end of every period, and the exchange's record if there is one to be made."""
    digits, modulus, tens = counted(series, stretch), _modulus(series), 10**series.decimals
    if swap is None:
        return (initial + digits) % modulus / tens, None
    times = stretch.start_ms + np.arange(len(digits)) * series.period_ms
    at = int(np.floor(np.interp(swap.at_ms, times, digits)))
    new_initial = 3 * tens // 10
    digits = np.where(times <= swap.at_ms, initial + digits, new_initial + digits - at)
    change = MeterChange(series.meter, series.register, swap.at_ms, (initial + at) % modulus / tens, new_initial / tens)
    return digits % modulus / tens, change if swap.recorded else None


def clean_rows(series: Sequence[Series], stretch: Stretch, plan: Plan) -> tuple[Rows, tuple[MeterChange, ...]]:
    """Every reading as meant, by series and time, `arrival` still the time of sending; and the exchanges on record."""
    labels, swaps = Labels.of(series), {s.meter: s for s in plan.swaps}
    parts, changes = [], []
    for i, one in enumerate(series):
        swap = swaps.get(one.meter)
        value, change = shown(one, stretch, plan.initial[i], swap) if one.kind == "cumulative" else (None, None)
        parts.append(_rows_of(i, one, stretch, labels, value))
        changes += [change] if change else []
    return np.concatenate(parts), tuple(changes)


def _rows_of(i: int, series: Series, stretch: Stretch, labels: Labels, counter: NDArray[np.float64] | None) -> Rows:
    amount = amounts_of(series, stretch)
    measured = ~np.isnan(amount)
    begin = stretch.start_ms + np.arange(len(amount)) * series.period_ms
    if counter is not None:
        rows = _blank(i, series, labels, np.append(begin, begin[-1] + series.period_ms)[np.append(True, measured)])
        rows["value"] = counter[np.append(True, measured)]
    else:
        rows = _blank(i, series, labels, begin[measured] + (series.period_ms if series.kind == "interval" else 0))
        rows["value"] = np.round(amount[measured], series.decimals)
    rows["arrival"] = rows["ts"] + (series.period_ms if series.kind == "power" else 0)
    return rows


def _blank(i: int, series: Series, labels: Labels, ts: NDArray[np.int64]) -> Rows:
    rows = np.zeros(len(ts), ROW)
    rows["series"], rows["ts"] = i, ts
    rows["meter"], rows["register"] = labels.meters.index(series.meter), labels.registers.index(series.register)
    rows["unit"] = labels.units.index(series.unit) if series.sends_unit else ABSENT
    rows["key"], rows["form"] = labels.keys.index(series.key), FORMS.index(series.form)
    rows["seq"] = np.arange(len(ts)) if series.sends_seq else ABSENT
    return rows
