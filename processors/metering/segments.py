"""Kernels that book energy into windows. All integers, exact: sum over windows of what is booked = the amount, always.

`win` is a work array (dtype WINDOW) whose element i is window `base + i`; what falls outside is not booked here.
"""

from zonepulse.processors.flow import BIT_ESTIMATED
from zonepulse.processors.kernel import kernel
from zonepulse.processors.metering.records import Span, Window, Windows

MS_PER_HOUR = 3_600_000
_SPLIT = 20


@kernel
def mul_div(r: int, x: int, total: int) -> int:
    """floor(r * x / total) for 0 <= r < total, 0 <= x <= total < 2**40 (34 years in ms), without overflow."""
    if total < 2147483648:
        return r * x // total
    high = r * (x >> _SPLIT)
    whole = high // total
    rest = high - whole * total
    return (whole << _SPLIT) + ((rest << _SPLIT) + r * (x & ((1 << _SPLIT) - 1))) // total


@kernel
def scaled(amount: int, x: int, total: int) -> int:
    """floor(amount * x / total) for 0 <= amount < 2**62, x <= 4 * total: the cumulative share of a flat segment."""
    q = amount // total
    r = amount - q * total
    whole = x // total
    return q * x + r * whole + mul_div(r, x - whole * total, total)


@kernel
def book_segment(win: Windows, span: Span, length: int, t0: int, t1: int, amount: int, bits: int) -> None:
    """Book `amount` flat over [t0, t1): window share = C(min(t1, end)) - C(max(t0, start)), C(t) = floor(amount (t - t0) / (t1 - t0))."""
    if t1 <= t0:
        return
    total = t1 - t0
    w = t0 // length
    a, low = t0, 0
    while a < t1:
        i = w - span.origin
        if i >= span.n:
            return
        b = min((w + 1) * length, t1)
        high = amount if b == t1 else scaled(amount, b - t0, total)
        if i >= 0:
            win[i].val += high - low
            win[i].cov += b - a
            win[i].bits |= bits
            if bits & BIT_ESTIMATED:
                win[i].est += high - low
        low, a = high, b
        w += 1


@kernel
def book_power(win: Windows, span: Span, length: int, t0: int, t1: int, power: int, bits: int) -> None:
    """Book a constant power (micro-units per hour) over [t0, t1); the window's floor is taken once, over all its samples."""
    q = power // MS_PER_HOUR
    r = power - q * MS_PER_HOUR
    w = t0 // length
    a = t0
    while a < t1:
        i = w - span.origin
        if i >= span.n:
            return
        b = min((w + 1) * length, t1)
        if i >= 0:
            win[i].val += q * (b - a)
            win[i].rem += r * (b - a)
            win[i].cov += b - a
            win[i].bits |= bits
            if bits & BIT_ESTIMATED:
                win[i].est += q * (b - a)
                win[i].est_rem += r * (b - a)
        a = b
        w += 1


@kernel
def value_of(w: Window) -> int:
    """Energy of a window in micro-units."""
    return w.val + w.rem // MS_PER_HOUR


@kernel
def estimated_of(w: Window) -> int:
    """Estimated part of a window's energy in micro-units."""
    return w.est + w.est_rem // MS_PER_HOUR
