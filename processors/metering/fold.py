"""The fold of one channel: from the state that is settled over its readings in ts order and its known meter changes (`registers.py`).

Most readings continue their series like the one before: one short loop takes these.
"""

from zonepulse.processors.channels.periods import period_begin
from zonepulse.processors.channels.table import CUMULATIVE, INTERVAL, MARGIN_MS_PER_HOUR, POWER
from zonepulse.processors.channels.version import Version, Versions
from zonepulse.processors.channels.versions import answering, version_of
from zonepulse.processors.flow import M_REGISTER, NEVER, Table
from zonepulse.processors.kernel import kernel
from zonepulse.processors.metering.journal import anchor_of, close_journal
from zonepulse.processors.metering.records import ChannelState, Notes, Policy, Readings, Span, Windows
from zonepulse.processors.metering.registers import (
    FROZEN,
    GOOD,
    RESET,
    ROLLED,
    ROLLED_FROZEN,
    accept,
    accept_frozen,
    accept_reset,
    add_note,
    energy_micro,
    energy_within,
    fitting_reset,
    fold_change,
    fold_interval,
    fold_power,
    hold_power,
    is_visible,
    judge,
    note_arrival,
    open_gap,
    reading_flags,
    start_series,
    undo_reset,
)
from zonepulse.processors.metering.state import (
    ANEW,
    CONFLICT,
    CONFLICT_NEW,
    CORRECTED,
    ESTIMATED,
    GONE,
    IS_HELD,
    JOINED,
    NEW,
    NOTHING_PENDS,
    WAITS,
)

STEADY_RISE, STEADY_MS = 1 << 40, 4_320_000
"""Below these, times 3e6 and times any max_power, nothing overflows (the registry checks max_power x 4.32e6)."""
UNUSUAL = ESTIMATED | CORRECTED | CONFLICT | GONE | CONFLICT_NEW
OLD_UNUSUAL = ESTIMATED | CORRECTED | CONFLICT | NEW | CONFLICT_NEW
"""Readings with one of these are invisible in their view, or marked."""


@kernel
def settle(
    win: Windows,
    span: Span,
    st: ChannelState,
    settled: ChannelState,
    journal: Readings,
    settled_journal: Readings,
    keep: int,
    length: int,
) -> None:
    """Copy the state reached at the settle bound, with what is booked in its open window."""
    settled.ts, settled.e, settled.same_since = st.ts, st.e, st.same_since
    settled.seg_adv, settled.seg_ms = st.seg_adv, st.seg_ms
    settled.gap_ts, settled.gap_adv, settled.gap_ms = st.gap_ts, st.gap_adv, st.gap_ms
    settled.series, settled.kind, settled.marks = st.series, st.kind, st.marks
    settled.since, settled.since_val, settled.since_rem, settled.since_est = st.since, st.since_val, st.since_rem, st.since_est
    settled.since_est_rem, settled.since_cov, settled.since_bits = st.since_est_rem, st.since_cov, st.since_bits
    settled.last, settled.last_e, settled.silence = st.last, st.last_e, st.silence
    settled.above, settled.above_r0, settled.shown = st.above, st.above_r0, st.shown
    settled.resets, settled.fixed, settled.entries = st.resets, st.fixed, st.entries
    for i in range(st.entries):
        to, of = settled_journal[i], journal[i]
        to.ts, to.reg, to.meta = of.ts, of.reg, of.meta
    span.keep = keep
    if st.kind < 0:
        return
    settled.win = anchor_of(st) // length
    i = settled.win - span.origin
    if 0 <= i < span.n:
        settled.val, settled.rem, settled.est, settled.est_rem = win[i].val, win[i].rem, win[i].est, win[i].est_rem
        settled.cov, settled.bits = win[i].cov, win[i].bits


