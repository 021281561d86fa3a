"""The journal of a cumulative channel: what was booked since a time from which it may have to be booked anew (state.STATE).

Two rules book anew behind what is settled: a register that was frozen, and a reset that is undone. While a register moves and no reset may
be undone, there is no journal, and a reading costs what it costs without one.
"""

from zonepulse.processors.flow import BIT_ESTIMATED, NEVER, UNSET
from zonepulse.processors.kernel import kernel
from zonepulse.processors.metering.records import ChannelState, Head, Reading, Readings, Span, Windows
from zonepulse.processors.metering.segments import book_segment, scaled
from zonepulse.processors.metering.state import PREFACE, RECORD, RESET_RECORD


@kernel
def anchor_of(st: ChannelState) -> int:
    """The earliest time whose booking the next reading in order may change, unless it books anew."""
    if st.kind < 0:
        return NEVER
    return min(st.ts, st.gap_ts)


@kernel
def close_journal(st: ChannelState) -> None:
    """Nothing is booked anew behind R0; no reset can be undone."""
    st.since, st.entries, st.fixed, st.resets = NEVER, 0, 0, 0


@kernel
def open_journal(win: Windows, span: Span, st: ChannelState, length: int) -> None:
    """Begin at R0, or at the swap gap that ends there, with what is booked in its window."""
    close_journal(st)
    st.since = anchor_of(st)
    st.since_val, st.since_rem, st.since_est, st.since_est_rem, st.since_cov, st.since_bits = 0, 0, 0, 0, 0, 0
    i = st.since // length - span.origin
    if 0 <= i < span.n:
        w = win[i]
        st.since_val, st.since_rem, st.since_est, st.since_est_rem = w.val, w.rem, w.est, w.est_rem
        st.since_cov, st.since_bits = w.cov, w.bits


@kernel
def journal_end(st: ChannelState, journal: Readings) -> int:
    """Where the last entry ends."""
    return journal[st.entries - 1].ts if st.entries > 0 else st.since


@kernel
def add_entry(st: ChannelState, journal: Readings, ts: int, amount: int, bits: int) -> None:
    """Append (ts, amount, bits), or let the last entry go on: a register that stands still needs one entry."""
    n = st.entries
    if n > st.fixed and amount == 0 and journal[n - 1].reg == 0 and journal[n - 1].meta == bits:
        journal[n - 1].ts = ts
        return
    entry = journal[n]
    entry.ts, entry.reg, entry.meta = ts, amount, bits
    st.entries = n + 1


@kernel
def journalise(st: ChannelState, journal: Readings, t0: int, t1: int, amount: int, bits: int) -> None:
    """Note a booking, if there is a journal. What is missing before it is a hole; a swap gap takes the hole's place."""
    if st.since == NEVER:
        return
    if t0 < journal_end(st, journal):
        st.entries, st.fixed = 0, 0
    if t0 > journal_end(st, journal):
        add_entry(st, journal, t0, 0, 0)
    add_entry(st, journal, t1, amount, bits)


@kernel
def record_reset(st: ChannelState, journal: Readings) -> None:
    """Keep R0, from which a reset departs."""
    if st.gap_ts != NEVER and st.entries == 0:
        add_entry(st, journal, st.ts, 0, 0)
    n = st.entries
    a, b, c, d = journal[n], journal[n + 1], journal[n + 2], journal[n + 3]
    a.ts, a.reg, a.meta = st.ts, st.e, RESET_RECORD
    b.ts, b.reg, b.meta = st.same_since, st.seg_adv, st.seg_ms
    c.ts, c.reg, c.meta = st.gap_ts, st.gap_adv, st.gap_ms
    d.ts, d.reg, d.meta = st.above_r0, st.shown, st.marks
    st.entries = st.fixed = n + RECORD
    st.resets += 1


@kernel
def find_record(st: ChannelState, journal: Readings, number: int) -> int:
    """Place of the record of a reset; `st.entries` if there is none."""
    i = 0
    while i < st.entries:
        if journal[i].meta == RESET_RECORD:
            if number == 0:
                return i
            number -= 1
            i += RECORD
        else:
            i += 1
    return i


