"""What a reading does to its channel: segments, roll-over, reset, swap, hold -> energy booked into windows.

Rules (VEE of a cumulative register, design §3), against the last good reading R0, with t* = the time since which it may have stood still
and bound(a, b) = max_power x max(b - a, period):

1. 0 <= rise <= 1.2 bound(t*, t1) is good; above 1.2 bound(t0, t1) the register was frozen: the reading waits for the next one.
2. modulus - R0 + R1 within [0, bound(t*, t1)] is a roll-over, after silence only up to a tenth of the modulus; frozen likewise.
3. where the register says so, a fall to at most half (after silence to nine tenths) is a reset to zero; it may be undone until its series
   has shown n_confirm different values.
4. else the reading is held; n_confirm consecutive ones of different values, each good against the one before, are a new series.

The gap of a swap is booked at the mean rate of the segments that adjoin it. A known meter change closes and opens series by its two values,
as soon as a reading at or behind it is there. Nothing is dropped: held readings stay in the ring until they are decided.

The state machine is a STATE record; `fold.py` runs it.
"""

from collections.abc import Sequence

from zonepulse.processors.channels.periods import period_begin
from zonepulse.processors.channels.table import CUMULATIVE, INTERVAL, MARGIN_MS_PER_HOUR, POWER
from zonepulse.processors.channels.version import Version, Versions
from zonepulse.processors.channels.versions import version_at, version_of
from zonepulse.processors.flow import (
    BIT_BRIDGED,
    BIT_CORRECTED,
    BIT_ESTIMATED,
    M_INTERPOLATED,
    M_INTERVAL,
    M_MANUAL,
    M_POWER,
    M_REGISTER,
    M_RESET,
    M_SENDER,
    M_SWAP_GAP,
    NEVER,
    Table,
)
from zonepulse.processors.kernel import kernel
from zonepulse.processors.metering.journal import close_journal, find_record, journalise, open_journal, record_reset, rewind
from zonepulse.processors.metering.records import ChannelState, Notes, Policy, Readings, Span, Windows
from zonepulse.processors.metering.segments import book_power, book_segment, scaled
from zonepulse.processors.metering.state import (
    CONFLICT,
    CONFLICT_NEW,
    CORRECTED,
    ESTIMATED,
    GONE,
    IMPOSSIBLE,
    MANUAL,
    MARK_MANUAL,
    NEW,
    NO_HOLD,
    TOO_LONG,
)

HELD, GOOD, FROZEN, ROLLED, ROLLED_FROZEN, RESET = range(6)
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
def energy_micro(reg: int, version: Version) -> int:
    """floor(reg * num / den); admission has checked the range."""
    if version.den == 1:
        return reg * version.num
    q = reg // version.den
    return q * version.num + (reg - q * version.den) * version.num // version.den


@kernel
def frozen_since(st: ChannelState, ts: int, max_gap: int) -> int:
    """t*: the time since which R0's value may have been an old one."""
    return min(st.ts, max(st.same_since, ts - max_gap))


@kernel
def is_good(st: ChannelState, ts: int, e: int, version: Version, max_gap: int) -> bool:
    """Rule 1, frozen or not."""
    ms = max(ts - frozen_since(st, ts, max_gap), version.period)
    return 0 <= e - st.e <= energy_within(version.power, ms, MARGIN_MS_PER_HOUR)


