"""Kernels that share carbon among the items that leave a node: exact integers whose sum is what came in, whatever the rounding.

Energy in micro-kWh up to 2^60, carbon in mg up to 2^52, shares up to LIMIT; what is beyond has no place in an int64 column, and the
node counts as unknown.
"""

from typing import Final

from zonepulse.processors.kernel import kernel

Q: Final = 1_024_000_000
"""Intensities of a loop are whole numbers of 1/Q mg per micro-kWh (about 1 microgram per kWh)."""
LIMIT: Final = 2.0**62


@kernel
def floor_share(carbon: int, weight: int, total: int) -> int:
    """floor(carbon * weight / total) for total > 0, though the product has 112 bits.

    With weight = a total + b, 0 <= b < total, it is carbon a + floor(carbon b / total). The last quotient is at most `carbon` < 2^53, so
    its float64 estimate is off by less than 4, and the remainder, taken modulo 2^64, is its true value.
    """
    whole = 0
    if weight < 0 or weight >= total:
        a = weight // total
        whole = carbon * a
        weight -= a * total
    if weight == 0 or carbon == 0:
        return whole
    share = int(float(carbon) * float(weight) / float(total))
    rest = carbon * weight - share * total
    while rest < 0:
        rest += total
        share -= 1
    while rest >= total:
        rest -= total
        share += 1
    return whole + share


@kernel
def scaled(x: int, weight: int) -> tuple[int, int]:
    """Quotient and remainder (floor) of x * weight by Q, for a quotient within LIMIT."""
    a, b = weight // Q, weight % Q
    c, d = x // Q, x % Q
    low = b * d
    return x * a + c * b + low // Q, low % Q


@kernel
def rounded(x: int, weight: int) -> int:
    """round-half-up(x * weight / Q)."""
    quotient, rest = scaled(x, weight)
    return quotient + (1 if 2 * rest >= Q else 0)