@kernel
def rewind(win: Windows, span: Span, st: ChannelState, journal: Readings, begin: int, length: int) -> bool:
    """Take back what was booked behind `begin`, from journal and windows. False where that needs windows before the fold's first one."""
    if begin // length < span.origin:
        span.deep = min(span.deep, begin // length)
        return False
    span.retro = min(span.retro, begin)
    first = st.since // length - span.origin
    for i in range(max(first, 0), span.n):
        w = win[i]
        w.val, w.rem, w.est, w.est_rem, w.cov, w.bits = 0, 0, 0, 0, 0, 0
    if 0 <= first < span.n:
        w = win[first]
        w.val, w.rem, w.est, w.est_rem = st.since_val, st.since_rem, st.since_est, st.since_est_rem
        w.cov, w.bits = st.since_cov, st.since_bits
    rebook(win, span, st, journal, begin, length)
    return True


@kernel
def rebook(win: Windows, span: Span, st: ChannelState, journal: Readings, until: int, length: int) -> None:
    """Book the journal up to `until` and cut it there."""
    t, i, fixed = st.since, 0, 0
    while i < st.entries and t < until:
        entry = journal[i]
        if entry.meta == RESET_RECORD:
            i += RECORD
            fixed = i
            continue
        stop = min(entry.ts, until)
        if stop < entry.ts:
            entry.reg = scaled(entry.reg, stop - t, entry.ts - t)
            entry.ts = stop
        if entry.meta != 0:
            book_segment(win, span, length, t, stop, entry.reg, entry.meta)
        t = stop
        i += 1
    st.entries, st.fixed = i, fixed


@kernel
def drop_first(st: ChannelState, journal: Readings, n: int) -> None:
    """Remove the first `n` entries."""
    for i in range(n, st.entries):
        a, b = journal[i - n], journal[i]
        a.ts, a.reg, a.meta = b.ts, b.reg, b.meta
    st.entries -= n
    st.fixed = max(0, st.fixed - n)


@kernel
def absorb(st: ChannelState, entry: Reading, length: int) -> None:
    """Move the base to the end of the first entry."""
    t0, t1 = st.since, entry.ts
    w = t1 // length
    if w != t0 // length:
        st.since_val, st.since_rem, st.since_est, st.since_est_rem, st.since_cov, st.since_bits = 0, 0, 0, 0, 0, 0
    start = max(t0, w * length)
    if t1 > start and entry.meta != 0:
        amount = entry.reg - scaled(entry.reg, start - t0, t1 - t0)
        st.since_val += amount
        st.since_cov += t1 - start
        st.since_bits |= entry.meta
        if entry.meta & BIT_ESTIMATED:
            st.since_est += amount
    st.since = t1


@kernel
def trim(st: ChannelState, journal: Readings, limit: int, length: int) -> None:
    """Forget what lies before `limit`, a time behind which alone anything is booked anew."""
    while st.since < limit and st.entries > 0:
        first = journal[0]
        if first.meta == RESET_RECORD:
            if first.ts >= limit:
                return
            drop_first(st, journal, RECORD)
            st.resets -= 1
        elif first.ts <= limit:
            absorb(st, first, length)
            drop_first(st, journal, 1)
        else:
            edge = limit // length * length
            if first.reg == 0 and st.since < edge:
                st.since = edge
                st.since_val, st.since_rem, st.since_est, st.since_est_rem, st.since_cov, st.since_bits = 0, 0, 0, 0, 0, 0
            return


@kernel
def is_as_of_r0(st: ChannelState) -> bool:
    """Whether a HEAD alone says all of a STATE."""
    return st.since == NEVER and st.last == st.ts and st.silence <= st.ts and st.above == st.above_r0


@kernel
def unpack(st: ChannelState, head: Head, ring: Readings, past: int, journal: Readings) -> None:
    """The STATE of a head and of the front of its ring; its journal."""
    st.ts, st.e, st.same_since, st.seg_adv, st.seg_ms = head.ts, head.e, head.same_since, head.seg_adv, head.seg_ms
    st.gap_ts, st.gap_adv, st.gap_ms = head.gap_ts, head.gap_adv, head.gap_ms
    st.win, st.val, st.rem, st.est, st.est_rem = head.win, head.val, head.rem, head.est, head.est_rem
    st.cov, st.bits, st.series, st.kind, st.marks = head.cov, head.bits, head.series, head.kind, head.marks
    st.last, st.last_e, st.silence, st.above, st.above_r0, st.shown = head.ts, head.e, UNSET, 0, 0, 0
    close_journal(st)
    if past == 0:
        return
    a, b, c, d, e = ring[0], ring[1], ring[2], ring[3], ring[4]
    st.since, st.since_val, st.since_cov = a.ts, a.reg, a.meta
    st.since_est, st.since_rem, st.since_est_rem = b.ts, b.reg, b.meta
    st.since_bits, st.last, st.last_e = c.ts, c.reg, c.meta
    st.silence, st.above, st.above_r0 = d.ts, d.reg, d.meta
    st.shown, st.resets, st.fixed = e.ts, e.reg, e.meta
    st.entries = past - PREFACE
    for i in range(st.entries):
        to, of = journal[i], ring[PREFACE + i]
        to.ts, to.reg, to.meta = of.ts, of.reg, of.meta


@kernel
def pack_state(st: ChannelState, head: Head, ring: Readings, journal: Readings) -> None:
    """Store a STATE in a head and, where it needs one, a preface; the ring has room for it."""
    head.ts, head.e, head.same_since, head.seg_adv, head.seg_ms = st.ts, st.e, st.same_since, st.seg_adv, st.seg_ms
    head.gap_ts, head.gap_adv, head.gap_ms = st.gap_ts, st.gap_adv, st.gap_ms
    head.win, head.val, head.rem, head.est, head.est_rem = st.win, st.val, st.rem, st.est, st.est_rem
    head.cov, head.bits, head.series, head.kind, head.marks = st.cov, st.bits, st.series, st.kind, st.marks
    if is_as_of_r0(st):
        return
    a, b, c, d, e = ring[0], ring[1], ring[2], ring[3], ring[4]
    a.ts, a.reg, a.meta = st.since, st.since_val, st.since_cov
    b.ts, b.reg, b.meta = st.since_est, st.since_rem, st.since_est_rem
    c.ts, c.reg, c.meta = st.since_bits, st.last, st.last_e
    d.ts, d.reg, d.meta = st.silence, st.above, st.above_r0
    e.ts, e.reg, e.meta = st.shown, st.resets, st.fixed
    for i in range(st.entries):
        to, of = ring[PREFACE + i], journal[i]
        to.ts, to.reg, to.meta = of.ts, of.reg, of.meta


@kernel
def packed_entries(st: ChannelState) -> int:
    """Entries that `pack_state` puts into the ring."""
    return 0 if is_as_of_r0(st) else PREFACE + st.entries
