"""The carbon that a storage holds: how it takes it in, hands it out, and books what comes to light later.

An inventory is energy (as the storage gives it back) with its carbon: as one heap (`average`) or as lots, oldest first (`fifo`).
Decisions: a discharge of 0 takes no carbon; what is discharged beyond the inventory carries none. Of an adjustment, negative energy
and carbon are taken from the oldest lots, each until used up; then positive energy is a new lot (with the carbon, if that is positive
too); then the carbon of lots without energy, and carbon that comes without energy, goes to the oldest lot, without any lot it is lost
with the write-off.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

from zonepulse.oracle.zone.registry import Source

SMALL_MICRO: Final = 1000
"""Less than this (1 Wh) is written off."""


class Amount(NamedTuple):
    """Energy (micro-kWh) with its carbon (mg)."""

    energy: int = 0
    carbon: int = 0

    def plus(self, other: "Amount") -> "Amount":
        """Both together."""
        return Amount(self.energy + other.energy, self.carbon + other.carbon)

    def minus(self, other: "Amount") -> "Amount":
        """What is left, or lacking."""
        return Amount(self.energy - other.energy, self.carbon - other.carbon)


NOTHING: Final = Amount()


def share(pair: Amount, energy: int) -> int:
    """The carbon of an energy that is valued like `pair`."""
    if pair.energy == 0:
        return 0
    return pair.carbon if energy == pair.energy else pair.carbon * energy // pair.energy


@dataclass(frozen=True)
class Inventory:
    """What a storage holds at one moment; `average` has at most one lot."""

    method: str
    lots: tuple[Amount, ...] = ()

    @staticmethod
    def initial(source: Source) -> "Inventory":
        """What it holds before the first window."""
        first = Amount(source.initial_micro, source.initial_mg)
        return Inventory(source.method, () if first == NOTHING else (first,))

    @property
    def total(self) -> Amount:
        """All lots together."""
        return Amount(sum(lot.energy for lot in self.lots), sum(lot.carbon for lot in self.lots))

    @property
    def pair(self) -> Amount:
        """What an energy is valued by that was not discharged in its own turn: the heap, or the oldest lot."""
        return self.lots[0] if self.lots else NOTHING

    def discharge(self, energy: int) -> tuple["Inventory", int]:
        """What is left, and the carbon that goes with the energy."""
        lots, carbon, rest = list(self.lots), 0, energy
        while rest > 0 and lots:
            lot = lots.pop(0)
            taken = min(rest, lot.energy)
            part = lot.carbon if taken == lot.energy else lot.carbon * taken // lot.energy
            if taken < lot.energy:
                lots.insert(0, lot.minus(Amount(taken, part)))
            carbon, rest = carbon + part, rest - taken
        return Inventory(self.method, tuple(lots)), carbon

    def write_off(self) -> tuple["Inventory", Amount]:
        """What is left, and what is lost because it is next to nothing."""
        if self.total.energy >= SMALL_MICRO:
            return self, NOTHING
        return Inventory(self.method), self.total

    def charge(self, added: Amount) -> tuple["Inventory", int]:
        """With a charge; carbon that came without energy and is lost."""
        if added == NOTHING:
            return self, 0
        if self.method == "average":
            return Inventory(self.method, (self.total.plus(added),)), 0
        if added.energy == 0:
            return self, added.carbon
        return Inventory(self.method, (*self.lots, added)), 0

    def adjust(self, change: Amount) -> tuple["Inventory", int]:
        """With a later correction of windows that are settled; carbon that no energy is left for and is lost."""
        if self.method == "average":
            total = self.total.plus(change)
            floored = Amount(max(0, total.energy), max(0, total.carbon))
            return Inventory(self.method, () if floored == NOTHING else (floored,)), 0
        lots, lacking = [], Amount(max(0, -change.energy), max(0, -change.carbon))
        for lot in self.lots:
            taken = Amount(min(lot.energy, lacking.energy), min(lot.carbon, lacking.carbon))
            lots.append(lot.minus(taken))
            lacking = lacking.minus(taken)
        if change.energy > 0:
            lots.append(Amount(change.energy, max(0, change.carbon)))
        loose = sum(lot.carbon for lot in lots if lot.energy == 0) + (max(0, change.carbon) if change.energy <= 0 else 0)
        lots = [lot for lot in lots if lot.energy > 0]
        if not lots:
            return Inventory(self.method), loose
        lots[0] = lots[0].plus(Amount(0, loose))
        return Inventory(self.method, tuple(lots)), 0


@dataclass
class Turn:
    """One window of a storage: what went out and in, and what it held before and after."""

    before: Inventory
    after: Inventory
    out: Amount = NOTHING
    """Energy discharged, with its carbon."""
    taken: Amount = NOTHING
    """Energy charged, after the losses of storing, with its carbon."""
    lost: Amount = NOTHING
    adjustment: Amount = NOTHING
    is_adjusted: bool = False
    pair: Amount = NOTHING
    """How a discharge of this window is valued once it is settled."""

    def settle(self) -> None:
        """Freeze how a later discharge of this window is valued."""
        self.pair = self.out if self.out.energy > 0 else self.before.pair
