"""Memory layout of a partition's state and of its output rows: array-of-structs, integers only.

Times are epoch milliseconds, energies micro-units after the multiplier, windows are numbered `ts // length` (UTC grid).
Arrays of these dtypes are `np.recarray`s, so that kernels and plain Python read the same field names.
"""

from typing import Final

import numpy as np

from zonepulse.processors.flow import NEVER, UNSET, Rows, new_rows

# --- readings -------------------------------------------------------------------------------------------------------------------
READING: Final = np.dtype([("ts", "i8"), ("reg", "i8"), ("meta", "i8")])
"""`reg` is the integer register before the multiplier; `meta` = (seq + 1) << 8 | flags; of a period also
(1 + position of its version) << VERSION_SHIFT."""
ESTIMATED, CORRECTED, CONFLICT, NEW, GONE, CONFLICT_NEW, IMPOSSIBLE, JOINED = 1, 2, 4, 8, 16, 32, 64, 128
"""Sender says estimated, corrected; another integer register existed for the key; arrived since the channel's rows were last made;
superseded since then (kept for the old view); the conflict arrived since then; a power or interval value that is never booked (at one
ts before the possible one); of equal held readings the last that is kept, with no silence since the one before it."""
MANUAL: Final = 1 << 47
"""Given by somebody; ESTIMATED as well."""
MARK_MANUAL: Final = 4
"""The same in `marks`, whose other bits are ESTIMATED and CORRECTED."""

# --- a channel's state ------------------------------------------------------------------------------------------------------------
HEAD: Final = np.dtype(
    [
        ("ts", "i8"),  # last good reading R0 (power: last sample; interval: end of the last period)
        ("e", "i8"),
        ("same_since", "i8"),  # first ts that showed R0's value
        ("seg_adv", "i8"),  # last segment of the series: advance and duration, duration 0 = none
        ("seg_ms", "i8"),
        ("gap_ts", "i8"),  # pending swap gap: its start, advance and duration of the segment before it; NEVER = none
        ("gap_adv", "i8"),
        ("gap_ms", "i8"),
        ("win", "i8"),  # the window that may still grow (holds the pending gap's start, else R0) and what is booked in it
        ("val", "i8"),
        ("rem", "i8"),
        ("est", "i8"),
        ("est_rem", "i8"),
        ("cov", "i8"),
        ("bits", "i4"),
        ("series", "i4"),
        ("kind", "i4"),
        ("marks", "i4"),
    ]
)
"""What is settled: nothing that can still arrive changes it, but where a journal says so. `kind` -1 = nothing yet, 3 = a power channel
whose last sample was impossible."""
NO_HOLD: Final = 3
STATE: Final = np.dtype(
    [
        *HEAD.descr,
        ("since", "i8"),  # where the journal begins, NEVER = there is none; and what was booked in its window until then
        ("since_val", "i8"),
        ("since_rem", "i8"),
        ("since_est", "i8"),
        ("since_est_rem", "i8"),
        ("since_cov", "i8"),
        ("since_bits", "i8"),
        ("last", "i8"),  # the last accepted reading, good or not
        ("last_e", "i8"),
        ("silence", "i8"),  # the last reading that came after silence
        ("above", "i8"),  # steps above max_power, in all and up to R0
        ("above_r0", "i8"),
        ("shown", "i8"),  # different values that the series has shown
        ("resets", "i8"),  # resets that may still be undone
        ("fixed", "i8"),  # journal entries up to and with the last reset's record
        ("entries", "i8"),  # of the journal
    ]
)
"""A HEAD while it is folded. The *journal* lists what was booked since `since`: since R0 first showed its value (a register that was frozen
is booked anew from there) or since the first reset that may be undone. An entry is a READING (t1, amount, bits) that begins where the one
before it ends, bits 0 = nothing booked there; a reset's record stands before its entry: RECORD entries, the first with meta RESET_RECORD.
"""
RESET_RECORD: Final = -1
RECORD: Final = 4
"""(t0, E0, RESET_RECORD), (same_since, seg_adv, seg_ms), (gap_ts, gap_adv, gap_ms), (above_r0, shown, marks)."""
PREFACE: Final = 5
"""Entries at the front of a ring that hold what STATE adds to HEAD, where that is not as of R0; the journal follows them."""
CHANNEL: Final = np.dtype(
    [
        ("ring", "i8"),  # first reading in the pool
        ("room", "i4"),
        ("held", "i4"),  # entries in the ring: readings, and before them
        ("past", "i4"),  # those of the preface and the journal
        ("notes", "i4"),  # notes of the fold when rows were last made
        ("first", "i8"),  # start of what the first accepted reading covers, ts of the last
        ("last", "i8"),
        ("old_first", "i8"),  # the same when rows were last made
        ("old_last", "i8"),
        ("min_new", "i8"),  # earliest start of coverage that arrived since
        ("anchor", "i8"),  # a reading in order changes nothing before this
        ("passed", "i8"),  # ts of the last reading that has left the ring
        ("retro", "i8"),  # earliest start of what readings of the ring booked anew when rows were last made
    ]
)
CHUNK_CHANNELS: Final = 1024
"""Channels of one chunk of a snapshot."""

