"""Budgets: burn rates, projections, and what is refused."""

from fractions import Fraction

import pytest
from zones import small

from zonepulse.processors.indicators.answers import Answer, Known, Missing
from zonepulse.processors.indicators.budgets import Burn, burn, parts, spent
from zonepulse.processors.indicators.facts import facts_of
from zonepulse.processors.indicators.sums import Entity, RowKey, RowSum, Sums
from zonepulse.schemas.indicators.periods import PeriodKind
from zonepulse.schemas.problems import RegistryError
from zonepulse.schemas.registry.budgets import Budget
from zonepulse.schemas.zone_file.read import parse_zone

DAY = 86_400_000
MARCH = Budget("b", "", "2026-03", "kWh", "location", Fraction(3100))
"""100 a day."""


def standing(daily: list[int], day: int, *, kind: PeriodKind = "month", days: int = 31, budget: Budget = MARCH) -> Burn | Missing:
    """At midnight after `day` days of these uses, one an index."""

    def spent_in(from_ms: int, to_ms: int) -> Answer:
        return Known(Fraction(sum(daily[from_ms // DAY : to_ms // DAY])), Fraction(1), Fraction(0))

    return burn(budget, kind, (0, days * DAY), day * DAY, spent_in)


def test_a_rate_of_one_uses_the_budget_up_just_at_the_end() -> None:
    found = standing([100] * 31, 10)
    assert isinstance(found, Burn)
    assert (found.spent, found.elapsed, found.fast, found.slow, found.projected) == (1000, Fraction(10, 31), 1, 1, 3100)
    assert not found.is_burning


def test_it_burns_where_it_goes_too_fast_now_and_for_a_while() -> None:
    for daily, fast, slow, burning in (
        ([100] * 9 + [150], Fraction(3, 2), Fraction(15, 14), True),
        ([50] * 9 + [150], Fraction(3, 2), Fraction(9, 14), False),
        ([200] * 9 + [50], Fraction(1, 2), Fraction(25, 14), False),
    ):
        found = standing(daily, 10)
        assert isinstance(found, Burn)
        assert (found.fast, found.slow, found.is_burning) == (fast, slow, burning)


def test_in_its_first_days_it_is_measured_by_what_has_passed() -> None:
    found = standing([120, 140], 2)
    assert isinstance(found, Burn)
    assert (found.fast, found.slow, found.projected) == (Fraction(7, 5), Fraction(13, 10), 260 + 130 * 29)


def test_after_its_end_it_stays_as_it_was() -> None:
    found = standing([100] * 31, 400)
    assert isinstance(found, Burn)
    assert (found.spent, found.elapsed, found.projected) == (3100, 1, 3100)


def test_before_it_began_there_is_nothing() -> None:
    assert isinstance(standing([], 0), Missing)


def test_what_is_missing_is_no_zero() -> None:
    missing = Missing("electricity_use_kwh", "no_value", ("electricity",))
    assert burn(MARCH, "month", (0, 31 * DAY), DAY, lambda *_: missing) == missing


def test_a_years_windows_are_a_week_and_thirty_days() -> None:
    budget = Budget("y", "", "2026", "kWh", "location", Fraction(36_500))
    found = standing([0] * 70 + [100] * 30, 100, kind="year", days=365, budget=budget)
    assert isinstance(found, Burn)
    assert (found.fast, found.slow) == (1, 1)


def test_what_used_it_up_is_named_with_the_largest_first() -> None:
    facts = facts_of(parse_zone(small()))
    rows = {
        RowKey(entity, "electricity", 0, ""): RowSum(kwh * 10**6, None, 0, DAY, DAY, 96, 0)
        for entity, kwh in ((Entity("zone", "z"), 9), (Entity("company", "a"), 3), (Entity("company", "b"), 5))
    }
    sums = Sums(rows, (), DAY, 900_000)
    assert spent(MARCH, sums, facts) == Known(Fraction(9), Fraction(1), Fraction(0))
    assert parts(MARCH, sums, facts) == [("b", Fraction(5)), ("a", Fraction(3))]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("period: 2026-03, amount: 0, unit: kWh", "budgets[0].amount: 0 is no budget; write an amount above zero"),
        ("period: '2026-03-04', amount: 1, unit: kWh", "'2026-03-04' is a day; write a month 2026-03 or a year 2026"),
        ("period: '26', amount: 1, unit: kWh", "'26' is no period"),
        ("period: 2026-03, amount: 1, unit: MWh", "'MWh' is none of kgCO2e, kWh"),
        ("period: 2026-03, amount: 1, unit: kWh, company: c", "unknown company 'c'"),
    ],
)
def test_what_is_no_budget_is_refused_with_a_remedy(fields: str, said: str) -> None:
    with pytest.raises(RegistryError) as error:
        parse_zone(small(more=f"budgets: [{{id: b, {fields}}}]"))
    assert said in str(error.value)
