"""How the last days' use relates to what was expected of each: the evidence of a wrong factor."""

import math
from typing import Any, Final

from zonepulse.processors.detection.channel.baseline import LEAST_UNIT
from zonepulse.processors.detection.channel.days.week import keep_last
from zonepulse.processors.kernel import kernel

DAYS: Final = 3
LEAST: Final = 0.05
"""No channel is taken to be steadier than a twentieth."""


@kernel
def all_near(s: Any, log_factor: float, most: float) -> bool:
    """Whether each of the last days lies within `most` of one factor; logarithms."""
    for i in range(DAYS):
        if not abs(float(s.ratios[i]) - log_factor) <= most:  # so that what is not known is not near
            return False
    return True


@kernel
def judge_scale(s: Any) -> float:
    """Take in the gathered day; how far each of the last days was from what was expected, on one side, over the farthest three such days
    have been. Days in alarm do not count as having been. 0 where a day's hours are not known, or nothing is used then.
    """
    if not (s.day_expected > LEAST_UNIT * s.usual * s.day_windows and s.day_sum > 0.0):
        return 0.0
    keep_last(s.ratios, math.log(s.day_sum / s.day_expected))
    above = below = 1e300
    for i in range(DAYS):
        ratio = float(s.ratios[i])
        if math.isnan(ratio):
            ratio = 0.0
        above, below = min(above, ratio), min(below, -ratio)
    far = max(above, below, 0.0)
    score = far / max(LEAST, float(s.farthest))
    if s.firing == 0:
        s.farthest = max(float(s.farthest), float(s.far[0]))
    keep_last(s.far, far)
    return score
