"""The fold of one channel: from the state that is settled over its readings in ts order and its known meter changes (`registers.py`).

Most readings continue their series like the one before: one short loop takes these.
"""

from typing import Any

from zonepulse.processors.channels import CUMULATIVE, INTERVAL, POWER
from zonepulse.processors.kernel import kernel
from zonepulse.processors.layout import CONFLICT, CONFLICT_NEW, CORRECTED, ESTIMATED, GONE, M_REGISTER, NEVER, NEW
from zonepulse.processors.registers import (
    GOOD,
    MARGIN_MS_PER_HOUR,
    accept,
    energy_micro,
    fold_change,
    fold_interval,
    fold_power,
    hold_power,
    is_visible,
    judge,
    mark_held,
    open_gap,
    reading_flags,
    start_series,
    version_of,
)

STEADY_RISE, STEADY_MS = 1 << 40, 4_320_000
"""Below these, times 3e6 and times any max_power, nothing overflows (the registry checks max_power x 4.32e6)."""
UNUSUAL = ESTIMATED | CORRECTED | CONFLICT | GONE | CONFLICT_NEW
OLD_UNUSUAL = ESTIMATED | CORRECTED | CONFLICT | NEW | CONFLICT_NEW
"""Readings with one of these are invisible in their view, or marked."""


@kernel
def anchor_of(st: Any) -> int:
    """The earliest time whose booking the next reading in order may change."""
    if st.kind < 0:
        return NEVER
    return min(st.ts, st.gap_ts)


@kernel
def settle(win: Any, span: Any, st: Any, settled: Any, keep: int, length: int) -> None:
    """Copy the state reached at the settle bound, with what is booked in its open window."""
    settled.ts, settled.e, settled.same_since = st.ts, st.e, st.same_since
    settled.seg_adv, settled.seg_ms = st.seg_adv, st.seg_ms
    settled.gap_ts, settled.gap_adv, settled.gap_ms = st.gap_ts, st.gap_adv, st.gap_ms
    settled.series, settled.kind, settled.marks = st.series, st.kind, st.marks
    span.keep = keep
    if st.kind < 0:
        return
    settled.win = anchor_of(st) // length
    i = settled.win - span.origin
    if 0 <= i < span.n:
        settled.val, settled.rem, settled.est, settled.est_rem = win[i].val, win[i].rem, win[i].est, win[i].est_rem
        settled.cov, settled.bits = win[i].cov, win[i].bits


