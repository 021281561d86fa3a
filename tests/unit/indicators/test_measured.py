"""Measured quantities from sums: energy in tce, emissions, clean electricity, coverage, and every reason why there is none."""

from fractions import Fraction
from typing import Any

import pytest
from zones import zone

from zonepulse.oracle import indicators as oracle
from zonepulse.processors.indicators.answers import Answer, Known, Missing
from zonepulse.processors.indicators.evaluate import evaluate
from zonepulse.processors.indicators.facts import facts_of
from zonepulse.processors.indicators.measured import Measured
from zonepulse.processors.indicators.sums import Entity, Hour, HourlyUse, RegisterSum, RowKey, RowSum, Sums
from zonepulse.schemas.indicators.conversions import Electricity
from zonepulse.schemas.indicators.periods import parse_period
from zonepulse.schemas.zone_file.indicator_sets import shipped_sets

DAY_MS, WINDOW_MS = 86_400_000, 900_000
ZONE, A, B = Entity("zone", "z"), Entity("company", "a"), Entity("company", "b")
GAS = """\
  - id: G
    site: s2
    role: main
    registers: {"7-0:3.0.0": {carrier: %s, direction: consumption, kind: cumulative, unit: %s, max_power: 100}}
    valid_from: 2024-01-01
"""
PV = """\
  - id: PV
    site: s
    role: generation
    registers: {"2.8.0": {carrier: electricity, direction: generation, kind: cumulative, unit: kWh, max_power: 100, ef: %s}}
    valid_from: 2024-01-01
"""


def row(
    energy_kwh: float | None,
    co2e_kg: float | None = None,
    estimated_kwh: float = 0,
    windows: int = 96,
    share: float = 1,
    **more: Any,
) -> RowSum:
    """A series of one channel that covers `share` of its windows."""
    energy, co2e = (None if v is None else round(v * 10**6) for v in (energy_kwh, co2e_kg))
    expected = windows * WINDOW_MS
    return RowSum(energy, co2e, round(estimated_kwh * 10**6), round(expected * share), expected, windows, more.get("without", 0))


def measured(
    quantity: str,
    rows: dict[tuple[Entity, str, int, str], RowSum],
    meters: str = "",
    entity: Entity = ZONE,
    electricity: Electricity = "equal",
    registers: tuple[RegisterSum, ...] = (),
    more: str = "",
) -> Answer:
    sums = Sums({RowKey(*key): one for key, one in rows.items()}, registers, DAY_MS, WINDOW_MS)
    return Measured(sums, facts_of(zone(more=meters + more)), entity).get(quantity, electricity)


ELECTRICITY = {(ZONE, "electricity", 0, ""): row(1000, None, 50), (A, "electricity", 0, ""): row(900)}


def test_energy_in_tce_is_the_sum_over_carriers_with_either_coefficient() -> None:
    rows = ELECTRICITY | {(B, "natural_gas", 0, ""): row(100), (ZONE, "natural_gas", 0, ""): row(100)}
    for way, kgce in (("equal", "0.1229"), ("equivalent", "0.3024")):
        found = measured("energy_tce", rows, GAS % ("natural_gas", "Nm3"), electricity="equal" if way == "equal" else "equivalent")
        energy = {"electricity": (Fraction(1000), Fraction(kgce)), "natural_gas": (Fraction(100), Fraction("1.33"))}
        assert isinstance(found, Known)
        assert found.value == oracle.energy_tce(energy)
        assert found.estimated == Fraction(50) * Fraction(kgce) / 1000 / found.value
    assert found.covered == 1


def test_fuels_in_different_units_are_summed_company_by_company() -> None:
    rows = ELECTRICITY | {(B, "natural_gas", 0, ""): row(2), (ZONE, "natural_gas", 0, ""): row(999)}
    found = measured("energy_tce", rows, GAS % ("natural_gas", "GJ"))
    assert isinstance(found, Known)
    assert found.value == Fraction("0.1229") + 2 * Fraction("0.03412")


