"""Plain detectors to compare with: z of the hour of week, and CUSUM on the day's residual."""

from typing import Any

import numba
import numpy as np


@numba.njit(cache=True)
def z_raises(slots: Any, values: Any, limit: float) -> Any:
    """Hours at which |value - mean of the hour of week| exceeds `limit` spreads; then a day of rest."""
    mean, seen, spread = np.zeros(168), np.zeros(168), np.zeros(24)
    out, quiet = np.zeros(len(values), np.bool_), 0
    for i in range(len(values)):
        slot, x = slots[i], values[i]
        quiet -= 1
        if np.isnan(x):
            continue
        unit, residual = max(spread[slot % 24], 1e-9), x - mean[slot]
        if seen[slot] >= 4 and abs(residual) > limit * unit and quiet < 0:
            out[i], quiet = True, 24
        if seen[slot] == 0:
            mean[slot] = x
        else:
            if seen[slot] >= 3:
                residual = min(max(residual, -4 * unit), 4 * unit)
            mean[slot] += 0.15 * residual
            spread[slot % 24] += 0.05 * (abs(residual) - spread[slot % 24])
        seen[slot] += 1
    return out


@numba.njit(cache=True)
def cusum_raises(slots: Any, values: Any, limit: float) -> Any:
    """Hours at which a two-sided CUSUM (slack 1, steps of at most 4) of daily residuals exceeds `limit`; then a week of rest."""
    mean, seen = np.zeros(168), np.zeros(168)
    out, quiet, spread, total, count, up, down = np.zeros(len(values), np.bool_), 0, 0.0, 0.0, 0, 0.0, 0.0
    for i in range(len(values)):
        slot, x = slots[i], values[i]
        quiet -= 1
        if not np.isnan(x):
            if seen[slot] >= 3:
                total, count = total + x - mean[slot], count + 1
            mean[slot] += (0.15 if seen[slot] else 1.0) * (x - mean[slot])
            seen[slot] += 1
        if slot % 24 == 23:
            if count >= 18:
                day = total / count
                z = min(max(day / max(spread, 1e-9), -4.0), 4.0) if spread > 0 else 0.0
                up, down = max(0.0, up + z - 1), max(0.0, down - z - 1)
                if max(up, down) > limit:
                    if quiet < 0:
                        out[i], quiet = True, 168
                    up, down = 0.0, 0.0
                size = abs(day) if spread == 0 else min(abs(day), 4 * spread)
                spread += 0.1 * (size - spread) if spread > 0 else size
            total, count = 0.0, 0
    return out
