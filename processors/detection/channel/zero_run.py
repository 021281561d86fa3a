"""`zero_run`: a run of zero of at least three windows and twice the longest seen."""

from typing import Any, Final

from zonepulse.processors.detection.channel.state import Detector
from zonepulse.processors.kernel import kernel

DETECTOR: Final = Detector("zero_run", "warning", "nothing at all, for longer than ever", "run, longest run before")
LEAST: Final = 3


@kernel
def judge_zero_run(s: Any, value: float, level: float) -> float:
    """The run over its limit, but no more than what it should have used over LEAST slow means; a run that ends is remembered.

    `level` is what the baseline expects of the window: where nothing is used anyway, nothing is at stake.
    """
    if value == 0.0:
        s.zeros += 1
        s.zeros_stake += max(level, 0.0)
    else:
        s.zeros_longest = max(s.zeros_longest, s.zeros)
        s.zeros = 0
        s.zeros_stake = 0.0
    stake = s.zeros_stake / max(LEAST * s.usual, 1e-9)
    return min(s.zeros / max(LEAST, 2 * s.zeros_longest), stake)