@kernel
def touch(span: Any, st: Any, start: int, length: int) -> None:
    """Something new takes effect here: windows from the anchor (or from its own start) on may differ."""
    at = start
    if st.kind == CUMULATIVE:
        at = min(at, anchor_of(st))
    span.touched = min(span.touched, at // length)


@kernel
def fold_steady(old: bool, win: Any, span: Any, st: Any, ring: Any, first: int, limit: int, version: Any, policy: Any) -> int:
    """What `fold` does with most readings, in one short loop: good, unmarked ones before `limit` that continue the series within R0's
    window and the validity of `version`. Returns the first reading that is not such a one, for `fold` to judge."""
    if st.series != version.series or st.gap_ts != NEVER or st.marks != 0 or version.den != 1:
        return first
    w = st.ts // policy.length
    limit = min(limit, version.valid_to, (w + 1) * policy.length + 1)
    most_ms = min(policy.max_gap, min(version.period, policy.length) * 3 // 2)
    unusual = OLD_UNUSUAL if old else UNUSUAL
    ts, e, same_since, seen = st.ts, st.e, st.same_since, 0
    advance, ms, i = st.seg_adv, st.seg_ms, first
    while i < len(ring):
        meta, at = ring[i].meta, ring[i].ts
        if meta & unusual or at >= limit or at <= version.valid_from or not 0 < at - ts <= most_ms:
            break
        rise = ring[i].reg * version.num - e
        if rise < 0 or rise >= STEADY_RISE:
            break
        if rise > 0:
            if version.power >= 0:
                bound_ms = max(at - same_since, version.period)
                if bound_ms > STEADY_MS or rise * MARGIN_MS_PER_HOUR > version.power * bound_ms:
                    break
            same_since = at
        seen |= meta
        advance, ms, ts, e = rise, at - ts, at, e + rise
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
    st.ts, st.e, st.same_since, st.seg_adv, st.seg_ms = ts, e, same_since, advance, ms
    return i


@kernel
def fold(
    old: bool, st: Any, settled: Any, ring: Any, win: Any, span: Any, versions: Any, changes: Any, policy: Any, gaps: Any
) -> None:
    """Run the state `st` over a channel's ring and known changes and book into `win` (zeroed by the caller).

    `old` folds the view in which rows were last made; else the present view, which also fills `settled`, `span.keep` and `span.touched`.
    `changes` has columns (at, old, new, is_new).
    """
    length = policy.length
    saved = old
    run = (0, 0)
    run_n = 0
    last_held = 0
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
            settle(win, span, st, settled, run[0] if run_n else i, length)
            saved = True
        if at <= ts:
            if st.kind >= 0 or at == ts:
                if not old and (changes[j][3] or ring[i].meta & (NEW | CONFLICT_NEW)):
                    touch(span, st, at, length)
                mark_held(win, span, st, ring, run, versions, policy, old)
                run, run_n = (0, 0), 0
                fold_change(win, span, st, changes[j], versions, policy, gaps)
                while i < len(ring) and ring[i].ts == at:
                    i += 1
            j += 1
            continue
        v = version_of(versions, ts)
        version = versions[v]
        if run_n == 0 and st.kind == CUMULATIVE:
            behind = fold_steady(old, win, span, st, ring, i, at if saved else min(at, span.bound), version, policy)
            if behind > i:
                i = behind
                continue
        e = energy_micro(ring[i].reg, version)
        flags = reading_flags(ring[i].meta, old)
        if not old and ring[i].meta & (NEW | CONFLICT_NEW):
            touch(span, st, ts - version.period if version.kind == INTERVAL else ts, length)
        i += 1
        if st.kind == POWER and version.kind != POWER:
            hold_power(win, span, st, ts, versions, policy)
        if version.kind == INTERVAL:
            fold_interval(win, span, st, ts, e, flags, version, policy)
            continue
        if version.kind == POWER:
            fold_power(win, span, st, ts, e, flags, versions, v, policy)
            continue
        if st.kind != CUMULATIVE or st.series != version.series:
            mark_held(win, span, st, ring, run, versions, policy, old)
            run, run_n = (0, 0), 0
            start_series(st, ts, e, flags, version.series)
            continue
        verdict, advance = judge(st, ts, e, version)
        if verdict == GOOD:
            mark_held(win, span, st, ring, run, versions, policy, old)
            run, run_n = (0, 0), 0
            accept(win, span, st, ts, e, advance, flags, version, policy, gaps)
            continue
        if run_n and e < last_held:
            mark_held(win, span, st, ring, run, versions, policy, old)
            run_n = 0
        run = (run[0] if run_n else i - 1, i)
        run_n += 1
        last_held = e
        if run_n == policy.n_confirm:
            i = run[0]
            first = versions[version_of(versions, ring[i].ts)]
            gap_ts, gap_adv, gap_ms = open_gap(st, ring[i].ts, policy.max_gap)
            e0 = energy_micro(ring[i].reg, first)
            start_series(st, ring[i].ts, e0, reading_flags(ring[i].meta, old), first.series)
            st.gap_ts, st.gap_adv, st.gap_ms = gap_ts, gap_adv, gap_ms
            run, run_n = (0, 0), 0
            i += 1
    if not saved:
        settle(win, span, st, settled, run[0] if run_n else len(ring), length)
    mark_held(win, span, st, ring, run, versions, policy, old)
    if st.kind == POWER:
        hold_power(win, span, st, NEVER, versions, policy)
