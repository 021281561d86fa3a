"""What a channel's sorted readings say: a left fold that books pieces of energy and marks what it does not book.

Readings come in order of time, one per key. Every step makes a new `Series` that remembers what exactly this step booked, so
that a reading which arrives out of order only needs the steps from there on again.
"""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from zonepulse.oracle.readings import Reading
from zonepulse.oracle.registry import Change, Facts, Policy

REGISTER, INTERVAL, POWER, SENDER, INTERPOLATED, SWAP_GAP = range(1, 7)
"""How a piece was made, in order of precedence."""
METHODS = ("", "register", "interval", "power", "sender", "interpolated", "swap_gap")


class Point(NamedTuple):
    """A good value of a register."""

    ts_ms: int
    energy: int
    estimated: bool = False
    corrected: bool = False


class Segment(NamedTuple):
    """Two neighbouring good values and the advance between them."""

    start_ms: int
    end_ms: int
    advance: int

    @property
    def duration_ms(self) -> int:
        """How long it lasts."""
        return self.end_ms - self.start_ms


class Piece(NamedTuple):
    """Energy over a stretch of time; of a power sample, `amount` is micro base units per hour."""

    start_ms: int
    end_ms: int
    amount: int
    method: int
    estimated: bool
    corrected: bool
    is_power: bool = False

    def energy(self, start_ms: int, end_ms: int) -> int:
        """Energy between two instants inside the piece, by the cumulative floor; of power, micro-units x ms per hour."""
        if self.is_power:
            return self.amount * (end_ms - start_ms)
        duration = self.end_ms - self.start_ms
        return self.amount * (end_ms - self.start_ms) // duration - self.amount * (start_ms - self.start_ms) // duration


class Mark(NamedTuple):
    """A reading that was not booked. `at_ms` lies in the window it belongs to."""

    at_ms: int
    ts_ms: int
    rule: str
    energy: int


class Held(NamedTuple):
    """A reading that waits for its verdict."""

    point: Point
    facts: Facts
    rule: str

    @property
    def mark(self) -> Mark:
        """Its trace if it is never booked."""
        return Mark(self.point.ts_ms - 1, self.point.ts_ms, self.rule, self.point.energy)


class Gap(NamedTuple):
    """Between two series without a record, waiting for the first segment after it."""

    before: Segment
    start_ms: int
    end_ms: int


