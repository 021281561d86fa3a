"""One channel's life: accepted readings in, interval rows by tick and the verdicts of its rules out."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from zonepulse.oracle.alerts import HeldRule, MeterRules, Pending, Transition
from zonepulse.oracle.grid import Grid
from zonepulse.oracle.pieces import METHODS, Entry, Mark, Pages, Piece, Restart, TooLong, changed
from zonepulse.oracle.readings import Reading
from zonepulse.oracle.registry import Change, Facts, Registry
from zonepulse.oracle.spans import Spans
from zonepulse.oracle.vee import Seen, Series


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
    """Readings of one key: the one that counts, and whether another value was seen."""

    winner: Reading
    differs: bool = False

    def add(self, reading: Reading) -> None:
        """A later arrival: it wins unless its `seq` is lower."""
        self.differs = self.differs or reading.reg != self.winner.reg
        if reading.seq >= self.winner.seq:
            self.winner = reading


@dataclass(slots=True)
class Key:
    """All accepted readings of one key. What is impossible never displaces what is possible."""

    possible: Slot | None = None
    impossible: Slot | None = None

    def add(self, reading: Reading) -> None:
        """A later arrival."""
        name = "impossible" if reading.is_impossible else "possible"
        slot: Slot | None = getattr(self, name)
        if slot is None:
            setattr(self, name, Slot(reading))
        else:
            slot.add(reading)

    def seen(self, ts_ms: int) -> Seen:
        """What they come to."""
        impossible = None if self.impossible is None else self.impossible.winner
        if self.possible is None:
            return Seen(ts_ms, None, False, impossible)
        winner = self.possible.winner
        return Seen(ts_ms, winner, self.possible.differs or winner.quality == "corrected", impossible)


@dataclass
class News:
    """What the readings of a tick changed: entries by kind, those that went and those that came."""

    gone: list[Entry] = field(default_factory=list)
    come: list[Entry] = field(default_factory=list)


class Fold:
    """A channel's sorted readings and everything they come to, by window."""

    def __init__(self, registry: Registry, meter: str, register: str) -> None:
        self._registry = registry
        self._grid = Grid.of(registry.policy)
        self._changes = registry.changes.get((meter, register), [])
        self._keys: dict[int, Key] = {}
        self._order: list[int] = []
        self._steps: list[Series] = [Series.empty(registry.policy)]
        """One more than `_order`: the state before the first reading comes first."""
        self._pages: Pages = None
        self._pieces: defaultdict[int, list[Piece]] = defaultdict(list)
        self._marks: defaultdict[int, list[Mark]] = defaultdict(list)
        self.dirty: set[int] = set()
        """Windows whose pieces may have changed."""

    def add(self, readings: list[Reading]) -> News:
        """Take the readings of a tick in order of arrival."""
        for reading in readings:
            if reading.ts_ms not in self._keys:
                self._keys[reading.ts_ms] = Key()
                self._order.insert(bisect_left(self._order, reading.ts_ms), reading.ts_ms)
            self._keys[reading.ts_ms].add(reading)
        self._again_from(bisect_left(self._order, min(r.ts_ms for r in readings)))
        return self._turn(self._steps[-1].pages)

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

    def is_booked(self, window: int) -> bool:
        """Whether anything is booked into the window."""
        return bool(self._pieces.get(window))

    def marks(self, window: int) -> list[Mark]:
        """Its impossible values, in order of time."""
        return sorted(self._marks.get(window, ()), key=lambda m: m.ts_ms)

    def pending(self) -> Pending | None:
        """The last reading that waits for its verdict, and what it waits behind."""
        register = self._steps[-1].register
        shown, last = register.pending, register.last
        if shown is None or last is None:
            return None
        return Pending(last, shown, register.waiting is not None, self._steps_above(last.ts_ms, last.energy, shown.point.ts_ms))

    def last_good_ms(self) -> int | None:
        """The time of the last good value of a register."""
        last = self._steps[-1].register.last
        return None if last is None else last.ts_ms

    def _steps_above(self, at_ms: int, energy: int, until_ms: int) -> int:
        """How many steps of what was shown behind the last good value lie above max_power."""
        count = 0
        for reading in self._shown(at_ms, until_ms):
            count += not reading.facts.is_within_bound(abs(reading.energy - energy), at_ms, reading.ts_ms)
            at_ms, energy = reading.ts_ms, reading.energy
        return count

    def _is_silent(self, after_ms: int, until_ms: int) -> bool:
        """Whether two accepted readings in a row, the first maybe at `after_ms`, lie more than 1.5 periods apart."""
        for reading in self._shown(after_ms, until_ms):
            if 2 * (reading.ts_ms - after_ms) > 3 * reading.facts.period_ms:
                return True
            after_ms = reading.ts_ms
        return False

    def _shown(self, after_ms: int, until_ms: int) -> list[Reading]:
        """The values that count of the keys in (after_ms, until_ms]."""
        keys = self._order[bisect_right(self._order, after_ms) : bisect_right(self._order, until_ms)]
        slots = [self._keys[key].possible for key in keys]
        return [slot.winner for slot in slots if slot is not None]

    def _again_from(self, position: int) -> None:
        """Take the steps from a position on again with the readings as they are now."""
        del self._steps[position + 1 :]
        for i in range(position, len(self._order)):
            ts_ms = self._order[i]
            seen = self._keys[ts_ms].seen(ts_ms)
            silent = lambda after_ms, until_ms=ts_ms: self._is_silent(after_ms, until_ms)  # noqa: E731
            self._steps.append(self._steps[-1].after(seen, self._changes_before(i), silent))

    def _changes_before(self, i: int) -> list[Change]:
        """The changes between the reading before and this one; one before the first reading has no effect."""
        if not self._changes:
            return []
        after_ms = self._order[i - 1] if i > 0 else self._order[0] - 1
        return [c for c in self._changes if after_ms < c.at_ms <= self._order[i]]

    def _turn(self, pages: Pages) -> News:
        """Go over to other pages."""
        news = News(*changed(self._pages, pages))
        self._pages, self.dirty = pages, set()
        for entries, do in ((news.gone, list.remove), (news.come, list.append)):
            for entry in entries:
                if isinstance(entry, Piece):
                    for window in range(self._grid.window(entry.start_ms), self._grid.window(entry.end_ms - 1) + 1):
                        do(self._pieces[window], entry)
                        self.dirty.add(window)
                elif isinstance(entry, Mark):
                    do(self._marks[self._grid.window(entry.at_ms)], entry)
        return news


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
        self._held_rule = HeldRule(registry, meter, register)
        self._rows: dict[int, Row] = {}
        self._spans = Spans()
        """Windows that have a row because of a reading."""
        self._due: int | None = None
        """The last window that has had its turn."""
        self._judged: int | None = None
        """The last window that the rules have passed."""
        self._now = 0
        """No rule can see the present rows before this tick."""
        self.versions: list[Version] = []

    @property
    def transitions(self) -> list[Transition]:
        """The alerts of its rules."""
        return [*self._rules.transitions, *self._held_rule.transitions]

    def live(self, readings_by_tick: dict[int, list[Reading]], until_tick: int) -> None:
        """Close every tick up to `until_tick`."""
        for tick in sorted(t for t in readings_by_tick if t <= until_tick):
            self._pass(tick - 1)
            self._take(readings_by_tick[tick], tick)
        self._pass(until_tick)

    def facts(self, window: int) -> Facts | None:
        """The facts of a window's row: those valid at its start; None where there are none, or the row is another partition's."""
        facts = self._registry.facts_at(*self._name, self._grid.start_ms(window))
        return facts if facts is not None and self._owns(facts) else None

    def _take(self, readings: list[Reading], tick: int) -> None:
        """Emit what the readings of a tick changed, and what becomes due with it."""
        last = self._last_due(tick)
        if self._due is None:
            self._due = min(self._grid.window(r.starts_ms) for r in readings) - 1
        news = self._fold.add(readings)
        touched = set(self._fold.dirty)
        for reading in readings:
            touched.update(self._spans.add(*self._reach(reading)))
        touched.update(range(self._due + 1, last + 1))
        for window in sorted(touched):
            if window <= last:
                self._emit(window, tick)
        self._due, self._now = max(self._due, last), tick
        for entry in news.gone:
            if isinstance(entry, Restart):
                self._rules.restart_gone(entry, tick)
        for entry in reversed(news.come):
            if isinstance(entry, TooLong):
                self._rules.gap_too_long(entry, tick)
            elif isinstance(entry, Restart):
                self._rules.restarted(entry, tick)
            elif isinstance(entry, Mark) and self._judged is not None:
                window = self._grid.window(entry.at_ms)
                if window <= self._judged and window in self._rows:
                    self._rules.refused_late(window, self._fold.marks(window), tick)
        self._held_rule.see(self._fold.pending(), self._fold.last_good_ms(), tick)

    def _pass(self, tick: int) -> None:
        """Close ticks without readings: windows become due, each at its own tick, and rules judge."""
        if self._due is None:
            return
        last = self._last_due(tick)
        for window in range(self._due + 1, last + 1):
            self._emit(window, self._grid.due_tick(window))
        self._due = max(self._due, last)
        self._held_rule.wait(tick)
        self._judge(tick)

    def _last_due(self, tick: int) -> int:
        last = self._grid.last_due(tick)
        return last if self._final_window is None else min(last, self._final_window)

    def _reach(self, reading: Reading) -> tuple[int, int]:
        """The windows [first, stop) that have rows because of a reading: up to max_gap behind it, while versions follow at once."""
        until_ms = reading.ts_ms + self._registry.policy.max_gap_ms
        valid_to_ms = reading.facts.valid_to_ms
        for facts in self._registry.channels[self._name]:
            if facts.valid_from_ms == valid_to_ms:
                valid_to_ms = facts.valid_to_ms
        until_ms = min(until_ms, valid_to_ms)
        return self._grid.window(reading.starts_ms), self._grid.window(until_ms - 1) + 1

    def _emit(self, window: int, tick: int) -> None:
        is_there = window in self._rows or window in self._spans or self._fold.is_booked(window)
        if not is_there or self.facts(window) is None:
            return
        row = self._fold.row(window)
        if self._rows.get(window) != row:
            self._rows[window] = row
            self.versions.append(Version(tick, window, row))

    def _judge(self, until_tick: int) -> None:
        """Let the rules judge, in order, every window whose turn comes up to a tick, with the rows as they are now. A window without
        a row at its turn is passed over for good.
        """
        while self._rows:
            window = min(self._rows) if self._judged is None else self._judged + 1
            row = self._rows.get(window)
            tick = self._grid.judge_tick(window, row is not None and row.covered_ms == self._grid.window_ms)
            if row is not None:
                tick = max(tick, self._now)
            if tick > until_tick:
                return
            if row is not None:
                is_held = self._held_rule.explains(window)
                self._rules.judge(window, row.value, row.quality, row.covered_ms, is_held, self._fold.marks(window), tick)
                self._now = tick
            self._judged = window
