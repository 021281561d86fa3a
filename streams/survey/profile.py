"""What a file of readings holds: of each meter's register its times, period, gaps, values and what kind of register they look like."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from zonepulse.schemas.registry.model import Kind
from zonepulse.schemas.units import MS_PER_HOUR
from zonepulse.streams.survey.readings import SCHEMA, Readings

Order = Literal["rising", "falling", "mixed"]
POWER_UNITS: Final = frozenset({"W", "kW", "MW", "GW", "var", "kvar", "Mvar"})
DAY_MS: Final = 86_400_000
_FALLS: Final = 0.01
"""A cumulative register falls in fewer of its steps: where it rolls over, or is reset."""
_EXCURSION: Final = 20
"""A step so many times the usual largest one is a jump of the register, and no power."""
_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Series:
    """One register. Times in epoch ms; `period_ms` 0: a single time. A gap is a step of more than 1.5 periods; the longest begins at
    `gap_ms`. `per_hour`: the largest advance or amount in transmitted units an hour, `jumps` left out; 0 where nothing moves."""

    meter: str
    register: str
    readings: int
    first_ms: int
    last_ms: int
    period_ms: int
    gaps: int
    longest_gap_ms: int
    gap_ms: int | None
    doubled: int
    units: tuple[str, ...]
    kind: Kind
    low: float
    high: float
    per_hour: float
    jumps: int
    falls: int


@dataclass(frozen=True, slots=True)
class Profile:
    """All registers, sorted by meter and register, and the order of the times in the file: steps `up` and `down`."""

    series: tuple[Series, ...]
    readings: int
    first_ms: int | None
    last_ms: int | None
    up: int
    down: int
    has_arrival: bool

    @property
    def order(self) -> Order:
        """Of the times, as the file has them."""
        return "rising" if not self.down else "falling" if not self.up else "mixed"


def profile_of(readings: Iterable[Readings]) -> Profile:
    """Holds the readings of all files at once: about 60 bytes each."""
    tables = [found.table.select([*SCHEMA.names[:5], "ingest_ms"]) for found in readings]
    table = pa.concat_tables(tables) if tables else SCHEMA.empty_table()
    n = table.num_rows
    ts = np.asarray(table["ts"].to_numpy(), np.int64)
    steps = np.diff(ts)
    codes, names = _codes(table)
    order = np.lexsort((np.arange(n), ts, codes))
    edges = np.flatnonzero(np.diff(codes[order], prepend=-1, append=-1)) if n else np.empty(0, np.int64)
    value = np.asarray(table["value"].to_numpy(), np.float64)
    series = []
    for start, end in pairwise(edges.tolist()):
        rows = order[start:end]
        units = tuple(sorted(u for u in pc.unique(table["unit"].take(pa.array(rows))).to_pylist() if u is not None))
        meter, register = names[codes[rows[0]]]
        series.append(_series(meter, register, ts[rows], value[rows], units))
    first, last = (int(ts.min()), int(ts.max())) if n else (None, None)
    has_arrival = n > 0 and table["ingest_ms"].null_count == 0
    series.sort(key=lambda s: (s.meter, s.register))
    return Profile(tuple(series), n, first, last, int((steps > 0).sum()), int((steps < 0).sum()), has_arrival)


def _codes(table: pa.Table) -> tuple[_Ints, list[tuple[str, str]]]:
    """A number for every (meter, register), and which they are."""
    meter, register = (table[name].combine_chunks().dictionary_encode() for name in ("meter", "register"))
    meter, register = (c.combine_chunks() if isinstance(c, pa.ChunkedArray) else c for c in (meter, register))
    pair = np.asarray(meter.indices, np.int64) * max(1, len(register.dictionary)) + np.asarray(register.indices, np.int64)
    found, codes = np.unique(pair, return_inverse=True)
    meters, registers = meter.dictionary.to_pylist(), register.dictionary.to_pylist()
    return np.asarray(codes, np.int64), [(meters[p // len(registers)], registers[p % len(registers)]) for p in found.tolist()]


def _series(meter: str, register: str, ts: _Ints, value: _Floats, units: tuple[str, ...]) -> Series:
    times, places = np.unique(ts, return_index=True)
    values = value[places]
    steps = np.diff(times)
    lengths, often = np.unique(steps, return_counts=True)
    period = int(lengths[often.argmax()]) if len(steps) else 0
    wide = np.flatnonzero(steps > 1.5 * period)
    longest = int(wide[steps[wide].argmax()]) if len(wide) else None
    changes = np.diff(values)
    falls = int((changes < 0).sum())
    kind = _kind(units, values, changes, falls)
    if kind == "cumulative":
        per_hour, jumps = _largest(changes / (steps / MS_PER_HOUR))
    else:
        per_hour, jumps = _largest(values if kind == "power" or not period else values / (period / MS_PER_HOUR))
    return Series(
        meter, register, len(ts), int(times[0]), int(times[-1]), period, len(wide),
        0 if longest is None else int(steps[longest]), None if longest is None else int(times[longest]), len(ts) - len(times), units, kind,
        float(values.min()), float(values.max()), per_hour, jumps, falls,
    )  # fmt: skip


def _kind(units: tuple[str, ...], values: _Floats, changes: _Floats, falls: int) -> Kind:
    if units and all(unit in POWER_UNITS or unit.endswith("/h") for unit in units):
        return "power"
    if falls > max(1, _FALLS * len(changes)):
        return "interval"
    if len(changes) and values[0] >= 0 and values[-1] <= 0 < values.max():
        return "interval"  # nothing was counted in the end
    return "cumulative"


def _largest(amounts: _Floats) -> tuple[float, int]:
    """The largest amount that is no jump, and how many jumps there are."""
    positive = np.sort(amounts[(amounts > 0) & np.isfinite(amounts)])
    if not len(positive):
        return 0.0, 0
    bound = _EXCURSION * positive[int(0.98 * (len(positive) - 1))]
    usual = positive[positive <= bound]
    return float(usual[-1]), len(positive) - len(usual)


def duration(ms: int) -> str:
    """As zone.yaml writes it."""
    for unit, length in (("d", DAY_MS), ("h", 3_600_000), ("m", 60_000)):
        if ms and ms % length == 0:
            return f"{ms // length}{unit}"
    return f"{ms / 1000:g}s"
