"""Closing ticks: which windows of which channels become rows, and what they looked like in the row before.

Windows already due whose content changed get revision = the tick that closes; a window that becomes due gets its due tick. Nothing is
stored about emitted rows: what a row said last is the fold of the readings that were there when rows were last made.
"""

from typing import Any, NamedTuple

import numpy as np

from zonepulse.processors.channels.periods import period_begin
from zonepulse.processors.channels.table import CUMULATIVE, INTERVAL
from zonepulse.processors.channels.version import Versions
from zonepulse.processors.channels.versions import VERSION_SHIFT, answering, chain_end, version_at, version_of
from zonepulse.processors.detection.meter.judging import ROWS_PER_WINDOW, Seen, emit, judge_held, judge_impossible, judge_window
from zonepulse.processors.detection.meter.rules import GAP, HELD, RESTARTED
from zonepulse.processors.detection.meter.rules import IMPOSSIBLE as IMPOSSIBLE_VALUE
from zonepulse.processors.flow import (
    BIT_CORRECTED,
    BIT_ESTIMATED,
    M_MANUAL,
    M_REGISTER,
    M_RESET,
    M_SWAP_GAP,
    MANUAL_METHOD,
    NEVER,
    NOT_AS_READ,
    ROW,
    TRANSITION,
    TURN,
    UNSET,
    Ints,
    Table,
    new_rows,
)
from zonepulse.processors.kernel import kernel
from zonepulse.processors.metering.fold import fold
from zonepulse.processors.metering.intake import RegistryArrays, State, is_quiet, make_room, settled_after, usual_room
from zonepulse.processors.metering.journal import anchor_of, pack_state, packed_entries, rebook, trim, unpack
from zonepulse.processors.metering.records import (
    Channel,
    ChannelState,
    Head,
    Note,
    Notes,
    Policy,
    Reading,
    Readings,
    Window,
    Windows,
)
from zonepulse.processors.metering.segments import estimated_of, value_of
from zonepulse.processors.metering.state import (
    ANEW,
    CHUNK_CHANNELS,
    CONFLICT,
    CONFLICT_NEW,
    GONE,
    IMPOSSIBLE,
    JOINED,
    NEW,
    NOTE,
    NOTHING_PENDS,
    READING,
    SPAN,
    STATE,
    TOO_LONG,
    WAITS,
    WINDOW,
)

ENTRIES_PER_NOTE = 6
"""A reading adds at most these entries to a journal: what is missing before it, a reset's record and its booking."""


class Work(NamedTuple):
    """Scratch of the close kernel; `win` and `old_win` are equally long, so are `notes` and `old_notes`, and the journals. `need` = how
    many windows, notes, journal entries, and entries of a ring a channel needs."""

    win: Any
    old_win: Any
    notes: Any
    old_notes: Any
    state: Any
    settled: Any
    journal: Any
    settled_journal: Any
    span: Any
    need: Any


class Out(NamedTuple):
    """Rows, transitions and turns of detectors made so far: `used` = how many of each."""

    rows: Any
    transitions: Any
    turns: Any
    used: Any


def new_work(windows: int = 4096, notes: int = 1024) -> Work:
    """Scratch for folds of up to `windows` windows and `notes` notes."""
    entries = ENTRIES_PER_NOTE * notes
    return Work(
        new_rows(WINDOW, windows), new_rows(WINDOW, windows), new_rows(NOTE, notes), new_rows(NOTE, notes),
        new_rows(STATE), new_rows(STATE), new_rows(READING, entries), new_rows(READING, entries), new_rows(SPAN), np.zeros(3, np.int64),
    )  # fmt: skip


def new_out(rows: int = 65_536) -> Out:
    """Room for at least `rows` rows."""
    return Out(new_rows(ROW, rows), new_rows(TRANSITION, rows), new_rows(TURN, rows), np.zeros(3, np.int64))


