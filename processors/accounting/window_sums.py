"""The ledger's windows: sums by cell, and what the lines of other bases last said, one slot a window."""

from bisect import bisect_left
from collections.abc import Callable, Hashable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zonepulse.processors.accounting.cold_sums import Arrays, BookPages
from zonepulse.processors.accounting.plan import GENERATION, Accounts
from zonepulse.processors.accounting.posting import CO2E, HAS_CO2E, LINE_VALUE, Books, Chart, read_lines
from zonepulse.processors.accounting.series import FIELDS, Said, changed, line_names
from zonepulse.processors.flow import UNSET, Records, records
from zonepulse.schemas.units import MS_PER_HOUR

_PACK_MS: Final = MS_PER_HOUR
"""How much time passes between two looks for windows to be packed."""


class Now(NamedTuple):
    """What a line of the location basis says now; None where it is not known."""

    exists: bool
    energy: int | None
    co2e: int | None
    est: int
    cov: int
    expected: int


def chart_of(accounts: Accounts) -> Chart:
    """What kernels read of the chart of accounts."""
    return Chart(
        accounts.accounts, accounts.lines, accounts.line_first, accounts.line_cells, accounts.line_signs, accounts.cell_first,
        accounts.cell_lines, accounts.guard_first, accounts.guard_bounds, accounts.expected_first, accounts.expected,
        accounts.factor_first, accounts.factors, accounts.zone_factor,
    )  # fmt: skip


class WindowBooks:
    """All windows of a zone under one chart of accounts. `base_lines` are the location lines, the others begin there.

    A slot is where a window's sums are, good until the next `pack` or `forget`.
    """

    def __init__(self, accounts: Accounts, base_lines: int, storages: Sequence[str], length_ms: int) -> None:
        self.chart = chart_of(accounts)
        self.base_lines = base_lines
        self._sizes = (len(accounts.cells), base_lines, len(accounts.lines) - base_lines, len(storages))
        self.storage_names = storages
        self.length_ms = length_ms
        self.pages = BookPages(self._new_books, length_ms)
        self.open_from = UNSET
        """Start of the first window that has not settled."""
        self._packed_before = UNSET
        self.made: list[Records] = []
        """LINE_VALUE records of lines that said something new."""
        self._pending: tuple[list[int], list[int], list[Said]] = ([], [], [])

    def _new_books(self, slots: int) -> Books:
        cells, lines, others, storages = self._sizes
        return Books(
            np.zeros((slots, cells, HAS_CO2E + 1), np.int64), np.zeros((slots, cells), np.int8),
            np.full((slots, lines), UNSET, np.int64), np.zeros(slots, np.int64),
            np.zeros((slots, others, len(FIELDS)), np.int64), np.zeros((slots, storages, 2), np.int64),
        )  # fmt: skip

    @property
    def books(self) -> Books:
        """The arrays that slots are places in."""
        return self.pages.books

    @property
    def starts(self) -> list[int]:
        """Starts of all windows, in order of time."""
        return self.pages.starts

    def open_slot(self, start: int) -> int:
        """The slot of a window that is to change, made where it is new."""
        return int(self.pages.slots(np.array([start]))[0])

    def adopt(self, old: "WindowBooks", before: Accounts, after: Accounts, progress: Callable[[], object]) -> None:
        """Go on with the windows of another chart: sums move to the cells of the same name, memories to the lines of the same name.

        `progress` is called after each page.
        """
        cells = _moves(before.cells, after.cells)
        lines = _moves(line_names(before, old.base_lines), line_names(after, self.base_lines))
        moves = {"acc": cells, "seen": cells, "said": lines, "pair": _moves(old.storage_names, self.storage_names)}
        self.pages = old.pages.rebuilt(self._new_books, moves, old.open_from, progress)
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

    def take_made(self) -> list[Records]:
        """What lines said anew since the last call."""
        made, self.made = self.made, []
        return made

    # --- windows of other bases -----------------------------------------------------------------------------------------------

    def start(self, slot: int) -> int:
        """Start of a slot's window, epoch ms."""
        return int(self.books.start[slot])

    def open_slots(self) -> set[int]:
        """The slots of all windows that have not settled."""
        return {self.pages.slot(start) for start in self.starts[bisect_left(self.starts, self.open_from) :]}

    def read(self, pairs: list[tuple[int, int]]) -> dict[tuple[int, int], Now]:
        """What location lines say now, by (line, slot)."""
        out = records(LINE_VALUE, len(pairs))
        if pairs:
            which = np.array(pairs, np.int64)
            read_lines(self.chart, self.books, which[:, 0].copy(), which[:, 1].copy(), self.length_ms, out)
        columns = [out[n].tolist() for n in ("exists", "has_energy", "energy", "has_co2e", "co2e", "est", "cov", "expected")]
        return {
            pair: Now(bool(exists), energy if has_energy else None, mg if has_mg else None, est, cov, expected)
            for pair, (exists, has_energy, energy, has_mg, mg, est, cov, expected) in zip(
                pairs, zip(*columns, strict=True), strict=True
            )
        }

    def generated_mg(self, slot: int) -> int:
        """Co2e of the zone's generation in a window."""
        return int(self.books.acc[slot, GENERATION, CO2E])

    def said_of(self, slot: int, line: int | np.int64) -> list[int]:
        """What a line last said, as committed (series.FIELDS)."""
        found: list[int] = self.books.said[slot, line - self.base_lines].tolist()
        return found

    def say(self, line: int, slot: int, value: Said) -> None:
        """A line says this from here on; once a (line, slot) between two commits."""
        lines, slots, values = self._pending
        lines.append(line)
        slots.append(slot)
        values.append(value)

    def commit(self, tick: int) -> Records:
        """Keep what was said; LINE_VALUE records of what is new in it, which are emitted with this tick."""
        lines, slots, values = self._pending
        self._pending = ([], [], [])
        return self.commit_lines(np.array(lines, np.int64), np.array(slots, np.int64), np.array(values, np.int64), tick)

    def commit_lines(self, lines: NDArray[np.int64], slots: NDArray[np.int64], values: NDArray[np.int64], tick: int) -> Records:
        """The same for arrays: values of shape (n, 6)."""
        new = changed(self.books.said, self.base_lines, lines, slots, values, tick)
        new["start"] = self.books.start[new["slot"]]
        if len(new):
            self.made.append(new)
        self.pages.touch(self.books.start[slots])
        return new


def _moves(old: Sequence[Hashable], new: Sequence[Hashable]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Old and new place of everything that keeps its name."""
    places = {name: i for i, name in enumerate(new)}
    moved = np.array([(i, places[name]) for i, name in enumerate(old) if name in places], np.int64).reshape(-1, 2)
    return moved[:, 0], moved[:, 1]
