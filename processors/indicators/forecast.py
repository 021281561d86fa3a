"""Where a sum of days will end: what each weekday used, at the level of the last two weeks, and how wrong that has been before. Pure.

The interval comes from the projection's own errors: it is made again for every earlier day, as if the days after it were not known, and
compared with what came. Errors of overlapping stretches are not independent, so their spread is widened by Student's t for as many degrees
of freedom as stretches lie side by side.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Days = NDArray[np.float64]
"""Consecutive days, oldest first; nan: not known."""
WEEK: Final = 7
PROFILE_DAYS: Final = 8 * WEEK
LEVEL_DAYS: Final = 2 * WEEK
FIRST_DAYS: Final = 3 * WEEK
"""What the first projection stands on."""
LEAST_ERRORS: Final = 10
MOST_ERRORS: Final = 52 * WEEK
KNOWN: Final = 0.8
"""Of the days of a stretch that is compared."""
T_90: Final = (3.078, 1.886, 1.638, 1.533, 1.476, 1.440, 1.415, 1.397, 1.383, 1.372, 1.363, 1.356, 1.350, 1.345, 1.341)
"""Student's t for 1, 2, ... degrees of freedom: nine tenths lie below it, four fifths within it and its negative."""
T_90_MANY: Final = 1.282


class Forecast(NamedTuple):
    """A sum, and the bounds of the interval that holds it four times in five."""

    sum: float
    low: float
    high: float
    errors: int
    """How many earlier projections it is judged by."""


def needed_days(ahead: int) -> int:
    """History, without which there is no forecast of so many days."""
    return FIRST_DAYS + ahead + LEAST_ERRORS - 1


def forecast(days: Days, ahead: int) -> Forecast | None:
    """The sum of the `ahead` days behind `days`; None where the past is too short, or uses nothing."""
    known = ~np.isnan(days)
    errors = []
    for at in range(max(FIRST_DAYS, len(days) - ahead - MOST_ERRORS + 1), len(days) - ahead + 1):
        there = known[at : at + ahead]
        expected = projected(days[:at], ahead)
        if expected is None or there.sum() < KNOWN * ahead or expected[there].sum() <= 0:
            continue
        errors.append(days[at : at + ahead][there].sum() / expected[there].sum() - 1)
    coming = projected(days, ahead)
    if coming is None or len(errors) < LEAST_ERRORS:
        return None
    apart = max(2, len(errors) // ahead)
    t = T_90[apart - 1] if apart <= len(T_90) else T_90_MANY
    total, spread = float(coming.sum()), t * float(np.sqrt(np.mean(np.square(errors))))
    return Forecast(total, max(0.0, total * (1 - spread)), total * (1 + spread), len(errors))


def projected(days: Days, ahead: int) -> Days | None:
    """What each of the `ahead` days behind `days` would use; None where nothing is known of the last two weeks, or nothing was used."""
    recent = days[-PROFILE_DAYS:]
    weekday = (np.arange(len(days) - len(recent), len(days))) % WEEK
    known = ~np.isnan(recent)
    sums = np.bincount(weekday[known], recent[known], WEEK)
    counts = np.bincount(weekday[known], minlength=WEEK)
    if not counts.sum() or sums.sum() <= 0:
        return None
    mean = sums.sum() / counts.sum()
    profile = np.where(counts > 0, sums / np.maximum(counts, 1), mean) / mean
    last = slice(-LEVEL_DAYS, None)
    weight = profile[weekday[last][known[last]]].sum()
    if weight <= 0:
        return None
    level = recent[last][known[last]].sum() / weight
    coming: Days = level * profile[np.arange(len(days), len(days) + ahead) % WEEK]
    return coming
