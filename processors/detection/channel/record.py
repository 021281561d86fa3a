"""`record`: how far a window goes beyond everything seen, in seven views of it.

The views: the value; its exponential mean over 5; those over 12 and 48 of its signed logarithm; the signed logarithm of the residual;
the exponential mean over 7 of the surprise of the step between eight bins; the logarithm of the exponential variance over 100.
Logarithms are of the size in slow means, so that the unit does not matter.
"""

import math
from typing import Any, Final

from zonepulse.processors.detection.channel.state import Detector
from zonepulse.processors.kernel import kernel

DETECTOR: Final = Detector("record", "info", "beyond everything seen so far", "the view that broke its record, by how much")
WARM: Final = 100
HOLD: Final = 60
STRONGER: Final = 1.6
TRUST: Final = 1000.0
SLOW: Final = 0.001
VALUE, SHORT, LONG, RESIDUAL, SURPRISE, LONGER, VARIANCE = range(7)


@kernel
def signed_log(x: float) -> float:
    """log(1 + |x|) with the sign of x."""
    return math.log(1.0 + abs(x)) if x >= 0.0 else -math.log(1.0 + abs(x))


@kernel
def beyond(s: Any, view: int, weight: float, y: float) -> float:
    """`weight` times the excess of y beyond the view's range, in ranges; the range takes y in."""
    low, high = s.low[view], s.high[view]
    s.low[view], s.high[view] = min(low, y), max(high, y)
    if s.windows <= WARM or low <= y <= high:
        return 0.0
    return weight * (max(low - y, y - high) / (high - low) if high > low else 1.0)


@kernel
def surprise_of(s: Any, value: float, first: float) -> float:
    """The exponential mean of -log of the chance of the step to the value's bin, by the steps seen; bins of standard deviations."""
    away = value - s.center
    z = away / (math.sqrt(s.variance) + 1e-9 * (abs(s.center) + 1e-9) + 1e-12)
    place = int(min(max(4.0 * (z / (1.0 + abs(z)) + 1.0), 0.0), 7.0))
    rate = max(SLOW, first)
    s.center += rate * away
    s.variance = (1.0 - rate) * (s.variance + rate * away * away)
    if s.bin >= 0:
        total = 0.0
        for i in range(8):
            total += float(s.steps[s.bin, i])
        s.surprise += 0.15 * (-math.log((float(s.steps[s.bin, place]) + 0.5) / (total + 4.0)) - s.surprise)
        s.steps[s.bin, place] = float(s.steps[s.bin, place]) + 1.0
    s.bin = place
    return float(s.surprise)


@kernel
def judge_record(s: Any, value: float, residual: float) -> float:
    """The score. A record within HOLD windows of one counts only where it is STRONGER times as far."""
    first = 1.0 / (s.windows + 1.0)
    s.size += (abs(value) - s.size) * max(SLOW, first)
    s.residual_size += (abs(residual) - s.residual_size) * max(SLOW, first)
    size = signed_log(value / (s.size + 1e-12))
    s.short += (value - s.short) * max(1.0 / 5.0, first)
    s.long += (size - s.long) * max(1.0 / 12.0, first)
    s.longer += (size - s.longer) * max(1.0 / 48.0, first)
    surprise = surprise_of(s, value, first)
    away = value - s.near
    rate = max(1.0 / 100.0, first)
    s.near += rate * away
    s.near_variance = (1.0 - rate) * (s.near_variance + rate * away * away)
    s.near_usual += (s.near_variance - s.near_usual) * max(SLOW, first)
    score = beyond(s, VALUE, 1.0, value)
    score = max(score, beyond(s, SHORT, 0.5, s.short))
    score = max(score, beyond(s, LONG, 1.0, s.long))
    score = max(score, beyond(s, RESIDUAL, 1.0, signed_log(residual / (s.residual_size + 1e-12))))
    score = max(score, beyond(s, SURPRISE, 0.5, surprise))
    score = max(score, beyond(s, LONGER, 0.5, s.longer))
    score = max(score, beyond(s, VARIANCE, 1.0, math.log(s.near_variance + 0.001 * s.near_usual + 1e-12)))
    score *= s.windows / (s.windows + TRUST)
    if s.held > 0:
        s.held -= 1
        if score <= STRONGER * s.held_score:
            return 0.0
    if score > 0.0:
        s.held = HOLD
        s.held_score = score
    return score
