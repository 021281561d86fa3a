"""Closing ticks: which windows of which channels become rows, and what they looked like in the row before.

Windows already due whose content changed get revision = the tick that closes; a window that becomes due gets its due tick. Nothing is
stored about emitted rows: what a row said last is the fold of the readings that were there when rows were last made.
"""

from typing import Any, NamedTuple

import numpy as np

from zonepulse.processors.admission import is_quiet, settled_after
from zonepulse.processors.detectors import emit, judge_window
from zonepulse.processors.fold import anchor_of, fold
from zonepulse.processors.kernel import kernel
from zonepulse.processors.layout import (
    BIT_CORRECTED,
    BIT_ESTIMATED,
    CHUNK_CHANNELS,
    CONFLICT,
    CONFLICT_NEW,
    GAP,
    GAP_TOO_LONG,
    GONE,
    HEAD,
    NEVER,
    NEW,
    ROW,
    SPAN,
    TRANSITION,
    UNSET,
    WINDOW,
    records,
)
from zonepulse.processors.registers import version_at
from zonepulse.processors.segments import estimated_of, value_of

ROWS_PER_WINDOW = 6
"""Room for transitions per judged window."""


class Work(NamedTuple):
    """Scratch of the close kernel; `win` and `old_win` are equally long, so are `gaps` and `old_gaps`. `need` = what is too small."""

    win: Any
    old_win: Any
    gaps: Any
    old_gaps: Any
    state: Any
    settled: Any
    span: Any
    need: Any


class Out(NamedTuple):
    """Rows and transitions made so far: `used` = (rows, transitions)."""

    rows: Any
    transitions: Any
    used: Any


def new_work(windows: int = 4096, gaps: int = 1024) -> Work:
    """Scratch for folds of up to `windows` windows."""
    return Work(
        records(WINDOW, windows), records(WINDOW, windows), records(GAP, gaps), records(GAP, gaps),
        records(HEAD), records(HEAD), records(SPAN), np.zeros(2, np.int64),
    )  # fmt: skip


def new_out(rows: int = 65_536) -> Out:
    """Room for at least `rows` rows."""
    return Out(records(ROW, rows), records(TRANSITION, rows), np.zeros(2, np.int64))


@kernel
def due_window(tick: int, policy: Any) -> int:
    """The last window that is due at `tick`: the largest w with (w + 1) length + delay <= tick * policy.tick."""
    return (tick * policy.tick - policy.delay) // policy.length - 1


