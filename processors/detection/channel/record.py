"""`record`: how far a window goes beyond everything seen, in five views of it.

The views: the value; its exponential mean over 5; the exponential mean over 12 of its signed logarithm; the signed logarithm of the
residual; the exponential mean of the surprise of the step between eight bins of the range.
"""

import math
from typing import Any, Final

from zonepulse.processors.detection.channel.state import Detector
from zonepulse.processors.kernel import kernel

DETECTOR: Final = Detector("record", "info", "beyond everything seen so far", "the view that broke its record, by how much")
LIMIT: Final = 0.05
WARM: Final = 100
HOLD: Final = 60


@kernel
def signed_log(x: float) -> float:
    """log(1 + |x|) with the sign of x."""
    return math.log(1.0 + abs(x)) if x >= 0.0 else -math.log(1.0 + abs(x))


@kernel
def beyond(s: Any, view: int, y: float) -> float:
    """Excess of y beyond the view's range, in ranges; the range takes y in."""
    low, high = s.low[view], s.high[view]
    s.low[view], s.high[view] = min(low, y), max(high, y)
    if s.windows < WARM or high <= low:
        return 0.0
    return max(low - y, y - high, 0.0) / (high - low)


@kernel
def judge_record(s: Any, value: float, residual: float, strictness: float) -> float:
    """The score over its limit. A record within HOLD windows of one counts only where it is 1.6 times as far."""
    low, high = s.low[0], s.high[0]
    first = s.windows == 0
    s.short = value if first else s.short + (value - s.short) / 5.0
    size = signed_log(value)
    s.long = size if first else s.long + (size - s.long) / 12.0
    place = 0
    if high > low:
        place = int(min(max(8.0 * (value - low) / (high - low), 0.0), 7.0))
    if s.bin >= 0:
        total = 0.0
        for i in range(8):
            total += float(s.steps[s.bin, i])
        chance = (float(s.steps[s.bin, place]) + 0.5) / (total + 4.0)
        s.surprise += 0.1 * (-math.log(chance) - s.surprise)
        for i in range(8):
            s.steps[s.bin, i] = float(s.steps[s.bin, i]) * 0.999
        s.steps[s.bin, place] = float(s.steps[s.bin, place]) + 1.0
    s.bin = place
    score = beyond(s, 0, value)
    score = max(score, beyond(s, 1, s.short))
    score = max(score, beyond(s, 2, s.long))
    score = max(score, beyond(s, 3, signed_log(residual)))
    score = max(score, beyond(s, 4, s.surprise))
    score *= s.windows / (s.windows + 1000.0)
    if s.held > 0:
        s.held -= 1
        if score <= 1.6 * s.held_score:
            return 0.0
    ratio = score / (LIMIT * strictness)
    if score > 0.0117:
        s.held = HOLD
        s.held_score = score
    return ratio
