"""`level_shift`: a two-sided CUSUM on the day's residual."""

from typing import Any, Final

from zonepulse.processors.detection.channel.cusum import cusum_limit, cusum_step
from zonepulse.processors.detection.channel.state import Detector
from zonepulse.processors.kernel import kernel

DETECTOR: Final = Detector("level_shift", "warning", "days in a row above or below what they were", "CUSUM, its limit")
FLOOR: Final = 6.0


@kernel
def judge_day(s: Any, per_day: int, strictness: float, may_speak: bool) -> float:
    """Close the gathered day (nothing where under three quarters of it are measured); the CUSUM over its limit, 0 where none."""
    ratio = 0.0
    if 4 * s.day_windows >= 3 * per_day:
        mean = s.day_sum / s.day_windows
        unit = max(s.day_spread, 0.02 * s.usual, 1e-9)
        z = mean / unit
        for side in range(2):
            total = cusum_step(s.shift[side], z if side == 0 else -z)
            if total <= 0.0:
                s.shift_longest = max(s.shift_longest, s.shift_top[side])
                s.shift_top[side] = 0.0
            else:
                s.shift_top[side] = max(s.shift_top[side], total)
            limit = cusum_limit(FLOOR, s.shift_longest, strictness)
            ratio = max(ratio, total / limit)
            if not may_speak:
                s.shift_longest = max(s.shift_longest, min(total, FLOOR))
                total = min(total, FLOOR)
            elif total >= limit:
                s.shift_longest = max(s.shift_longest, total)
                s.shift_top[side] = 0.0
                total = 0.0
            s.shift[side] = total
        s.day_spread += 0.1 * (min(abs(mean), 4.0 * unit) - s.day_spread)
    s.day_sum = 0.0
    s.day_windows = 0
    s.shift_longest *= 0.998
    return ratio
