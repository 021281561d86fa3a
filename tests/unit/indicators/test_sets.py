"""Sets of indicators: what is shipped, and how strictly a file is read."""

from fractions import Fraction

import pytest

from zonepulse.processors.indicators.answers import Known
from zonepulse.processors.indicators.evaluate import Value, value_of
from zonepulse.schemas.indicators.conversions import conversion
from zonepulse.schemas.indicators.model import Indicator
from zonepulse.schemas.problems import RegistryError
from zonepulse.schemas.zone_file.indicator_sets import parse_set, shipped_sets

GOOD = """\
id: s
name: {en: S}
source: somebody
indicators:
  - {id: i, name: {en: I}, formula: solid_waste_used_t / solid_waste_t, unit: "1", better: higher, of: zone, confidence: H,
     thresholds: [{at_least: 0.8, confidence: M}]}
"""


def shipped(set_id: str, indicator: str) -> Indicator:
    return next(one for one in shipped_sets()[set_id].indicators if one.id == indicator)


def problems(*changes: tuple[str, str]) -> list[str]:
    text = GOOD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    with pytest.raises(RegistryError) as error:
        parse_set(text, file="s.yaml")
    return [str(problem) for problem in error.value.problems]


def test_the_shipped_sets_are_read_and_named_in_three_languages() -> None:
    sets = shipped_sets()
    assert {name: len(one.indicators) for name, one in sets.items()} == {
        "national-zero-carbon-park": 7, "jiangsu-zero-carbon-park": 20, "eip-framework": 4, "company": 8, "data-quality": 2,
    }  # fmt: skip
    for one in sets.values():
        assert all(set(named.name) == {"en", "de", "zh"} for named in (one, *one.indicators))


def test_the_jiangsu_guide_has_its_thresholds_in_order() -> None:
    bounds = [one.thresholds[0] for one in shipped_sets()["jiangsu-zero-carbon-park"].indicators]
    numbers = [float(one.at_most if one.at_most is not None else one.at_least or 0) for one in bounds]
    assert numbers == [0.35, 0.6, 50, 50, 50, 100, 20, 30, 50, 50, 80, 80, 96, 85, 95, 10, 10, 50, 3.5, 1]


def test_everything_of_the_eip_framework_is_unverified() -> None:
    for one in shipped_sets()["eip-framework"].indicators:
        assert one.confidence == "L" and all(threshold.confidence == "L" for threshold in one.thresholds)


@pytest.mark.parametrize(
    ("value", "size", "verdict", "gap"),
    [
        ("0.22", 500_000, "missed", -10_000),
        ("0.20", 500_000, "met", None),
        ("0.30", 1_000_000, "met", None),
        ("0.30", 999_999, "missed", -99_999.9),
        ("0.19", 199_999, "case_by_case", None),
        ("0.20", 200_000, "met", None),
        ("0.20", None, "unknown_size", None),
    ],
)
def test_the_core_indicator_has_its_threshold_by_the_parks_size(
    value: str, size: int | None, verdict: str, gap: float | None
) -> None:
    tce = Fraction(size or 500_000)
    quantities = {"co2e_location_t": Known(Fraction(value) * tce), "energy_tce": Known(tce)}
    found = value_of(
        shipped("national-zero-carbon-park", "co2_per_energy_location"), dict(quantities), None if size is None else tce
    )
    assert isinstance(found, Value)
    assert (found.value, found.verdict) == (Fraction(value), verdict)
    assert found.gap == (None if gap is None else Fraction(str(gap)))


@pytest.mark.parametrize(
    ("kg_per_kwh", "electricity", "expected"),
    [("0.5306", "equal", "4.32"), ("0.5306", "equivalent", "1.75"), ("0.5827", "equal", "4.74")],
)
def test_the_electricity_coefficient_moves_the_core_indicator_by_a_factor_of_two_and_a_half(
    kg_per_kwh: str, electricity: str, expected: str
) -> None:
    found = conversion("electricity", "kWh", "equal" if electricity == "equal" else "equivalent")
    assert found is not None
    assert f"{float(Fraction(kg_per_kwh) / found.kgce):.2f}" == expected


