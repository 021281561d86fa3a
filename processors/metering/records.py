"""The records of state.py as kernels see them. A test compares the fields: numpy's dtypes tell mypy none."""

from typing import Protocol

from zonepulse.processors.flow import Records


class Reading(Protocol):
    """READING."""

    ts: int
    reg: int
    meta: int


class Head(Protocol):
    """HEAD."""

    ts: int
    e: int
    same_since: int
    seg_adv: int
    seg_ms: int
    gap_ts: int
    gap_adv: int
    gap_ms: int
    win: int
    val: int
    rem: int
    est: int
    est_rem: int
    cov: int
    bits: int
    series: int
    kind: int
    marks: int


class ChannelState(Head, Protocol):
    """STATE."""

    since: int
    since_val: int
    since_rem: int
    since_est: int
    since_est_rem: int
    since_cov: int
    since_bits: int
    last: int
    last_e: int
    silence: int
    above: int
    above_r0: int
    shown: int
    resets: int
    fixed: int
    entries: int


class Channel(Protocol):
    """CHANNEL."""

    ring: int
    room: int
    held: int
    past: int
    notes: int
    first: int
    last: int
    old_first: int
    old_last: int
    min_new: int
    anchor: int
    passed: int
    retro: int


class Window(Protocol):
    """WINDOW."""

    val: int
    rem: int
    est: int
    est_rem: int
    cov: int
    bits: int
    bad_val: int
    bad_n: int


class Note(Protocol):
    """NOTE."""

    kind: int
    t0: int
    t1: int
    before: int
    value: int
    decider: int


class Policy(Protocol):
    """POLICY."""

    length: int
    tick: int
    delay: int
    lateness: int
    future: int
    max_gap: int
    tolerance: int
    n_confirm: int


class Span(Protocol):
    """SPAN."""

    origin: int
    n: int
    bound: int
    touched: int
    keep: int
    notes: int
    retro: int
    deep: int
    pending: int
    t0: int
    e0: int
    ts: int
    e: int
    period: int
    steps: int


Readings = Records[Reading]
Windows = Records[Window]
Notes = Records[Note]
