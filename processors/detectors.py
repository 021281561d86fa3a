"""Meter-level rules, judged window by window: silent_channel, stuck, impossible_value, register_backwards.

schemas/alerts.py is their contract.

Each function takes a DETECTOR record and one judged window and writes transitions; a window is judged once, in order of time.
"""

from typing import Any

from zonepulse.processors.kernel import kernel
from zonepulse.processors.layout import BACKWARDS, BIT_ESTIMATED, IMPOSSIBLE, SILENT, STUCK, UNSET
from zonepulse.processors.segments import value_of

DAY_MS = 86_400_000
STUCK_WINDOWS = 6
SILENT_PERIODS = 3


@kernel
def emit(out: Any, channel: int, rule: int, raised: int, span: tuple[int, int], tick: int, value: int, count: int) -> None:
    """Append a transition of a channel over `span` = (starts_at, ends_at); `value` UNSET = none."""
    t = out.transitions[out.used[1]]
    out.used[1] += 1
    t.channel = channel
    t.rule, t.raised, t.starts_at, t.ends_at, t.tick = rule, raised, span[0], span[1], tick
    t.value, t.count = value, count


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
            emit(out, channel, IMPOSSIBLE, 1, (start, UNSET), tick, w.bad_val, w.bad_n)
    elif w.cov > 0 and det.impossible_start != UNSET:
        emit(out, channel, IMPOSSIBLE, 0, (det.impossible_start, start), tick, det.impossible_val, det.impossible_n)
        det.impossible_start = UNSET


@kernel
def judge_backwards(det: Any, w: Any, start: int, out: Any, channel: int, tick: int) -> None:
    """register_backwards: the same for small drops of a register."""
    if w.back_n > 0:
        if det.backwards_start == UNSET:
            det.backwards_start, det.backwards_val, det.backwards_n = start, w.back_val, w.back_n
            emit(out, channel, BACKWARDS, 1, (start, UNSET), tick, w.back_val, w.back_n)
    elif w.cov > 0 and det.backwards_start != UNSET:
        emit(out, channel, BACKWARDS, 0, (det.backwards_start, start), tick, det.backwards_val, det.backwards_n)
        det.backwards_start = UNSET


@kernel
def judge_window(det: Any, w: Any, start: int, period: int, length: int, out: Any, channel: int, tick: int) -> None:
    """Judge one window of a channel at `tick`."""
    det.judged += 1
    det.tick = tick
    covered = w.cov > 0
    judge_silence(det, covered, start, period, length, out, channel, tick)
    if w.cov == length and not w.bits & BIT_ESTIMATED:
        judge_stuck(det, value_of(w), start, length, out, channel, tick)
    judge_impossible(det, w, start, out, channel, tick)
    judge_backwards(det, w, start, out, channel, tick)
