"""A network's figures: whole for the moderator; what everybody reads tells of no member, whoever joins and leaves."""

import random
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import pytest
from disclosure_attack import Attacker

from zonepulse.processors.efficiency.baseline import Refused
from zonepulse.processors.efficiency.savings import BottomUp, TopDown
from zonepulse.schemas.registry.efficiency.networks import Measure, SavingsTarget
from zonepulse.streams.efficiency.network import CarrierSavings, MemberSavings
from zonepulse.streams.efficiency.network_figures import Figure, disclosed, earlier_figures, figures, keep_figures
from zonepulse.streams.screen import BadInput

GAS_KWH, GAS_KG = Fraction(10), Fraction(2)
"""Of a m3."""


def member(
    company: str, target: int = 0, measures: int = 0, electricity: float | None = None, gas: float | None = None
) -> MemberSavings:
    """`electricity`, `gas`: what its meters say it saved, half as much either way; None: it has none."""

    def carrier(name: str, saved: float, kwh: Fraction, kg: Fraction) -> CarrierSavings:
        return CarrierSavings(name, kwh, kg, None, None, TopDown("kWh", 0.0, saved, saved, saved / 2, 31, 0, 0, ()))

    amounts = (("electricity", electricity, Fraction(1), Fraction(1, 2)), ("natural_gas", gas, GAS_KWH, GAS_KG))
    done = Fraction(measures)
    return MemberSavings(
        company,
        SavingsTarget("n", company, 2025, Fraction(target)) if target else None,
        BottomUp({"electricity": done / 2}, done, done / 2, ()),
        tuple(carrier(name, saved, kwh, kg) for name, saved, kwh, kg in amounts if saved is not None),
    )


def of(amounts: Mapping[str, int]) -> Figure:
    found = figures([member(company, amount) for company, amount in amounts.items()], ())
    return next(one for one in found if one.id == "target_kwh_a")


EQUAL = {f"c{i}": 100 + i for i in range(6)}


def test_sums_are_those_of_the_members_and_intervals_add_as_squares() -> None:
    found = {one.id: one for one in figures([member("a", 10, 4, 30.0, 1.0), member("b", 20, 0, 40.0)], ())}
    meters, kg = found["meters_kwh"].total(), found["meters_kg"].total()
    assert meters and meters.amount == 30 + 10 + 40 and meters.half_width == pytest.approx((15**2 + 5**2 + 20**2) ** 0.5)
    assert kg and kg.amount == 15 + 2 + 20 and kg.half_width == pytest.approx((7.5**2 + 1**2 + 10**2) ** 0.5)
    assert found["target_kwh_a"].total() == (30, 0) and found["measures_kwh_a"].total() == (4, 0)
    assert found["measures_kg_a"].total() == (2, 0) and found["measures_kwh"].total() == (2, 0)
    assert found["measures_kwh_a"].parts.keys() == {"a"}, "who adds nothing is no reason to show a sum"


def test_there_is_no_sum_where_a_member_has_no_answer() -> None:
    without = MemberSavings("b", None, BottomUp({}, Fraction(0), Fraction(0), ("led",)), (
        CarrierSavings("electricity", None, None, None, None, Refused("mean")),
    ))  # fmt: skip
    found = {one.id: one for one in figures([member("a", 10, 4, 30.0), without], ())}
    assert found["meters_kwh"].total() is None and found["meters_kwh"].missing == ("b",)
    assert found["measures_kg_a"].missing == ("b",) and disclosed(found["meters_kwh"], ()) is None


def test_measures_are_counted_by_their_state() -> None:
    def measure(company: str, status: str, kwh: int, cny: int | None) -> Measure:
        return Measure(
            f"{company}{kwh}", "n", company, "t", status, (("electricity", Fraction(kwh)),), "deemed",  # type: ignore[arg-type]
            investment_cny=None if cny is None else Fraction(cny),
        )  # fmt: skip

    of_all = [
        measure("a", "planned", 5, 7), measure("a", "planned", 6, 8), measure("a", "implemented", 9, 40), measure("a", "dropped", 1, 2),
        measure("b", "implemented", 3, None), measure("gone", "planned", 100, None),
    ]  # fmt: skip
    found = {one.id: one for one in figures([member("a"), member("b")], of_all)}
    assert (found["planned_kwh_a"].total(), found["measures_count"].total()) == ((11, 0), (5, 0))
    assert found["investment_cny"].total() is None and found["investment_cny"].missing == ("b",), (
        "no sum of those alone that say it"
    )
    of_a = {one.id: one.total() for one in figures([member("a")], of_all)}
    assert of_a["investment_cny"] == (40, 0)


