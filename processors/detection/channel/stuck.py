"""`stuck`: a run of equal windows, other than zero, of at least six and twice the longest seen."""

from typing import Any, Final

from zonepulse.processors.detection.channel.state import Detector
from zonepulse.processors.kernel import kernel

DETECTOR: Final = Detector("stuck", "warning", "the same value again and again", "value, run, longest run before")
LEAST: Final = 6


@kernel
def judge_stuck(s: Any, value: float) -> float:
    """The run over its limit; a run that ends is remembered."""
    if value == s.last and value != 0.0:
        s.same += 1
    else:
        s.same_longest = max(s.same_longest, s.same)
        s.same = 1 if value != 0.0 else 0
    return s.same / max(LEAST, 2 * s.same_longest)
