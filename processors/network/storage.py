"""The carbon that a storage holds: energy in micro-kWh and carbon in mg, plain integers.

In a window a storage discharges, writes off what is too little to matter, charges and takes adjustments, in this order:

    out = inventory.discharge(d)         the carbon of its injection
    lost = inventory.write_off()         below EMPTY: the rest, so that no intensity comes from a few micro-kWh
    over = inventory.charge(g, k)        g as metered, of which `efficiency` arrives; k = all its carbon, so losses concentrate it
    inventory.adjust(*difference)        what windows that were settled earlier would now have done otherwise

`average` mixes all that is held; `fifo` keeps lots and gives the oldest first. Always, to the milligram: held before + charged =
discharged + written off + held after. A settled window keeps what its discharge was worth (`valuation`), because later windows have
sold what it left; only its difference is carried on.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, Literal, NamedTuple

Method = Literal["average", "fifo"]

EMPTY: Final = 1_000
"""Micro-kWh (1 Wh): an inventory with less is written off."""


class Lot(NamedTuple):
    """Energy (micro-kWh) and its carbon (mg), both >= 0."""

    energy: int
    carbon: int


NOTHING: Final = Lot(0, 0)


class Passage(NamedTuple):
    """What passed a storage in one window: metered micro-kWh and mg."""

    charged: int = 0
    charged_carbon: int = 0
    discharged: int = 0
    discharged_carbon: int = 0


@dataclass
class Inventory:
    """What a storage holds; `lots` from the oldest on, for `average` at most one. `efficiency`: part of a charge that arrives."""

    method: Method
    efficiency: Fraction = Fraction(1)
    lots: list[Lot] = field(default_factory=list)

    @classmethod
    def from_facts(cls, method: Method, efficiency: Fraction, facts: Iterable[Iterable[int]]) -> "Inventory":
        """The inventory of which `to_facts` told."""
        return cls(method, efficiency, [Lot(*lot) for lot in facts])

    def to_facts(self) -> list[list[int]]:
        """The lots as lists of integers; method and efficiency are the registry's."""
        return [list(lot) for lot in self.lots]

    def copy(self) -> "Inventory":
        """An inventory that changes by itself."""
        return Inventory(self.method, self.efficiency, list(self.lots))

    @property
    def held(self) -> Lot:
        """All lots together."""
        return Lot(sum(lot.energy for lot in self.lots), sum(lot.carbon for lot in self.lots))

    @property
    def oldest(self) -> Lot:
        """The lot that a discharge would take first."""
        return self.lots[0] if self.lots else NOTHING

    def discharge(self, energy: int) -> int:
        """Take energy; returns its carbon. What is taken beyond the inventory carries none."""
        carbon = 0
        while energy > 0 and self.lots:
            lot = self.lots[0]
            if energy < lot.energy:
                part = lot.carbon * energy // lot.energy
                self.lots[0] = Lot(lot.energy - energy, lot.carbon - part)
                return carbon + part
            energy -= lot.energy
            carbon += lot.carbon
            del self.lots[0]
        return carbon

    def write_off(self) -> Lot:
        """Drop all that is held if it is less than EMPTY; returns what was dropped."""
        held = self.held
        if held.energy >= EMPTY:
            return NOTHING
        self.lots.clear()
        return held

    def charge(self, energy: int, carbon: int) -> int:
        """Store metered energy with its carbon; returns the carbon written off at once: that of a lot without energy (fifo)."""
        stored = energy * self.efficiency.numerator // self.efficiency.denominator
        if self.method == "fifo" and stored == 0:
            return carbon
        self._add(Lot(stored, carbon))
        return 0

    def adjust(self, energy: int, carbon: int) -> int:
        """Add a signed difference; what is negative comes from the oldest lots, each until used up, and beyond them is dropped.

        Returns the carbon that no energy is left for (fifo), which is written off: that of lots without energy goes to the oldest.
        """
        if self.method == "average":
            held = self.held
            self.lots[:] = [lot for lot in [Lot(max(0, held.energy + energy), max(0, held.carbon + carbon))] if lot != NOTHING]
            return 0
        lots, short = [], Lot(max(0, -energy), max(0, -carbon))
        for lot in self.lots:
            taken = Lot(min(short.energy, lot.energy), min(short.carbon, lot.carbon))
            lots.append(Lot(lot.energy - taken.energy, lot.carbon - taken.carbon))
            short = Lot(short.energy - taken.energy, short.carbon - taken.carbon)
        loose = 0
        if energy > 0:
            lots.append(Lot(energy, max(0, carbon)))
        else:
            loose = max(0, carbon)
        loose += sum(lot.carbon for lot in lots if lot.energy == 0)
        self.lots[:] = [lot for lot in lots if lot.energy > 0]
        if not self.lots:
            return loose
        self.lots[0] = Lot(self.lots[0].energy, self.lots[0].carbon + loose)
        return 0

    def _add(self, lot: Lot) -> None:
        if lot == NOTHING:
            return
        if self.method == "average" and self.lots:
            held = self.lots[0]
            lot = Lot(held.energy + lot.energy, held.carbon + lot.carbon)
            self.lots.clear()
        self.lots.append(lot)

    def difference(self, before: Passage, after: Passage) -> tuple[int, int]:
        """Energy and carbon that a settled window would have left more, had it been `after`: the adjustment to book."""
        (energy, carbon), (new_energy, new_carbon) = self._left(before), self._left(after)
        return new_energy - energy, new_carbon - carbon

    def _left(self, passage: Passage) -> tuple[int, int]:
        stored = passage.charged * self.efficiency.numerator // self.efficiency.denominator
        return stored - passage.discharged, passage.charged_carbon - passage.discharged_carbon


def valuation(before: Inventory, discharged: int, carbon: int) -> Lot:
    """The pair that values a settled window's discharge for good: what it discharged, else what it would have taken from `before`."""
    if discharged > 0:
        return Lot(discharged, carbon)
    return before.held if before.method == "average" else before.oldest


def value(pair: Lot, discharged: int) -> int:
    """Carbon of a discharge that a settled window has now."""
    if pair.energy == 0:
        return 0
    return pair.carbon if discharged == pair.energy else pair.carbon * discharged // pair.energy