@kernel
def touch(span: Span, st: ChannelState, start: int, length: int) -> None:
    """Something new takes effect here: windows from the anchor (or from its own start) on may differ."""
    at = start
    if st.kind == CUMULATIVE:
        at = min(at, anchor_of(st))
    span.touched = min(span.touched, at // length)


@kernel
def fold_steady(
    old: bool,
    win: Windows,
    span: Span,
    st: ChannelState,
    journal: Readings,
    ring: Readings,
    first: int,
    limit: int,
    version: Version,
    policy: Policy,
) -> int:
    """What `fold` does with most readings, in one short loop: good, unmarked ones before `limit` that continue the series within R0's
    window and the validity of `version`. Returns the first reading that is not such a one, for `fold` to judge."""
    if st.series != version.series or st.gap_ts != NEVER or st.marks != 0 or version.den != 1 or st.resets != 0:
        return first
    w = st.ts // policy.length
    limit = min(limit, version.valid_to, (w + 1) * policy.length + 1)
    most_ms = min(policy.max_gap, min(version.period, policy.length) * 3 // 2)
    if ring[first].ts <= version.valid_from or max(most_ms, version.period) > STEADY_MS:
        return first
    near = min(version.power * version.period // MARGIN_MS_PER_HOUR, STEADY_RISE - 1)
    unusual = OLD_UNUSUAL if old else UNUSUAL
    ts, e, same_since, seen = st.ts, st.e, st.same_since, 0
    n = st.entries
    stands = (
        st.since != NEVER and n > 0 and journal[n - 1].ts == ts and journal[n - 1].reg == 0 and journal[n - 1].meta == M_REGISTER
    )
    has_moved = False
    advance, ms, i, num = st.seg_adv, st.seg_ms, first, version.num
    while i < len(ring):
        reading = ring[i]
        meta, at = reading.meta, reading.ts
        rise, step_ms = reading.reg * num - e, at - ts
        if meta & unusual or at >= limit or not 0 < step_ms <= most_ms or rise < 0:
            break
        if rise > near and (rise >= STEADY_RISE or rise * MARGIN_MS_PER_HOUR > version.power * max(step_ms, version.period)):
            break
        if rise > 0:
            same_since = at
            stands, has_moved = False, True
        elif not stands:
            break
        seen |= meta
        advance, ms, ts, e = rise, step_ms, at, e + rise
        i += 1
    if i == first:
        return first
    at = w - span.origin
    if 0 <= at < span.n:
        win[at].val += e - st.e
        win[at].cov += ts - st.ts
        win[at].bits |= M_REGISTER
    if seen & NEW:
        span.touched = min(span.touched, w)
    if has_moved:
        close_journal(st)
    else:
        journal[n - 1].ts = ts
    st.ts, st.e, st.same_since, st.seg_adv, st.seg_ms = ts, e, same_since, advance, ms
    st.last, st.last_e, st.above_r0 = ts, e, st.above
    return i


@kernel
def confirm_series(
    old: bool,
    win: Windows,
    span: Span,
    st: ChannelState,
    journal: Readings,
    ring: Readings,
    first: int,
    last: int,
    versions: Versions,
    policy: Policy,
    notes: Notes,
) -> None:
    """A run of held readings, ring[first] to ring[last], is a new series; of equal ones in a row the first and the last are good."""
    decider = ring[last].ts
    version = versions[version_of(versions, ring[first].ts)]
    ts, e = ring[first].ts, energy_micro(ring[first].reg, version)
    add_note(span, notes, ANEW, st.ts, ts, st.e, e, decider)
    gap_ts, gap_adv, gap_ms = open_gap(st, ts, version.period)
    start_series(st, ts, e, reading_flags(ring[first].meta, old), version.series)
    st.gap_ts, st.gap_adv, st.gap_ms = gap_ts, gap_adv, gap_ms
    equal = -1
    for i in range(first + 1, last + 1):
        if not is_visible(ring[i].meta, old):
            continue
        version = versions[version_of(versions, ring[i].ts)]
        e = energy_micro(ring[i].reg, version)
        if e == st.e:
            equal = i
            continue
        if equal >= 0:
            flags = reading_flags(ring[equal].meta, old)
            before = versions[version_of(versions, ring[equal].ts)]
            accept(win, span, st, journal, ring[equal].ts, st.e, 0, flags, decider, versions, before, policy, notes)
            equal = -1
        flags = reading_flags(ring[i].meta, old)
        accept(win, span, st, journal, ring[i].ts, e, e - st.e, flags, decider, versions, version, policy, notes)


@kernel
def fold(
    old: bool, st: ChannelState, settled: ChannelState, journal: Readings, settled_journal: Readings, ring: Readings, win: Windows,
    span: Span, versions: Versions, changes: Table, clock: Table, policy: Policy, notes: Notes,
) -> None:  # fmt: skip
    """Run the state `st` over a channel's ring and known changes and book into `win` (prepared by the caller).

    `old` folds the view in which rows were last made; else the present view, which also fills `settled`, its journal, `span.keep`,
    `span.touched` and what pends. `changes` has columns (at, old, new, is_new). Where `span.deep` is set the fold has stopped: it has to
    be done again from that window.
    """
    length = policy.length
    saved = old
    pending, run, run_n = NOTHING_PENDS, 0, 0
    held_ts, held_e, held_period = 0, 0, 0
    wait_advance, wait_restarts, wait_i = 0, False, 0
    last, last_e, silence, above = 0, 0, 0, 0  # of the state before what pends
    i, j = 0, 0
    while j < len(changes) and st.kind >= 0 and changes[j][0] <= st.ts:
        j += 1
    while True:
        while i < len(ring) and not is_visible(ring[i].meta, old):
            i += 1
        while j < len(changes) and old and changes[j][3]:
            j += 1
        ts = ring[i].ts if i < len(ring) else NEVER
        at = changes[j][0] if j < len(changes) else NEVER
        if ts == NEVER:
            break
        if not saved and min(ts, at) >= span.bound:
            settle(win, span, st, settled, journal, settled_journal, run if pending else i, length)
            if pending:
                settled.last, settled.last_e, settled.silence, settled.above = last, last_e, silence, above
            saved = True
        if at <= ts:
            if st.kind >= 0 or at == ts:
                if not old and (changes[j][3] or ring[i].meta & (NEW | CONFLICT_NEW)):
                    touch(span, st, at, length)
                pending = NOTHING_PENDS
                if not fold_change(win, span, st, journal, changes[j], versions, policy, notes):
                    return
                while i < len(ring) and ring[i].ts == at:
                    i += 1
            j += 1
            continue
        v = answering(versions, ts, ring[i].meta)
        version = versions[v]
        if pending == NOTHING_PENDS and st.kind == CUMULATIVE and version.kind == CUMULATIVE:
            behind = fold_steady(old, win, span, st, journal, ring, i, at if saved else min(at, span.bound), version, policy)
            if behind > i:
                i = behind
                continue
        meta = ring[i].meta
        e, flags = energy_micro(ring[i].reg, version), reading_flags(meta, old)
        if not old and meta & (NEW | CONFLICT_NEW):
            touch(span, st, period_begin(clock, version, ts) if version.kind == INTERVAL else ts, length)
        i += 1
        if st.kind == POWER and version.kind != POWER:
            hold_power(win, span, st, ts, versions, policy)
        if version.kind != CUMULATIVE:
            if st.since != NEVER or st.resets > 0:
                close_journal(st)
            pending = NOTHING_PENDS
            if version.kind == INTERVAL:
                fold_interval(win, span, st, ts, e, meta, flags, version, clock, policy)
            else:
                fold_power(win, span, st, ts, e, meta, flags, versions, policy)
            st.last, st.last_e, st.silence, st.above_r0 = st.ts, st.e, st.ts, st.above
            continue
        if st.kind != CUMULATIVE or st.series != version.series:
            pending = NOTHING_PENDS
            start_series(st, ts, e, flags, version.series)
            st.last, st.last_e = ts, e
            continue
        if pending == NOTHING_PENDS:
            last, last_e, silence, above = st.last, st.last_e, st.silence, st.above
        was_last, was_last_e, was_silence, was_above = st.last, st.last_e, st.silence, st.above
        note_arrival(st, ts, e, meta & JOINED != 0, version)
        if st.resets > 0:
            k = fitting_reset(st, journal, ts, e, False, version, policy.max_gap)
            if k >= 0:
                if not undo_reset(win, span, st, journal, k, length):
                    return
                pending = NOTHING_PENDS
                last, last_e, silence, above = was_last, was_last_e, was_silence, was_above
        if pending == WAITS:
            rise = e - held_e
            if 0 <= rise <= energy_within(version.power, max(ts - held_ts, version.period), MARGIN_MS_PER_HOUR):
                if wait_restarts:
                    add_note(span, notes, ANEW, st.ts, held_ts, st.e, held_e, ts)
                held_flags = reading_flags(ring[wait_i].meta, old)
                if not accept_frozen(win, span, st, journal, held_ts, held_e, wait_advance, held_flags, ts, policy, notes):
                    return
                accept(win, span, st, journal, ts, e, rise, flags, ts, versions, version, policy, notes)
                pending = NOTHING_PENDS
                continue
            pending = NOTHING_PENDS
            last, last_e, silence, above = was_last, was_last_e, was_silence, was_above
        verdict, advance = judge(st, ts, e, version, policy.max_gap)
        if verdict in (GOOD, ROLLED):
            if verdict == ROLLED and st.silence > st.ts:
                add_note(span, notes, ANEW, st.ts, ts, st.e, e, ts)
            accept(win, span, st, journal, ts, e, advance, flags, ts, versions, version, policy, notes)
            pending = NOTHING_PENDS
            continue
        if verdict == RESET:
            accept_reset(win, span, st, journal, ts, e, flags, policy, notes)
            pending = NOTHING_PENDS
            continue
        if verdict in (FROZEN, ROLLED_FROZEN):
            if pending:
                last, last_e, silence, above = was_last, was_last_e, was_silence, was_above
            pending, run, wait_i = WAITS, i - 1, i - 1
            held_ts, held_e, held_period = ts, e, version.period
            wait_advance, wait_restarts = advance, verdict == ROLLED_FROZEN and st.silence > st.ts
            continue
        rise = e - held_e
        if pending == IS_HELD and rise == 0:
            pass
        elif pending == IS_HELD and 0 < rise <= energy_within(version.power, max(ts - held_ts, version.period), MARGIN_MS_PER_HOUR):
            run_n += 1
        else:
            if pending:
                last, last_e, silence, above = was_last, was_last_e, was_silence, was_above
            run, run_n = i - 1, 1
        pending = IS_HELD
        held_ts, held_e, held_period = ts, e, version.period
        if run_n >= policy.n_confirm:
            confirm_series(old, win, span, st, journal, ring, run, i - 1, versions, policy, notes)
            pending = NOTHING_PENDS
    if not saved:
        settle(win, span, st, settled, journal, settled_journal, run if pending else len(ring), length)
        if pending:
            settled.last, settled.last_e, settled.silence, settled.above = last, last_e, silence, above
    if st.kind == POWER:
        hold_power(win, span, st, NEVER, versions, policy)
    span.pending, span.t0, span.e0 = pending, st.ts, st.e
    span.ts, span.e, span.period, span.steps = held_ts, held_e, held_period, st.above - st.above_r0
