"""Student's t and Fisher's F: tails and quantile.

scipy has them, for 140 MB on disk and 15 MB of each worker's memory: numba imports it wherever it is installed.

Both are regularised incomplete beta functions I_x(a, b) (DLMF 8.17), by their continued fraction (DLMF 8.17.22), evaluated as Lentz does.
"""

from math import exp, isfinite, lgamma, log
from typing import Final

_TINY: Final = 1e-300
_NEAR: Final = 1e-16
_MOST_TERMS: Final = 10_000


def two_sided_t(t: float, free: float) -> float:
    """The probability of a value farther from 0 than t, of Student's t with `free` degrees of freedom."""
    outer = t * t
    return _beta(free / (free + outer), outer / (free + outer), free / 2, 0.5) if isfinite(outer) else 0.0


def upper_f(f: float, above: float, below: float) -> float:
    """The probability of a value above f, of Fisher's F with degrees of freedom above and below the line."""
    outer = above * max(0.0, f)
    return _beta(below / (below + outer), outer / (below + outer), below / 2, above / 2) if isfinite(outer) else 0.0


def t_quantile(outside: float, free: float) -> float:
    """The t that `two_sided_t` gives this probability for."""
    low, high = 0.0, 1.0
    while two_sided_t(high, free) > outside:
        low, high = high, 2 * high
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (middle, high) if two_sided_t(middle, free) > outside else (low, middle)
    return middle


def _beta(x: float, y: float, a: float, b: float) -> float:
    """I_x(a, b) for 0 <= x <= 1 and y = 1 - x, which is given so that no digits are lost near 1."""
    if x <= 0.0 or y <= 0.0:
        return float(y <= 0.0)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta(y, x, b, a)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(y)) / a
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _MOST_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d, c = 1 / _not_zero(1 + term * d), _not_zero(1 + term / c)
            value *= d * c
        if abs(d * c - 1) < _NEAR:
            break
    return front * value


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
