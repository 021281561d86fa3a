"""Benchmarks that disclose nobody: which groups of companies a report may speak of. Pure.

Members are put into blocks that never change within a report: every figure is about one block, or several together. Then whatever a reader
adds up or subtracts, over all filters, is again about whole blocks, and a block is large and mixed enough by itself; nothing has to be
searched for. Cells that are too small or dominated by one member are joined, first within their sector, then with others; a cell that is no
union of blocks is not shown, and neither is what its total would give away (complementary suppression).

k and the dominance bound are our policy, no norm's.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, NamedTuple

LEAST_MEMBERS: Final = 5
LARGEST_SHARE: Final = Fraction(1, 2)
SIGNIFICANT: Final = 2
"""Digits of a quartile: a quartile of few members is nearly one member's value."""


class Member(NamedTuple):
    """A company in a benchmark: its cell, what it compares, and its size (what it adds to a total)."""

    company: str
    sector: str
    size_band: str
    value: Fraction
    size: Fraction


@dataclass(frozen=True, slots=True)
class Policy:
    """Of a block: at least so many members, the largest with at most this share of its size."""

    least_members: int = LEAST_MEMBERS
    largest_share: Fraction = LARGEST_SHARE

    def allows(self, members: Collection[Member]) -> bool:
        """Whether a group may be spoken of."""
        total = sum((member.size for member in members), Fraction(0))
        largest = max((member.size for member in members), default=Fraction(0))
        return len(members) >= self.least_members and largest <= self.largest_share * total


POLICY: Final = Policy()


class Figures(NamedTuple):
    """What is said of a group."""

    members: int
    total: Fraction
    """Of the values."""
    quartiles: tuple[Fraction, Fraction, Fraction]
    """Rounded."""


class Report:
    """One report: its members in blocks, and answers to filters."""

    def __init__(self, blocks: Sequence[frozenset[Member]]) -> None:
        self.blocks = tuple(blocks)

    def figures(self, sectors: Collection[str] = (), size_bands: Collection[str] = ()) -> Figures | None:
        """Of the members of these sectors and size bands (none named: all); None where that is no union of blocks.

        Members that are in no block are not in the report: no figure counts them.
        """
        chosen = [
            member
            for block in self.blocks
            for member in block
            if (not sectors or member.sector in sectors) and (not size_bands or member.size_band in size_bands)
        ]
        asked = frozenset(chosen)
        if not asked or any(block & asked and not block <= asked for block in self.blocks):
            return None
        values = sorted(member.value for member in chosen)
        return Figures(len(values), sum(values, Fraction(0)), _quartiles(values))

    def position(self, company: str) -> tuple[Figures, int] | None:
        """For a company alone: the figures of its own block, and its quarter (1: the lowest values); None where it is in none."""
        for block in self.blocks:
            own = [member for member in block if member.company == company]
            if own:
                values = sorted(member.value for member in block)
                rank = sum(value < own[0].value for value in values)
                return Figures(len(values), sum(values, Fraction(0)), _quartiles(values)), 1 + rank * 4 // len(values)
        return None


def report(members: Iterable[Member], policy: Policy = POLICY, earlier: Sequence[Report] = ()) -> Report:
    """The report of these members, so that nobody is disclosed by it, nor by it together with the `earlier` ones.

    Two reports that differ by fewer members than the policy asks for would give those away: blocks that do are left out, all of them.
    """
    return Report(_beside(_blocks(members, policy), earlier, policy))


def report_of(groups: Iterable[Iterable[str]]) -> Report:
    """An earlier report, of which only the blocks of companies are known."""
    return Report([frozenset(Member(company, "", "", Fraction(0), Fraction(0)) for company in group) for group in groups])


def _blocks(members: Iterable[Member], policy: Policy) -> list[frozenset[Member]]:
    """Cells of sector and size band that the policy allows; the others joined until it does, or left out if it never does."""
    cells: dict[tuple[str, str], set[Member]] = defaultdict(set)
    for member in members:
        cells[member.sector, member.size_band].add(member)
    by_sector: dict[str, list[frozenset[Member]]] = defaultdict(list)
    for (sector, _), cell in sorted(cells.items()):
        by_sector[sector].append(frozenset(cell))
    joined = [block for sector in by_sector.values() for block in _joined(sector, policy)]
    return [block for block in _joined(joined, policy) if policy.allows(block)]


def _joined(groups: Sequence[frozenset[Member]], policy: Policy) -> list[frozenset[Member]]:
    """Groups that the policy allows as they are; the others as one, with the smallest that is allowed if that is needed and helps."""
    allowed = [group for group in groups if policy.allows(group)]
    rest = frozenset[Member]().union(*(group for group in groups if not policy.allows(group)))
    if not rest or policy.allows(rest):
        return allowed + ([rest] if rest else [])
    for partner in sorted(allowed, key=len):
        if policy.allows(partner | rest):
            return [group for group in allowed if group != partner] + [partner | rest]
    return [*allowed, rest]


def _beside(blocks: Sequence[frozenset[Member]], earlier: Sequence[Report], policy: Policy) -> list[frozenset[Member]]:
    """The blocks that may stand beside earlier reports.

    Any difference of figures over reports is about whole cells of the common refinement: companies that were in the same blocks in each
    report. Each cell has to have as many members as the policy asks for.
    """
    kept, before = list(blocks), [[_companies(block) for block in one.blocks] for one in earlier]
    while True:
        small = _small_cells([[_companies(block) for block in kept], *before], policy)
        if not small:
            return kept
        around = small.union(*(block for one in before for block in one if block & small))
        left = [block for block in kept if not _companies(block) & around]
        if left == kept:
            return []
        kept = left


def _small_cells(reports: Sequence[Sequence[frozenset[str]]], policy: Policy) -> frozenset[str]:
    """Companies in cells of the common refinement that are too small."""
    place: dict[str, list[int]] = defaultdict(lambda: [-1] * len(reports))
    for n, blocks in enumerate(reports):
        for i, block in enumerate(blocks):
            for company in block:
                place[company][n] = i
    cells: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for company, at in place.items():
        cells[tuple(at)].append(company)
    return frozenset(company for cell in cells.values() if len(cell) < policy.least_members for company in cell)


def _companies(block: Iterable[Member]) -> frozenset[str]:
    return frozenset(member.company for member in block)


def _quartiles(values: Sequence[Fraction]) -> tuple[Fraction, Fraction, Fraction]:
    """Linear between order statistics, rounded to SIGNIFICANT digits."""

    def at(part: Fraction) -> Fraction:
        where = part * (len(values) - 1)
        low = int(where)
        high = min(low + 1, len(values) - 1)
        return _rounded(values[low] + (values[high] - values[low]) * (where - low))

    return at(Fraction(1, 4)), at(Fraction(1, 2)), at(Fraction(3, 4))


def _rounded(value: Fraction) -> Fraction:
    """To SIGNIFICANT digits, halves to even."""
    if not value:
        return value
    step = Fraction(1)
    while abs(value) < step * 10 ** (SIGNIFICANT - 1):
        step /= 10
    while abs(value) >= step * 10**SIGNIFICANT:
        step *= 10
    return round(value / step) * step
