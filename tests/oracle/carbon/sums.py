"""Sums of interval rows that can be put in and taken out again."""

from dataclasses import dataclass

from zonepulse.oracle.metering.fold import Row


@dataclass(slots=True)
class Sum:
    """What a pool's rows add up to; `covered` counts the rows with energy, `emitting` those with an emission."""

    rows: int = 0
    covered: int = 0
    value: int = 0
    estimated: int = 0
    covered_ms: int = 0
    emitting: int = 0
    co2e_mg: int = 0

    def add(self, row: Row, co2e_mg: int | None, sign: int) -> None:
        """Put a row in (+1) or take it out (-1)."""
        self.rows += sign
        self.covered_ms += sign * row.covered_ms
        if row.value is not None:
            self.covered += sign
            self.value += sign * row.value
            self.estimated += sign * row.estimated
        if co2e_mg is not None:
            self.emitting += sign
            self.co2e_mg += sign * co2e_mg

    def plus(self, other: "Sum", sign: int = 1) -> "Sum":
        """Energies with a sign, everything else added."""
        return Sum(
            self.rows + other.rows,
            self.covered + other.covered,
            self.value + sign * other.value,
            self.estimated + sign * other.estimated,
            self.covered_ms + other.covered_ms,
            self.emitting + other.emitting,
            self.co2e_mg + other.co2e_mg,
        )


@dataclass(frozen=True, slots=True)
class Part:
    """A sum over pools together with the channels expected in them."""

    sum: Sum
    expected: int

    @property
    def value(self) -> int | None:
        """Energy; None where nothing is covered."""
        return self.sum.value if self.sum.covered else None

    @property
    def co2e_mg(self) -> int | None:
        """Emission; None where no row has one."""
        return self.sum.co2e_mg if self.sum.emitting else None


def whole(parts: list[Part]) -> Part:
    """Everything of several parts together; their energies may be of different carriers."""
    total = Sum()
    for part in parts:
        total = total.plus(part.sum)
    return Part(total, sum(part.expected for part in parts))
