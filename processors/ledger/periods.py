"""Sums by hour and day of the zone's calendar, made of the windows that the ledger holds.

A window belongs to the period that holds its start. An hour is one of the local clock and ends where the clock changes; a day has 23, 24 or
25 of them. A period is due with its last window and said then, and again in every tick that says a row of one of its windows anew. So its
`revision` is the largest of its windows', and no less than the tick at which it was due.

What is said is always the sum of the windows as they are; nothing is added up over time. Therefore the ledger keeps the whole of the day
that its horizon is in. No day before that one can be revised, by the same reason as its windows.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zonepulse.processors.accounting.plan import AggregationPlan
from zonepulse.processors.accounting.posting import SERIES_VALUE, PlanArrays, Sums, read_one
from zonepulse.processors.accounting.series import (
    CO2E,
    COV,
    ENERGY,
    EST,
    EXISTS,
    EXPECTED,
    FLAGS,
    HAS_CO2E,
    HAS_ENERGY,
    MARKET_EMISSION,
)
from zonepulse.processors.accounting.window_sums import WindowSums
from zonepulse.processors.channels.periods import DAY_MS, day_of, to_utc, transition_at
from zonepulse.processors.flow import Rows, Table, new_rows
from zonepulse.processors.kernel import kernel
from zonepulse.schemas.tables.basis_texts import STOCKS
from zonepulse.schemas.tables.results import PERIODS
from zonepulse.schemas.units import MS_PER_HOUR

HOUR, DAY = range(len(PERIODS))
PERIOD_SUM: Final = np.dtype(
    [
        ("series", "i8"),
        ("period", "i8"),
        ("start", "i8"),
        ("local_start", "i8"),
        ("end", "i8"),
        ("tick", "i8"),
        ("exists", "i8"),
        ("energy", "i8"),
        ("has_energy", "i8"),
        ("co2e", "i8"),
        ("has_co2e", "i8"),
        ("est", "i8"),
        ("valued", "i8"),
        ("cov", "i8"),
        ("expected", "i8"),
        ("energy_size", "i8"),  # sums of magnitudes, each floored to SIZE
        ("co2e_size", "i8"),
    ]
)
"""What a series says of a period: `period` is a place in results.PERIODS, `valued` the energy of the windows whose co2e is known."""
SIZE_BITS: Final = 20
MOST_SIZES: Final = 1 << (62 - SIZE_BITS)
"""A registry's proof is of one window: a sum of windows that are so large together could leave 64 bits, and is unknown."""


@kernel
def bounds(clock: Table, period: int, at: int, out: Any) -> None:
    """Begin and end (UTC ms) of the hour or day that holds `at`; `clock` as in channels/periods.py."""
    if period == DAY:
        day = day_of(clock, at, 0)
        out[0], out[1] = to_utc(clock, day * DAY_MS), to_utc(clock, (day + 1) * DAY_MS)
        return
    i = transition_at(clock, at)
    begin = at - (at + clock[i][1]) % MS_PER_HOUR
    out[0], out[1] = max(begin, clock[i][0]), begin + MS_PER_HOUR
    if i + 1 < len(clock):
        out[1] = min(out[1], clock[i + 1][0])


@kernel
def all_bounds(clock: Table, period: int, starts: Any, out: Any) -> None:
    """`bounds` of every start; `out` has shape (n, 2)."""
    for i in range(len(starts)):
        bounds(clock, period, starts[i], out[i])


@kernel
def add_windows(plan: PlanArrays, sums: Sums, first: int, series: Any, slots: Any, length: int, window: Any, out: Any) -> None:
    """Sums of each series over the windows in `slots`; `first` is the number of the first series that `sums.emitted` has."""
    for i in range(len(series)):
        one = out[i]
        for slot in slots:
            if series[i] < first:
                read_one(plan, sums, series[i], slot, length, window)
            else:
                said = sums.emitted[slot, series[i] - first]
                flags = said[FLAGS]
                window.exists, window.has_energy, window.has_co2e = flags & EXISTS, flags & HAS_ENERGY, flags & HAS_CO2E
                window.energy, window.co2e, window.est = said[ENERGY], said[CO2E], said[EST]
                window.cov, window.expected = said[COV], said[EXPECTED]
            if not window.exists:
                continue
            one.exists = 1
            one.cov += window.cov
            one.expected += window.expected
            if window.has_energy:
                one.has_energy = 1
                one.energy += window.energy
                one.est += window.est
                one.energy_size += max(abs(window.energy), abs(window.est)) >> SIZE_BITS
                if window.has_co2e:
                    one.valued += window.energy
            if window.has_co2e:
                one.has_co2e = 1
                one.co2e += window.co2e
                one.co2e_size += abs(window.co2e) >> SIZE_BITS


def leave_out_too_large(sums: Rows) -> None:
    """Make the sums of PERIOD_SUM rows unknown whose windows are too large together."""
    for name, parts in (("energy", ("energy", "est", "valued")), ("co2e", ("co2e", "valued"))):
        is_too_large = sums[f"{name}_size"] >= MOST_SIZES
        sums[f"has_{name}"][is_too_large] = 0
        for part in parts:
            sums[part][is_too_large] = 0


