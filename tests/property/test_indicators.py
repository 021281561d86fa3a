"""Indicators equal their plain twin, whatever their formula and quantities are."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from zonepulse.oracle import indicators as oracle
from zonepulse.processors.indicators.answers import Answer, Known, Missing
from zonepulse.processors.indicators.evaluate import Value, value_of
from zonepulse.processors.indicators.hourly import matched_micro
from zonepulse.processors.indicators.sums import Hour
from zonepulse.schemas.indicators.formulas import parse_formula
from zonepulse.schemas.indicators.model import Indicator, Threshold
from zonepulse.schemas.registry.model import Contract, Series

NAMES = ("energy_tce", "co2e_location_t", "solid_waste_t")
shares = st.one_of(st.none(), st.fractions(0, 1, max_denominator=50))
values = st.fractions(-100, 100, max_denominator=1000)
answers = st.one_of(st.none(), st.tuples(values, shares, shares))
leaves = st.one_of(st.sampled_from(NAMES), st.integers(0, 20).map(str), st.sampled_from(("0.5", "10000", "3.25"))).map(
    lambda one: [one]
)
formulas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda parts: [*parts[0], parts[1], *parts[2]]),
        inner.map(lambda one: ["(", *one, ")"]),
    ),
    max_leaves=8,
)
bounds = st.sampled_from(("at_most", "at_least", "none"))


@given(formulas, st.fixed_dictionaries({name: answers for name in NAMES}), bounds, values, st.sampled_from(("", " ")))
def test_values_shares_and_verdicts_are_the_twins(
    tokens: list[str], quantities: dict[str, oracle.Quantity], kind: str, bound: Fraction, blank: str
) -> None:
    at_most, at_least = (bound if kind == "at_most" else None), (bound if kind == "at_least" else None)
    thresholds = () if kind == "none" else (Threshold(at_most, at_least, None, None, "H"),)
    text = blank.join(tokens)
    indicator = Indicator("i", {}, parse_formula(text), text, "1", "lower", "zone", "month", thresholds, "H")
    used = {name: _answer(name, quantities[name]) for name in NAMES if name in tokens}
    found, expected = value_of(indicator, used, None), oracle.judged(tokens, quantities, at_most, at_least)
    if expected is None:
        assert isinstance(found, list) and found
        return
    assert isinstance(found, Value)
    is_met = {"met": True, "missed": False, "none": None}[found.verdict]
    assert oracle.Judged(found.value, found.covered, found.estimated, found.is_provisional, is_met) == expected


STEP_MS = 900_000
hours_of_day = st.lists(st.tuples(st.integers(-5, 20), st.integers(-5, 20), st.integers(0, 20)), min_size=1, max_size=24).filter(
    lambda hours: sum(used for used, _, _ in hours) > 0
)


@given(hours_of_day, st.integers(0, 2), st.data())
def test_what_matches_in_time_is_the_twin_s(hours: list[tuple[int, int, int]], shift: int, data: st.DataObject) -> None:
    """A contract's energy of an hour comes in steps, some of them before it begins and behind its end."""
    steps = [0] * (4 * shift)
    for _, _, contracted in hours:
        first = data.draw(st.integers(0, contracted))
        steps += [first, 0, contracted - first, 0]
    series = Series(-4 * shift * STEP_MS, STEP_MS, tuple(Fraction(one, 10**6) for one in [*steps, 7, 7]))
    contract = Contract("c", "a", "ppa", 0, None, -(10**12), len(hours) * 4 * STEP_MS, 0, "", series)
    found = matched_micro((Hour(i, used, own) for i, (used, own, _) in enumerate(hours)), (contract,), 0)
    assert Fraction(found, sum(used for used, _, _ in hours)) == oracle.carbon_free_share(hours)


def _answer(name: str, quantity: oracle.Quantity) -> Answer:
    return Missing(name, "input") if quantity is None else Known(*quantity)
