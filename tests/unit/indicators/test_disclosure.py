"""Benchmarks that disclose nobody: who is spoken of, and an attacker who tries every filter and every report."""

import random
from collections.abc import Sequence
from fractions import Fraction

import pytest
from disclosure_attack import BANDS, FILTERS, SECTORS, Attacker, zone_of

from zonepulse.processors.indicators.disclosure import Member, Policy, Report, report


def members(count: int, sector: str = "C34", band: str = "small", size: int = 10, begin: int = 0) -> list[Member]:
    return [
        Member(f"{sector}-{band}-{i}", sector, band, Fraction(100 + 7 * i), Fraction(size + i)) for i in range(begin, begin + count)
    ]


def answered(one: Report, everybody: Sequence[Member], seed: int, filters: int = FILTERS) -> set[int]:
    """The sets of members, as bit masks, that random filters got figures of."""
    chance, index = random.Random(seed), {member.company: i for i, member in enumerate(everybody)}
    shown = {member for block in one.blocks for member in block}
    found = set()
    for _ in range(filters):
        sectors = chance.sample(SECTORS, chance.randint(0, len(SECTORS)))
        bands = chance.sample(BANDS, chance.randint(0, len(BANDS)))
        figures = one.figures(sectors, bands)
        if figures is not None:
            asked = [m for m in shown if (not sectors or m.sector in sectors) and (not bands or m.size_band in bands)]
            assert (figures.members, figures.total) == (len(asked), sum(m.value for m in asked))
            found.add(sum(1 << index[m.company] for m in asked))
    return found


def test_a_group_has_five_members_and_none_has_most_of_it() -> None:
    assert report(members(5)).figures() is not None
    assert report(members(4)).figures() is None
    giant = [*members(5), Member("giant", "C34", "small", Fraction(1), Fraction(10**6))]
    assert report(giant).figures() is None
    assert report(giant, Policy(largest_share=Fraction(1))).figures() is not None


def test_what_the_total_would_give_away_is_not_shown_either() -> None:
    one = report([*members(6), *members(6, "C36"), *members(2, "C36", "large")])
    assert one.figures() is not None
    assert one.figures(["C34"]) is not None and one.figures(["C36"]) is not None
    assert one.figures(["C36"], ["large"]) is None
    assert one.figures(["C36"], ["small"]) is None, "C36 less its small ones is two companies"


def test_small_cells_are_joined_within_their_sector_first() -> None:
    one = report([*members(3), *members(3, band="large"), *members(5, "C36")])
    assert sorted(map(len, one.blocks)) == [5, 6]
    other = report([*members(3), *members(3, "C31"), *members(5, "C36")])
    assert sorted(map(len, other.blocks)) == [5, 6]


def test_what_cannot_be_joined_is_left_out() -> None:
    assert report([*members(2), *members(1, "C31")]).blocks == ()
    kept = report([*members(6), Member("giant", "C36", "large", Fraction(1), Fraction(10**6))])
    assert [len(block) for block in kept.blocks] == [6]


def test_quartiles_are_rounded_and_a_company_sees_its_quarter() -> None:
    one = report(members(8))
    figures = one.figures()
    assert figures is not None and figures.quartiles == (110, 120, 140)
    assert [quarter for _, quarter in (one.position(f"C34-small-{i}") or (figures, 0) for i in range(8))] == [
        1,
        1,
        2,
        2,
        3,
        3,
        4,
        4,
    ]
    assert one.position("nobody") is None


@pytest.mark.large
@pytest.mark.parametrize("seed", range(2))
def test_ten_thousand_filters_give_no_member_and_no_small_group_away(seed: int) -> None:
    everybody = zone_of(seed)
    one = report(everybody)
    sets = sorted(answered(one, everybody, seed))
    attacker, chance = Attacker(sets, len(everybody)), random.Random(seed)
    assert len(sets) > 100 and all(attacker.knows(group) for group in sets[:5])
    assert not any(attacker.knows(1 << i) for i in range(len(everybody)))
    for _ in range(FILTERS):
        a, b = chance.choice(sets), chance.choice(sets)
        for group in (a & ~b, b & ~a, a & b):
            assert not group or group.bit_count() >= 5 or not attacker.knows(group)


def test_the_attacker_would_find_a_member_if_blocks_were_cut() -> None:
    assert Attacker([0b1111, 0b0111], 4).knows(0b1000)
    assert Attacker([0b0011, 0b0110, 0b0101], 3).knows(0b001)
    assert not Attacker([0b1111, 0b0011], 4).knows(0b0001)


@pytest.mark.parametrize("moved", [1, 2, 3])
def test_reports_that_differ_by_a_few_members_are_not_shown_where_they_do(moved: int) -> None:
    first = [*members(8), *members(8, "C36")]
    earlier = report(first)
    joined = report([*first, *members(moved, begin=8)], earlier=[earlier])
    left = report(first[moved:], earlier=[earlier])
    for one in (joined, left):
        assert one.figures(["C36"]) is not None
        assert one.figures(["C34"]) is None and one.figures() is not None, "what is left is C36 alone"
        assert one.figures() == one.figures(["C36"])


def test_reports_of_the_same_members_and_of_many_new_ones_are_shown() -> None:
    first = members(8)
    assert report(first, earlier=[report(first)]).figures() is not None
    assert report([*first, *members(5, begin=8)], earlier=[report(first)]).figures() is not None


@pytest.mark.parametrize("seed", range(2))
def test_successive_reports_give_no_member_away(seed: int) -> None:
    chance, everybody = random.Random(seed), zone_of(seed)
    reports: list[Report] = []
    for _ in range(4):
        present = [member for member in everybody if chance.random() < 0.9]
        reports.append(report(present, earlier=reports))
    sets = set[int]().union(*(answered(one, everybody, seed, 500) for one in reports))
    attacker = Attacker(sets, len(everybody))
    assert not any(attacker.knows(1 << i) for i in range(len(everybody)))