@pytest.mark.parametrize(("kg_per_kwh", "percent"), [("0.5306", "4.6"), ("0.5827", "4.2")])
def test_a_park_at_the_bound_has_room_for_a_twentieth_of_grid_power(kg_per_kwh: str, percent: str) -> None:
    found = conversion("electricity", "kWh", "equal")
    assert found is not None
    assert f"{float(Fraction('0.20') / (Fraction(kg_per_kwh) / found.kgce) * 100):.1f}" == percent


def test_gas_and_heat_have_the_known_carbon_per_tce() -> None:
    gas, heat = conversion("natural_gas", "Nm3", "equal"), conversion("heat", "GJ", "equal")
    assert gas is not None and heat is not None
    assert f"{float(Fraction('2.16219') / gas.kgce):.2f}" == "1.63"
    assert f"{float(Fraction(110) / heat.kgce):.2f}" == "3.22"


def test_steam_is_counted_per_kilogram() -> None:
    steam = conversion("steam", "kg", "equal")
    assert steam is not None and steam.kgce == Fraction("0.1286")


def test_unverified_coefficients_are_never_used() -> None:
    assert conversion("new_water", "t", "equal") is None
    assert conversion("lng", "kg", "equal") is None
    assert conversion("diesel", "m3", "equal") is None


def test_what_is_unverified_is_judged_only_where_somebody_asks_for_it() -> None:
    one = shipped("eip-framework", "solid_waste_reused")
    quantities = {"solid_waste_used_t": Known(Fraction(1)), "solid_waste_t": Known(Fraction(4))}
    quiet, asked = value_of(one, dict(quantities), None), value_of(one, dict(quantities), None, judge_unverified=True)
    assert isinstance(quiet, Value) and isinstance(asked, Value)
    assert (quiet.value, quiet.verdict, asked.verdict) == (25, "unverified", "met")


def test_mistakes_name_file_line_value_and_remedy() -> None:
    assert problems(("solid_waste_t,", "solid_wast_t,")) == [
        "s.yaml:5: indicators[0].formula: unknown quantity 'solid_wast_t'; did you mean `solid_waste_t`?"
    ]
    (bad,) = problems(("solid_waste_used_t / solid_waste_t", "'solid_waste_t /'"))
    assert bad.startswith("s.yaml:5: indicators[0].formula: formula 'solid_waste_t /': ends too early; write decimals")
    assert problems(("better: higher", "better: bigger"), ("at_least", "at_most"))[0] == (
        "s.yaml:5: indicators[0].better: 'bigger' is none of lower, higher; did you mean `higher`?"
    )
    (wrong,) = problems(("at_least", "at_most"))
    assert "`at_most` of an indicator where higher is better; write the other bound" in wrong
    (no_bound,) = problems(("at_least: 0.8, ", ""))
    assert "says no bound; write `at_most` or `at_least`" in no_bound
    (sizes,) = problems(("at_least: 0.8", "at_least: 0.8, size_from_tce: 5, size_below_tce: 5"))
    assert "no size lies between its sizes" in sizes
    assert "`confidence` is missing" in problems(("at_least: 0.8, confidence: M", "at_least: 0.8"))[0]
    assert "unknown key; did you mean `formula`?" in " ".join(problems(("formula:", "formul:")))
    (empty,) = problems((GOOD[GOOD.index("indicators:") :], "indicators: []\n"))
    assert empty.startswith("s.yaml:4: indicators: holds none; write one")


def test_an_id_stands_once() -> None:
    (twice,) = problems((GOOD[GOOD.index("  - {id") :], GOOD[GOOD.index("  - {id") :] * 2))
    assert twice == "s.yaml:7: indicators[1].id: 'i' stands twice, first on line 5; keep one, or give it another id"