class Sample(NamedTuple):
    """A power sample that still holds."""

    point: Point
    facts: Facts

    def piece(self, until_ms: int) -> list[Piece]:
        """What it holds until the next sample, 1.5 periods or its version's end; nothing at that very end."""
        end_ms = min(until_ms, self.point.ts_ms + self.facts.period_ms * 3 // 2, self.facts.valid_to_ms)
        if end_ms <= self.point.ts_ms:
            return []
        method = SENDER if self.point.estimated else POWER
        return [Piece(self.point.ts_ms, end_ms, self.point.energy, method, self.point.estimated, self.point.corrected, True)]


@dataclass(slots=True)
class Series:
    """The fold's state after a reading, and what the step to it booked (`pieces`), marked and found too long."""

    policy: Policy
    last: Point | None = None
    since_ms: int = 0
    """The first instant that showed the last value."""
    regime: tuple[object, ...] = ()
    before: Segment | None = None
    """The segment that ends at `last`."""
    gap: Gap | None = None
    held: tuple[Held, ...] = ()
    sample: Sample | None = None
    pieces: list[Piece] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    too_long: list[Segment] = field(default_factory=list)

    def after(self, reading: Reading, is_corrected: bool, changes: list[Change]) -> "Series":
        """The next state. `changes` are the known changes later than the reading before and not later than this one."""
        series = replace(self, pieces=[], marks=[], too_long=[])
        for change in changes:
            series._change(change)
        if not (changes and changes[-1].at_ms == reading.ts_ms):
            series._take(reading, is_corrected)
        return series

    def open_pieces(self) -> list[Piece]:
        """What the last sample holds if nothing follows."""
        return self.sample.piece(self.sample.facts.valid_to_ms) if self.sample is not None else []

    def open_marks(self) -> list[Mark]:
        """The readings that are held now."""
        return [held.mark for held in self.held]

    def _take(self, reading: Reading, is_corrected: bool) -> None:
        point = Point(reading.ts_ms, reading.energy, reading.quality == "estimated", is_corrected)
        if reading.facts.kind == "power":
            self._take_power(point, reading.facts)
        elif reading.facts.kind == "interval":
            self._take_interval(point, reading.facts)
        elif self.last is None or self.regime != reading.facts.regime:
            self._end()
            self._start(point, reading.facts)
        else:
            self._judge(point, reading.facts)

    def _take_power(self, point: Point, facts: Facts) -> None:
        self._end()
        if not facts.is_possible(point.energy, 3_600_000):
            self.marks.append(Mark(point.ts_ms, point.ts_ms, "impossible_value", point.energy))
            return
        if self.sample is not None:
            self.pieces += self.sample.piece(point.ts_ms)
        self.sample = Sample(point, facts)

    def _take_interval(self, point: Point, facts: Facts) -> None:
        self._end()
        if not facts.is_possible(point.energy, facts.period_ms):
            self.marks.append(Mark(point.ts_ms - 1, point.ts_ms, "impossible_value", point.energy))
            return
        is_split = facts.period_ms > self.policy.window_ms
        method = INTERPOLATED if is_split else SENDER if point.estimated else INTERVAL
        start_ms = point.ts_ms - facts.period_ms
        self.pieces.append(Piece(start_ms, point.ts_ms, point.energy, method, is_split or point.estimated, point.corrected))

    def _judge(self, point: Point, facts: Facts) -> None:
        """Good, a roll-over, or held."""
        assert self.last is not None
        duration = max(point.ts_ms - self.since_ms, facts.period_ms)
        rise = point.energy - self.last.energy
        if facts.is_possible(rise, duration):
            self._accept(point, facts, rise)
            return
        rolled = rise + facts.modulus_micro if facts.modulus_micro is not None else -1
        if rise < 0 <= rolled and facts.is_within_bound(rolled, duration):
            self._accept(point, facts, rolled)
            return
        is_backwards = rise < 0 and facts.is_within_bound(-rise, duration)
        self._hold(Held(point, facts, "register_backwards" if is_backwards else "impossible_value"))

    def _accept(self, point: Point, facts: Facts, advance: int) -> None:
        assert self.last is not None
        self._discard_held()
        self._book(self.last, point, facts, advance)
        if point.energy != self.last.energy:
            self.since_ms = point.ts_ms
        self.last = point

    def _book(self, first: Point, second: Point, facts: Facts, advance: int) -> None:
        """The segment between two good values, and the swap gap that waited for it."""
        segment = Segment(first.ts_ms, second.ts_ms, advance)
        is_estimated = first.estimated or second.estimated
        is_interpolated = 2 * segment.duration_ms > 3 * min(facts.period_ms, self.policy.window_ms)
        method = INTERPOLATED if is_interpolated else SENDER if is_estimated else REGISTER
        if segment.duration_ms > self.policy.max_gap_ms:
            self.too_long.append(segment)
        else:
            is_corrected = first.corrected or second.corrected
            self.pieces.append(Piece(*segment, method, is_interpolated or is_estimated, is_corrected))
            self._book_gap(segment)
        self.gap = None
        self.before = segment

    def _book_gap(self, after: Segment) -> None:
        if self.gap is not None:
            before, start_ms, end_ms = self.gap
            advances, durations = before.advance + after.advance, before.duration_ms + after.duration_ms
            amount = advances * (end_ms - start_ms) // durations
            self.pieces.append(Piece(start_ms, end_ms, amount, SWAP_GAP, True, False))

    def _hold(self, held: Held) -> None:
        if self.held and held.point.energy < self.held[-1].point.energy:
            self._discard_held()
        self.held = (*self.held, held)
        if len(self.held) == self.policy.n_confirm:
            self._confirm()

    def _confirm(self) -> None:
        """The held readings start a new series at the first of them."""
        assert self.last is not None
        first, *others = self.held
        before, start_ms, end_ms = self.before, self.last.ts_ms, first.point.ts_ms
        self.held = ()
        self._start(first.point, first.facts)
        longest_ms = self.policy.max_gap_ms
        if before is not None and before.duration_ms <= longest_ms and end_ms - start_ms <= longest_ms:
            self.gap = Gap(before, start_ms, end_ms)
        for held in others:
            self._judge(held.point, held.facts)

    def _change(self, change: Change) -> None:
        """A known change: its old value closes the series, its new one starts the next."""
        self._discard_held()
        if change.old is not None and self.last is not None and self.regime == change.old[1].regime:
            energy, facts = change.old
            advance = energy - self.last.energy
            if advance < 0 and facts.modulus_micro is not None:
                advance += facts.modulus_micro
            if advance >= 0:
                self._book(self.last, Point(change.at_ms, energy), facts, advance)
        self._end()
        if change.new is not None:
            self._start(Point(change.at_ms, change.new[0]), change.new[1])

    def _start(self, point: Point, facts: Facts) -> None:
        self._release(point.ts_ms)
        self.last, self.since_ms, self.regime, self.before, self.gap = point, point.ts_ms, facts.regime, None, None

    def _end(self) -> None:
        self._discard_held()
        self.last, self.before, self.gap = None, None, None

    def _discard_held(self) -> None:
        self.marks += self.open_marks()
        self.held = ()

    def _release(self, until_ms: int) -> None:
        """A register value ends the hold of a power sample of an earlier version."""
        if self.sample is not None:
            self.pieces += self.sample.piece(until_ms)
            self.sample = None