# --- work space and output --------------------------------------------------------------------------------------------------------
WINDOW: Final = np.dtype(
    [
        ("val", "i8"),
        ("rem", "i8"),  # numerator over 3.6e6 of what power samples left over
        ("est", "i8"),
        ("est_rem", "i8"),
        ("cov", "i8"),
        ("bits", "i8"),
        ("bad_val", "i8"),
        ("bad_n", "i8"),
    ]
)
TOO_LONG, ANEW = range(2)
NOTE: Final = np.dtype([("kind", "i8"), ("t0", "i8"), ("t1", "i8"), ("before", "i8"), ("value", "i8"), ("decider", "i8")])
"""What a fold found: a gap that is TOO_LONG and its advance, a series that begins ANEW without a record and both values."""
POLICY: Final = np.dtype(
    [
        ("length", "i8"),
        ("tick", "i8"),
        ("delay", "i8"),
        ("lateness", "i8"),
        ("future", "i8"),
        ("max_gap", "i8"),
        ("tolerance", "i8"),
        ("n_confirm", "i8"),
    ]
)
NOTHING_PENDS, WAITS, IS_HELD = 0, 1, 2
SPAN: Final = np.dtype(
    [
        ("origin", "i8"),
        ("n", "i8"),
        ("bound", "i8"),
        ("touched", "i8"),
        ("keep", "i8"),
        ("notes", "i8"),
        ("retro", "i8"),
        ("deep", "i8"),
        ("pending", "i8"),
        ("t0", "i8"),
        ("e0", "i8"),
        ("ts", "i8"),
        ("e", "i8"),
        ("period", "i8"),
        ("steps", "i8"),
    ]
)
"""One fold: in: first window, windows, settle bound; out: first window that what is new may have changed, first reading that stays in the
ring, notes, earliest start of what was booked anew, an earlier `origin` that the fold needs (it stopped; NEVER = it did not). The rest is
of the end: what is not decided (NOTHING_PENDS, WAITS, IS_HELD), R0 and the last such reading."""


def empty_heads(n: int) -> Rows:
    """Heads of channels that have seen nothing."""
    heads = new_rows(HEAD, n)
    heads.kind = -1
    heads.gap_ts = NEVER
    return heads


def empty_channels(n: int) -> Rows:
    """Channels without a reading."""
    channels = new_rows(CHANNEL, n)
    channels.first = channels.old_first = channels.min_new = channels.anchor = NEVER
    channels.last = channels.old_last = channels.passed = UNSET
    channels.retro = NEVER
    return channels
