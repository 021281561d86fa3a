"""`off_hours`: use, three windows in a row, in hours of the week that have never been in use."""

from typing import Any, Final

from zonepulse.processors.detection.channel.state import Detector
from zonepulse.processors.kernel import kernel

DETECTOR: Final = Detector("off_hours", "warning", "in use at an hour that has never been in use", "value, the hour's level")
USED: Final = 0.5
SPEAKS: Final = 1.0
RUN: Final = 3
TAUGHT: Final = 8


@kernel
def judge_off_hours(s: Any, slot: int, value: float, is_learning: bool) -> float:
    """The run over RUN. A slot was in use above USED slow means; it speaks above SPEAKS slow means, once taught TAUGHT times."""
    if s.active[slot] == 0 and s.seen[slot] >= TAUGHT and value > SPEAKS * s.usual:
        s.off_run += 1
    else:
        s.off_run = 0
    if is_learning and value > USED * s.usual:
        s.active[slot] = 1
    return s.off_run / RUN
