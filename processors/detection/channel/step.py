"""One window after another through every detector of a channel: scores, decisions and the expected band."""

from typing import Any, Final

import numpy as np

from zonepulse.processors.detection.channel.baseline import learn, spread_at
from zonepulse.processors.detection.channel.days.level_shift import judge_day
from zonepulse.processors.detection.channel.days.night_use import judge_lows, judge_night
from zonepulse.processors.detection.channel.days.scale import judge_scale
from zonepulse.processors.detection.channel.days.week import NIGHT_HOURS, close_hour
from zonepulse.processors.detection.channel.days.wrong_ct import is_transformer_step
from zonepulse.processors.detection.channel.days.wrong_unit import is_power_of_ten
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
    RULES,
    STUCK,
    UNUSUAL,
    WRONG_CT,
    WRONG_UNIT,
    ZERO_RUN,
)
from zonepulse.processors.detection.channel.stuck import judge_stuck
from zonepulse.processors.detection.channel.unusual import judge_unusual
from zonepulse.processors.detection.channel.zero_run import judge_zero_run
from zonepulse.processors.kernel import kernel

JUDGED: Final = np.dtype(
    [
        ("ratio", "f8", (DETECTORS,)),  # score over limit, by detector
        ("score", "f8"),  # how far it goes: record's ratio, or that of a detector that begins to fire
        ("firing", "i8"),  # bits of the detectors that fire after this window
        ("raised", "i8"),  # bits of those that began to with it
        ("low", "f8"),  # what 98 % keep to, from what came before; NaN where the hour is unknown
        ("high", "f8"),
    ]
)
LONGEST_ALARM_DAYS: Final = 14
"""An alarm that lasts longer no longer keeps the baseline from learning."""
CAUTION: Final = 1.5
"""What an alert multiplies the limits of its channel by once it is over: who has spoken must have more to say the next time."""
FADES: Final = 0.98
"""What is left of that a day later."""


@kernel
def hold_days(detector: int) -> int:
    """Days without a score at its limit until a detector clears."""
    return 7 if detector in (LEVEL_SHIFT, NIGHT_USE, WRONG_UNIT, WRONG_CT) else 1


@kernel
def limit_of(setting: Any, detector: int) -> float:
    """The score at which a detector speaks; those with a rule of their own, whose score is 1 at it, are not set below it."""
    limit = setting.limits[detector] * setting.strictness
    return max(limit, 1.0) if detector in RULES else limit


@kernel
def close_day(s: Any, per_day: int, out: Any) -> None:
    """Judge the gathered day; nothing where under three quarters of it are measured."""
    if 4 * s.day_windows >= 3 * per_day:
        s.days += 1
        out.ratio[LEVEL_SHIFT] = judge_day(s)
        if per_day >= 24:
            out.ratio[NIGHT_USE] = judge_lows(s)
        scale = judge_scale(s)
        if is_power_of_ten(s):
            out.ratio[WRONG_UNIT] = scale
        elif is_transformer_step(s):
            out.ratio[WRONG_CT] = scale
    s.day_sum = 0.0
    s.day_expected = 0.0
    s.day_windows = 0
    s.day_low = np.inf
    s.caution = 1.0 + FADES * (s.caution - 1.0)


@kernel
def close_night(s: Any, out: Any) -> None:
    """Judge the gathered night; nothing where under three quarters of it are measured."""
    if 4 * s.night_hours >= 3 * NIGHT_HOURS:
        s.nights += 1
        out.ratio[NIGHT_USE] = max(out.ratio[NIGHT_USE], judge_night(s))
    s.night_low = np.inf
    s.night_hours = 0


@kernel
def gather(s: Any, per_day: int, slot: int, day: int, value: float, expected: float, out: Any) -> None:
    """Put a window, and what was expected of it, to its hour and day; those before are closed by the first of another."""
    is_new_day = day != s.day
    if is_new_day or slot != s.hour:
        close_hour(s, per_day)
        s.hour = slot
    if is_new_day:
        if s.day >= 0:
            close_day(s, per_day, out)
        s.day = day
    if per_day >= 24 and s.night_hours > 0 and (is_new_day or slot % 24 >= NIGHT_HOURS):
        close_night(s, out)
    s.hour_sum += value
    s.hour_windows += 1
    s.day_sum += value
    s.day_expected += expected
    s.day_windows += 1


@kernel
def judge_window(s: Any, setting: Any, slot: int, day: int, value: float, out: Any) -> None:
    """Judge one measured window into `out` (JUDGED), then learn from it where nothing fires. `day` is the number of the local day."""
    may_speak = s.windows >= setting.history
    is_learning = s.firing == 0 or s.alarmed > LONGEST_ALARM_DAYS * setting.per_day
    for d in range(DETECTORS):
        out.ratio[d] = 0.0
    known = s.seen[slot] >= 2
    level, unit = float(s.level[slot]), spread_at(s, slot)
    gather(s, setting.per_day, slot, day, value, level if known else np.nan, out)
    residual = value - level if s.seen[slot] > 0 else 0.0
    out.low, out.high = np.nan, np.nan
    if known:
        out.low, out.high = level - s.tail_from * unit, level + s.tail_from * unit
        out.ratio[UNUSUAL] = judge_unusual(s, residual / unit, setting.tail, is_learning)
    out.ratio[STUCK] = judge_stuck(s, value)
    out.ratio[ZERO_RUN] = judge_zero_run(s, value, level)
    out.ratio[REVERSE_FLOW] = judge_reverse_flow(s, value, is_learning and not may_speak)
    out.ratio[OFF_HOURS] = judge_off_hours(s, slot, value, is_learning)
    out.ratio[RECORD] = judge_record(s, value, residual)
    for d in range(DETECTORS):
        out.ratio[d] /= limit_of(setting, d)
    is_quiet = s.firing == 0
    bar = s.caution if is_quiet else 1.0
    out.raised = 0
    out.score = out.ratio[RECORD]
    for d in range(DETECTORS):
        bit = 1 << d
        if may_speak and setting.enabled & bit and out.ratio[d] >= bar:
            if s.firing & bit == 0:
                out.raised |= bit
                out.score = max(out.score, out.ratio[d])
            s.firing |= bit
            s.until[d] = s.windows + hold_days(d) * setting.per_day
        elif s.firing & bit and s.windows >= s.until[d]:
            s.firing &= ~bit
    if out.raised and is_quiet:
        s.caution *= CAUTION
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
            out[i].score = 0.0
            for d in range(DETECTORS):
                out[i].ratio[d] = 0.0
        else:
            judge_window(state[0], setting[0], slots[i], days[i], values[i], out[i])
