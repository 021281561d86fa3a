"""One window after another through every detector of a channel: scores, decisions and the expected band."""

from typing import Any, Final

import numpy as np

from zonepulse.processors.detection.channel.baseline import learn, spread_at
from zonepulse.processors.detection.channel.level_shift import judge_day
from zonepulse.processors.detection.channel.night_use import HOURS, judge_night
from zonepulse.processors.detection.channel.off_hours import judge_off_hours
from zonepulse.processors.detection.channel.record import judge_record
from zonepulse.processors.detection.channel.reverse_flow import judge_reverse_flow
from zonepulse.processors.detection.channel.state import (
    DETECTORS,
    LEVEL_SHIFT,
    NIGHT_USE,
    OFF_HOURS,
    RECORD,
    REVERSE_FLOW,
    STUCK,
    UNUSUAL,
    ZERO_RUN,
)
from zonepulse.processors.detection.channel.stuck import judge_stuck
from zonepulse.processors.detection.channel.unusual import judge_unusual
from zonepulse.processors.detection.channel.zero_run import judge_zero_run
from zonepulse.processors.kernel import kernel

JUDGED: Final = np.dtype(
    [
        ("ratio", "f8", (DETECTORS,)),  # score over limit, by detector
        ("firing", "i8"),  # bits of the detectors that fire after this window
        ("raised", "i8"),  # bits of those that began to with it
        ("low", "f8"),  # expected band, from what came before; NaN where the hour is unknown
        ("high", "f8"),
    ]
)
LONGEST_ALARM_DAYS: Final = 14
"""An alarm that lasts longer no longer keeps the baseline from learning."""


@kernel
def hold_days(detector: int) -> int:
    """Days without a score at its limit until a detector clears."""
    return 7 if detector in (LEVEL_SHIFT, NIGHT_USE) else 1


@kernel
def judge_window(s: Any, setting: Any, slot: int, day: int, value: float, out: Any) -> None:
    """Judge one measured window into `out` (JUDGED), then learn from it where nothing fires.

    `day` is the number of the local day. The day before is closed by the first window of another.
    """
    may_speak = s.windows >= setting.history
    is_learning = s.firing == 0 or s.alarmed > LONGEST_ALARM_DAYS * setting.per_day
    for d in range(DETECTORS):
        out.ratio[d] = 0.0
    if day != s.day:
        if s.day >= 0:
            out.ratio[LEVEL_SHIFT] = judge_day(s, setting.per_day, setting.strictness, may_speak)
            out.ratio[NIGHT_USE] = judge_night(s, setting.per_day, setting.strictness, may_speak, is_learning)
        s.day = day
    known = s.seen[slot] >= 2
    level, unit = float(s.level[slot]), spread_at(s, slot)
    residual = value - level if s.seen[slot] > 0 else 0.0
    z = residual / unit
    out.low, out.high = np.nan, np.nan
    if known:
        reach = setting.strictness * (s.tail_limit if s.tail_limit > 0.0 else 4.0)
        out.low, out.high = level - reach * unit, level + reach * unit
        s.day_sum += residual
        s.day_windows += 1
        out.ratio[UNUSUAL] = judge_unusual(s, z, setting.tail, is_learning) / setting.strictness
    if slot % 24 < HOURS:
        s.night_low = min(s.night_low, value)
        s.night_windows += 1
    out.ratio[STUCK] = judge_stuck(s, value)
    out.ratio[ZERO_RUN] = judge_zero_run(s, value)
    out.ratio[REVERSE_FLOW] = judge_reverse_flow(s, value, is_learning and not may_speak)
    out.ratio[OFF_HOURS] = judge_off_hours(s, slot, value, setting.strictness, is_learning)
    out.ratio[RECORD] = judge_record(s, value, residual, setting.strictness)
    out.raised = 0
    for d in range(DETECTORS):
        bit = 1 << d
        if may_speak and setting.enabled & bit and out.ratio[d] >= 1.0:
            if s.firing & bit == 0:
                out.raised |= bit
            s.firing |= bit
            s.until[d] = s.windows + hold_days(d) * setting.per_day
        elif s.firing & bit and s.windows >= s.until[d]:
            s.firing &= ~bit
    out.firing = s.firing
    s.alarmed = s.alarmed + 1 if s.firing else 0
    if s.firing == 0 or s.alarmed > LONGEST_ALARM_DAYS * setting.per_day:
        learn(s, slot, value)
    s.last = value
    s.windows += 1


@kernel
def judge_windows(state: Any, setting: Any, slots: Any, days: Any, values: Any, out: Any) -> None:
    """Judge a channel's windows in order of time; state (1,) CHANNEL, setting (1,) SETTINGS, the others (n,).

    A value NaN was not measured: it is not judged and teaches nothing. Any split of the windows gives the same.
    """
    for i in range(len(values)):
        if np.isnan(values[i]):
            out[i].firing, out[i].raised = state[0].firing, 0
            out[i].low, out[i].high = np.nan, np.nan
            for d in range(DETECTORS):
                out[i].ratio[d] = 0.0
        else:
            judge_window(state[0], setting[0], slots[i], days[i], values[i], out[i])
