"""What the channel detectors remember (CHANNEL, below 2 kB), what they are set to (SETTINGS), and their names."""

from math import log
from typing import Final, NamedTuple

import numpy as np

from zonepulse.processors.flow import Rows, new_rows

NAMES: Final = ("unusual", "level_shift", "night_use", "stuck", "zero_run", "reverse_flow", "off_hours", "record")
UNUSUAL, LEVEL_SHIFT, NIGHT_USE, STUCK, ZERO_RUN, REVERSE_FLOW, OFF_HOURS, RECORD = range(8)
DETECTORS: Final = len(NAMES)
SLOTS: Final = 168
"""Hours of a week of the zone's calendar; Monday 00:00 is 0, a holiday counts as Sunday."""

CHANNEL: Final = np.dtype(
    [
        ("windows", "i8"),  # measured windows so far
        ("day", "i8"),  # local day that is being gathered, -1 = none
        ("usual", "f8"),  # slow mean of |value|
        ("level", "f4", (SLOTS,)),  # baseline by hour of week
        ("spread", "f4", (24,)),  # mean |residual| by hour of day
        ("seen", "u1", (SLOTS,)),  # windows that taught a slot, at most 255
        ("active", "u1", (SLOTS,)),  # 1 = the slot has been in use
        ("tail_from", "f8"),  # unusual: where the tail begins, and the excesses above it
        ("tail_windows", "f8"),
        ("peaks", "f8"),
        ("peak_sum", "f8"),
        ("peak_square", "f8"),
        ("tail_limit", "f8"),
        ("day_sum", "f8"),  # level_shift: residuals of the day
        ("day_windows", "i8"),
        ("day_spread", "f8"),
        ("shift", "f8", (2,)),  # CUSUM up, down
        ("shift_top", "f8", (2,)),  # highest of the present excursion
        ("shift_longest", "f8"),  # highest of the excursions that ended
        ("night_low", "f8"),  # night_use: the night's minimum so far
        ("night_windows", "i8"),
        ("nights", "i8"),
        ("night_level", "f8"),
        ("night_spread", "f8"),
        ("creep", "f8"),
        ("creep_top", "f8"),
        ("creep_longest", "f8"),
        ("last", "f8"),  # stuck, zero_run
        ("same", "i8"),
        ("same_longest", "i8"),
        ("zeros", "i8"),
        ("zeros_longest", "i8"),
        ("negative", "i8"),  # reverse_flow: 1 = a negative window has been seen
        ("off_run", "i8"),
        ("low", "f8", (5,)),  # record: ranges of its five views, and what makes the views
        ("high", "f8", (5,)),
        ("short", "f8"),
        ("long", "f8"),
        ("surprise", "f8"),
        ("bin", "i8"),
        ("steps", "f4", (8, 8)),
        ("held", "i8"),
        ("held_score", "f8"),
        ("firing", "i8"),  # bit of each detector that is firing
        ("until", "i8", (DETECTORS,)),  # window count at which it clears
        ("alarmed", "i8"),  # windows in alarm without a break
    ]
)

SETTINGS: Final = np.dtype(
    [
        ("per_day", "i8"),  # windows a day
        ("history", "i8"),  # windows before a detector of habits may speak
        ("tail", "f8"),  # tail probability of `unusual` a window
        ("strictness", "f8"),  # multiplies the thresholds of unusual, level_shift, night_use, off_hours and record
        ("enabled", "i8"),  # bits of NAMES
    ]
)
ALERT_BUDGET: Final = 0.009
"""Alerts shown a channel-month."""
STRICTNESS: Final = ((ALERT_BUDGET, 6.6), (0.25, 1.5))
"""(budget, strictness) as `zonepulse detect bench` fits them, mean of the two halves: what live workers go by."""


class Detector(NamedTuple):
    """What people are told of a detector."""

    id: str
    severity: str
    text: str
    evidence: str


def strictness_of(budget: float) -> float:
    """On the line through STRICTNESS over the logarithm of the budget; at least 0.5."""
    (low, at_low), (high, at_high) = STRICTNESS
    return max(0.5, at_low + (at_high - at_low) * log(budget / low) / log(high / low))


def settings(per_day: int, strictness: float = 1.0, enabled: int = 255, budget: float = ALERT_BUDGET) -> Rows:
    """SETTINGS, shape (1,), for windows of 1/`per_day` day: 14 days of history; the budget, alerts a channel-month, shared evenly."""
    tail = budget / (30 * per_day * DETECTORS)
    return np.array([(per_day, 14 * per_day, tail, strictness, enabled)], SETTINGS).view(np.recarray)


def new_channel() -> Rows:
    """CHANNEL, shape (1,), of a channel without history."""
    state = new_rows(CHANNEL)
    state["day"] = -1
    state["bin"] = -1
    state["tail_from"] = 3.0
    state["night_low"] = np.inf
    state["low"] = np.inf
    state["high"] = -np.inf
    state["last"] = np.nan
    return state
