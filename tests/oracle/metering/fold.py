"""A channel's accepted readings in order of time, and what they come to, by window."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from zonepulse.oracle.grid import Grid
from zonepulse.oracle.metering.channel_alerts import Pending
from zonepulse.oracle.metering.pieces import METHODS, Entry, Mark, Pages, Piece, changed
from zonepulse.oracle.metering.readings import Reading
from zonepulse.oracle.metering.vee import Seen, Series
from zonepulse.oracle.zone.registry import Change, Registry


class Row(NamedTuple):
    """What a window holds; `value` is None where nothing is covered."""

    value: int | None
    estimated: int
    covered_ms: int
    quality: str
    method: str


MISSING = Row(None, 0, 0, "missing", "")


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
        """Whether a register's energy is booked into the window."""
        return any(not piece.is_power for piece in self._pieces.get(window, ()))

    def is_as_read(self, window: int) -> bool:
        """Whether nothing in the window is estimated but what a register that reads slowly spreads evenly."""
        return all(piece.is_as_read for piece in self._pieces.get(window, ()))

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
