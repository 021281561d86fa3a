"""The ledger's windows: sums by accumulator, and what the series of other bases last emitted, one slot a window."""

from bisect import bisect_left
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zonepulse.processors.accounting.cold_sums import Arrays, ColdSums
from zonepulse.processors.accounting.plan import GENERATION, AggregationPlan
from zonepulse.processors.accounting.posting import CO2E, HAS_CO2E, SERIES_VALUE, PlanArrays, Sums, read_one, read_series
from zonepulse.processors.accounting.series import FIELDS, Emitted, changed, series_names
from zonepulse.processors.flow import UNSET, Rows, new_rows
from zonepulse.schemas.units import MS_PER_HOUR

_PACK_MS: Final = MS_PER_HOUR
"""How much time passes between two looks for windows to be packed."""


class SeriesValue(NamedTuple):
    """What a series of the location basis says now; None where it is not known."""

    exists: bool
    energy: int | None
    co2e: int | None
    est: int
    cov: int
    expected: int


def plan_arrays(plan: AggregationPlan) -> PlanArrays:
    """What kernels read of the aggregation plan."""
    return PlanArrays(
        plan.postings, plan.series, plan.series_first, plan.series_accumulators, plan.series_signs, plan.accumulator_first,
        plan.accumulator_series, plan.guard_first, plan.guard_bounds, plan.expected_first, plan.expected,
        plan.factor_first, plan.factors, plan.zone_factor,
    )  # fmt: skip


