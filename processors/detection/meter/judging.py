"""Judging the windows of channels by the rules about meters."""

from itertools import chain
from typing import Any, Final, NamedTuple

import numpy as np

from zonepulse.processors.detection.meter.rules import IMPOSSIBLE, RULES, SILENT, STUCK
from zonepulse.processors.flow import BIT_ESTIMATED, NEVER, UNSET, Rows, new_rows
from zonepulse.processors.kernel import kernel
from zonepulse.schemas.units import MS_PER_HOUR

_SILENT_PERIODS: Final = 3
_LEAST_STUCK: Final = 6
_DAY_MS: Final = 24 * MS_PER_HOUR

ROWS_PER_WINDOW: Final = sum(rule.room for rule in RULES)
"""Room for transitions per judged window."""
DETECTOR: Final = np.dtype(
    [
        ("next_win", "i8"),  # next window to judge
        ("tick", "i8"),  # tick of the last judgement
        ("judged", "i8"),
        ("given_to", "i8"),  # of a slow channel: behind the last window that detectors were given
        *chain.from_iterable(rule.state for rule in RULES),
    ]
)
"""What is remembered of a channel."""


def empty_detectors(n: int) -> Rows:
    """Detectors that have judged nothing."""
    detectors = new_rows(DETECTOR, n)
    detectors.next_win = detectors.tick = detectors.given_to = UNSET
    for name in chain.from_iterable(rule.unset for rule in RULES):
        detectors[name] = UNSET
    return detectors


class Seen(NamedTuple):
    """One window that is judged, as kernels see it."""

    w: Any
    """Its sums: a record of metering.state.WINDOW."""
    value: int
    """What was booked in it, micro-units."""
    is_heard: bool
    """Covered, or behind a reading that is held: a register that is held is not silent."""
    start: int
    period: int
    """Of the register, ms."""
    length: int
    """Of the window, ms."""
    channel: int
    tick: int


@kernel
def judge_window(det: Any, seen: Seen, out: Any) -> None:
    """Judge one window of a channel; each is judged once, in order of time."""
    det.judged += 1
    det.tick = seen.tick
    judge_silence(det, seen, SILENT, out)
    judge_stuck(det, seen, STUCK, out)
    judge_impossible(det, seen, IMPOSSIBLE, out)


@kernel
def judge_silence(det: Any, seen: Seen, rule: int, out: Any) -> None:
    """`n` = ceil(3 periods / length) uncovered windows in a row."""
    needed = max(1, -(-_SILENT_PERIODS * seen.period // seen.length))
    if seen.is_heard:
        if det.silent_on:
            emit(out, seen.channel, rule, 0, (det.silent_start, seen.start), seen.tick, UNSET, det.silent_on)
        det.silent_run = 0
        det.silent_on = 0
        return
    if det.silent_run == 0:
        det.silent_start = seen.start
    det.silent_run += 1
    if not det.silent_on and det.silent_run >= needed:
        emit(out, seen.channel, rule, 1, (det.silent_start, UNSET), seen.tick, UNSET, needed)
        det.silent_on = needed


@kernel
def judge_stuck(det: Any, seen: Seen, rule: int, out: Any) -> None:
    """A run of equal, fully measured windows reaches max(6, 2 x the longest run before)."""
    if seen.w.cov != seen.length or seen.w.bits & BIT_ESTIMATED:
        return
    value, start = seen.value, seen.start
    if det.stuck_run > 0 and value == det.stuck_val:
        det.stuck_run += 1
    else:
        if det.stuck_on:
            emit(out, seen.channel, rule, 0, (det.stuck_start, start), seen.tick, det.stuck_val, det.stuck_on)
        det.stuck_longest = max(det.stuck_longest, det.stuck_run)
        det.stuck_run, det.stuck_start, det.stuck_val, det.stuck_on = 1, start, value, 0
    warm = value != 0 or det.judged > _DAY_MS // seen.length
    if not det.stuck_on and warm and det.stuck_run >= max(_LEAST_STUCK, 2 * det.stuck_longest):
        emit(out, seen.channel, rule, 1, (det.stuck_start, UNSET), seen.tick, value, det.stuck_run)
        det.stuck_on = det.stuck_run


@kernel
def judge_impossible(det: Any, seen: Seen, rule: int, out: Any) -> None:
    """The window holds readings that were not booked; a covered window without one resolves."""
    w, start, tick = seen.w, seen.start, seen.tick
    if w.bad_n > 0:
        if det.impossible_start == UNSET:
            det.impossible_start, det.impossible_val, det.impossible_n = start, w.bad_val, w.bad_n
            emit(out, seen.channel, rule, 1, (start, UNSET), tick, w.bad_val, w.bad_n)
    elif w.cov > 0 and det.impossible_start != UNSET:
        emit(out, seen.channel, rule, 0, (det.impossible_start, start), tick, det.impossible_val, det.impossible_n)
        det.impossible_start = UNSET


@kernel
def judge_held(
    det: Any, start: int, raised: tuple[int, int, int, int, int], ended: int, tick: int, out: Any, channel: int, rule: int
) -> None:
    """What pends begins to leave windows open at `start` (UNSET: nothing pends). `raised` = (tick from which on it is told, NEVER = not
    yet; R0, held value, ms between, steps above max_power)."""
    if det.held_start != UNSET and det.held_start != start:
        span = (det.held_start, ended)
        emit(out, channel, rule, 0, span, tick, det.held_val, det.held_steps, det.held_from, det.held_ms)
        det.held_start = UNSET
    if det.held_start == UNSET and start != UNSET and raised[0] != NEVER:
        det.held_start = start
        det.held_from, det.held_val, det.held_ms, det.held_steps = raised[1], raised[2], raised[3], raised[4]
        emit(out, channel, rule, 1, (start, UNSET), raised[0], raised[2], raised[4], raised[1], raised[3])


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