def test_a_fuel_without_verified_coefficient_is_named() -> None:
    rows = ELECTRICITY | {(B, "coke", 0, ""): row(2), (B, "biomass", 0, ""): row(2)}
    assert measured("energy_tce", rows, GAS % ("coke", "kg")) == Known(
        Fraction("0.1229") + Fraction("0.0019428"), Fraction(1), measured_estimate(rows)
    )
    factor = (
        "factors: [{id: bio, activity: biomass, region: CN, basis: default, value: 0, unit: kgCO2/kg, valid_from: 2020-01-01,"
        " source: x}]\n"
    )
    assert measured("energy_tce", rows, GAS % ("biomass", "kg"), more=factor) == Missing(
        "energy_tce", "no_coefficient", ("biomass", "kg")
    )


def measured_estimate(rows: dict[tuple[Entity, str, int, str], RowSum]) -> Fraction:
    """50 of 1000 kWh, beside 2 kg of coke."""
    return Fraction(50) * Fraction("0.1229") / (1000 * Fraction("0.1229") + 2 * Fraction("0.9714"))


def test_electricity_made_from_fuel_would_count_twice() -> None:
    assert measured("energy_tce", ELECTRICITY, PV % 0.4) == Missing("energy_tce", "fuel_fired", ("a",))
    assert isinstance(measured("energy_tce", ELECTRICITY, PV % 0), Known)


def test_emissions_are_the_ledgers_sums_of_both_scopes() -> None:
    rows = {
        (ZONE, "", 1, "location"): row(None, 2500),
        (ZONE, "natural_gas", 1, "location"): row(1000, 2500),
        (ZONE, "", 2, "location"): row(None, 5000),
        (ZONE, "electricity", 2, "location"): row(10_000, 5000, 1000),
        (ZONE, "", 2, "market"): row(None, 1000),
        (ZONE, "electricity", 2, "market"): row(10_000, 1000),
    }
    assert measured("co2e_location_t", rows) == Known(Fraction("7.5"), Fraction(1), Fraction(1, 15))
    assert measured("co2e_market_t", rows) == Known(Fraction("3.5"), Fraction(1), Fraction(0))
    assert measured("co2e_scope1_t", rows) == Known(Fraction("2.5"), Fraction(1), Fraction(0))


def test_a_scope_of_which_nothing_is_registered_is_zero_and_one_without_rows_is_not() -> None:
    rows = {(ZONE, "", 2, "location"): row(None, 1), (ZONE, "electricity", 2, "location"): row(2, 1)}
    assert measured("co2e_scope1_t", rows) == Known(Fraction(0), Fraction(1), Fraction(0))
    assert measured("co2e_scope1_t", rows, GAS % ("natural_gas", "Nm3")) == Missing(
        "co2e_scope1_t", "no_rows", ("natural_gas", "location")
    )
    assert measured("co2e_market_t", rows) == Missing("co2e_market_t", "no_rows", ("electricity", "market"))
    assert measured("co2e_location_t", rows, entity=B) == Missing("co2e_location_t", "no_meter", ("energy",))


def test_energy_without_factor_is_no_zero() -> None:
    rows = {(ZONE, "", 2, "location"): row(None, 1), (ZONE, "electricity", 2, "location"): row(2, 1, without=3)}
    assert measured("co2e_location_t", rows) == Missing("co2e_location_t", "no_factor", ("electricity", "location"))


def test_nothing_covered_is_no_zero() -> None:
    rows = {(ZONE, "electricity", 0, ""): row(None, share=0)}
    assert measured("electricity_use_kwh", rows) == Missing("electricity_use_kwh", "no_value", ("electricity",))
    assert measured("electricity_use_kwh", {}) == Missing("electricity_use_kwh", "no_rows", ("electricity",))
    assert measured("reactive_kvarh", {}) == Missing("reactive_kvarh", "no_meter", ("reactive",))


