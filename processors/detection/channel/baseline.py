"""The shared baseline: a level for each hour of the week and a spread for each hour of the day, robust by clipping."""

from typing import Any, Final

from zonepulse.processors.kernel import kernel

RATE: Final = 0.15
CLIP: Final = 4.0
LEAST_UNIT: Final = 0.02
"""Least unit of residual, in slow means."""


@kernel
def spread_at(s: Any, slot: int) -> float:
    """What one unit of residual is at `slot`: the mean |residual|, at least 2 % of the slow mean."""
    return max(float(s.spread[slot % 24]), LEAST_UNIT * s.usual, 1e-9)


@kernel
def learn(s: Any, slot: int, value: float) -> None:
    """Teach one measured window without alarm: an exponential mean after the first six, residuals clipped at CLIP spreads."""
    seen = int(s.seen[slot])
    residual = value - float(s.level[slot])
    if seen == 0:
        s.level[slot] = value
    else:
        if seen >= 3:
            most = CLIP * spread_at(s, slot)
            residual = min(max(residual, -most), most)
        rate = max(RATE, 1.0 / (seen + 1.0))
        s.level[slot] = float(s.level[slot]) + rate * residual
        old = float(s.spread[slot % 24])
        s.spread[slot % 24] = old + max(0.02, 1.0 / (seen + 1.0)) * (abs(residual) - old)
    if seen < 255:
        s.seen[slot] = seen + 1
    s.usual += max(0.01, 1.0 / (s.windows + 1.0)) * (abs(value) - s.usual)
