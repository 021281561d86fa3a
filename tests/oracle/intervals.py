"""One channel's life: accepted readings in, interval rows by tick and the verdicts of its rules out."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from zonepulse.oracle.alerts import MeterRules, Transition
from zonepulse.oracle.grid import Grid
from zonepulse.oracle.readings import Reading
from zonepulse.oracle.registry import Change, Facts, Registry
from zonepulse.oracle.vee import METHODS, Mark, Piece, Segment, Series


class Row(NamedTuple):
    """What a window holds; `value` is None where nothing is covered."""

    value: int | None
    estimated: int
    covered_ms: int
    quality: str
    method: str


MISSING = Row(None, 0, 0, "missing", "")


class Version(NamedTuple):
    """A row as one tick emitted it."""

    tick: int
    window: int
    row: Row


@dataclass(slots=True)
class Slot:
    """All accepted readings of one key: the one that counts, and whether another value was seen."""

    winner: Reading
    differs: bool = False

    def add(self, reading: Reading) -> None:
        """A later arrival: it wins unless its `seq` is lower."""
        self.differs = self.differs or reading.reg != self.winner.reg
        if reading.seq >= self.winner.seq:
            self.winner = reading


class Fold:
    """A channel's sorted readings and everything they book, by window."""

    def __init__(self, registry: Registry, meter: str, register: str) -> None:
        self._grid = Grid.of(registry.policy)
        self._changes = registry.changes.get((meter, register), [])
        self._slots: dict[int, Slot] = {}
        self._order: list[int] = []
        self._steps: list[Series] = [Series(registry.policy)]
        """One more than `_order`: the state before the first reading comes first."""
        self._open: tuple[list[Piece], list[Mark]] = ([], [])
        self._pieces: defaultdict[int, list[Piece]] = defaultdict(list)
        self._marks: defaultdict[int, list[Mark]] = defaultdict(list)
        self.first_ms: int | None = None
        """The earliest instant that an accepted reading speaks of."""
        self.dirty: set[int] = set()
        """Windows whose pieces may have changed."""

    @property
    def last_ms(self) -> int:
        """The key of the last accepted reading."""
        return self._order[-1]

    def add(self, readings: list[Reading]) -> list[Segment]:
        """Take the readings of a tick in order of arrival; the segments too long to book that were not there before."""
        for reading in readings:
            self.first_ms = reading.starts_ms if self.first_ms is None else min(self.first_ms, reading.starts_ms)
            if reading.ts_ms in self._slots:
                self._slots[reading.ts_ms].add(reading)
            else:
                self._slots[reading.ts_ms] = Slot(reading)
                self._order.insert(bisect_left(self._order, reading.ts_ms), reading.ts_ms)
        self.dirty = set()
        return self._again_from(bisect_left(self._order, min(r.ts_ms for r in readings)))

    def row(self, window: int) -> Row:
        """What the window holds now."""
        start_ms = self._grid.start_ms(window)
        end_ms = start_ms + self._grid.window_ms
        pieces = self._pieces.get(window)
        if not pieces:
            return MISSING
        totals = {(is_power, of): 0 for is_power in (False, True) for of in ("all", "estimated")}
        covered_ms = 0
        for piece in pieces:
            first_ms, last_ms = max(piece.start_ms, start_ms), min(piece.end_ms, end_ms)
            energy = piece.energy(first_ms, last_ms)
            covered_ms += last_ms - first_ms
            totals[piece.is_power, "all"] += energy
            totals[piece.is_power, "estimated"] += energy if piece.estimated else 0
        is_estimated = any(p.estimated for p in pieces)
        quality = "estimated" if is_estimated else "corrected" if any(p.corrected for p in pieces) else "measured"
        return Row(
            value=totals[False, "all"] + totals[True, "all"] // 3_600_000,
            estimated=totals[False, "estimated"] + totals[True, "estimated"] // 3_600_000,
            covered_ms=covered_ms,
            quality=quality,
            method=METHODS[max(p.method for p in pieces)],
        )

    def marks(self, window: int) -> list[Mark]:
        """Its readings that are not booked, in order of time."""
        return sorted(self._marks.get(window, ()), key=lambda m: m.ts_ms)

    def _again_from(self, position: int) -> list[Segment]:
        """Undo the steps from a position on and take them again with the readings as they are now."""
        self._undo(*self._open)
        known: set[Segment] = set()
        while len(self._steps) > position + 1:
            step = self._steps.pop()
            self._undo(step.pieces, step.marks)
            known.update(step.too_long)
        too_long: list[Segment] = []
        for i in range(position, len(self._order)):
            step = self._steps[-1].after(*self._reading(i), self._changes_before(i))
            self._steps.append(step)
            self._do(step.pieces, step.marks)
            too_long += [segment for segment in step.too_long if segment not in known]
        self._open = (self._steps[-1].open_pieces(), self._steps[-1].open_marks())
        self._do(*self._open)
        return too_long

    def _reading(self, i: int) -> tuple[Reading, bool]:
        slot = self._slots[self._order[i]]
        return slot.winner, slot.differs or slot.winner.quality == "corrected"

    def _changes_before(self, i: int) -> list[Change]:
        """The changes between the reading before and this one; one before the first reading has no effect."""
        if not self._changes:
            return []
        after_ms = self._order[i - 1] if i > 0 else self._order[0] - 1
        return [c for c in self._changes if after_ms < c.at_ms <= self._order[i]]

    def _windows(self, piece: Piece) -> range:
        return range(self._grid.window(piece.start_ms), self._grid.window(piece.end_ms - 1) + 1)

    def _do(self, pieces: list[Piece], marks: list[Mark]) -> None:
        for piece in pieces:
            for window in self._windows(piece):
                self._pieces[window].append(piece)
                self.dirty.add(window)
        for mark in marks:
            self._marks[self._grid.window(mark.at_ms)].append(mark)

    def _undo(self, pieces: list[Piece], marks: list[Mark]) -> None:
        for piece in pieces:
            for window in self._windows(piece):
                self._pieces[window].remove(piece)
                self.dirty.add(window)
        for mark in marks:
            self._marks[self._grid.window(mark.at_ms)].remove(mark)