def test_windows_without_a_row_are_not_covered() -> None:
    found = measured("covered_share", {(ZONE, "electricity", 0, ""): row(5, windows=48, share=0.5)})
    assert found == Known(Fraction(1, 4), Fraction(1, 4), Fraction(0))


def clean(registers: tuple[RegisterSum, ...], entity: Entity = ZONE, meters: str = PV % 0, contract_kwh: float = 0) -> Answer:
    contracts = (
        "contracts: [{id: green, company: a, kind: gec, mwh: 1, vintage: 2026, valid_from: 2026-01-01, valid_to: 2027-01-01,"
        " evidence: x}]\n"
    )
    rows = ELECTRICITY | ({(A, "contract:green", 2, "market"): row(contract_kwh)} if contract_kwh else {})
    return measured("clean_electricity_kwh", rows, meters, entity, registers=registers, more=contracts)


BOUNDARY = """\
  - id: GRID
    site: s
    role: boundary
    registers:
      "1.8.0": {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 100}
      "2.8.0": {carrier: electricity, direction: export, kind: cumulative, unit: kWh, max_power: 100}
    valid_from: 2024-01-01
"""


def register(role: str, direction: str, kwh: int | None, company: str = "a") -> RegisterSum:
    return RegisterSum(company, role, direction, None if kwh is None else kwh * 10**6, 0, DAY_MS if kwh is not None else 0)


def test_clean_electricity_is_what_was_generated_and_stayed_and_contracts() -> None:
    made = (register("generation", "generation", 100), register("main", "export", 30), register("boundary", "export", 10))
    assert clean(made, A) == Known(Fraction(70), Fraction(1), Fraction(0))
    assert clean(made, ZONE, PV % 0 + BOUNDARY, 400) == Known(Fraction(490), Fraction(1), Fraction(0))


def test_clean_electricity_says_why_it_is_not_known() -> None:
    made = (register("generation", "generation", 100),)
    assert clean(made) == Missing("clean_electricity_kwh", "no_boundary")
    assert clean(made, A, PV % 0.5) == Missing("clean_electricity_kwh", "fuel_fired", ("a",))
    assert clean((register("generation", "generation", None),), A) == Missing("clean_electricity_kwh", "no_value", ("generation",))
    assert clean((), A, "", 5) == Known(Fraction(5), Fraction(1), Fraction(0))


CONTRACTS = """\
contracts:
  - {id: sun, company: a, kind: ppa, hourly: {from: "2026-03-04T01:00+08:00", step: 30m, values: [2, 3, null, 9]}, valid_from: 2026-01-01,
     valid_to: 2027-01-01, evidence: x}
  - {id: green, company: a, kind: gec, mwh: 1, vintage: 2026, valid_from: 2026-01-01, valid_to: 2027-01-01, evidence: x}
"""
VOLUME = CONTRACTS.splitlines(keepends=True)[0] + CONTRACTS.splitlines(keepends=True)[-1]
MIDNIGHT_MS = 1_772_553_600_000
"""2026-03-04 in Shanghai."""


def by_the_hour(quantity: str, hourly: HourlyUse | None, more: str = "", registers: tuple[RegisterSum, ...] = ()) -> Answer:
    sums = Sums({RowKey(A, "electricity", 0, ""): row(24, None, 6, share=0.75)}, registers, DAY_MS, WINDOW_MS,
                {} if hourly is None else {A: hourly}, MIDNIGHT_MS)  # fmt: skip
    return Measured(sums, facts_of(zone(more=more)), A).get(quantity, "equal")


def test_the_base_load_s_share_is_that_of_the_hours_that_are_known_whole() -> None:
    found = by_the_hour("base_load_share", HourlyUse(18, 36_000_000, 1_200_000, 0, 0))
    assert found == Known(Fraction(18 * 12, 360), Fraction(18, 24), Fraction(1, 4))
    assert by_the_hour("base_load_share", HourlyUse(0, 0, 0, 0, 0)) == Missing("base_load_share", "no_hour", ("electricity",))
    assert by_the_hour("base_load_share", None) == Missing("base_load_share", "no_hour", ("electricity",))
    assert by_the_hour("base_load_share", HourlyUse(3, 0, 0, 0, 0)) == Missing("electricity_use_kwh", "zero")