class WindowSums:
    """All windows of a zone under one aggregation plan. `base_series` are the location series, the others begin there.

    A slot is where a window's sums are, good until the next `pack` or `forget`.
    """

    def __init__(self, plan: AggregationPlan, base_series: int, storages: Sequence[str], length_ms: int) -> None:
        self.plan = plan_arrays(plan)
        self.base_series = base_series
        self._sizes = (len(plan.accumulators), base_series, len(plan.series) - base_series, len(storages))
        self.storage_names = storages
        self.length_ms = length_ms
        self.pages = ColdSums(self._new_sums, length_ms)
        self.open_from = UNSET
        """Start of the first window that has not settled."""
        self._packed_before = UNSET
        self.made: list[Rows] = []
        """SERIES_VALUE rows of series that emitted something new."""
        self._pending: tuple[list[int], list[int], list[Emitted]] = ([], [], [])

    def _new_sums(self, slots: int) -> Sums:
        accumulators, series, others, storages = self._sizes
        return Sums(
            np.zeros((slots, accumulators, HAS_CO2E + 1), np.int64), np.zeros((slots, accumulators), np.int8),
            np.full((slots, series), UNSET, np.int64), np.zeros(slots, np.int64),
            np.zeros((slots, others, len(FIELDS)), np.int64), np.zeros((slots, storages, 2), np.int64),
        )  # fmt: skip

    @property
    def sums(self) -> Sums:
        """The arrays that slots are places in."""
        return self.pages.sums

    @property
    def starts(self) -> list[int]:
        """Starts of all windows, in order of time."""
        return self.pages.starts

    def open_slot(self, start: int) -> int:
        """The slot of a window that is to change, made where it is new."""
        return int(self.pages.slots(np.array([start]))[0])

    def adopt(self, old: "WindowSums", before: AggregationPlan, after: AggregationPlan, progress: Callable[[], object]) -> None:
        """Go on with the windows of another plan: sums move to the accumulators of the same name, memories to the series of the same name.

        `progress` is called after each page.
        """
        accumulators = _moves(before.accumulators, after.accumulators)
        series = _moves(series_names(before, old.base_series), series_names(after, self.base_series))
        moves = {
            "acc": accumulators,
            "seen": accumulators,
            "emitted": series,
            "storage_valuation": _moves(old.storage_names, self.storage_names),
        }
        self.pages = old.pages.rebuilt(self._new_sums, moves, old.open_from, progress)
        self.open_from, self.made, self._packed_before = old.open_from, old.made, old._packed_before

    def pack(self) -> None:
        """Pack what has settled, once an hour of windows."""
        if self.open_from >= self._packed_before + _PACK_MS:
            self._packed_before = self.open_from
            self.pages.pack(self.open_from)

    def forget(self, before: int) -> None:
        """Give up the windows before `before`, page by page; all of them have settled."""
        self.pages.forget(min(before, self.open_from))

    def restore(
        self, chunks: Sequence[Arrays], pages: Sequence[int | None], open_from: int, progress: Callable[[], object]
    ) -> None:
        """Take the pages of a snapshot; `progress` is called after each."""
        self.open_from = self._packed_before = open_from
        self.pages.restore(chunks, pages, open_from, progress)

    def settle_until(self, open_from: int) -> list[int]:
        """The windows before `open_from` that were open until now, in order of time."""
        if open_from <= self.open_from:
            return []
        found = self.starts[bisect_left(self.starts, self.open_from) : bisect_left(self.starts, open_from)]
        self.open_from = open_from
        return found

    def take_made(self) -> list[Rows]:
        """What series emitted anew since the last call."""
        made, self.made = self.made, []
        return made

    # --- windows of other bases -----------------------------------------------------------------------------------------------

    def start(self, slot: int) -> int:
        """Start of a slot's window, epoch ms."""
        return int(self.sums.start[slot])

    def open_slots(self) -> set[int]:
        """The slots of all windows that have not settled."""
        return {self.pages.slot(start) for start in self.starts[bisect_left(self.starts, self.open_from) :]}

    def read_one(self, series: int, start: int) -> Any:
        """What a location series says now of the window that begins at `start`: a SERIES_VALUE row."""
        slot = self.pages.slot(start)  # first: opening a page may replace the sums
        value = new_rows(SERIES_VALUE)
        read_one(self.plan, self.sums, series, slot, self.length_ms, value[0])
        return value[0]

    def read(self, pairs: list[tuple[int, int]]) -> dict[tuple[int, int], SeriesValue]:
        """What location series say now, by (series, slot)."""
        out = new_rows(SERIES_VALUE, len(pairs))
        if pairs:
            which = np.array(pairs, np.int64)
            read_series(self.plan, self.sums, which[:, 0].copy(), which[:, 1].copy(), self.length_ms, out)
        columns = [out[n].tolist() for n in ("exists", "has_energy", "energy", "has_co2e", "co2e", "est", "cov", "expected")]
        return {
            pair: SeriesValue(bool(exists), energy if has_energy else None, mg if has_mg else None, est, cov, expected)
            for pair, (exists, has_energy, energy, has_mg, mg, est, cov, expected) in zip(
                pairs, zip(*columns, strict=True), strict=True
            )
        }

    def generated_mg(self, slot: int) -> int:
        """Co2e of the zone's generation in a window."""
        return int(self.sums.acc[slot, GENERATION, CO2E])

    def emitted_of(self, slot: int, series: int | np.int64) -> list[int]:
        """What a series last emitted, as committed (series.FIELDS)."""
        found: list[int] = self.sums.emitted[slot, series - self.base_series].tolist()
        return found

    def emit(self, one: int, slot: int, value: Emitted) -> None:
        """A series says this from here on; once a (series, slot) between two commits."""
        series, slots, values = self._pending
        series.append(one)
        slots.append(slot)
        values.append(value)

    def commit(self, tick: int) -> Rows:
        """Keep what was emitted; SERIES_VALUE rows of what is new in it, which are emitted with this tick."""
        series, slots, values = self._pending
        self._pending = ([], [], [])
        return self.commit_series(np.array(series, np.int64), np.array(slots, np.int64), np.array(values, np.int64), tick)

    def commit_series(self, series: NDArray[np.int64], slots: NDArray[np.int64], values: NDArray[np.int64], tick: int) -> Rows:
        """The same for arrays: values of shape (n, 6)."""
        new = changed(self.sums.emitted, self.base_series, series, slots, values, tick)
        new["start"] = self.sums.start[new["slot"]]
        if len(new):
            self.made.append(new)
        self.pages.touch(self.sums.start[slots])
        return new


def _moves(old: Sequence[Hashable], new: Sequence[Hashable]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Old and new place of everything that keeps its name."""
    places = {name: i for i, name in enumerate(new)}
    moved = np.array([(i, places[name]) for i, name in enumerate(old) if name in places], np.int64).reshape(-1, 2)
    return moved[:, 0], moved[:, 1]
