"""Records of days: the days that are gathered, and how far the last of them lie beyond every such run of days before."""

from typing import Any, Final

from zonepulse.processors.detection.channel.baseline import LEAST_UNIT
from zonepulse.processors.kernel import kernel

WEEK: Final = 7
NIGHTS: Final = 3
WARM: Final = 14
TRUST: Final = 100.0
"""Days that count as much as what a channel has seen: after n days a record weighs n / (n + TRUST)."""
FARTHEST: Final = 20.0
NIGHT_HOURS: Final = 5
"""00:00 to 05:00."""


@kernel
def close_hour(s: Any, per_day: int) -> None:
    """Put the gathered hour's mean among the day's and the night's lowest; nothing where under three quarters of it are measured."""
    if s.hour_windows > 0 and 96 * s.hour_windows >= 3 * per_day:
        mean = s.hour_sum / s.hour_windows
        s.day_low = min(s.day_low, mean)
        if s.hour % 24 < NIGHT_HOURS:
            s.night_low = min(s.night_low, mean)
            s.night_hours += 1
    s.hour_sum = 0.0
    s.hour_windows = 0


@kernel
def keep_last(ring: Any, value: float) -> None:
    """`value` at the end of `ring`, the oldest falls out."""
    for i in range(len(ring) - 1):
        ring[i] = ring[i + 1]
    ring[len(ring) - 1] = value


@kernel
def second_of(ring: Any, sign: float) -> float:
    """The second lowest of sign x value: one day out of line does not hide the others."""
    first = second = 1e300
    for i in range(len(ring)):
        y = sign * float(ring[i])
        if y < first:
            first, second = y, first
        elif y < second:
            second = y
    return second


@kernel
def weighed(s: Any, excess: float, reach: float, days: int) -> float:
    """An excess in units, by the days seen. The unit is the larger of `reach` and of 2 % of the channel's slow mean."""
    return min(excess / max(reach, LEAST_UNIT * s.usual, 1e-9), FARTHEST) * (days / (days + TRUST))


@kernel
def beyond_weeks(s: Any, side: int, y: float, days: int) -> float:
    """How far y lies above the highest of its side, in twice the reach of the highest above the mean; the side takes y in."""
    high, mean = s.weeks_high[side], s.weeks_mean[side]
    s.weeks_high[side] = max(high, y)
    s.weeks_mean[side] += max(0.02, 1.0 / (days + 1.0)) * (y - mean)
    return float(weighed(s, y - high, 2.0 * (high - mean), days)) if days >= WARM and y > high else 0.0


@kernel
def beyond_lows(s: Any, view: int, y: float, days: int) -> float:
    """How far y lies above the view's highest, in ranges of the view; the view takes y in.

    A view that has stood at 0 has no base to compare with: what a channel does where it did nothing is off_hours' and unusual's.
    """
    high, low = s.lows_high[view], s.lows_low[view]
    s.lows_high[view], s.lows_low[view] = max(high, y), min(low, y)
    return float(weighed(s, y - high, high - low, days)) if days >= WARM and y > high and low != 0.0 else 0.0
