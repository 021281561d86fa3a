"""Meter-level rules, judged window by window: silent_channel, stuck, impossible_value; and register_held.

schemas/messages/alerts.py is their contract.

Each function takes a DETECTOR record and one judged window and writes transitions; a window is judged once, in order of time.
"""

from typing import Any, Final

import numpy as np

from zonepulse.processors.flow import BIT_ESTIMATED, IMPOSSIBLE_VALUE, NEVER, REGISTER_HELD, SILENT, STUCK, UNSET, Rows, new_rows
from zonepulse.processors.kernel import kernel

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
        ("held_start", "i8"),  # the same; then R0, the held value, the time between and the steps above max_power
        ("held_from", "i8"),
        ("held_val", "i8"),
        ("held_ms", "i8"),
        ("held_steps", "i8"),
        ("impossible_n", "i8"),
        ("silent_on", "i4"),
        ("stuck_on", "i4"),
    ]
)
DAY_MS = 86_400_000
STUCK_WINDOWS = 6
SILENT_PERIODS = 3


@kernel
def emit(
    out: Any,
    channel: int,
    rule: int,
    raised: int,
    span: tuple[int, int],
    tick: int,
    value: int,
    count: int,
    before: int = 0,
    ms: int = 0,
) -> None:
    """Append a transition of a channel over `span` = (starts_at, ends_at); `value` UNSET = none."""
    t = out.transitions[out.used[1]]
    out.used[1] += 1
    t.channel = channel
    t.rule, t.raised, t.starts_at, t.ends_at, t.tick = rule, raised, span[0], span[1], tick
    t.value, t.count, t.before, t.ms = value, count, before, ms


@kernel
def judge_silence(det: Any, covered: bool, start: int, period: int, length: int, out: Any, channel: int, tick: int) -> None:
    """`n` = ceil(3 periods / length) uncovered windows in a row."""
    needed = max(1, -(-SILENT_PERIODS * period // length))
    if covered:
        if det.silent_on:
            emit(out, channel, SILENT, 0, (det.silent_start, start), tick, UNSET, det.silent_on)
        det.silent_run = 0
        det.silent_on = 0
        return
    if det.silent_run == 0:
        det.silent_start = start
    det.silent_run += 1
    if not det.silent_on and det.silent_run >= needed:
        emit(out, channel, SILENT, 1, (det.silent_start, UNSET), tick, UNSET, needed)
        det.silent_on = needed


@kernel
def judge_stuck(det: Any, value: int, start: int, length: int, out: Any, channel: int, tick: int) -> None:
    """A run of equal, fully measured windows reaches max(6, 2 x the longest run before)."""
    if det.stuck_run > 0 and value == det.stuck_val:
        det.stuck_run += 1
    else:
        if det.stuck_on:
            emit(out, channel, STUCK, 0, (det.stuck_start, start), tick, det.stuck_val, det.stuck_on)
        det.stuck_longest = max(det.stuck_longest, det.stuck_run)
        det.stuck_run, det.stuck_start, det.stuck_val, det.stuck_on = 1, start, value, 0
    warm = value != 0 or det.judged > DAY_MS // length
    if not det.stuck_on and warm and det.stuck_run >= max(STUCK_WINDOWS, 2 * det.stuck_longest):
        emit(out, channel, STUCK, 1, (det.stuck_start, UNSET), tick, value, det.stuck_run)
        det.stuck_on = det.stuck_run


@kernel
def judge_impossible(det: Any, w: Any, start: int, out: Any, channel: int, tick: int) -> None:
    """impossible_value: the window holds readings that were not booked; a covered window without one resolves."""
    if w.bad_n > 0:
        if det.impossible_start == UNSET:
            det.impossible_start, det.impossible_val, det.impossible_n = start, w.bad_val, w.bad_n
            emit(out, channel, IMPOSSIBLE_VALUE, 1, (start, UNSET), tick, w.bad_val, w.bad_n)
    elif w.cov > 0 and det.impossible_start != UNSET:
        emit(out, channel, IMPOSSIBLE_VALUE, 0, (det.impossible_start, start), tick, det.impossible_val, det.impossible_n)
        det.impossible_start = UNSET


@kernel
def judge_held(det: Any, start: int, raised: tuple[int, int, int, int, int], ended: int, tick: int, out: Any, channel: int) -> None:
    """register_held: what pends begins to leave windows open at `start` (UNSET: nothing pends). `raised` = (tick from which on it is told,
    NEVER = not yet; R0, held value, ms between, steps above max_power)."""
    if det.held_start != UNSET and det.held_start != start:
        span = (det.held_start, ended)
        emit(out, channel, REGISTER_HELD, 0, span, tick, det.held_val, det.held_steps, det.held_from, det.held_ms)
        det.held_start = UNSET
    if det.held_start == UNSET and start != UNSET and raised[0] != NEVER:
        det.held_start = start
        det.held_from, det.held_val, det.held_ms, det.held_steps = raised[1], raised[2], raised[3], raised[4]
        emit(out, channel, REGISTER_HELD, 1, (start, UNSET), raised[0], raised[2], raised[4], raised[1], raised[3])


@kernel
def judge_window(
    det: Any, w: Any, value: int, is_behind_held: bool, start: int, period: int, length: int, out: Any, channel: int, tick: int
) -> None:
    """Judge one window of a channel at `tick`, in which `value` was booked; a register that is held is not silent."""
    det.judged += 1
    det.tick = tick
    judge_silence(det, w.cov > 0 or is_behind_held, start, period, length, out, channel, tick)
    if w.cov == length and not w.bits & BIT_ESTIMATED:
        judge_stuck(det, value, start, length, out, channel, tick)
    judge_impossible(det, w, start, out, channel, tick)


def empty_detectors(n: int) -> Rows:
    """Detectors that have judged nothing."""
    detectors = new_rows(DETECTOR, n)
    detectors.next_win = detectors.tick = detectors.impossible_start = detectors.held_start = UNSET
    return detectors
