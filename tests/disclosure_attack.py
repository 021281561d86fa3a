"""An attacker on benchmarks: knows every sum that linear algebra makes of what he was told."""

import random
from collections.abc import Iterable
from fractions import Fraction

from zonepulse.processors.indicators.disclosure import Member

SECTORS, BANDS = tuple(f"C{n}" for n in range(29, 41)), ("small", "medium", "large")
FILTERS = 10_000
PRIME = 2**61 - 1
"""The attacker solves linear equations modulo it: faster than fractions, and what they could tell he finds as well."""


def zone_of(seed: int, count: int = 150) -> list[Member]:
    chance = random.Random(seed)
    return [
        Member(
            f"m{i}",
            chance.choice(SECTORS),
            chance.choice(BANDS),
            Fraction(chance.randint(1, 10**6)),
            Fraction(chance.randint(1, 900)),
        )
        for i in range(count)
    ]


class Attacker:
    """Knows sums over sets of members (bit masks), and every sum that can be made of them."""

    def __init__(self, sets: Iterable[int], width: int) -> None:
        self._width, self._rows = width, list[tuple[int, list[int]]]()
        for one in sets:
            vector = self._reduced(one)
            pivot = next((i for i, value in enumerate(vector) if value), None)
            if pivot is not None:
                inverse = pow(vector[pivot], -1, PRIME)
                self._rows.append((pivot, [value * inverse % PRIME for value in vector]))

    def knows(self, group: int) -> bool:
        """Whether the group's sum follows from what he was told."""
        return not any(self._reduced(group))

    def _reduced(self, group: int) -> list[int]:
        vector = [group >> i & 1 for i in range(self._width)]
        for pivot, row in self._rows:
            if factor := vector[pivot]:
                vector = [(a - factor * b) % PRIME for a, b in zip(vector, row, strict=True)]
        return vector
