"""The ledger's windows: sums by cell, and what the lines of other bases last said, one slot a window."""

from bisect import bisect_left, insort
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zonepulse.processors.accounts import GENERATION, Accounts
from zonepulse.processors.layout import UNSET, Records, records
from zonepulse.processors.lines import FIELDS, Said, changed, line_names
from zonepulse.processors.posting import CO2E, HAS_CO2E, LINE_VALUE, Books, Chart, read_lines

_SLOTS: Final = 64
SLOTS_A_CHUNK: Final = 16
"""Windows of one chunk of a snapshot (ledger_snapshot.py)."""


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
    """All windows of a zone under one chart of accounts. `base_lines` are the location lines, the others begin there."""

    def __init__(self, accounts: Accounts, base_lines: int, storages: int, length_ms: int) -> None:
        self.chart = chart_of(accounts)
        self.base_lines = base_lines
        self._sizes = (len(accounts.cells), base_lines, len(accounts.lines) - base_lines, storages)
        self.length_ms = length_ms
        self.books = self.new_books(_SLOTS)
        self.slots: dict[int, int] = {}
        self.starts: list[int] = []
        self.open_from = UNSET
        """Start of the first window that has not settled."""
        self.touched: set[int] = set()
        """Chunks of slots that changed since the last snapshot."""
        self.made: list[Records] = []
        """LINE_VALUE records of lines that said something new."""
        self._pending: tuple[list[int], list[int], list[Said]] = ([], [], [])

    def new_books(self, slots: int) -> Books:
        """Empty books."""
        cells, lines, others, storages = self._sizes
        return Books(
            np.zeros((slots, cells, HAS_CO2E + 1), np.int64), np.zeros((slots, cells), np.int8),
            np.full((slots, lines), UNSET, np.int64), np.zeros(slots, np.int64),
            np.zeros((slots, others, len(FIELDS)), np.int64), np.zeros((slots, storages, 2), np.int64),
        )  # fmt: skip

    def slot_of(self, starts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Slots of windows, made where they are new."""
        used, compact = np.unique(starts, return_inverse=True)
        slots = np.empty(len(used), np.int64)
        for i, start in enumerate(used.tolist()):
            slots[i] = self.open_slot(start)
        return slots[compact]

    def open_slot(self, start: int) -> int:
        """The slot of one window, made where it is new."""
        slot = self.slots.get(start)
        if slot is None:
            slot = len(self.slots)
            if slot == len(self.books.start):
                self._grow()
            self.slots[start] = slot
            self.books.start[slot] = start
            insort(self.starts, start)
        return slot

    def _grow(self) -> None:
        old, size = self.books, len(self.books.start)
        self.books = self.new_books(2 * size)
        for mine, before in zip(self.books, old, strict=True):
            mine[:size] = before

    def adopt(self, old: "WindowBooks", before: Accounts, after: Accounts) -> None:
        """Go on with the windows of another chart: sums move to the cells of the same name, memories to the lines of the same name."""
        self.books = self.new_books(len(old.books.start))
        self.books.start[:] = old.books.start
        self.slots, self.starts, self.open_from, self.made = old.slots, old.starts, old.open_from, old.made
        new_cells = {name: i for i, name in enumerate(after.cells)}
        for was, name in enumerate(before.cells):
            if name in new_cells:
                self.books.acc[:, new_cells[name]] = old.books.acc[:, was]
                self.books.seen[:, new_cells[name]] = old.books.seen[:, was]
        new_lines = {name: i for i, name in enumerate(line_names(after, self.base_lines))}
        for was, line in enumerate(line_names(before, old.base_lines)):
            if line in new_lines:
                self.books.said[:, new_lines[line]] = old.books.said[:, was]
        self.touch(np.arange(len(self.slots)))

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

    def touch(self, slots: Any) -> None:
        """These slots changed."""
        self.touched.update(np.unique(np.asarray(slots) // SLOTS_A_CHUNK).tolist())

    # --- windows of other bases -----------------------------------------------------------------------------------------------

    def start(self, slot: int) -> int:
        """Start of a slot's window, epoch ms."""
        return int(self.books.start[slot])

    def open_slots(self) -> set[int]:
        """The slots of all windows that have not settled."""
        return {self.slots[start] for start in self.starts[bisect_left(self.starts, self.open_from) :]}

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
        """What a line last said, as committed (lines.FIELDS)."""
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
        if len(new):
            self.made.append(new)
        self.touch(slots)
        return new