@kernel
def judge(st: ChannelState, ts: int, e: int, version: Version, max_gap: int) -> tuple[int, int]:
    """(verdict, advance) of a cumulative reading of the same series as R0."""
    rise, since = e - st.e, frozen_since(st, ts, max_gap)
    near = energy_within(version.power, max(ts - st.ts, version.period), MARGIN_MS_PER_HOUR)
    if 0 <= rise <= near:
        return GOOD, rise
    far_ms = max(ts - since, version.period)
    if 0 <= rise <= energy_within(version.power, far_ms, MARGIN_MS_PER_HOUR):
        return FROZEN, rise
    is_silent = st.silence > st.ts
    if version.modulus >= 0:
        advance = version.modulus + rise
        if 0 <= advance <= energy_within(version.power, far_ms, MS_PER_HOUR) and not (
            is_silent and advance > version.modulus // 10
        ):
            return (ROLLED, advance) if advance <= near else (ROLLED_FROZEN, advance)
    if version.on_reset == 1 and 0 <= e <= near:
        most = st.e - -(-st.e // 10) if is_silent else st.e // 2
        if e <= most:
            return RESET, e
    return HELD, 0


@kernel
def note_arrival(st: ChannelState, ts: int, e: int, is_joined: bool, version: Version) -> None:
    """An accepted reading, whatever becomes of it: silence before it, and whether its step is above max_power."""
    ms = ts - st.last
    if not is_joined and 2 * ms > 3 * version.period:
        st.silence = ts
    if abs(e - st.last_e) > energy_within(version.power, max(ms, version.period), MS_PER_HOUR):
        st.above += 1
    st.last, st.last_e = ts, e


@kernel
def add_note(span: Span, notes: Notes, kind: int, t0: int, t1: int, before: int, value: int, decider: int) -> None:
    """Remember what is worth an alert."""
    if span.notes < len(notes):
        n = notes[span.notes]
        n.kind, n.t0, n.t1, n.before, n.value, n.decider = kind, t0, t1, before, value, decider
        span.notes += 1


@kernel
def start_series(st: ChannelState, ts: int, e: int, flags: int, series: int) -> None:
    """R0 := this reading, with nothing before it."""
    st.ts, st.e, st.same_since = ts, e, ts
    st.seg_adv, st.seg_ms = 0, 0
    st.gap_ts = NEVER
    st.marks, st.series, st.kind = flags, series, CUMULATIVE
    st.above_r0, st.shown = st.above, 1
    close_journal(st)


@kernel
def swap_gap(st: ChannelState, ts: int, adv: int, ms: int, versions: Versions) -> int:
    """Energy of the pending gap before R0 whose first segment behind it is (adv, ms): the mean rate on both sides, at most max_power."""
    gap_ms, amount, total = st.ts - st.gap_ts, st.gap_adv + adv, st.gap_ms + ms
    most = energy_within(versions[version_of(versions, st.ts)].power, gap_ms, MS_PER_HOUR)
    if amount // total > most // gap_ms:
        return most
    return min(scaled(amount, gap_ms, total), most)


@kernel
def move_r0(st: ChannelState, ts: int, e: int, adv: int, ms: int, flags: int, n_confirm: int) -> None:
    """R0 := a good reading of the series, `adv` and `ms` of its segment (0, 0: not booked)."""
    if e != st.e:
        st.shown += 1
    if adv != 0:
        st.same_since = ts
        if st.resets == 0 or st.shown >= n_confirm:
            close_journal(st)
    st.gap_ts = NEVER
    st.seg_adv, st.seg_ms = adv if ms > 0 else 0, ms
    st.ts, st.e, st.marks = ts, e, flags
    st.above_r0 = st.above


@kernel
def accept(
    win: Windows, span: Span, st: ChannelState, journal: Readings, ts: int, e: int, adv: int, flags: int, decider: int,
    versions: Versions, version: Version, policy: Policy, notes: Notes,
) -> None:  # fmt: skip
    """Make a good cumulative reading R0: book its segment, and the pending swap gap if this is the first segment behind it; nothing that
    begins more than max_gap before `decider`."""
    ms = ts - st.ts
    if decider - st.ts > policy.max_gap:
        if adv == 0 and st.since == NEVER:
            st.gap_ts = NEVER
            open_journal(win, span, st, policy.length)
        add_note(span, notes, TOO_LONG, st.ts, ts, 0, adv, decider)
        move_r0(st, ts, e, adv, 0, flags, policy.n_confirm)
        return
    if st.gap_ts != NEVER:
        if decider - st.gap_ts <= policy.max_gap and st.ts > st.gap_ts:
            amount = swap_gap(st, ts, adv, ms, versions)
            bits = M_SWAP_GAP | BIT_ESTIMATED
            book_segment(win, span, policy.length, st.gap_ts, st.ts, amount, bits)
            journalise(st, journal, st.gap_ts, st.ts, amount, bits)
        st.gap_ts = NEVER
    if adv == 0 and st.since == NEVER:
        open_journal(win, span, st, policy.length)
    bits = M_REGISTER | segment_bits(flags | st.marks)
    if 2 * ms > 3 * min(version.period, policy.length):
        bits |= M_INTERPOLATED | BIT_ESTIMATED
    if 2 * ms > 3 * version.period:
        bits |= BIT_BRIDGED
    book_segment(win, span, policy.length, st.ts, ts, adv, bits)
    journalise(st, journal, st.ts, ts, adv, bits)
    move_r0(st, ts, e, adv, ms, flags, policy.n_confirm)


@kernel
def segment_bits(flags: int) -> int:
    """What the marks of its readings say of a segment."""
    bits = 0
    if flags & ESTIMATED:
        bits |= M_SENDER | BIT_ESTIMATED
    if flags & MARK_MANUAL:
        bits |= M_MANUAL
    if flags & CORRECTED:
        bits |= BIT_CORRECTED
    return bits


@kernel
def accept_frozen(
    win: Windows,
    span: Span,
    st: ChannelState,
    journal: Readings,
    ts: int,
    e: int,
    adv: int,
    flags: int,
    decider: int,
    policy: Policy,
    notes: Notes,
) -> bool:
    """Make a reading that waited R0: its advance is booked since the register stood still. False where the fold must begin earlier."""
    begin = min(st.ts, max(frozen_since(st, ts, policy.max_gap), decider - policy.max_gap))
    if decider - begin > policy.max_gap:
        add_note(span, notes, TOO_LONG, begin, ts, 0, adv, decider)
        move_r0(st, ts, e, adv, 0, flags, policy.n_confirm)
        return True
    if begin < st.ts and not rewind(win, span, st, journal, begin, policy.length):
        return False
    bits = M_REGISTER | M_INTERPOLATED | BIT_ESTIMATED | BIT_BRIDGED | segment_bits(flags | st.marks)
    book_segment(win, span, policy.length, begin, ts, adv, bits)
    journalise(st, journal, begin, ts, adv, bits)
    move_r0(st, ts, e, adv, ts - begin, flags, policy.n_confirm)
    return True


@kernel
def accept_reset(
    win: Windows, span: Span, st: ChannelState, journal: Readings, ts: int, e: int, flags: int, policy: Policy, notes: Notes
) -> None:
    """A new series that began at 0 somewhere since R0; it may be undone until it has shown n_confirm different values."""
    if ts - st.ts > policy.max_gap:
        add_note(span, notes, TOO_LONG, st.ts, ts, 0, e, ts)
        start_series(st, ts, e, flags, st.series)
        return
    if st.since == NEVER:
        open_journal(win, span, st, policy.length)
    record_reset(st, journal)
    bits = M_RESET | BIT_ESTIMATED
    book_segment(win, span, policy.length, st.ts, ts, e, bits)
    journalise(st, journal, st.ts, ts, e, bits)
    st.ts, st.e, st.same_since, st.marks = ts, e, ts, flags
    st.seg_adv, st.seg_ms, st.gap_ts = 0, 0, NEVER
    st.above_r0, st.shown = st.above, 1
    if policy.n_confirm <= 1:
        close_journal(st)


@kernel
def fitting_reset(st: ChannelState, journal: Readings, ts: int, e: int, is_change: bool, version: Version, max_gap: int) -> int:
    """The first reset that a reading (or the old value of a meter change) undoes, -1 if none: it goes on from that R0, not from this."""
    if is_good(st, ts, e, version, max_gap):
        return -1
    for k in range(st.resets):
        i = find_record(st, journal, k)
        t0, rise = journal[i].ts, e - journal[i].reg
        if ts - t0 > max_gap or rise < 0:
            continue
        since = min(t0, max(journal[i + 1].ts, ts - max_gap))
        if is_change or rise <= energy_within(version.power, max(ts - since, version.period), MARGIN_MS_PER_HOUR):
            return k
    return -1


@kernel
def undo_reset(win: Windows, span: Span, st: ChannelState, journal: Readings, number: int, length: int) -> bool:
    """R0 is again what it was before a reset. False where the fold must begin earlier."""
    i = find_record(st, journal, number)
    a, b, c, d = journal[i], journal[i + 1], journal[i + 2], journal[i + 3]
    if not rewind(win, span, st, journal, a.ts, length):
        return False
    st.ts, st.e, st.same_since, st.seg_adv, st.seg_ms = a.ts, a.reg, b.ts, b.reg, b.meta
    st.gap_ts, st.gap_adv, st.gap_ms = c.ts, c.reg, c.meta
    st.above_r0, st.shown, st.marks = d.ts, d.reg, d.meta
    st.resets = number
    return True


@kernel
def open_gap(st: ChannelState, ts: int, period: int) -> tuple[int, int, int]:
    """The swap gap that a new series at `ts` leaves behind, (start, advance, duration of the segment before); start NEVER = none booked."""
    if st.seg_ms > 0 and 2 * (ts - st.ts) <= 3 * period:
        return st.ts, st.seg_adv, st.seg_ms
    return NEVER, 0, 0


@kernel
def hold_power(win: Windows, span: Span, st: ChannelState, until: int, versions: Versions, policy: Policy) -> None:
    """Book the last power sample until the next one, at most 1.5 periods, and never beyond its validity."""
    v = version_of(versions, st.ts)
    if v < 0:
        return
    end = min(until, st.ts + versions[v].period * 3 // 2, versions[v].valid_to)
    book_power(win, span, policy.length, st.ts, end, st.e, M_POWER | segment_bits(st.marks))


@kernel
def mark_bad(win: Windows, span: Span, w: int, value: int) -> None:
    """Remember a reading that is not booked in its window, for the detectors."""
    i = w - span.origin
    if 0 <= i < span.n:
        win[i].bad_n += 1
        win[i].bad_val = value


@kernel
def is_visible(meta: int, old: bool) -> bool:
    """Whether a reading is in the old view (rows last made) or in the present one."""
    return (meta & NEW) == 0 if old else (meta & GONE) == 0


@kernel
def reading_flags(meta: int, old: bool) -> int:
    """ESTIMATED, CORRECTED and MARK_MANUAL of a reading; a conflict of its key is a correction."""
    flags = meta & (ESTIMATED | CORRECTED)
    if meta & MANUAL:
        flags |= MARK_MANUAL
    if meta & CONFLICT or (not old and meta & CONFLICT_NEW):
        flags |= CORRECTED
    return flags


@kernel
def is_impossible(e: int, begin: int, ts: int, version: Version) -> bool:
    """Whether a value of power, or of the energy of the period [begin, ts), is never booked."""
    if version.kind == POWER:
        return e < 0 or e > 6 * version.power // 5
    return e < 0 or e > energy_within(version.power, ts - begin, MARGIN_MS_PER_HOUR)


@kernel
def fold_interval(
    win: Windows,
    span: Span,
    st: ChannelState,
    ts: int,
    e: int,
    meta: int,
    flags: int,
    version: Version,
    clock: Table,
    policy: Policy,
) -> None:
    """Book the energy of the period that ends at `ts`, unless it is impossible."""
    if meta & IMPOSSIBLE:
        mark_bad(win, span, (ts - 1) // policy.length, e)
    else:
        bits = M_INTERVAL | segment_bits(flags)
        if version.period > policy.length:
            bits |= M_INTERPOLATED | BIT_ESTIMATED
        book_segment(win, span, policy.length, period_begin(clock, version, ts), ts, e, bits)
    st.ts, st.kind = ts, INTERVAL
    st.gap_ts = NEVER


@kernel
def fold_power(
    win: Windows, span: Span, st: ChannelState, ts: int, p: int, meta: int, flags: int, versions: Versions, policy: Policy
) -> None:
    """A power sample ends the hold before it; after an impossible one nothing is held."""
    if st.kind == POWER:
        hold_power(win, span, st, ts, versions, policy)
    if meta & IMPOSSIBLE:
        mark_bad(win, span, ts // policy.length, p)
    st.ts, st.e, st.marks, st.kind = ts, p, flags, NO_HOLD if meta & IMPOSSIBLE else POWER
    st.gap_ts = NEVER


@kernel
def fold_change(
    win: Windows,
    span: Span,
    st: ChannelState,
    journal: Readings,
    change: Sequence[int],
    versions: Versions,
    policy: Policy,
    notes: Notes,
) -> bool:
    """A known meter change (at, old, new value): the old one closes the series whatever max_power says, the new one opens the next. False
    where the fold must begin earlier."""
    at = change[0]
    v = version_of(versions, at)
    if v >= 0 and st.kind == CUMULATIVE and versions[v].series == st.series and st.ts < at:
        if st.resets > 0:
            k = fitting_reset(st, journal, at, change[1], True, versions[v], policy.max_gap)
            if k >= 0 and not undo_reset(win, span, st, journal, k, policy.length):
                return False
        rise = change[1] - st.e
        advance = rise if rise >= 0 or versions[v].modulus < 0 else versions[v].modulus + rise
        if advance >= 0:
            accept(win, span, st, journal, at, change[1], advance, 0, at, versions, versions[v], policy, notes)
    after = version_at(versions, at)
    start_series(st, at, change[2], 0, versions[after if after >= 0 else v].series)
    st.last, st.last_e = at, change[2]
    return True
