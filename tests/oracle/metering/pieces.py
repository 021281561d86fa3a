"""What a channel's readings come to: pieces of energy, and what there is to say about readings. A page holds one and the pages before."""

from typing import NamedTuple, TypeAlias

REGISTER, INTERVAL, POWER, SENDER, INTERPOLATED, SWAP_GAP, RESET, MANUAL = range(1, 9)
"""How a piece was made, in order of precedence."""
METHODS = ("", "register", "interval", "power", "sender", "interpolated", "swap_gap", "reset", "manual")


class Point(NamedTuple):
    """A value of a register."""

    ts_ms: int
    energy: int
    estimated: bool = False
    corrected: bool = False
    manual: bool = False
    """Given by somebody; estimated as well."""


class Piece(NamedTuple):
    """Energy over a stretch of time; of a power sample, `amount` is micro base units per hour."""

    start_ms: int
    end_ms: int
    amount: int
    method: int
    estimated: bool
    corrected: bool
    is_power: bool = False
    is_as_read: bool = True
    """What its register measures at its own pace, not estimated by anybody."""

    def energy(self, start_ms: int, end_ms: int) -> int:
        """Energy between two instants inside the piece, by the cumulative floor; of power, micro-units x ms per hour."""
        if self.is_power:
            return self.amount * (end_ms - start_ms)
        duration = self.end_ms - self.start_ms
        return self.amount * (end_ms - self.start_ms) // duration - self.amount * (start_ms - self.start_ms) // duration


class Mark(NamedTuple):
    """An impossible value. `at_ms` lies in the window it belongs to."""

    at_ms: int
    ts_ms: int
    energy: int
    is_power: bool
    quality: str


class TooLong(NamedTuple):
    """A segment or reset that nobody books: it begins too long before what decides it."""

    start_ms: int
    end_ms: int
    advance: int


class Restart(NamedTuple):
    """A new series that no record in the registry explains, and the last value of the old one."""

    from_ms: int
    from_energy: int
    to_ms: int
    to_energy: int
    decided_ms: int
    """The reading that decided it."""

    @property
    def name(self) -> tuple[int, int, int, int]:
        """What makes it the same, whoever decided it."""
        return self[:4]


Entry: TypeAlias = Piece | Mark | TooLong | Restart


class Page(NamedTuple):
    """An entry and the pages before it: what was said up to a reading. It never changes, so a reading can go back to an earlier page."""

    number: int
    entry: Entry
    before: "Page | None"


Pages: TypeAlias = Page | None


def add(pages: Pages, entry: Entry) -> Page:
    """One more page."""
    return Page(1 if pages is None else pages.number + 1, entry, pages)


def changed(old: Pages, new: Pages) -> tuple[list[Entry], list[Entry]]:
    """The entries that only the old and only the new pages have, without those that were written again in the same words."""
    gone: list[Entry] = []
    come: list[Entry] = []
    while old is not new:
        if new is None or (old is not None and old.number >= new.number):
            assert old is not None
            gone.append(old.entry)
            old = old.before
        else:
            come.append(new.entry)
            new = new.before
    said_again = set(gone) & set(come)
    return [e for e in gone if e not in said_again], [e for e in come if e not in said_again]