@kernel
def due_window(tick: int, policy: Policy) -> int:
    """The last window that is due at `tick`: the largest w with (w + 1) length + delay <= tick * policy.tick."""
    return (tick * policy.tick - policy.delay) // policy.length - 1


@kernel
def due_tick(w: int, policy: Policy) -> int:
    """The tick at which window w is first emitted: ceil((end + delay) / tick)."""
    return -(-((w + 1) * policy.length + policy.delay) // policy.tick)


@kernel
def prepare(work: Work, head: Head, ring: Readings, past: int, n: int, base: int, bound: int, length: int, win: Windows) -> None:
    """Set the fold's start: the settled state, and what is booked in its open window; in an earlier first window, its journal too."""
    st, span = work.state[0], work.span[0]
    unpack(st, head, ring, past, work.journal)
    span.origin, span.n, span.bound, span.touched, span.notes, span.keep = base, n, bound, NEVER, 0, 0
    span.retro, span.deep, span.pending = NEVER, NEVER, NOTHING_PENDS
    for i in range(n):
        w = win[i]
        w.val, w.rem, w.est, w.est_rem, w.cov, w.bits = 0, 0, 0, 0, 0, 0
        w.bad_val, w.bad_n = 0, 0
    if head.kind < 0:
        return
    if base < head.win:
        first = st.since // length - base
        if 0 <= first < n:
            w = win[first]
            w.val, w.rem, w.est, w.est_rem = st.since_val, st.since_rem, st.since_est, st.since_est_rem
            w.cov, w.bits = st.since_cov, st.since_bits
        rebook(win, span, st, work.journal, NEVER, length)
    elif n > 0:
        w = win[head.win - base]
        w.val, w.rem, w.est, w.est_rem, w.cov, w.bits = head.val, head.rem, head.est, head.est_rem, head.cov, head.bits


@kernel
def quality_bits(bits: int) -> int:
    """What of `bits` shows in a row: the last method and whether any part is estimated, else corrected."""
    method = 0
    for m in range(1, MANUAL_METHOD):
        if bits >> m & 1:
            method = m
    if bits & M_MANUAL:
        method = MANUAL_METHOD
    if bits & BIT_ESTIMATED:
        return method | BIT_ESTIMATED
    return method | (bits & BIT_CORRECTED)


@kernel
def is_same(a: Window, b: Window) -> bool:
    """Whether two windows make the same row."""
    return (
        a.cov == b.cov
        and value_of(a) == value_of(b)
        and estimated_of(a) == estimated_of(b)
        and quality_bits(a.bits) == quality_bits(b.bits)
    )


@kernel
def emit_row(out: Out, channel: int, version: int, start: int, revision: int, w: Window, was: Window, has_was: bool) -> None:
    """Append one interval row."""
    row = out.rows[out.used[0]]
    out.used[0] += 1
    row.channel, row.version, row.start, row.revision = channel, version, start, revision
    row.val, row.est, row.cov, row.bits = value_of(w), estimated_of(w), w.cov, quality_bits(w.bits)
    if has_was:
        row.was_val, row.was_est, row.was_cov = value_of(was), estimated_of(was), was.cov
    else:
        row.was_val, row.was_est, row.was_cov = 0, 0, 0


@kernel
def row_version(facts: RegistryArrays, channel: int, start: int) -> int:
    """The version (place in facts.versions) of a window's row; -1 where there is none, or it is another partition's."""
    first = facts.first[channel]
    v = version_at(facts.versions[first : first + facts.count[channel]], start)
    return first + v if v >= 0 and facts.versions[first + v].partition == facts.partition else -1


@kernel
def is_booked(w: Window) -> bool:
    """Whether a register's energy is booked in a window: it has a row then, whatever readings say."""
    return w.cov > 0 and w.bits & (M_REGISTER | M_SWAP_GAP | M_RESET) != 0


@kernel
def begin_of(entry: Reading, versions: Versions, clock: Table) -> int:
    """Start of what a reading covers."""
    v = entry.meta >> VERSION_SHIFT
    if v > 0 and versions[v - 1].kind == INTERVAL:
        return period_begin(clock, versions[v - 1], entry.ts)
    return entry.ts


@kernel
def reach_of(entry: Reading, versions: Versions, max_gap: int) -> int:
    """Until when a reading gives its channel rows: max_gap behind it, or where versions end that follow each other at once."""
    v = answering(versions, entry.ts, entry.meta)
    return min(entry.ts + max_gap, chain_end(versions, v)) if v >= 0 else entry.ts + max_gap


@kernel
def reached(
    old: bool, ring: Readings, at: int, reach: int, w: int, versions: Versions, facts: RegistryArrays, policy: Policy
) -> tuple[int, int]:
    """(next reading, reach) once the readings of a view are seen that begin in window w or before."""
    while at < len(ring):
        entry = ring[at]
        hidden = entry.meta & NEW if old else 0  # a superseded one is still an accepted ts
        if not hidden:
            if begin_of(entry, versions, facts.clock) // policy.length > w:
                break
            reach = max(reach, reach_of(entry, versions, policy.max_gap))
        at += 1
    return at, reach


@kernel
def has_silence(ch: Channel, ring: Readings, versions: Versions, policy: Policy) -> bool:
    """Whether there may be windows without a row between the channel's first and last, in this view or the one before."""
    last = was_last = ch.passed if ch.passed != UNSET else ch.first
    if len(ring) == 0 or ring[len(ring) - 1].ts - last <= policy.max_gap:
        return len(versions) > 1  # nothing between them is longer
    for i in range(len(ring)):
        if ring[i].ts - last > policy.max_gap:
            return True
        last = ring[i].ts
        if ring[i].meta & NEW == 0:
            if last - was_last > policy.max_gap:
                return True
            was_last = last
    return len(versions) > 1


@kernel
def passed_reach(ch: Channel, versions: Versions, policy: Policy) -> int:
    """Until when the readings that have left the ring give rows."""
    if ch.passed == UNSET:
        return UNSET
    v = answering(versions, ch.passed, 0)
    return min(ch.passed + policy.max_gap, chain_end(versions, v)) if v >= 0 else ch.passed + policy.max_gap


@kernel
def emit_rows(
    ch: Channel,
    channel: int,
    facts: RegistryArrays,
    versions: Versions,
    ring: Readings,
    touched: int,
    ticks: tuple[int, int],
    work: Work,
    out: Out,
    policy: Policy,
) -> None:
    """Rows of one channel for the ticks [ticks[0], ticks[1]] from its folded windows."""
    length, span = policy.length, work.span[0]
    due, was_due = due_window(ticks[1], policy), due_window(ticks[0] - 1, policy)
    low, high = ch.first // length, (ch.last + policy.max_gap - 1) // length
    was_low, was_high = NEVER, UNSET
    if ch.old_last != UNSET:
        was_low, was_high = ch.old_first // length, (ch.old_last + policy.max_gap - 1) // length
    begin = min(touched, was_due + 1)
    if was_high != UNSET:
        begin = min(begin, was_high + 1)
    is_sparse = has_silence(ch, ring, versions, policy)
    at = was_at = 0
    reach = was_reach = passed_reach(ch, versions, policy)
    for w in range(max(begin, low, span.origin), min(due, high) + 1):
        i = w - span.origin
        emitted = w <= was_due and was_low <= w <= was_high
        if is_sparse:
            at, reach = reached(False, ring, at, reach, w, versions, facts, policy)
            was_at, was_reach = reached(True, ring, was_at, was_reach, w, versions, facts, policy)
            emitted = emitted and (w * length < was_reach or is_booked(work.old_win[i]))
            if w * length >= reach and not is_booked(work.win[i]):
                continue
        version = row_version(facts, channel, w * length)
        if version < 0:
            continue
        if emitted and (w < touched or is_same(work.win[i], work.old_win[i])):
            continue
        revision = ticks[0] if w <= was_due else max(ticks[0], due_tick(w, policy))
        emit_row(out, channel, version, w * length, revision, work.win[i], work.old_win[i], emitted)


@kernel
def has_note(notes: Notes, n: int, note: Note) -> bool:
    """Whether a note is among the first n."""
    for k in range(n):
        m = notes[k]
        if m.kind == note.kind and m.t0 == note.t0 and m.t1 == note.t1 and m.before == note.before and m.value == note.value:
            return True
    return False


@kernel
def emit_notes(work: Work, found: int, was_found: int, channel: int, out: Out, tick: int, unsettled_from: int) -> None:
    """gap_too_long and series_restarted for what the old view did not have; the end of a restart that only the old view has."""
    for k in range(was_found):
        was = work.old_notes[k]
        if was.kind == ANEW and was.decider >= unsettled_from and not has_note(work.notes, found, was):
            emit(out, channel, RESTARTED, 0, (was.t1, was.t1), tick, was.value, 0, was.before, was.t1 - was.t0)
    for k in range(found):
        note = work.notes[k]
        if not has_note(work.old_notes, was_found, note):
            rule = GAP if note.kind == TOO_LONG else RESTARTED
            span = (note.t0, note.t1) if note.kind == TOO_LONG else (note.t1, UNSET)
            emit(out, channel, rule, 1, span, tick, note.value, 0, note.before, note.t1 - note.t0)


@kernel
def is_passed(det: Any, w: int, ticks: tuple[int, int], policy: Policy) -> bool:
    """Whether the turn of a window is over that had no row then: it is not judged any more."""
    return det.next_win != UNSET and due_tick(w + 1, policy) < ticks[0]


@kernel
def take_turn(out: Out, watch: int, version: int, start: int, value: int, tick: int) -> None:
    """Append a window for the detectors."""
    turn = out.turns[out.used[2]]
    out.used[2] += 1
    turn.watch, turn.version, turn.start, turn.val, turn.tick = watch, version, start, value, tick


@kernel
def judge_windows(
    ch: Channel,
    det: Any,
    channel: int,
    facts: RegistryArrays,
    versions: Versions,
    ring: Readings,
    end: tuple[int, int],
    ticks: tuple[int, int],
    work: Work,
    out: Out,
    policy: Policy,
) -> None:
    """Judge, in order, the windows that are fully covered or past their deadline by tick ticks[1]; `end` = (t0, ts) of R0 and of the last
    reading that pends."""
    length, span = policy.length, work.span[0]
    w = max(ch.first // length if det.next_win == UNSET else det.next_win, span.origin)
    last = min(due_window(ticks[1], policy), (ch.last + policy.max_gap - 1) // length)
    turn = w
    while turn <= last and is_passed(det, turn, ticks, policy):
        turn += 1
    is_sparse = has_silence(ch, ring, versions, policy)
    at, reach = 0, passed_reach(ch, versions, policy)
    while w <= last:
        version = row_version(facts, channel, w * length) if w >= turn else -1
        if is_sparse and version >= 0:
            at, reach = reached(False, ring, at, reach, w, versions, facts, policy)
            if w * length >= reach and not is_booked(work.win[w - span.origin]):
                version = -1
        if version >= 0:
            tick = max(ticks[0], det.tick, due_tick(w, policy))
            if work.win[w - span.origin].cov != length:
                tick = max(tick, due_tick(w + 1, policy))
            if tick > ticks[1]:
                break
            period = facts.versions[version].period
            win = work.win[w - span.origin]
            is_heard = win.cov > 0 or end[0] <= w * length < end[1]
            value = value_of(win)
            judge_window(det, Seen(win, value, is_heard, w * length, period, length, channel, tick), out)
            if facts.watch[channel] >= 0 and not facts.slow[channel] and win.cov == length and win.bits & BIT_ESTIMATED == 0:
                take_turn(out, facts.watch[channel], version, w * length, value, tick)
            det.next_win = w + 1
        w += 1


@kernel
def give_slowly(
    ch: Channel,
    det: Any,
    channel: int,
    facts: RegistryArrays,
    versions: Versions,
    ring: Readings,
    ticks: tuple[int, int],
    work: Work,
    out: Out,
    policy: Policy,
) -> None:
    """Give detectors the windows of a channel that reads more slowly than windows pass: in order, each at the first tick from its due tick
    on at which a reading covers it. What is covered later than a window behind it is never given."""
    length, span = policy.length, work.span[0]
    is_sparse = has_silence(ch, ring, versions, policy)
    at, reach = 0, passed_reach(ch, versions, policy)
    last = min(due_window(ticks[1], policy), (ch.last + policy.max_gap - 1) // length)
    for w in range(max(det.given_to, ch.first // length, span.origin), last + 1):
        win = work.win[w - span.origin]
        if win.cov != length or win.bits & NOT_AS_READ:
            continue
        version = row_version(facts, channel, w * length)
        if is_sparse and version >= 0:
            at, reach = reached(False, ring, at, reach, w, versions, facts, policy)
            if w * length >= reach and not is_booked(win):
                version = -1
        if version >= 0:
            if facts.watch[channel] >= 0:
                take_turn(out, facts.watch[channel], version, w * length, value_of(win), max(ticks[0], due_tick(w, policy)))
            det.given_to = w + 1


@kernel
def judge_late(det: Any, channel: int, ring: Readings, ticks: tuple[int, int], work: Work, out: Out, policy: Policy) -> None:
    """impossible_value for the first new reading whose window was judged without it."""
    length, span = policy.length, work.span[0]
    if det.next_win == UNSET or det.impossible_start != UNSET:
        return
    for i in range(len(ring)):
        entry = ring[i]
        if entry.meta & IMPOSSIBLE and entry.meta & NEW and not entry.meta & GONE:
            v = entry.meta >> VERSION_SHIFT
            w = (entry.ts - 1 if v > 0 else entry.ts) // length
            is_judged = w < det.next_win or is_passed(det, w, ticks, policy)
            if is_judged and span.origin <= w < span.origin + span.n:
                seen = Seen(work.win[w - span.origin], 0, True, w * length, 0, length, channel, ticks[0])
                judge_impossible(det, seen, IMPOSSIBLE_VALUE, out)
                return


@kernel
def raising_tick(pending: int, t0: int, ts: int, period: int, ticks: tuple[int, int], policy: Policy) -> int:
    """The due tick from which on what pends is worth an alert, NEVER if none up to ticks[1]."""
    w = -(-t0 // policy.length)
    if pending == NOTHING_PENDS or w * policy.length >= ts:
        return NEVER
    tick = max(ticks[0], due_tick(w, policy))
    if pending == WAITS:
        tick = max(tick, (2 * ts + 3 * period) // (2 * policy.tick) + 1)
    due = due_window(tick, policy)
    tick = tick if due_tick(due, policy) == tick else due_tick(due + 1, policy)
    return tick if tick <= ticks[1] else NEVER


@kernel
def is_run_middle(a: Reading, b: Reading, c: Reading, bound: int) -> bool:
    """Whether `b` says nothing between its neighbours: settled readings of one value, of which the first and the last are enough."""
    return c.ts < bound and a.reg == b.reg == c.reg and (a.meta | b.meta | c.meta) & GONE == 0


@kernel
def is_close(a: Reading, b: Reading, period: int) -> bool:
    """Whether no silence lies between two readings of a ring that follow each other."""
    return b.meta & JOINED != 0 or 2 * (b.ts - a.ts) <= 3 * period


@kernel
def settle_ring(
    state: State, ch: Channel, place: int, keep: int, bound: int, versions: Versions, settled: ChannelState, journal: Readings
) -> None:
    """Put the settled state's journal in front, drop what is settled or superseded; what remains is no longer new. Of equal readings that
    are held, the first and the last remain."""
    ring = state.pool[ch.ring : ch.ring + ch.room]
    first, past = ch.past + keep, packed_entries(settled)
    if keep > 0:
        ch.passed = max(ch.passed, ring[first - 1].ts)
    may_thin = first < ch.held and ring[first].ts < bound
    to = n = min(first, past)
    for i in range(first, ch.held):
        meta = ring[i].meta
        if meta & GONE:
            continue
        if meta & CONFLICT_NEW:
            meta |= CONFLICT
        entry = ring[n]
        entry.ts, entry.reg, entry.meta = ring[i].ts, ring[i].reg, meta & ~(NEW | CONFLICT_NEW)
        n += 1
        if may_thin and n - to >= 3 and is_run_middle(ring[n - 3], ring[n - 2], ring[n - 1], bound):
            v = version_of(versions, ring[n - 1].ts)
            if v >= 0 and v == version_of(versions, ring[n - 3].ts) and versions[v].kind == CUMULATIVE:
                joined = is_close(ring[n - 3], ring[n - 2], versions[v].period) and is_close(
                    ring[n - 2], ring[n - 1], versions[v].period
                )
                ch.passed = max(ch.passed, ring[n - 2].ts)
                meta = ring[n - 1].meta & ~JOINED
                ring[n - 2] = ring[n - 1]
                ring[n - 2].meta = meta | JOINED if joined else meta
                n -= 1
    if past > to:
        move_up(ring, to, n, past)
    pack_state(settled, state.heads[place], ring, journal)
    ch.past, ch.held = past, past + n - to
    ch.old_first, ch.old_last, ch.min_new = ch.first, ch.last, NEVER


@kernel
def move_up(ring: Readings, first: int, stop: int, to: int) -> None:
    """Move ring[first:stop] so that it begins at `to`, further behind."""
    for i in range(stop - first - 1, -1, -1):
        ring[to + i] = ring[first + i]


@kernel
def is_untouched(ch: Channel, ticks: tuple[int, int], policy: Policy) -> bool:
    """Whether closing these ticks can change no row of the channel: nothing becomes due (or needs judging), and what is new is quiet."""
    due, was_due = due_window(ticks[1], policy), due_window(ticks[0] - 1, policy)
    high = (ch.last + policy.max_gap - 1) // policy.length
    if ch.last == UNSET or (due > was_due and high + 1 > was_due and ch.first // policy.length <= due):
        return ch.last == UNSET
    return ch.min_new == NEVER or is_quiet(ch, (due + 1) * policy.length, policy)


@kernel
def close_channel(
    place: int, channel: int, ticks: tuple[int, int], state: State, facts: RegistryArrays, work: Work, out: Out, policy: Policy
) -> bool:
    """Rows and judgements of one channel for ticks ticks[0]..ticks[1]; False if `work` or `out` is too small (`work.need`: how much)."""
    ch, first = state.channels[place], facts.first[channel]
    versions = facts.versions[first : first + facts.count[channel]]
    if is_untouched(ch, ticks, policy):
        return True
    head, length = state.heads[place], policy.length
    base = head.win if head.kind >= 0 else ch.first // length
    changes = facts.changes[facts.change_first[channel] : facts.change_first[channel + 1]]
    front = state.pool[ch.ring : ch.ring + ch.past]
    ring = state.pool[ch.ring + ch.past : ch.ring + ch.held]
    span, settled = work.span[0], work.settled[0]
    work.need[1], work.need[2] = 2 * (ch.held + len(changes)) + 4, 0
    if work.need[1] > len(work.notes):
        work.need[0] = 0
        return False
    unsettled_from = ticks[0] * policy.tick - settled_after(policy)
    bound = ticks[1] * policy.tick - settled_after(policy)
    while True:
        n = max(0, due_window(ticks[1], policy) - base + 1)
        work.need[0] = n
        if n > len(work.win):
            return False
        if max(out.used[0], out.used[2]) + n > len(out.rows) or out.used[1] + ROWS_PER_WINDOW * n + 2 * work.need[1] > len(
            out.transitions
        ):
            return False
        prepare(work, head, front, ch.past, n, base, bound, length, work.win)
        unpack(settled, head, front, ch.past, work.settled_journal)
        fold(
            False, work.state[0], settled, work.journal, work.settled_journal, ring, work.win, span, versions, changes, facts.clock,
            policy, work.notes,
        )  # fmt: skip
        if span.deep != NEVER:
            base = span.deep
            continue
        anchor = UNSET if span.pending != NOTHING_PENDS or work.state[0].resets > 0 else anchor_of(work.state[0])
        found, touched, keep, retro = span.notes, span.touched, span.keep, span.retro
        pending, t0, e0, ts, e, period, steps = span.pending, span.t0, span.e0, span.ts, span.e, span.period, span.steps
        if touched != NEVER:
            touched = min(touched, retro // length, ch.retro // length)
        was_found = 0
        has_notes = found > 0 or ch.notes > 0
        if ch.old_last != UNSET and (touched <= due_window(ticks[0] - 1, policy) or (has_notes and touched != NEVER)):
            prepare(work, head, front, ch.past, n, base, bound, length, work.old_win)
            fold(
                True, work.state[0], settled, work.journal, work.settled_journal, ring, work.old_win, span, versions, changes,
                facts.clock, policy, work.old_notes,
            )  # fmt: skip
            if span.deep != NEVER:
                base = span.deep
                continue
            was_found = span.notes
        break
    trim(settled, work.settled_journal, bound - policy.max_gap, length)
    room = packed_entries(settled) + len(ring) - keep
    while room > ch.room:
        if not make_room(state, ch, usual_room(versions[0].period, policy)):
            work.need[2] = 1
            return False
    state.touched[place // CHUNK_CHANNELS] = 1
    ring = state.pool[ch.ring + ch.past : ch.ring + ch.held]
    emit_rows(ch, channel, facts, versions, ring, touched, ticks, work, out, policy)
    if touched != NEVER:
        emit_notes(work, found, was_found, channel, out, ticks[0], unsettled_from)
    end = (t0, ts) if pending != NOTHING_PENDS else (0, 0)
    det = state.detectors[place]
    if touched != NEVER:
        judge_late(det, channel, ring, ticks, work, out, policy)
    judge_windows(ch, det, channel, facts, versions, ring, end, ticks, work, out, policy)
    if facts.slow[channel]:
        give_slowly(ch, det, channel, facts, versions, ring, ticks, work, out, policy)
    tick = raising_tick(pending, t0, ts, period, ticks, policy)
    start = -(-t0 // length) * length if pending != NOTHING_PENDS else UNSET
    ended = t0 if work.state[0].kind == CUMULATIVE else det.held_start
    judge_held(det, start, (tick, e0, e, ts - t0, steps), ended, ticks[0], out, channel, HELD)
    ch.anchor, ch.notes, ch.retro = anchor, found, retro
    settle_ring(state, ch, place, keep, bound, versions, settled, work.settled_journal)
    return True


@kernel
def close_channels(
    order: Ints,
    start: int,
    globals_: Ints,
    ticks: tuple[int, int],
    state: State,
    facts: RegistryArrays,
    work: Work,
    out: Out,
    policy: Policy,
) -> int:
    """Close every channel of `order` from position `start`; returns where it had to stop (len(order) when done)."""
    for i in range(start, len(order)):
        if not close_channel(order[i], globals_[order[i]], ticks, state, facts, work, out, policy):
            return i
    return len(order)
