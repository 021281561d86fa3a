"""`unusual`: streaming peaks over threshold on the residual (Siffer et al., KDD 2017), excesses fitted by moments."""

import math
from typing import Any, Final

from zonepulse.processors.detection.channel.state import Detector
from zonepulse.processors.kernel import kernel

DETECTOR: Final = Detector(
    "unusual", "warning", "far outside what this hour of the week is", "value, expected band, tail probability"
)


@kernel
def judge_unusual(s: Any, z: float, tail: float, is_learning: bool) -> float:
    """|z| over its limit (1 = at it). The tail's start follows the 98th percentile; an excess teaches a generalized Pareto tail.

    With mean m and variance v of the excesses: shape = (1 - m²/v)/2 in [0, 0.5], scale = m (1 + m²/v)/2; the limit is the level
    that one window exceeds with probability `tail`.
    """
    size = abs(z)
    score = size / s.tail_limit if s.tail_limit > 0.0 else 0.0
    if is_learning:
        s.tail_windows += 1.0
        if size > s.tail_from:
            excess = min(size, 50.0) - s.tail_from
            s.peaks += 1.0
            s.peak_sum += excess
            s.peak_square += excess * excess
            s.tail_from += 0.05 * 0.98
            if s.peaks >= 10.0:
                mean = s.peak_sum / s.peaks
                variance = max(s.peak_square / s.peaks - mean * mean, 1e-12)
                ratio = mean * mean / variance
                shape = min(max(0.5 * (1.0 - ratio), 0.0), 0.5)
                scale = 0.5 * mean * (1.0 + min(ratio, 1.0))
                rare = math.log(s.peaks / (tail * s.tail_windows))
                far = rare if shape < 1e-3 else (math.exp(shape * rare) - 1.0) / shape
                s.tail_limit = s.tail_from + scale * far
        else:
            s.tail_from = max(s.tail_from - 0.05 * 0.02, 0.5)
    return score
