"""Inputs of zone.yaml: what is refused, which counts, and which periods they make up."""

from datetime import datetime
from fractions import Fraction

import pytest
from zones import small, zone

from zonepulse.processors.indicators.answers import Answer, Known, Missing
from zonepulse.processors.indicators.facts import facts_of
from zonepulse.processors.indicators.sums import Entity
from zonepulse.schemas.indicators.periods import parse_asked
from zonepulse.schemas.problems import RegistryError
from zonepulse.schemas.values import BadValue
from zonepulse.schemas.zone_file.read import parse_zone

ZONE, A = Entity("zone", "z"), Entity("company", "a")


def entry(name: str, quantity: str, period: str, value: object, company: str = "", more: str = "") -> str:
    who = f", company: {company}" if company else ""
    return (
        f"  - {{id: {name}, quantity: {quantity}, period: '{period}', value: {value}{who}, by: L. Chen, given: 2026-04-03,"
        f" evidence: ledger page 7{more}}}\n"
    )


def of(entity: Entity, quantity: str, period: str, *entries: str) -> Answer:
    facts = facts_of(zone(more="inputs:\n" + "".join(entries)))
    return facts.given.of(entity, facts.companies, quantity, parse_asked(period))


def refused(*entries: str) -> str:
    with pytest.raises(RegistryError) as error:
        parse_zone(small(more="inputs:\n" + "".join(entries)))
    return str(error.value)


def test_an_input_of_the_period_counts() -> None:
    assert of(A, "product_units", "2026-03", entry("p", "product_units", "2026-03", 1200.5, "a")) == Known(Fraction("1200.5"))
    assert of(A, "product_units", "2026-03") == Missing("product_units", "input")


def test_months_make_up_a_year_and_days_a_month() -> None:
    months = [entry(f"m{m}", "revenue_cny", f"2026-{m:02}", m, "a") for m in range(1, 13)]
    assert of(A, "revenue_cny", "2026", *months) == Known(Fraction(78))
    days = [entry(f"d{d}", "revenue_cny", f"2026-02-{d:02}", 2, "a") for d in range(1, 29)]
    assert of(A, "revenue_cny", "2026", months[0], *days, *months[2:]) == Known(Fraction(78 - 2 + 56))


def test_months_make_up_the_year_that_ends_with_one_of_them() -> None:
    months = [entry(f"m{n}", "revenue_cny", f"{2025 + n // 12}-{n % 12 + 1:02}", n, "a") for n in range(15)]
    assert of(A, "revenue_cny", "P1Y/2026-03", *months) == Known(Fraction(sum(range(3, 15))))
    assert of(A, "revenue_cny", "P1Y/2025-12", *months) == of(A, "revenue_cny", "2025", *months)
    assert of(A, "revenue_cny", "P1Y/2026-04", *months) == Missing("revenue_cny", "input_gap", ("2026-04-01",))


@pytest.mark.parametrize(
    "text",
    ["P1Y/2026", "P1Y/2026-03-04", "P1Y/", "P2Y/2026-03", "2026-03T08", "2026-03-04T24", "2026-03-04T8", "P1Y/2026-03-04T08"],
)
def test_a_year_that_ends_with_no_month_is_refused(text: str) -> None:
    with pytest.raises(BadValue):
        parse_asked(text)


@pytest.mark.parametrize(
    ("text", "zone", "from_utc", "hours"),
    [
        ("2025-11-20T08", "Asia/Shanghai", "2025-11-20T00:00", 1),
        ("2025-11-20T23", "Asia/Shanghai", "2025-11-20T15:00", 1),
        ("2025-10-26T02", "Europe/Berlin", "2025-10-26T00:00", 2),
        ("2025-10-26T03", "Europe/Berlin", "2025-10-26T02:00", 1),
        ("2025-03-30T02", "Europe/Berlin", "2025-03-30T01:00", 0),
        ("2025-03-30T01", "Europe/Berlin", "2025-03-30T00:00", 1),
    ],
)
def test_an_hour_is_as_long_as_the_clock_shows_it(text: str, zone: str, from_utc: str, hours: int) -> None:
    from_ms, to_ms = parse_asked(text).span_ms(zone)
    assert from_ms == datetime.fromisoformat(f"{from_utc}+00:00").timestamp() * 1000 and to_ms - from_ms == hours * 3_600_000


def test_what_is_given_for_a_day_is_not_an_hour_s() -> None:
    day = entry("d", "revenue_cny", "2026-03-04", 9, "a")
    assert of(A, "revenue_cny", "2026-03-04T08", day) == Missing("revenue_cny", "short", ("day",))
    assert of(A, "employees", "2026-03-04T08", entry("e", "employees", "2026-03", 40, "a")) == Known(Fraction(40))


def test_a_year_ends_where_its_last_month_does() -> None:
    one = parse_asked("P1Y/2024-02")
    assert (one.kind, str(one.first), str(one.end)) == ("year", "2023-03-01", "2024-03-01")