class Channel:
    """A channel along its partition's ticks. `versions` and `transitions` are what it has emitted so far."""

    def __init__(
        self,
        registry: Registry,
        meter: str,
        register: str,
        final_window: int | None,
        owns: Callable[[Facts], bool] = lambda _: True,
    ) -> None:
        """`owns` tells whether a version belongs to this partition: another partition makes the rows of the others."""
        self._registry = registry
        self._owns = owns
        self._grid = Grid.of(registry.policy)
        self._name = (meter, register)
        self._final_window = final_window
        self._fold = Fold(registry, meter, register)
        self._rules = MeterRules(registry, meter, register)
        self._rows: dict[int, Row] = {}
        self._emitted: range = range(0)
        """Windows that have had their turn; those without valid facts have no row."""
        self._judged: int | None = None
        self._now = 0
        """No rule can see the present rows before this tick."""
        self.versions: list[Version] = []

    @property
    def transitions(self) -> list[Transition]:
        """The alerts of its rules."""
        return self._rules.transitions

    def live(self, readings_by_tick: dict[int, list[Reading]], until_tick: int) -> None:
        """Close every tick up to `until_tick`."""
        for tick in sorted(t for t in readings_by_tick if t <= until_tick):
            self._pass(tick - 1)
            for segment in self._fold.add(readings_by_tick[tick]):
                self._rules.gap_too_long(segment, tick)
            self._now = tick
            self._close(tick)
        self._pass(until_tick)

    def facts(self, window: int) -> Facts | None:
        """The facts of a window's row: those valid at its start; None where there are none, or the row is another partition's."""
        facts = self._registry.facts_at(*self._name, self._grid.start_ms(window))
        return facts if facts is not None and self._owns(facts) else None

    def _close(self, tick: int) -> None:
        """Emit what the readings of this tick changed, and what becomes due with it."""
        visible = self._visible(tick)
        earlier = range(visible.start, min(self._emitted.start, visible.stop))
        later = range(max(self._emitted.stop, visible.start), visible.stop)
        for window in sorted({*self._fold.dirty, *earlier, *later}):
            if window in visible:
                self._emit(window, tick)
        self._emitted = visible

    def _pass(self, tick: int) -> None:
        """Close ticks without readings: windows become due, each at its own tick, and rules judge."""
        if self._fold.first_ms is None:
            return
        visible = self._visible(tick)
        for window in range(self._emitted.stop, visible.stop):
            self._emit(window, self._grid.due_tick(window))
        self._emitted = visible
        self._judge(tick)

    def _visible(self, tick: int) -> range:
        """The windows that have a row at a tick: from the first reading's to the last due one that the last reading reaches."""
        assert self._fold.first_ms is not None
        last = self._grid.window(self._fold.last_ms + self._registry.policy.max_gap_ms - 1)
        last = min(last, self._grid.last_due(tick))
        last = last if self._final_window is None else min(last, self._final_window)
        first = self._grid.window(self._fold.first_ms)
        return range(first, max(first, last + 1))

    def _emit(self, window: int, tick: int) -> None:
        row = self._fold.row(window)
        if self.facts(window) is not None and self._rows.get(window) != row:
            self._rows[window] = row
            self.versions.append(Version(tick, window, row))

    def _judge(self, until_tick: int) -> None:
        """Let the rules judge, in order, every window whose turn comes up to a tick, with the rows as they are now."""
        window = self._emitted.start if self._judged is None else self._judged + 1
        while window < self._emitted.stop:
            if window in self._rows:
                row = self._rows[window]
                tick = max(self._now, self._grid.judge_tick(window, row.covered_ms == self._grid.window_ms))
                if tick > until_tick:
                    return
                self._rules.judge(window, row.value, row.quality, row.covered_ms, self._fold.marks(window), tick)
                self._now, self._judged = tick, window
            window += 1