def test_the_24_7_score_counts_what_is_supplied_in_its_hour_and_carries_nothing_over() -> None:
    hours = (Hour(0, 4_000_000, 0), Hour(1, 4_000_000, 1_000_000), Hour(2, 4_000_000, -1_000_000), Hour(3, 8_000_000, 9_000_000))
    generated = (register("generation", "generation", 10),)
    use = HourlyUse(4, 20_000_000, 0, 20_000_000, 9_000_000, hours)
    both = by_the_hour("carbon_free_share", use, PV % 0 + CONTRACTS, generated)
    assert both == Known(Fraction(0 + 4 + 4 + 8, 20), Fraction(3, 4), Fraction(1, 4))
    alone = by_the_hour("carbon_free_share", use, PV % 0 + VOLUME, generated)
    assert alone == Known(Fraction(0 + 1 + 0 + 8, 20), Fraction(3, 4), Fraction(1, 4))
    assert by_the_hour("carbon_free_share", use, PV % 0.4, generated) == Missing("carbon_free_share", "fuel_fired", ("a",))


def test_the_24_7_score_says_why_it_is_not_known() -> None:
    assert by_the_hour("carbon_free_share", None) == Known(Fraction(0), Fraction(3, 4), Fraction(1, 4)), "nothing supplies it"
    assert by_the_hour("carbon_free_share", None, VOLUME) == Missing("carbon_free_share", "no_profile", ("green",))
    assert by_the_hour("carbon_free_share", None, CONTRACTS) == Missing("electricity_use_kwh", "zero")


def test_an_indicator_has_a_value_for_each_way_to_count_electricity_or_all_that_is_missing() -> None:
    rows = ELECTRICITY | {(ZONE, "", 2, "location"): row(None, 582.7), (ZONE, "electricity", 2, "location"): row(1000, 582.7)}
    sums = Sums({RowKey(*key): one for key, one in rows.items()}, (), DAY_MS, WINDOW_MS)
    indicators = shipped_sets()["national-zero-carbon-park"].indicators
    found = {
        one.indicator.id: one
        for one in evaluate(indicators, sums, facts_of(zone()), ZONE, parse_period("2026-03"))
    }  # fmt: skip
    core = found["co2_per_energy_location"]
    assert [(one.electricity, f"{float(one.value):.2f}", one.verdict) for one in core.values] == [
        ("equal", "4.74", "unknown_size"),
        ("equivalent", "1.93", "unknown_size"),
    ]
    assert [one.why for one in found["water_reuse"].missing] == ["input", "input"]
    assert found["co2_per_energy_market"].missing == (Missing("co2e_market_t", "no_rows", ("electricity", "market")),)
    day = evaluate(indicators[:1], sums, facts_of(zone()), ZONE, parse_period("2026-03-04"))
    assert day[0].missing == (Missing("co2_per_energy_location", "short", ("month",)),)


@pytest.mark.parametrize(("share", "estimated", "provisional"), [(0.9, 0, False), (0.89, 0, True), (1, 100, False), (1, 101, True)])
def test_a_value_below_the_completeness_rule_is_provisional(share: float, estimated: float, provisional: bool) -> None:
    rows = {
        (ZONE, "electricity", 0, ""): row(1000, None, estimated, share=share),
        (ZONE, "", 2, "location"): row(None, 1, share=share),
        (ZONE, "electricity", 2, "location"): row(1000, 1),
    }
    sums = Sums({RowKey(*key): one for key, one in rows.items()}, (), DAY_MS, WINDOW_MS)
    (core,) = evaluate(
        shipped_sets()["national-zero-carbon-park"].indicators[:1], sums, facts_of(zone()), ZONE, parse_period("2026-03")
    )
    assert [value.is_provisional for value in core.values] == [provisional, provisional]