def test_where_both_stand_the_longest_counts() -> None:
    both = (entry("y", "revenue_cny", "2026", 100, "a"), entry("m", "revenue_cny", "2026-01", 7, "a"))
    assert of(A, "revenue_cny", "2026", *both) == Known(Fraction(100))
    assert of(A, "revenue_cny", "2026-01", *both) == Known(Fraction(7))


def test_nothing_is_spread_and_nothing_partial_is_summed() -> None:
    assert of(A, "revenue_cny", "2026-03", entry("y", "revenue_cny", "2026", 100, "a")) == Missing("revenue_cny", "input")
    half = [entry(f"m{m}", "revenue_cny", f"2026-{m:02}", m, "a") for m in (1, 2, 4)]
    assert of(A, "revenue_cny", "2026", *half) == Missing("revenue_cny", "input_gap", ("2026-03-01",))


def test_a_stock_holds_during_its_period() -> None:
    given = (entry("y", "employees", "2026", 40, "a"), entry("m", "employees", "2026-03", 41, "a"))
    assert of(A, "employees", "2026-03-04", *given) == Known(Fraction(41))
    assert of(A, "employees", "2026-05", *given) == Known(Fraction(40))
    assert of(A, "employees", "2027", *given) == Missing("employees", "input")


def test_a_zone_is_the_sum_of_all_its_companies_or_says_who_is_missing() -> None:
    a, b = entry("a", "solid_waste_t", "2026-03", 3, "a"), entry("b", "solid_waste_t", "2026-03", 4, "b")
    assert of(ZONE, "solid_waste_t", "2026-03", a, b) == Known(Fraction(7))
    assert of(ZONE, "solid_waste_t", "2026-03", a) == Missing("solid_waste_t", "companies", ("b",))
    assert of(ZONE, "solid_waste_t", "2026-03", a, b, entry("z", "solid_waste_t", "2026-03", 9)) == Known(Fraction(9))
    assert of(ZONE, "annual_energy_tce", "2026-03", entry("s", "annual_energy_tce", "2026", 9, "a")) == Missing(
        "annual_energy_tce", "input"
    )


def test_a_correction_counts_and_what_it_corrects_stays() -> None:
    first = entry("w1", "solid_waste_t", "2026-03", 3, "a")
    second = entry("w2", "solid_waste_t", "2026-03", 5, "a", ", replaces: w1, reason: weighed anew")
    assert of(A, "solid_waste_t", "2026-03", first, second) == Known(Fraction(5))
    assert [one.id for one in zone(more="inputs:\n" + first + second).more["inputs"]] == ["w1", "w2"]


def test_two_that_count_for_the_same_are_refused() -> None:
    twice = (entry("w1", "solid_waste_t", "2026-03", 3, "a"), entry("w2", "solid_waste_t", "2026-03", 5, "a"))
    assert "solid_waste_t of a in 2026-03 is given by 'w1' already; add `replaces: w1` and a reason" in refused(*twice)


def test_corrections_are_of_the_same_thing_have_a_reason_and_an_end() -> None:
    first = entry("w1", "solid_waste_t", "2026-03", 3, "a")
    said = refused(
        first,
        entry("w2", "solid_waste_t", "2026-04", 5, "a", ", replaces: w1, reason: x"),
        entry("w3", "solid_waste_t", "2026-05", 5, "a", ", replaces: w9"),
    )
    assert "'w1' is of another quantity, company or period" in said
    assert "unknown input 'w9'" in said and "replaces 'w9' without a reason" in said
    circle = (
        entry("c1", "solid_waste_t", "2026-03", 1, "", ", replaces: c2, reason: x"),
        entry("c2", "solid_waste_t", "2026-03", 1, "", ", replaces: c1, reason: x"),
    )
    assert "the corrections run in a circle" in refused(*circle)
    again = (
        first,
        entry("w2", "solid_waste_t", "2026-03", 5, "a", ", replaces: w1, reason: x"),
        entry("w3", "solid_waste_t", "2026-03", 6, "a", ", replaces: w1, reason: x"),
    )
    assert "'w1' is replaced by 'w2' already" in refused(*again)


def test_what_an_input_cannot_be_is_told_with_line_and_remedy() -> None:
    said = refused(
        entry("x1", "solid_wast_t", "2026-03", 3, "a"),
        entry("x2", "electricity_use_kwh", "2026-03", 3, "a"),
        entry("x3", "solid_waste_t", "2026-13", 3, "a"),
        entry("x4", "solid_waste_t", "2026-03", -3, "a"),
        entry("x5", "solid_waste_t", "2026-05", 3, "nobody"),
    )
    assert "unknown quantity 'solid_wast_t'; did you mean `solid_waste_t`?" in said
    assert "'electricity_use_kwh' is measured by the ledger; leave it out" in said
    assert "'2026-13' is no period" in said
    assert "-3 is negative; write what there was, 0 or more" in said
    assert "unknown company 'nobody'" in said
