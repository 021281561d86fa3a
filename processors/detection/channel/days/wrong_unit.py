"""`wrong_unit`: three days in a row about a power of ten of what was expected."""

import math
from typing import Any, Final

from zonepulse.processors.detection.channel.days.scale import all_near
from zonepulse.processors.detection.channel.state import Detector
from zonepulse.processors.kernel import kernel

DETECTOR: Final = Detector("wrong_unit", "critical", "off by a power of ten", "three days over what was expected, farthest before")
LOG_10: Final = 2.302585092994046
NEAR: Final = 0.7
"""Logarithm: a day is up to twice, or half, of what was expected."""


@kernel
def is_power_of_ten(s: Any) -> bool:
    """Whether one of 1/1000, 1/100, 10, 100, 1000 and so on explains each of the last days; a tenth is how closed days look."""
    power = math.floor(float(s.ratios[0]) / LOG_10 + 0.5) if s.ratios[0] == s.ratios[0] else 0
    return (power > 0 or power < -1) and all_near(s, power * LOG_10, NEAR)
