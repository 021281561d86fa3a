"""Memory layout of a partition's state and of its output rows: array-of-structs, integers only.

Times are epoch milliseconds, energies micro-units after the multiplier, windows are numbered `ts // length` (UTC grid).
Arrays of these dtypes are `np.recarray`s, so that kernels and plain Python read the same field names.
"""

from typing import Any, Final

import numpy as np

Records = Any
"""A numpy record array (np.recarray): fields by attribute, which mypy cannot know."""

NEVER: Final = 1 << 62
"""A time or window that does not come."""
UNSET: Final = -(1 << 62)

# --- readings -------------------------------------------------------------------------------------------------------------------
READING: Final = np.dtype([("ts", "i8"), ("reg", "i8"), ("meta", "i8")])
"""`reg` is the integer register before the multiplier; `meta` = (seq + 1) << 8 | flags."""
ESTIMATED, CORRECTED, CONFLICT, NEW, GONE, CONFLICT_NEW = 1, 2, 4, 8, 16, 32
"""Sender says estimated, corrected; another integer register existed for the key; arrived since the channel's rows were last made;
superseded since then (kept for the old view); the conflict arrived since then."""

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
"""What is settled: nothing that can still arrive changes it. `kind` -1 = nothing yet."""
CHANNEL: Final = np.dtype(
    [
        ("ring", "i8"),  # first reading in the pool
        ("room", "i4"),
        ("held", "i4"),  # readings in the ring
        ("first", "i8"),  # start of what the first accepted reading covers, ts of the last
        ("last", "i8"),
        ("old_first", "i8"),  # the same when rows were last made
        ("old_last", "i8"),
        ("min_new", "i8"),  # earliest start of coverage that arrived since
        ("anchor", "i8"),  # a reading in order changes nothing before this
    ]
)
DETECTOR: Final = np.dtype(
    [
        ("next_win", "i8"),  # next window to judge
        ("tick", "i8"),  # tick of the last judgement
        ("judged", "i8"),
        ("silent_run", "i8"),
        ("silent_start", "i8"),
        ("stuck_val", "i8"),
        ("stuck_start", "i8"),
        ("stuck_run", "i4"),
        ("stuck_longest", "i4"),
        ("impossible_start", "i8"),  # start of the alert while raised, else UNSET; then value and readings it was raised with
        ("impossible_val", "i8"),
        ("backwards_start", "i8"),  # the same
        ("backwards_val", "i8"),
        ("impossible_n", "i4"),
        ("backwards_n", "i4"),
        ("silent_on", "i4"),
        ("stuck_on", "i4"),
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
        ("bad_n", "i4"),
        ("back_n", "i4"),
        ("back_val", "i8"),
    ]
)
BIT_ESTIMATED, BIT_CORRECTED = 1 << 8, 1 << 9
"""Bits 1 to 6 of `bits` say which methods (schemas.results.METHODS) have a part in the window."""
M_REGISTER, M_INTERVAL, M_POWER, M_SENDER, M_INTERPOLATED, M_SWAP_GAP = 2, 4, 8, 16, 32, 64

ROW: Final = np.dtype(
    [
        ("channel", "i8"),
        ("version", "i8"),
        ("start", "i8"),
        ("val", "i8"),
        ("est", "i8"),
        ("cov", "i8"),  # 0 = missing: value null
        ("revision", "i8"),
        ("was_val", "i8"),
        ("was_est", "i8"),
        ("was_cov", "i8"),
        ("bits", "i8"),
    ]
)
TRANSITION: Final = np.dtype(
    [
        ("channel", "i8"),
        ("rule", "i8"),
        ("raised", "i8"),  # 1 raised, 0 resolved
        ("starts_at", "i8"),
        ("ends_at", "i8"),  # UNSET = open
        ("value", "i8"),  # UNSET = none
        ("count", "i8"),
        ("tick", "i8"),
    ]
)
GAP: Final = np.dtype([("t0", "i8"), ("t1", "i8"), ("adv", "i8")])
METER_RULES: Final = ("silent_channel", "stuck", "impossible_value", "register_backwards", "gap_too_long")
SILENT, STUCK, IMPOSSIBLE, BACKWARDS, GAP_TOO_LONG = 0, 1, 2, 3, 4

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
SPAN: Final = np.dtype(
    [("origin", "i8"), ("n", "i8"), ("bound", "i8"), ("first", "i8"), ("touched", "i8"), ("keep", "i8"), ("gaps", "i8")]
)
"""One fold: in: first window, windows, settle bound, start of the channel's coverage; out: first window that what is new may have
changed, first reading that stays in the ring, long gaps found."""


def records(dtype: np.dtype[Any], n: int = 1) -> Records:
    """`n` zeroed records."""
    return np.zeros(n, dtype).view(np.recarray)


def empty_heads(n: int) -> Records:
    """Heads of channels that have seen nothing."""
    heads = records(HEAD, n)
    heads.kind = -1
    heads.gap_ts = NEVER
    return heads


def empty_channels(n: int) -> Records:
    """Channels without a reading."""
    channels = records(CHANNEL, n)
    channels.first = channels.old_first = channels.min_new = channels.anchor = NEVER
    channels.last = channels.old_last = UNSET
    return channels


def empty_detectors(n: int) -> Records:
    """Detectors that have judged nothing."""
    detectors = records(DETECTOR, n)
    detectors.next_win = detectors.tick = detectors.impossible_start = detectors.backwards_start = UNSET
    return detectors
