"""What a reading does to its channel: segments, roll-over, reset, swap, hold -> energy booked into windows.

Rules (VEE of a cumulative register): against the last good reading R0, with `same_since` the first ts that showed R0's value and
bound = max_power x max(t1 - same_since, period): 0 <= rise <= 1.2 bound is good; modulus - R0 + R1 within [0, bound] is a roll-over;
else the reading is held. `n_confirm` consecutive held, non-decreasing readings start a new series at the first of them and the others are
judged again. The gap of a swap is booked at the mean rate of the segments that adjoin it. A known meter change closes and opens series by
its two values, as soon as a reading at or behind it is there. Nothing is dropped: held readings stay in the ring until they are decided.

The state machine is a HEAD record.
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
