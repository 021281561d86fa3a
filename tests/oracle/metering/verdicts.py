"""The verdict on every value of a cumulative register, in order of time: good, roll-over, reset, or held.

`State` is everything that a verdict depends on. It never changes: a verdict makes the next one, so that a reset that is undone is
nothing but the state before it, and a reading that arrives out of order only needs the verdicts from there on again.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

from zonepulse.oracle.metering.pieces import (
    INTERPOLATED,
    MANUAL,
    REGISTER,
    RESET,
    SENDER,
    SWAP_GAP,
    Entry,
    Pages,
    Piece,
    Point,
    Restart,
    TooLong,
    add,
)
from zonepulse.oracle.zone.registry import Change, Facts, Policy


class Segment(NamedTuple):
    """Two neighbouring good values and the advance between them, booked."""

    start_ms: int
    end_ms: int
    advance: int

    @property
    def duration_ms(self) -> int:
        """How long it lasts."""
        return self.end_ms - self.start_ms


class Gap(NamedTuple):
    """Between two series without a record, waiting for the first segment after it."""

    before: Segment
    start_ms: int
    end_ms: int
    facts: Facts
    """Of the first reading behind it."""


class Shown(NamedTuple):
    """A value that a reading showed, with the facts it was read by."""

    point: Point
    facts: Facts


class Held(NamedTuple):
    """Held readings in a row that showed the same: the first and the last of them."""

    first: Shown
    last: Shown


class Waiting(NamedTuple):
    """A good value of a register that seems to have been frozen since `since_ms`: the next reading tells."""

    shown: Shown
    advance: int
    since_ms: int
    is_restart: bool
    """A roll-over after silence."""


class Reset(NamedTuple):
    """A reset that may still be undone: the state before it."""

    state: "State"


@dataclass(frozen=True)
class State:
    """A register after some of its readings. `last` is R0, the last good value; None: it has shown none."""

    policy: Policy
    last: Point | None = None
    since_ms: int = 0
    """When the run of good readings that show the last value began."""
    regime: tuple[object, ...] = ()
    segment: Segment | None = None
    """The booked segment that ends at `last`."""
    gap: Gap | None = None
    held: tuple[Held, ...] = ()
    waiting: Waiting | None = None
    resets: tuple[Reset, ...] = ()
    """Provisional ones, the first one first."""
    values: int = 1
    """Different values that the series has shown."""
    pages: Pages = None

    @property
    def pending(self) -> Shown | None:
        """The last reading that waits for its verdict."""
        return self.waiting.shown if self.waiting else self.held[-1].last if self.held else None

    def write(self, entry: Entry) -> "State":
        """The same with one more entry."""
        return replace(self, pages=add(self.pages, entry))


def frozen_since(state: State, ts_ms: int) -> int:
    """t*: since when the register may have been frozen, seen from an instant."""
    assert state.last is not None
    return min(state.last.ts_ms, max(state.since_ms, ts_ms - state.policy.max_gap_ms))


def is_good(state: State, point: Point, facts: Facts) -> bool:
    """Rule 1, frozen or not."""
    assert state.last is not None
    return facts.is_possible(point.energy - state.last.energy, frozen_since(state, point.ts_ms), point.ts_ms)


def is_next(before: Point, point: Point, facts: Facts) -> bool:
    """Rule 1, not frozen, against any value."""
    return facts.is_possible(point.energy - before.energy, before.ts_ms, point.ts_ms)


def start(state: State, point: Point, facts: Facts) -> State:
    """A series begins."""
    return replace(ended(state), last=point, since_ms=point.ts_ms, regime=facts.regime)


def ended(state: State) -> State:
    """The series is over."""
    return State(state.policy, pages=state.pages)


def judged(state: State, shown: Shown, is_after_silence: bool) -> State:
    """The verdict on the next reading of a series."""
    state = _undone(state, shown)
    waiting = state.waiting
    if waiting is not None:
        if is_next(waiting.shown.point, *shown):
            return _confirmed(state, waiting, shown)
        state = replace(state, waiting=None)
    for rule in (_good, _rolled, _reset):
        found = rule(state, shown, is_after_silence)
        if found is not None:
            return found
    return _held(state, shown)


def _undone(state: State, shown: Shown) -> State:
    """A reading that goes on from a register before a provisional reset, and not from the latest series, undoes the reset."""
    if not state.resets or is_good(state, *shown):
        return state
    for reset in state.resets:
        before = reset.state
        assert before.last is not None
        if shown.point.ts_ms - before.last.ts_ms <= state.policy.max_gap_ms and is_good(before, *shown):
            return before
    return state


def _good(state: State, shown: Shown, _: bool) -> State | None:
    """Rule 1."""
    assert state.last is not None
    if not is_good(state, *shown):
        return None
    return _taken(state, shown, shown.point.energy - state.last.energy, False)


def _rolled(state: State, shown: Shown, is_after_silence: bool) -> State | None:
    """Rule 2."""
    point, facts = shown
    assert state.last is not None
    if facts.modulus_micro is None:
        return None
    advance = facts.modulus_micro - state.last.energy + point.energy
    is_within = facts.is_within_bound(advance, frozen_since(state, point.ts_ms), point.ts_ms)
    if advance < 0 or not is_within or (is_after_silence and 10 * advance > facts.modulus_micro):
        return None
    return _taken(state, shown, advance, is_after_silence)


def _taken(state: State, shown: Shown, advance: int, is_restart: bool) -> State:
    """A good reading or a roll-over: booked at once, or it waits because the register was frozen."""
    (point, facts), last = shown, state.last
    assert last is not None
    state = replace(state, held=())
    if not facts.is_possible(advance, last.ts_ms, point.ts_ms):
        return replace(state, waiting=Waiting(shown, advance, frozen_since(state, point.ts_ms), is_restart))
    restart = _restart(state, point, point.ts_ms)
    state = _went_on(_booked(state, shown, advance, point.ts_ms), point, advance)
    return state.write(restart) if is_restart else state


def _restart(state: State, first: Point, decided_ms: int) -> Restart:
    assert state.last is not None
    return Restart(state.last.ts_ms, state.last.energy, first.ts_ms, first.energy, decided_ms)


def _reset(state: State, shown: Shown, is_after_silence: bool) -> State | None:
    """Rule 3."""
    (point, facts), last = shown, state.last
    assert last is not None
    is_low = 2 * point.energy <= last.energy or (is_after_silence and 10 * point.energy <= 9 * last.energy)
    if not facts.starts_at_zero or not is_low or not facts.is_possible(point.energy, last.ts_ms, point.ts_ms):
        return None
    before = replace(state, held=(), waiting=None)
    if point.ts_ms - last.ts_ms > state.policy.max_gap_ms:
        entry: Entry = TooLong(last.ts_ms, point.ts_ms, point.energy)
    else:
        entry = Piece(last.ts_ms, point.ts_ms, point.energy, RESET, True, last.corrected or point.corrected, False, False)
    after = start(state.write(entry), point, facts)
    return _with_values(replace(after, resets=(*state.resets, Reset(before))), 1)


def _confirmed(state: State, waiting: Waiting, shown: Shown) -> State:
    """The reading after a waiting one goes on from it: the register was frozen."""
    assert state.last is not None
    point = waiting.shown.point
    begin_ms = min(state.last.ts_ms, max(waiting.since_ms, shown.point.ts_ms - state.policy.max_gap_ms))
    restart = _restart(state, point, shown.point.ts_ms)
    state = replace(_thawed(state, begin_ms), waiting=None)
    state = _booked(state, waiting.shown, waiting.advance, shown.point.ts_ms, begin_ms)
    state = _went_on(state, point, waiting.advance)
    if waiting.is_restart:
        state = state.write(restart)
    rise = shown.point.energy - point.energy
    return _went_on(_booked(state, shown, rise, shown.point.ts_ms), shown.point, rise)


def _thawed(state: State, begin_ms: int) -> State:
    """Without what was booked behind an instant since which the register showed one value."""
    pages, kept = state.pages, list[Entry]()
    while pages is not None:
        entry = pages.entry
        if isinstance(entry, Piece):
            if entry.end_ms <= begin_ms:
                break
            if entry.start_ms < begin_ms:
                kept.append(entry._replace(end_ms=begin_ms))
        else:
            kept.append(entry)
        pages = pages.before
    for entry in reversed(kept):
        pages = add(pages, entry)
    return replace(state, pages=pages)


def _went_on(state: State, point: Point, advance: int) -> State:
    """`point` is the last good value now."""
    assert state.last is not None
    values = state.values + (point.energy != state.last.energy)
    state = replace(state, last=point, since_ms=point.ts_ms if advance else state.since_ms)
    return _with_values(state, values)


def _with_values(state: State, values: int) -> State:
    """A series that has shown enough values makes all resets before it final."""
    return replace(state, values=values, resets=() if values >= state.policy.n_confirm else state.resets)


def _booked(state: State, shown: Shown, advance: int, decided_ms: int, begin_ms: int | None = None) -> State:
    """The segment from the last good value (a frozen one: from `begin_ms`), and the swap gap that waited for it."""
    (point, facts), last = shown, state.last
    assert last is not None
    segment = Segment(last.ts_ms if begin_ms is None else begin_ms, point.ts_ms, advance)
    gap, policy = state.gap, state.policy
    state = replace(state, gap=None, segment=None)
    if decided_ms - segment.start_ms > policy.max_gap_ms:
        return state.write(TooLong(*segment))
    if gap is not None and decided_ms - gap.start_ms <= policy.max_gap_ms:
        state = state.write(_across(gap, segment))
    is_sent_estimated = last.estimated or point.estimated
    is_long = begin_ms is not None or 2 * segment.duration_ms > 3 * min(facts.period_ms, policy.window_ms)
    is_manual = last.manual or point.manual
    method = MANUAL if is_manual else INTERPOLATED if is_long else SENDER if is_sent_estimated else REGISTER
    is_slow = begin_ms is not None or 2 * segment.duration_ms > 3 * facts.period_ms
    is_as_read = not (is_slow or is_sent_estimated or is_manual)
    piece = Piece(*segment, method, is_long or is_sent_estimated, last.corrected or point.corrected, False, is_as_read)
    return replace(state.write(piece), segment=segment)


def _across(gap: Gap, after: Segment) -> Piece:
    """At the mean rate of the segments on both sides, at most max_power."""
    duration = gap.end_ms - gap.start_ms
    mean = (gap.before.advance + after.advance) * duration // (gap.before.duration_ms + after.duration_ms)
    most = gap.facts.most_within(duration)
    return Piece(gap.start_ms, gap.end_ms, mean if most is None else min(mean, most), SWAP_GAP, True, False, False, False)


def _held(state: State, shown: Shown) -> State:
    """Rule 4."""
    last = state.held[-1] if state.held else None
    if last is not None and last.last.point.energy == shown.point.energy:
        held = (*state.held[:-1], Held(last.first, shown))
    elif last is not None and is_next(last.last.point, *shown):
        held = (*state.held, Held(shown, shown))
    else:
        held = (Held(shown, shown),)
    if len(held) < state.policy.n_confirm:
        return replace(state, held=held)
    return _new_series(state, held)


def _new_series(state: State, held: tuple[Held, ...]) -> State:
    """Held readings of enough different values start a series at the first of them."""
    assert state.last is not None
    last, segment = state.last, state.segment
    first, decided_ms = held[0].first, held[-1].last.point.ts_ms
    state = start(state.write(_restart(state, first.point, decided_ms)), *first)
    if segment is not None and 2 * (first.point.ts_ms - last.ts_ms) <= 3 * first.facts.period_ms:
        state = replace(state, gap=Gap(segment, last.ts_ms, first.point.ts_ms, first.facts))
    points = [shown for some in held for shown in dict.fromkeys(some)]
    for shown in points[1:]:
        assert state.last is not None
        rise = shown.point.energy - state.last.energy
        state = _went_on(_booked(state, shown, rise, decided_ms), shown.point, rise)
    return state


def changed_by(state: State, change: Change) -> State:
    """A known change: its old value closes the series, its new one starts the next."""
    state = replace(state, held=(), waiting=None)
    if change.old is not None and state.last is not None and state.regime == change.old[1].regime:
        state = _closed(state, Point(change.at_ms, change.old[0]), change.old[1])
    state = ended(state)
    return state if change.new is None else start(state, Point(change.at_ms, change.new[0]), change.new[1])


def _closed(state: State, point: Point, facts: Facts) -> State:
    """The segment to a change's old value, which no bound of power judges."""
    if state.resets and not is_good(state, point, facts):
        for reset in state.resets:
            last = reset.state.last
            assert last is not None
            if point.ts_ms - last.ts_ms <= state.policy.max_gap_ms and point.energy >= last.energy:
                state = reset.state
                break
    assert state.last is not None
    advance = point.energy - state.last.energy
    if advance < 0 and facts.modulus_micro is not None:
        advance += facts.modulus_micro
    return _booked(state, Shown(point, facts), advance, point.ts_ms) if advance >= 0 else state
