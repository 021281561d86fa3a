"""`level_shift`: the day's means of a week, all but one, lie above or below those of every week before."""

from typing import Any, Final

from zonepulse.processors.detection.channel.days.week import WEEK, beyond_weeks, keep_last, second_of
from zonepulse.processors.detection.channel.state import Detector
from zonepulse.processors.kernel import kernel

DETECTOR: Final = Detector(
    "level_shift", "warning", "a week above or below every week before", "week's second lowest or highest mean"
)
UP: Final = 0
DOWN: Final = 1


@kernel
def judge_day(s: Any) -> float:
    """Take in the gathered day; the score of the week that ends with it, 0 where it is no record."""
    keep_last(s.means, s.day_sum / s.day_windows)
    score = 0.0
    if s.days >= WEEK:
        seen = s.days - WEEK
        score = beyond_weeks(s, UP, second_of(s.means, 1.0), seen)
        score = max(score, beyond_weeks(s, DOWN, second_of(s.means, -1.0), seen))
    return score
