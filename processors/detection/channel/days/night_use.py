"""`night_use`: the lowest hour of a week's days, or of three nights, lies above all before: base load that creeps, leaks."""

from typing import Any, Final

from zonepulse.processors.detection.channel.days.week import NIGHTS, WEEK, beyond_lows, keep_last, second_of
from zonepulse.processors.detection.channel.state import Detector
from zonepulse.processors.kernel import kernel

DETECTOR: Final = Detector(
    "night_use", "warning", "the lowest use of day or night rises", "lowest hour of days or nights, highest before"
)
OF_DAYS: Final = 0
OF_NIGHTS: Final = 1


@kernel
def judge_lows(s: Any) -> float:
    """Take in the gathered day's lowest hour; the score of the week that ends with it."""
    keep_last(s.lows, s.day_low)
    return float(beyond_lows(s, OF_DAYS, second_of(s.lows, 1.0), s.days - WEEK)) if s.days >= WEEK else 0.0


@kernel
def judge_night(s: Any) -> float:
    """Take in the gathered night's lowest hour; the score of the three nights that end with it."""
    keep_last(s.low_nights, s.night_low)
    if s.nights < NIGHTS:
        return 0.0
    low = min(float(s.low_nights[0]), float(s.low_nights[1]), float(s.low_nights[2]))
    return float(beyond_lows(s, OF_NIGHTS, low, s.nights - NIGHTS))
