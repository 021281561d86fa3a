"""`zero_run`: a run of zero of at least three windows and twice the longest seen."""

from typing import Any, Final

from zonepulse.processors.detection.channel.state import Detector
from zonepulse.processors.kernel import kernel

DETECTOR: Final = Detector("zero_run", "warning", "nothing at all, for longer than ever", "run, longest run before")
LEAST: Final = 3


@kernel
def judge_zero_run(s: Any, value: float) -> float:
    """The run over its limit; a run that ends is remembered. A channel that has never shown anything else says nothing with it."""
    if value == 0.0:
        s.zeros += 1
    else:
        s.zeros_longest = max(s.zeros_longest, s.zeros)
        s.zeros = 0
    return s.zeros / max(LEAST, 2 * s.zeros_longest) if s.usual > 0.0 else 0.0