def day_of_zone(clock: NDArray[np.int64], at: int) -> tuple[int, int]:
    """Begin and end (UTC ms) of the calendar's day that holds `at`."""
    out = np.empty(2, np.int64)
    bounds(clock, DAY, at, out)
    return int(out[0]), int(out[1])


class Period(NamedTuple):
    """An hour or a day of the calendar; times in epoch ms."""

    name: str
    start: int
    end: int
    local_start: int
    """What the clock shows at `start`, as if it were UTC."""


def cut_by(clock: NDArray[np.int64], at: int) -> list[Period]:
    """Those that hold `at` and do not begin there."""
    out, found = np.empty(2, np.int64), []
    for period, name in enumerate(PERIODS):
        bounds(clock, period, at, out)
        start, end = out.tolist()
        if start != at:
            found.append(Period(name, start, end, start + int(clock[transition_at(clock, start)][1])))
    return found


def due_tick(end: int, length: int, delay: int, tick: int) -> int:
    """The tick at which the last window is due that begins before `end`; all in ms."""
    last = (end - 1) // length * length
    return -(-(last + length + delay) // tick)


class PeriodSums:
    """The hours and days of one aggregation plan's series: those of `totals`, stocks left out, and of `intensity`."""

    def __init__(self, clock: NDArray[np.int64], plan: AggregationPlan, windows: WindowSums, tick_ms: int, delay_ms: int) -> None:
        self._clock, self._windows, self._tick_ms, self._delay = clock, windows, tick_ms, delay_ms
        self._length = windows.length_ms
        stocks = [i for i, kind in enumerate(plan.entity_kinds) if kind in STOCKS]
        self._is_summed = (plan.series["kind"] != MARKET_EMISSION) & ~np.isin(plan.series["entity_kind"], stocks)
        self._all = np.flatnonzero(self._is_summed)

    def day_begin(self, at: int) -> int:
        """Begin of the day that holds `at`."""
        return day_of_zone(self._clock, at)[0]

    def due(self, first: int, last: int) -> list[Rows]:
        """PERIOD_SUM rows of the periods that are due at ticks first..last."""
        starts = self._windows.starts
        if not starts:
            return []
        low = max(self._last_due(first - 1) + self._length, starts[0])
        high = min(self._last_due(last), starts[-1] + 2 * DAY_MS)
        out: list[Rows] = []
        grid = np.arange(low, high + 1, self._length)
        for period in (HOUR, DAY) if len(grid) else ():
            found = self._bounds(period, grid)
            for begin, end in found[found[:, 1] <= grid + self._length].tolist():
                out += self._sums(period, begin, end, self._all, self._due(end))
        return out

    def again(self, values: Sequence[Rows], tick: int) -> list[Rows]:
        """PERIOD_SUM rows of the periods that were due before `tick` and hold these SERIES_VALUE rows, which it says."""
        out: list[Rows] = []
        if not values:
            return out
        starts, series = (np.concatenate([rows[name] for rows in values]) for name in ("start", "series"))
        is_mine = self._is_summed[series] & (starts <= self._last_due(tick - 1))
        starts, series = starts[is_mine], series[is_mine]
        for period in (HOUR, DAY) if len(starts) else ():
            found = self._bounds(period, starts)
            for begin, end in np.unique(found, axis=0).tolist():
                if self._due(end) < tick:
                    out += self._sums(period, begin, end, np.unique(series[found[:, 0] == begin]), tick)
        return out

    def _sums(self, period: int, begin: int, end: int, series: NDArray[np.int64], tick: int) -> Iterator[Rows]:
        windows, starts = self._windows, self._windows.starts
        held = starts[bisect_left(starts, begin) : bisect_left(starts, end)]
        if not held:
            return
        out = new_rows(PERIOD_SUM, len(series))
        window = new_rows(SERIES_VALUE)
        for sums, slots in windows.pages.read(held):
            add_windows(windows.plan, sums, windows.base_series, series, slots, self._length, window[0], out)
        leave_out_too_large(out)
        shift = int(self._clock[transition_at(self._clock, begin)][1])
        out["series"], out["period"], out["tick"] = series, period, tick
        out["start"], out["end"], out["local_start"] = begin, end, begin + shift
        yield out[out["exists"] != 0].view(np.recarray)

    def _bounds(self, period: int, starts: NDArray[np.int64]) -> NDArray[np.int64]:
        out = np.empty((len(starts), 2), np.int64)
        all_bounds(self._clock, period, starts, out)
        return out

    def _last_due(self, tick: int) -> int:
        """Start of the last window that is due at a tick."""
        return ((tick * self._tick_ms - self._delay) // self._length - 1) * self._length

    def _due(self, end: int) -> int:
        return due_tick(end, self._length, self._delay, self._tick_ms)
