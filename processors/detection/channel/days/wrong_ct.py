"""`wrong_ct`: three days in a row by one step of transformers, or by phases that are missing, off what was expected."""

from math import log
from typing import Any, Final

from zonepulse.processors.detection.channel.days.scale import all_near
from zonepulse.processors.detection.channel.state import Detector
from zonepulse.processors.kernel import kernel

DETECTOR: Final = Detector(
    "wrong_ct", "critical", "off by a step of transformers", "three days over what was expected, farthest before"
)
STEPS: Final = (log(1 / 3), log(1 / 2), log(2 / 3), log(3 / 2), log(2), log(3))
"""One or two of three phases missing, half; rated currents that lie so apart (IEC 61869-2: 10, 15, 20, 30 A and so on)."""
NEAR: Final = 0.1


@kernel
def is_transformer_step(s: Any) -> bool:
    """Whether one of STEPS explains each of the last days."""
    for i in range(len(STEPS)):
        if all_near(s, STEPS[i], NEAR):
            return True
    return False
