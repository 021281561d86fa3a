"""What the ledger's rows of a period add up to: the only thing that indicators need of the store. Integers; shares are fractions."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, NamedTuple

EntityKind = Literal["zone", "company"]


class Entity(NamedTuple):
    """Whose indicators they are."""

    kind: EntityKind
    id: str


class RowKey(NamedTuple):
    """Of rows of `totals`."""

    entity: Entity
    carrier: str
    scope: int
    basis: str


class RowSum(NamedTuple):
    """A series of `totals` over the windows of a period."""

    energy_micro: int | None
    """Micro-units of the carrier's base unit; None where no window has any."""
    co2e_mg: int | None
    estimated_micro: int
    covered_ms: int
    expected_ms: int
    windows: int
    windows_without_factor: int
    """With energy, and no emissions known."""


class RegisterSum(NamedTuple):
    """A register of electricity in `intervals` over the windows of a period."""

    company: str
    role: str
    direction: str
    value_micro: int | None
    estimated_micro: int
    covered_ms: int


@dataclass(frozen=True, slots=True)
class Sums:
    """Everything of one period."""

    rows: Mapping[RowKey, RowSum]
    registers: tuple[RegisterSum, ...]
    """Those that count: generation, and the export of main and boundary meters."""
    period_ms: int
    window_ms: int

    def covered(self, row: RowSum) -> Fraction:
        """Part of the period that readings of the series cover: windows without a row count as not covered."""
        if not row.expected_ms:
            return Fraction(0)
        return min(Fraction(1), Fraction(row.covered_ms * row.windows * self.window_ms, row.expected_ms * self.period_ms))
