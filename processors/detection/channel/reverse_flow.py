"""`reverse_flow`: negative windows where none has ever been."""

from typing import Any, Final

from zonepulse.processors.detection.channel.state import Detector
from zonepulse.processors.kernel import kernel

DETECTOR: Final = Detector("reverse_flow", "critical", "energy flows the other way", "value")


@kernel
def judge_reverse_flow(s: Any, value: float, is_learning: bool) -> float:
    """The run of negative windows of a channel that never had one; what comes without alarm is learned."""
    s.reversed = s.reversed + 1 if value < 0.0 and s.negative == 0 else 0
    if is_learning and value < 0.0:
        s.negative = 1
    return float(s.reversed)
