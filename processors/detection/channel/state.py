"""What the channel detectors remember (CHANNEL, below 2 kB), what they are set to (SETTINGS), and their names."""

from collections.abc import Sequence
from math import log
from typing import Any, Final, NamedTuple

import numpy as np

from zonepulse.processors.flow import Rows, new_rows
from zonepulse.processors.kernel import kernel

NAMES: Final = (
    "unusual",
    "level_shift",
    "night_use",
    "stuck",
    "zero_run",
    "reverse_flow",
    "off_hours",
    "record",
    "wrong_unit",
    "wrong_ct",
)
UNUSUAL, LEVEL_SHIFT, NIGHT_USE, STUCK, ZERO_RUN, REVERSE_FLOW, OFF_HOURS, RECORD, WRONG_UNIT, WRONG_CT = range(10)
DETECTORS: Final = len(NAMES)
ALL: Final = (1 << DETECTORS) - 1
RULES: Final = (STUCK, ZERO_RUN, REVERSE_FLOW, OFF_HOURS, WRONG_UNIT, WRONG_CT)
"""Detectors whose score is 1 at a rule of their own."""
LASTING: Final = (LEVEL_SHIFT, NIGHT_USE, ZERO_RUN)
"""Detectors of what may go on within the band of each window."""
SLOTS: Final = 168
"""Hours of a week of the zone's calendar; Monday 00:00 is 0, a holiday counts as Sunday."""

CHANNEL: Final = np.dtype(
    [
        ("windows", "i8"),  # measured windows so far
        ("day", "i4"),  # local day that is being gathered, -1 = none
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
        ("hour", "i4"),  # hour of the week that is being gathered, -1 = none
        ("hour_sum", "f8"),
        ("hour_windows", "i4"),
        ("day_sum", "f8"),  # the day's values, and the lowest hour of day and night
        ("day_windows", "i4"),
        ("day_expected", "f8"),  # what the baseline led to expect of them; NaN where an hour is unknown
        ("day_low", "f8"),
        ("night_low", "f8"),
        ("night_hours", "i4"),
        ("days", "i4"),  # days and nights that were measured
        ("nights", "i4"),
        ("means", "f4", (7,)),  # level_shift: means of the last seven days
        ("lows", "f4", (7,)),  # night_use: lowest hours of the last seven days, three nights
        ("low_nights", "f4", (3,)),
        ("weeks_high", "f8", (2,)),  # level_shift: highest and mean of its sides, up and down
        ("weeks_mean", "f8", (2,)),
        ("lows_high", "f8", (2,)),  # night_use: range of its views, days and nights
        ("lows_low", "f8", (2,)),
        (
            "ratios",
            "f4",
            (3,),
        ),  # wrong_unit, wrong_ct: logarithm of use over what was expected, of the last three days; NaN: none yet
        ("far", "f4", (3,)),  # how far three days were all off, at each of the last three; and before
        ("farthest", "f4"),
        ("last", "f8"),  # stuck, zero_run
        ("same", "i4"),
        ("same_longest", "i4"),
        ("zeros", "i4"),
        ("zeros_longest", "i4"),
        ("zeros_stake", "f8"),  # what the run should have used
        ("negative", "i4"),  # reverse_flow: 1 = a negative window has been seen
        ("reversed", "i4"),  # negative windows in a row
        ("off_run", "i4"),
        ("low", "f8", (7,)),  # record: ranges of its seven views, and what makes the views
        ("high", "f8", (7,)),
        ("size", "f8"),
        ("residual_size", "f8"),
        ("short", "f8"),
        ("long", "f8"),
        ("longer", "f8"),
        ("center", "f8"),
        ("variance", "f8"),
        ("near", "f8"),
        ("near_variance", "f8"),
        ("near_usual", "f8"),
        ("surprise", "f8"),
        ("bin", "i4"),
        ("steps", "f4", (8, 8)),
        ("held", "i4"),
        ("held_score", "f8"),
        ("caution", "f8"),  # multiplies every limit, from 1
        ("firing", "i4"),  # bit of each detector that is firing
        ("until", "i4", (DETECTORS,)),  # window count at which it clears
        ("alarmed", "i4"),  # windows in alarm without a break
    ]
)

SETTINGS: Final = np.dtype(
    [
        ("per_day", "i8"),  # windows a day
        ("history", "i8"),  # windows before a detector of habits may speak
        ("tail", "f8"),  # tail probability of `unusual` a window
        ("strictness", "f8"),  # multiplies every limit
        ("limits", "f8", (DETECTORS,)),  # score at which each detector speaks
        ("enabled", "i8"),  # bits of NAMES
    ]
)
HISTORY_DAYS: Final = 14
ALERT_BUDGET: Final = 0.009
"""Alerts shown a channel-month."""
LIMITS: Final = (3.0346, 0.6763, 4.8583, 1.8644, 1.9812, 1.0, 2.9424, 0.8451, 1.8298, 6.2473)
"""Scores of NAMES at ALERT_BUDGET, fitted by `zonepulse detect bench` on all its meters."""
STRICTNESS: Final = ((ALERT_BUDGET, 1.0), (0.25, 0.2))
"""(budget, strictness): between those for which `zonepulse detect bench` fits limits, about; what live workers go by."""


class Detector(NamedTuple):
    """What people are told of a detector."""

    id: str
    severity: str
    text: str
    evidence: str


def strictness_of(budget: float) -> float:
    """On the line through STRICTNESS over the logarithm of the budget; at least 0.1."""
    (low, at_low), (high, at_high) = STRICTNESS
    return max(0.1, at_low + (at_high - at_low) * log(budget / low) / log(high / low))


def settings(
    per_day: int, strictness: float = 1.0, enabled: int = ALL, budget: float = ALERT_BUDGET, limits: Sequence[float] = LIMITS
) -> Rows:
    """SETTINGS, shape (1,), for windows of 1/`per_day` day and a budget of alerts a channel-month."""
    setting = np.array([(0, 0, 0.0, strictness, tuple(limits), enabled)], SETTINGS).view(np.recarray)
    keep_pace(setting[0], per_day, budget)
    return setting


@kernel
def keep_pace(setting: Any, per_day: int, budget: float) -> None:
    """Judge `per_day` windows a day from here on: 14 days of history; the budget, alerts a channel-month, shared evenly."""
    if setting.per_day != per_day:
        setting.per_day, setting.history = per_day, HISTORY_DAYS * per_day
        setting.tail = budget / (30 * per_day * DETECTORS)


def new_channel() -> Rows:
    """CHANNEL, shape (1,), of a channel without history."""
    state = new_rows(CHANNEL)
    state["caution"] = 1.0
    state["day"] = -1
    state["hour"] = -1
    state["bin"] = -1
    state["tail_from"] = 3.0
    for name in ("day_low", "night_low", "lows_low"):
        state[name] = np.inf
    state["weeks_high"] = -np.inf
    state["lows_high"] = -np.inf
    state["low"] = np.inf
    state["high"] = -np.inf
    state["last"] = np.nan
    state["ratios"] = np.nan
    return state
