"""`night_use`: an upward CUSUM on the nightly minimum, 00:00 to 05:00: base load that creeps, leaks."""

from typing import Any, Final

from zonepulse.processors.detection.channel.cusum import cusum_limit, cusum_step
from zonepulse.processors.detection.channel.state import Detector
from zonepulse.processors.kernel import kernel

DETECTOR: Final = Detector("night_use", "warning", "the night's lowest use rises", "nightly minimum, its level, CUSUM, its limit")
FLOOR: Final = 8.0
HOURS: Final = 5


@kernel
def judge_night(s: Any, per_day: int, strictness: float, may_speak: bool, is_learning: bool) -> float:
    """Close the gathered night (nothing where under three quarters are measured); the CUSUM over its limit, 0 where none."""
    ratio = 0.0
    if 4 * 24 * s.night_windows >= 3 * HOURS * per_day:
        low = s.night_low
        if s.nights == 0:
            s.night_level = low
        unit = max(s.night_spread, 0.02 * abs(s.night_level), 0.005 * s.usual, 1e-9)
        residual = low - s.night_level
        total = cusum_step(s.creep, residual / unit)
        if total <= 0.0:
            s.creep_longest = max(s.creep_longest, s.creep_top)
            s.creep_top = 0.0
        else:
            s.creep_top = max(s.creep_top, total)
        limit = cusum_limit(FLOOR, s.creep_longest, strictness)
        ratio = total / limit
        if not may_speak:
            s.creep_longest = max(s.creep_longest, min(total, FLOOR))
            total = min(total, FLOOR)
        elif total >= limit:
            s.creep_longest = max(s.creep_longest, total)
            s.creep_top = 0.0
            total = 0.0
        s.creep = total
        if is_learning:
            s.nights += 1
            rate = max(0.05, 1.0 / s.nights)
            most = 4.0 * unit
            s.night_level += rate * (min(max(residual, -most), most) if s.nights > 5 else residual)
            s.night_spread += rate * (min(abs(residual), most) - s.night_spread)
    s.night_low = float("inf")
    s.night_windows = 0
    s.creep_longest *= 0.998
    return ratio