def test_a_target_in_kg_is_that_of_all_who_have_a_target_or_none() -> None:
    def targets(*kg: int | None) -> Figure:
        of_kg = [None if one is None else Fraction(one) for one in kg]
        members = [
            MemberSavings(
                f"c{i}", SavingsTarget("n", f"c{i}", 2025, Fraction(9), one), BottomUp({}, Fraction(0), Fraction(0), ()), ()
            )
            for i, one in enumerate(of_kg)
        ]
        return next(one for one in figures(members, ()) if one.id == "target_kg_a")

    assert targets(3, 4).total() == (7, 0)
    assert (targets(3, None).total(), targets(3, None).missing) == (None, ("c1",))
    assert (targets(None, None).total(), targets(None, None).missing) == (None, ()), "nobody has set one: there is none to miss"


@pytest.mark.parametrize(
    ("amounts", "shown"),
    [
        (EQUAL, True),
        ({f"c{i}": 100 for i in range(5)}, True),
        ({f"c{i}": 100 for i in range(4)}, False),
        (EQUAL | {"c0": 516}, False),  # more than half
        (EQUAL | {"c0": 515}, True),  # half
        ({f"c{i}": 100 for i in range(4)} | {"c9": 0}, False),  # four who add something
    ],
)
def test_a_sum_is_shown_of_five_of_whom_none_has_more_than_half(amounts: dict[str, int], shown: bool) -> None:
    found = disclosed(of(amounts), ())
    assert (found is not None) == shown
    assert found is None or (found.is_whole and found.saved.amount == sum(amounts.values()))


def test_who_joins_later_is_left_out_until_five_have(tmp_path: Path) -> None:
    before = disclosed(of(EQUAL), ())
    assert before is not None
    keep_figures(tmp_path, "n", "2026-03", "", {"target_kwh_a": before})
    earlier = earlier_figures(tmp_path, "n")["target_kwh_a"]
    one = disclosed(of(EQUAL | {"new": 7}), earlier)
    assert one is not None and not one.is_whole and one.saved.amount == sum(EQUAL.values())
    many = disclosed(of(EQUAL | {f"new{i}": 7 for i in range(5)}), earlier)
    assert many is not None and many.is_whole and many.saved.amount == sum(EQUAL.values()) + 35
    left = {company: amount for company, amount in EQUAL.items() if company != "c0"}
    assert disclosed(of(left), earlier) is None, "the difference is what c0 added"


@pytest.mark.parametrize("seed", range(20))
def test_reports_of_a_network_whose_members_come_and_go_tell_of_nobody(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    names = [f"m{i}" for i in range(18)]
    amounts = {name: chance.randint(1, 60) for name in names}
    inside, sets = set(names[:7]), set[int]()
    for month in range(25):
        for name in chance.sample(names, chance.choice([0, 0, 1, 1, 2, 5, 7])):
            inside ^= {name}
        found = disclosed(
            of({name: amounts[name] for name in sorted(inside)}), earlier_figures(tmp_path, "n").get("target_kwh_a", ())
        )
        keep_figures(tmp_path, "n", f"2026-{month}", "", {"target_kwh_a": found} if found else {})
        if found:
            assert found.saved.amount == sum(amounts[name] for name in found.companies)
            sets.add(sum(1 << names.index(name) for name in found.companies))
    attacker = Attacker(sorted(sets), len(names))
    groups = [a & ~b for a in sets for b in sets] + [a & b for a in sets for b in sets] + [1 << i for i in range(len(names))]
    assert all(not group or group.bit_count() >= 5 or not attacker.knows(group) for group in groups)


def test_a_broken_record_is_not_passed_over_and_another_network_s_does_not_count(tmp_path: Path) -> None:
    one = disclosed(of(EQUAL), ())
    assert one is not None
    path = keep_figures(tmp_path, "n", "2026-03", "", {"target_kwh_a": one})
    assert earlier_figures(tmp_path, "other") == {}
    path.write_text('{"network": "n"}', "utf-8")
    with pytest.raises(BadInput, match="no record of a network"):
        earlier_figures(tmp_path, "n")