@kernel
def due_tick(w: int, policy: Any) -> int:
    """The tick at which window w is first emitted: ceil((end + delay) / tick)."""
    return -(-((w + 1) * policy.length + policy.delay) // policy.tick)


@kernel
def prepare(work: Any, head: Any, n: int, base: int, bound: int, win: Any) -> None:
    """Set the fold's start: the settled state, and what is booked in its open window."""
    work.state[0] = head
    span = work.span[0]
    span.origin, span.n, span.bound, span.touched, span.gaps, span.keep = base, n, bound, NEVER, 0, 0
    for i in range(n):
        w = win[i]
        w.val, w.rem, w.est, w.est_rem, w.cov, w.bits = 0, 0, 0, 0, 0, 0
        w.bad_val, w.bad_n, w.back_n, w.back_val = 0, 0, 0, 0
    if head.kind >= 0:
        w = win[head.win - base]
        w.val, w.rem, w.est, w.est_rem, w.cov, w.bits = head.val, head.rem, head.est, head.est_rem, head.cov, head.bits


@kernel
def quality_bits(bits: int) -> int:
    """What of `bits` shows in a row: the last method and whether any part is estimated, else corrected."""
    method = 0
    for m in range(1, 7):
        if bits >> m & 1:
            method = m
    if bits & BIT_ESTIMATED:
        return method | BIT_ESTIMATED
    return method | (bits & BIT_CORRECTED)


@kernel
def is_same(a: Any, b: Any) -> bool:
    """Whether two windows make the same row."""
    return (
        a.cov == b.cov
        and value_of(a) == value_of(b)
        and estimated_of(a) == estimated_of(b)
        and quality_bits(a.bits) == quality_bits(b.bits)
    )


@kernel
def emit_row(out: Any, channel: int, version: int, start: int, revision: int, w: Any, was: Any, has_was: bool) -> None:
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
def row_version(facts: Any, channel: int, start: int) -> int:
    """The version (place in facts.versions) of a window's row; -1 where there is none, or it is another partition's."""
    first = facts.first[channel]
    v = version_at(facts.versions[first : first + facts.count[channel]], start)
    return first + v if v >= 0 and facts.versions[first + v].partition == facts.partition else -1


@kernel
def emit_rows(ch: Any, channel: int, facts: Any, ticks: Any, work: Any, out: Any, policy: Any) -> None:
    """Rows of one channel for the ticks [ticks[0], ticks[1]] from its folded windows."""
    length, span = policy.length, work.span[0]
    due, was_due = due_window(ticks[1], policy), due_window(ticks[0] - 1, policy)
    low, high = ch.first // length, (ch.last + policy.max_gap - 1) // length
    was_low, was_high = NEVER, UNSET
    if ch.old_last != UNSET:
        was_low, was_high = ch.old_first // length, (ch.old_last + policy.max_gap - 1) // length
    begin = min(span.touched, was_due + 1)
    if was_high != UNSET:
        begin = min(begin, was_high + 1)
    for w in range(max(begin, low, span.origin), min(due, high) + 1):
        version = row_version(facts, channel, w * length)
        if version < 0:
            continue
        i = w - span.origin
        emitted = w <= was_due and was_low <= w <= was_high
        if emitted and (w < span.touched or is_same(work.win[i], work.old_win[i])):
            continue
        revision = ticks[0] if w <= was_due else max(ticks[0], due_tick(w, policy))
        emit_row(out, channel, version, w * length, revision, work.win[i], work.old_win[i], emitted)


@kernel
def emit_gaps(work: Any, found: int, was_found: int, channel: int, out: Any, tick: int) -> None:
    """gap_too_long for every segment longer than max_gap that the old view did not have, or had with another advance."""
    for i in range(found):
        gap = work.gaps[i]
        known = False
        for k in range(was_found):
            was = work.old_gaps[k]
            known |= was.t0 == gap.t0 and was.t1 == gap.t1 and was.adv == gap.adv
        if not known:
            emit(out, channel, GAP_TOO_LONG, 1, (gap.t0, gap.t1), tick, gap.adv, 0)


@kernel
def judge_windows(ch: Any, det: Any, channel: int, facts: Any, ticks: Any, work: Any, out: Any, policy: Any) -> None:
    """Judge, in order, the windows that are fully covered or past their deadline by tick ticks[1]."""
    length, span = policy.length, work.span[0]
    w = max(ch.first // length if det.next_win == UNSET else det.next_win, span.origin)
    last = min(due_window(ticks[1], policy), (ch.last + policy.max_gap - 1) // length)
    while w <= last:
        version = row_version(facts, channel, w * length)
        if version >= 0:
            tick = max(ticks[0], det.tick, due_tick(w, policy))
            if work.win[w - span.origin].cov != length:
                tick = max(tick, due_tick(w + 1, policy))
            if tick > ticks[1]:
                break
            period = facts.versions[version].period
            judge_window(det, work.win[w - span.origin], w * length, period, length, out, channel, tick)
            det.next_win = w + 1
        w += 1


@kernel
def settle_ring(state: Any, ch: Any, keep: int) -> None:
    """Drop what is settled or superseded; what remains is no longer new."""
    ring = state.pool[ch.ring : ch.ring + ch.room]
    n = 0
    for i in range(keep, ch.held):
        meta = ring[i].meta
        if meta & GONE:
            continue
        if meta & CONFLICT_NEW:
            meta |= CONFLICT
        ring[n] = ring[i]
        ring[n].meta = meta & ~(NEW | CONFLICT_NEW)
        n += 1
    ch.held = n
    ch.old_first, ch.old_last, ch.min_new = ch.first, ch.last, NEVER


@kernel
def is_untouched(ch: Any, ticks: Any, policy: Any) -> bool:
    """Whether closing these ticks can change no row of the channel: nothing becomes due (or needs judging), and what is new is quiet."""
    due, was_due = due_window(ticks[1], policy), due_window(ticks[0] - 1, policy)
    high = (ch.last + policy.max_gap - 1) // policy.length
    if ch.last == UNSET or (due > was_due and high + 1 > was_due and ch.first // policy.length <= due):
        return ch.last == UNSET
    return ch.min_new == NEVER or is_quiet(ch, (due + 1) * policy.length, policy)


@kernel
def close_channel(place: int, channel: int, ticks: Any, state: Any, facts: Any, work: Any, out: Any, policy: Any) -> bool:
    """Rows and judgements of one channel for ticks ticks[0]..ticks[1]; False if `work` or `out` is too small (`work.need`: how much)."""
    ch = state.channels[place]
    if is_untouched(ch, ticks, policy):
        return True
    head = state.heads[place]
    base = head.win if head.kind >= 0 else ch.first // policy.length
    n = max(0, due_window(ticks[1], policy) - base + 1)
    first = facts.first[channel]
    versions = facts.versions[first : first + facts.count[channel]]
    changes = facts.changes[facts.change_first[channel] : facts.change_first[channel + 1]]
    work.need[0], work.need[1] = n, ch.held + len(changes) + 1
    if n > len(work.win) or work.need[1] > len(work.gaps):
        return False
    if out.used[0] + n > len(out.rows) or out.used[1] + ROWS_PER_WINDOW * n + work.need[1] > len(out.transitions):
        return False
    state.touched[place // CHUNK_CHANNELS] = 1
    ring = state.pool[ch.ring : ch.ring + ch.held]
    span = work.span[0]
    bound = ticks[1] * policy.tick - settled_after(policy)
    prepare(work, head, n, base, bound, work.win)
    work.settled[0] = head
    fold(False, work.state[0], work.settled[0], ring, work.win, span, versions, changes, policy, work.gaps)
    ch.anchor = anchor_of(work.state[0])
    found, touched, keep = span.gaps, span.touched, span.keep
    was_found = 0
    if ch.old_last != UNSET and (touched <= due_window(ticks[0] - 1, policy) or (found > 0 and touched != NEVER)):
        prepare(work, head, n, base, bound, work.old_win)
        fold(True, work.state[0], head, ring, work.old_win, span, versions, changes, policy, work.old_gaps)
        was_found, span.touched = span.gaps, touched
    emit_rows(ch, channel, facts, ticks, work, out, policy)
    if touched != NEVER:
        emit_gaps(work, found, was_found, channel, out, ticks[0])
    judge_windows(ch, state.detectors[place], channel, facts, ticks, work, out, policy)
    state.heads[place] = work.settled[0]
    settle_ring(state, ch, keep)
    return True


@kernel
def close_channels(
    order: Any, start: int, globals_: Any, ticks: Any, state: Any, facts: Any, work: Any, out: Any, policy: Any
) -> int:
    """Close every channel of `order` from position `start`; returns where it had to stop (len(order) when done)."""
    for i in range(start, len(order)):
        if not close_channel(order[i], globals_[order[i]], ticks, state, facts, work, out, policy):
            return i
    return len(order)
