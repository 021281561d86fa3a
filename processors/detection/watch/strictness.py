"""How strict detectors are at an alert budget."""

from math import log
from typing import Final

AT: Final = ((0.009, 6.6), (0.25, 1.5))
"""(alerts shown a channel-month, strictness) as fitted by `zonepulse detect bench`, mean of the two halves."""


def strictness_of(budget: float) -> float:
    """On the line through AT over the logarithm of the budget, at least 0.5."""
    (low, at_low), (high, at_high) = AT
    return max(0.5, at_low + (at_high - at_low) * log(budget / low) / log(high / low))
