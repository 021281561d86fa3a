"""The fold of one channel: readings in ts order -> segments, roll-over, reset, swap, hold -> energy booked into windows.

Rules (VEE of a cumulative register): against the last good reading R0, with `same_since` the first ts that showed R0's value and
bound = max_power x max(t1 - same_since, period): 0 <= rise <= 1.2 bound is good; modulus - R0 + R1 within [0, bound] is a roll-over;
else the reading is held. `n_confirm` consecutive held, non-decreasing readings start a new series at the first of them and the others are
judged again. The gap of a swap is booked at the mean rate of the segments that adjoin it. A known meter change closes and opens series by
its two values, as soon as a reading at or behind it is there. Nothing is dropped: held readings stay in the ring until they are decided.

The state machine is a HEAD record; the fold starts from what is settled and runs over the ring.
"""

from typing import Any

from zonepulse.processors.channels import CUMULATIVE, INTERVAL, POWER
from zonepulse.processors.kernel import kernel
from zonepulse.processors.layout import (
    BIT_CORRECTED,
    BIT_ESTIMATED,
    CONFLICT,
    CONFLICT_NEW,
    CORRECTED,
    ESTIMATED,
    GONE,
    M_INTERPOLATED,
    M_INTERVAL,
    M_POWER,
    M_REGISTER,
    M_SENDER,
    M_SWAP_GAP,
    NEVER,
    NEW,
)
from zonepulse.processors.segments import book_power, book_segment, scaled

HELD, GOOD = 0, 1
MARGIN_MS_PER_HOUR = 3_000_000
"""1.2 x power x ms / 3.6e6 = power x ms / 3e6."""
MS_PER_HOUR = 3_600_000
_LIMIT = 1 << 62
STEADY_RISE, STEADY_MS = 1 << 40, 4_320_000
"""Below these, times 3e6 and times any max_power, nothing overflows (the registry checks max_power x 4.32e6)."""
UNUSUAL = ESTIMATED | CORRECTED | CONFLICT | GONE | CONFLICT_NEW
OLD_UNUSUAL = ESTIMATED | CORRECTED | CONFLICT | NEW | CONFLICT_NEW
"""Readings with one of these are invisible in their view, or marked."""


@kernel
def energy_within(power: int, ms: int, per: int) -> int:
    """floor(power * ms / per) for power < 2**62 / 4.32e6, saturated at 2**62."""
    q = ms // per
    if power > 0 and q > _LIMIT // power // 2:
        return _LIMIT
    return power * q + power * (ms - q * per) // per


@kernel
def version_at(versions: Any, ts: int) -> int:
    """Position of the version valid at `ts`, -1 if none."""
    for v in range(len(versions)):
        if versions[v].valid_from <= ts < versions[v].valid_to:
            return v
    return -1


@kernel
def version_of(versions: Any, ts: int) -> int:
    """The version that answers a reading stamped `ts`: on a validity edge a power sample begins the later, others end the earlier."""
    for v in range(len(versions)):
        if versions[v].valid_from < ts < versions[v].valid_to:
            return v
    v = version_at(versions, ts)
    if v >= 0 and (versions[v].kind == POWER or versions[v].valid_from < ts):
        return v
    before = version_at(versions, ts - 1)
    return before if before >= 0 else v


@kernel
def energy_micro(reg: int, version: Any) -> int:
    """floor(reg * num / den); admission has checked the range."""
    if version.den == 1:
        return reg * version.num
    q = reg // version.den
    return q * version.num + (reg - q * version.den) * version.num // version.den


@kernel
def judge(st: Any, ts: int, e: int, version: Any) -> tuple[int, int]:
    """(GOOD, advance) or (HELD, 0) for a cumulative reading of the same series as R0."""
    rise = e - st.e
    if version.power < 0:
        return (GOOD, rise) if rise >= 0 else (HELD, 0)
    ms = max(ts - st.same_since, version.period)
    if 0 <= rise <= energy_within(version.power, ms, MARGIN_MS_PER_HOUR):
        return GOOD, rise
    if version.modulus >= 0:
        advance = version.modulus + rise
        if 0 <= advance <= energy_within(version.power, ms, MS_PER_HOUR):
            return GOOD, advance
    return HELD, 0


@kernel
def start_series(st: Any, ts: int, e: int, flags: int, series: int) -> None:
    """R0 := this reading, with nothing before it."""
    st.ts, st.e, st.same_since = ts, e, ts
    st.seg_adv, st.seg_ms = 0, 0
    st.gap_ts = NEVER
    st.marks, st.series, st.kind = flags, series, CUMULATIVE


@kernel
def open_gap(st: Any, ts: int, max_gap: int) -> tuple[int, int, int]:
    """The swap gap that a new series at `ts` leaves behind, (start, advance, duration of the segment before); start NEVER = none booked."""
    if 0 < st.seg_ms <= max_gap and ts - st.ts <= max_gap:
        return st.ts, st.seg_adv, st.seg_ms
    return NEVER, 0, 0


