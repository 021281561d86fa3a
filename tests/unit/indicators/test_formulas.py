"""Formulas of indicators: precedence, and what is refused."""

from fractions import Fraction

import pytest

from zonepulse.processors.indicators.evaluate import computed
from zonepulse.schemas.indicators.formulas import MAX_CHARACTERS, names_in, parse_formula
from zonepulse.schemas.indicators.periods import parse_period
from zonepulse.schemas.values import BadValue

NUMBERS = {"a": Fraction(6), "b_kwh": Fraction(3), "zero": Fraction(0)}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a", 6),
        ("a - b_kwh - 1", 2),
        ("a / b_kwh / 2", 1),
        ("a + b_kwh * 2", 12),
        ("(a + b_kwh) * 2", 18),
        ("a/(b_kwh/10000)", 20000),
        ("0.1 + 0.2", Fraction(3, 10)),
    ],
)
def test_multiplication_binds_before_addition_and_all_from_the_left(text: str, value: Fraction) -> None:
    assert computed(parse_formula(text), NUMBERS) == value


def test_a_division_by_zero_names_the_divisor() -> None:
    assert computed(parse_formula("a / (zero * b_kwh) + 1"), NUMBERS) == "zero, b_kwh"


@pytest.mark.parametrize(
    "text", ["", "a +", "a b", "(a", "a)", "-a", "a ** 2", "__import__('os')", "a.b", "1e9", "A", "a;b", "a / "]
)
def test_what_is_no_formula_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(BadValue, match="write decimals, names of quantities"):
        parse_formula(text)


def test_the_longest_formula_of_parentheses_is_read() -> None:
    depth = MAX_CHARACTERS // 2 - 1
    assert computed(parse_formula("(" * depth + "a" + ")" * depth), NUMBERS) == 6
    with pytest.raises(BadValue, match="at most"):
        parse_formula("a" * (MAX_CHARACTERS + 1))


def test_names_are_told_from_left_to_right() -> None:
    assert list(names_in(parse_formula("a / (b_kwh + a)"))) == ["a", "b_kwh", "a"]


@pytest.mark.parametrize(
    ("text", "kind", "days"), [("2026", "year", 365), ("2024-02", "month", 29), ("2025-12", "month", 31), ("2026-03-04", "day", 1)]
)
def test_periods_are_of_the_calendar(text: str, kind: str, days: int) -> None:
    period = parse_period(text)
    assert (period.kind, (period.end - period.first).days) == (kind, days)


def test_a_periods_days_begin_at_the_zones_midnight() -> None:
    assert parse_period("2026-03").span_ms("Asia/Shanghai") == (1772294400000, 1774972800000)
    from_ms, to_ms = parse_period("2026-03-29").span_ms("Europe/Berlin")
    assert (to_ms - from_ms) // 3_600_000 == 23


@pytest.mark.parametrize("text", ["", "26", "2026-13", "2026-02-30", "2026-W07", "1900", "2026-3", "2026-03-04T00:00"])
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(BadValue):
        parse_period(text)