@kernel
def accept(win: Any, span: Any, st: Any, ts: int, e: int, adv: int, flags: int, version: Any, policy: Any, gaps: Any) -> None:
    """Make a good cumulative reading R0: book its segment, and the pending swap gap if this is the first segment behind it."""
    ms = ts - st.ts
    if 0 < ms <= policy.max_gap:
        bits = M_REGISTER
        either = flags | st.marks
        if either & ESTIMATED:
            bits |= M_SENDER | BIT_ESTIMATED
        if 2 * ms > 3 * min(version.period, policy.length):
            bits |= M_INTERPOLATED | BIT_ESTIMATED
        if either & CORRECTED:
            bits |= BIT_CORRECTED
        book_segment(win, span, policy.length, st.ts, ts, adv, bits)
        if st.gap_ts != NEVER:
            amount = scaled(st.gap_adv + adv, st.ts - st.gap_ts, st.gap_ms + ms)
            book_segment(win, span, policy.length, st.gap_ts, st.ts, amount, M_SWAP_GAP | BIT_ESTIMATED)
    elif ms > policy.max_gap and span.gaps < len(gaps):
        gaps[span.gaps].t0, gaps[span.gaps].t1, gaps[span.gaps].adv = st.ts, ts, adv
        span.gaps += 1
    st.gap_ts = NEVER
    if adv != 0:
        st.same_since = ts
    st.seg_adv, st.seg_ms = adv, ms
    st.ts, st.e, st.marks = ts, e, flags


@kernel
def hold_power(win: Any, span: Any, st: Any, until: int, versions: Any, policy: Any) -> None:
    """Book the last power sample until the next one, at most 1.5 periods, and never beyond its validity."""
    v = version_of(versions, st.ts)
    if v < 0:
        return
    end = min(until, st.ts + versions[v].period * 3 // 2, versions[v].valid_to)
    bits = M_POWER
    if st.marks & ESTIMATED:
        bits |= M_SENDER | BIT_ESTIMATED
    if st.marks & CORRECTED:
        bits |= BIT_CORRECTED
    book_power(win, span, policy.length, st.ts, end, st.e, bits)


@kernel
def mark_bad(win: Any, span: Any, w: int, value: int, backwards: bool) -> None:
    """Remember a reading that is not booked in its window, for the detectors."""
    i = w - span.origin
    if 0 <= i < span.n:
        if backwards:
            win[i].back_n += 1
            win[i].back_val = value
        else:
            win[i].bad_n += 1
            win[i].bad_val = value


@kernel
def mark_held(win: Any, span: Any, st: Any, ring: Any, run: Any, versions: Any, policy: Any, old: bool) -> None:
    """The held readings ring[run[0]:run[1]] are not booked: a drop of at most bound runs backwards, everything else is impossible."""
    for i in range(run[0], run[1]):
        if not is_visible(ring[i].meta, old):
            continue
        version = versions[version_of(versions, ring[i].ts)]
        e = energy_micro(ring[i].reg, version)
        drop = st.e - e
        ms = max(ring[i].ts - st.same_since, version.period)
        backwards = version.power >= 0 and 0 < drop <= energy_within(version.power, ms, MS_PER_HOUR)
        mark_bad(win, span, (ring[i].ts - 1) // policy.length, e, backwards)


@kernel
def is_visible(meta: int, old: bool) -> bool:
    """Whether a reading is in the old view (rows last made) or in the present one."""
    return (meta & NEW) == 0 if old else (meta & GONE) == 0


@kernel
def reading_flags(meta: int, old: bool) -> int:
    """ESTIMATED and CORRECTED of a reading; a conflict of its key is a correction."""
    flags = meta & (ESTIMATED | CORRECTED)
    if meta & CONFLICT or (not old and meta & CONFLICT_NEW):
        flags |= CORRECTED
    return flags


@kernel
def fold_interval(win: Any, span: Any, st: Any, ts: int, e: int, flags: int, version: Any, policy: Any) -> None:
    """Book the energy of the period that ends at `ts`, unless it is impossible."""
    if e < 0 or (version.power >= 0 and e > energy_within(version.power, version.period, MARGIN_MS_PER_HOUR)):
        mark_bad(win, span, (ts - 1) // policy.length, e, False)
    else:
        bits = M_INTERVAL
        if flags & ESTIMATED:
            bits |= M_SENDER | BIT_ESTIMATED
        if version.period > policy.length:
            bits |= M_INTERPOLATED | BIT_ESTIMATED
        if flags & CORRECTED:
            bits |= BIT_CORRECTED
        book_segment(win, span, policy.length, ts - version.period, ts, e, bits)
    st.ts, st.kind = ts, INTERVAL
    st.gap_ts = NEVER


@kernel
def fold_power(win: Any, span: Any, st: Any, ts: int, p: int, flags: int, versions: Any, v: int, policy: Any) -> None:
    """A power sample ends the hold before it; an impossible one is absent."""
    if p < 0 or (versions[v].power >= 0 and p > 6 * versions[v].power // 5):
        mark_bad(win, span, ts // policy.length, p, False)
        return
    if st.kind == POWER:
        hold_power(win, span, st, ts, versions, policy)
    st.ts, st.e, st.marks, st.kind = ts, p, flags, POWER
    st.gap_ts = NEVER


@kernel
def fold_change(win: Any, span: Any, st: Any, change: Any, versions: Any, policy: Any, gaps: Any) -> None:
    """A known meter change (at, old, new value): the old one closes the series whatever max_power says, the new one opens the next."""
    at = change[0]
    v = version_of(versions, at)
    if v >= 0 and st.kind == CUMULATIVE and versions[v].series == st.series and st.ts < at:
        rise = change[1] - st.e
        advance = rise if rise >= 0 or versions[v].modulus < 0 else versions[v].modulus + rise
        if advance >= 0:
            accept(win, span, st, at, change[1], advance, 0, versions[v], policy, gaps)
    after = version_at(versions, at)
    start_series(st, at, change[2], 0, versions[after if after >= 0 else v].series)


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
