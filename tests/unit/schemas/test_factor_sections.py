"""Factors that are more than one number: time series, fuels, GWPs of refrigerants, steam, the residual mix."""

import time
from datetime import datetime
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zones import zone

from zonepulse.processors.accounting.factor_table import FactorTable, Resolved
from zonepulse.schemas.factors.choices import choices
from zonepulse.schemas.factors.gwp import gases, load_gwp, shipped_gwp_csv
from zonepulse.schemas.factors.steam import enthalpy_kj_per_kg, gj_per_tonne
from zonepulse.schemas.problems import RegistryError
from zonepulse.schemas.registry.model import ALWAYS, FOREVER, Factor, Fuel, Series, Steam

HOUR_MS = 3_600_000
START_MS = 1_767_196_800_000  # 2026-01-01T00:00+08:00
SIGNAL = """\
factors:
  - {id: signal, activity: grid_electricity, company: a, unit: gCO2/kWh, source: supplier, %s
     series: {from: 2026-01-01, step: 1h, values: [%s]}}
"""
FUEL = "factors:\n  - {id: gas, activity: natural_gas, company: a, unit: %s, source: lab, valid_from: 2026-01-01, fuel: {%s}}\n"
GAS = ('"1.8.0": {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 1000000}', "%s: {%s}")
LEAK = "entries:\n  - {id: leak, company: a, carrier: '%s', kg: 2, at: %s, by: Li, reason: cylinder weighed}\n"
STEAM = "carrier: steam, direction: consumption, kind: interval, unit: %s, steam: {%s}"
DRY = "pressure_mpa: 0.8, temperature_c: null, reference_kj_per_kg: 83.74"


def refusal(*changes: tuple[str, str], more: str = "") -> list[str]:
    with pytest.raises(RegistryError) as error:
        zone(*changes, more=more)
    return [line.split(": ", 1)[1] for line in str(error.value).splitlines()]


def own_factor(text: str, since: str = "2020-01-01") -> str:
    return f"factors:\n  - {{{text}, valid_from: {since}, source: x}}\n"


def register(text: str) -> tuple[str, str]:
    return GAS[0], GAS[1] % ("r", f"{text}, max_power: 1000000")


OWN_STEAM = own_factor("id: st, activity: steam, company: a, value: 0.11, unit: tCO2/GJ")


# Time series


def test_each_step_of_a_series_answers_and_a_hole_leaves_it_to_the_next_rung() -> None:
    table = FactorTable(zone(more=SIGNAL % ("", "500, 500, null, 431.5")))
    found = [table.location("electricity", "a", "kWh", START_MS + h * HOUR_MS) for h in (-1, 0, 1, 2, 3, 4)]
    assert [(f.factor_id, f.rung, f.factor_mg) for f in found if f] == [
        ("grid-cn-js-loc-2023", "CN-JS", 582_700),
        ("signal", "company", 500_000),
        ("signal", "company", 500_000),
        ("grid-cn-js-loc-2023", "CN-JS", 582_700),
        ("signal", "company", 431_500),
        ("grid-cn-js-loc-2023", "CN-JS", 582_700),
    ]
    assert found[1] == Resolved("signal", "company", 500_000, START_MS, START_MS + 2 * HOUR_MS)


def test_a_series_of_a_region_answers_for_everybody() -> None:
    text = (SIGNAL % ("", "500")).replace("company: a", "region: GRID")
    table = FactorTable(zone(("[CN-JS, CN]", "[GRID, CN-JS, CN]"), more=text))
    for company in ("", "a", "b"):
        found = table.location("electricity", company, "kWh", START_MS)
        assert found and (found.factor_id, found.rung, found.factor_mg) == ("signal", "GRID", 500_000)


def test_a_series_holds_within_its_validity_only() -> None:
    text = SIGNAL % ('valid_from: "2026-01-01T01:00+08:00", valid_to: "2026-01-01T02:00+08:00",', "1, 2, 3")
    (signal,) = [f for f in zone(more=text).factors if f.id == "signal"]
    assert (signal.valid_from_ms, signal.valid_to_ms) == (START_MS + HOUR_MS, START_MS + 2 * HOUR_MS)
    spans = FactorTable(zone(more=text)).timeline("electricity", "a", "kWh")
    assert [(s, r.factor_mg) for s, _, r in spans if r and r.factor_id == "signal"] == [(START_MS + HOUR_MS, 2_000)]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("step: 1h", "step: 20m", "factors[0].series.step: 1200000 ms is no multiple of the window; use a step that holds whole"),
        ("from: 2026-01-01", 'from: "2026-01-01T00:05Z"', "factors[0].series.from: 2026-01-01T08:05:00+08:00 is no edge"),
        ("values: [1]", "values: [-1]", "factors[0].series.values[0]: is negative"),
        ("values: [1]", "values: []", "factors[0].series.values: holds no values; write one for each step"),
        ("values: [1]", "values: [a]", "factors[0].series.values[0]: 'a' is no decimal number"),
        ("values: [1]", "valeus: [1]", "factors[0].series.valeus: unknown key; did you mean `values`?"),
        ("step: 1h", "step: 0m", "factors[0].series: `step` is zero"),
        ("source: supplier,", "source: supplier, value: 3,", "factors[0]: has `value` and `series`; keep one of them"),
        ("source: supplier,", "source: supplier, valid_to: 2025-01-01,", "the validity ends before it begins"),
    ],
)
def test_a_mistake_in_a_series_is_told_with_its_remedy(old: str, new: str, message: str) -> None:
    text = SIGNAL % ("", "1")
    assert old in text
    lines = refusal(more=text.replace(old, new))
    assert any(message in line for line in lines)
    assert len(lines) == (2 if "valeus" in new else 1)  # a misspelt key is also a missing one


def test_a_factor_without_any_value_is_refused() -> None:
    text = "factors:\n  - {id: x, activity: lng, company: a, unit: tCO2/t, source: s, valid_from: 2026-01-01}\n"
    assert refusal(more=text) == ["factors[0]: `value` is missing; add `value: 1.5`"]


def test_a_year_of_hours_is_looked_up_at_once() -> None:
    values = tuple(None if i % 97 == 0 else Fraction(i % 700, 1000) for i in range(8784))
    factors = [series_factor("own", "a", values), series_factor("other", "b", values), *zone().factors]
    began = time.process_time()
    found = choices(factors, "electricity", "a", ("CN-JS", "CN"), "kWh")
    assert time.process_time() - began < 2
    assert len(found) > 8700
    assert all(one.to_ms == other.from_ms for one, other in pairwise(found))


def series_factor(name: str, company: str, values: tuple[Fraction | None, ...]) -> Factor:
    end_ms = START_MS + len(values) * HOUR_MS
    return Factor(
        name, "grid_electricity", "", company, "default", Fraction(1), "kgCO2/kWh", "kWh", Fraction(1), None, "", START_MS, end_ms, "s",
        "", "", Series(START_MS, HOUR_MS, values),
    )  # fmt: skip


STEPS = st.lists(st.none() | st.integers(0, 3).map(lambda n: Fraction(n, 10)), min_size=1, max_size=8)


@given(STEPS, STEPS)
def test_a_look_up_by_spans_is_the_look_up_instant_by_instant(own: list[Fraction | None], of_region: list[Fraction | None]) -> None:
    region = series_factor("region", "", tuple(of_region))
    factors = [series_factor("own", "a", tuple(own)), Factor(**{**parts(region), "region": "R"})]
    found = choices(factors, "electricity", "a", ("R",), "kWh")
    assert (found[0].from_ms, found[-1].to_ms) == (ALWAYS, FOREVER)
    for hour in range(-1, 9):
        at_ms = START_MS + hour * HOUR_MS
        (choice,) = [c for c in found if c.from_ms <= at_ms < c.to_ms]
        values = [(r, v[hour]) for r, v in (("company", own), ("R", of_region)) if 0 <= hour < len(v) and v[hour] is not None]
        assert (choice.rung, choice.kg_per_base if choice.factors else None) == (values[0] if values else ("", None))


def parts(factor: Factor) -> dict[str, object]:
    return {name: getattr(factor, name) for name in factor.__slots__}


# Fuels


def test_a_fuels_factor_is_worked_out_exactly_from_its_analysis() -> None:
    text = FUEL % ("kgCO2/Nm3", "ncv: 0.038931, carbon: 0.0153, oxidation: 0.99")
    (gas,) = [f for f in zone(more=text).factors if f.id == "gas"]
    assert gas.fuel == Fuel(Fraction("0.038931"), Fraction("0.0153"), Fraction("0.99"))
    assert gas.value == gas.kg_per_base == Fraction("0.038931") * Fraction("0.0153") * Fraction("0.99") * Fraction(44, 12) * 1000
    assert (round(float(gas.value), 5), gas.base_unit) == (2.16219, "Nm3")


@pytest.mark.parametrize(
    ("unit", "fuel", "message"),
    [
        ("tCO2/Nm3", "ncv: 1, carbon: 1, oxidation: 1", "factors[0].unit: 'tCO2/Nm3' does not fit `fuel`; write kgCO2/<unit>"),
        ("kgCO2/Nm3", "ncv: 1, carbon: 1, oxidation: 99", "factors[0].fuel: is no fuel's analysis; write ncv in GJ per unit"),
        ("kgCO2/Nm3", "ncv: 1, carbon: 1", "factors[0].fuel: `oxidation` is missing"),
    ],
)
def test_a_mistake_in_a_fuel_is_told_with_its_remedy(unit: str, fuel: str, message: str) -> None:
    assert any(message in line for line in refusal(more=FUEL % (unit, fuel)))


# Refrigerants and processes


def test_a_refrigerants_factor_is_its_gwp_in_the_zones_report() -> None:
    registry = zone(("id: z,", "id: z, gwp: AR5,"), more=LEAK % ("refrigerant:R-410A", "2026-02-01"))
    found = FactorTable(registry).location("refrigerant:R-410A", "a", "kg", START_MS)
    assert found == Resolved("gwp-AR5-R-410A", "GWP", 1_924_000_000, ALWAYS, FOREVER)
    (factor,) = [f for f in registry.factors if f.id == "gwp-AR5-R-410A"]
    assert (factor.unit, factor.region, factor.basis, factor.source) == (
        "kgCO2e/kg",
        "GWP",
        "default",
        "IPCC AR5 WG1 (2013), table 8.A.1",
    )


def test_a_companys_own_gwp_comes_first() -> None:
    own = own_factor("id: own, activity: 'refrigerant:R-410A', company: a, value: 2000, unit: kgCO2e/kg")
    table = FactorTable(zone(("id: z,", "id: z, gwp: AR6,"), more=own + LEAK % ("refrigerant:R-410A", "2026-02-01")))
    assert [table.location("refrigerant:R-410A", c, "kg", START_MS).factor_id for c in ("a", "b")] == ["own", "gwp-AR6-R-410A"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("gwp", "carrier", "at", "message"),
    [
        (
            "",
            "refrigerant:R-410A",
            "2026-02-01",
            "'refrigerant:R-410A' needs to know which GWPs count; write `gwp: AR5` into `zone`",
        ),
        ("gwp: AR5,", "refrigerant:R410A", "2026-02-01", "AR5 has no GWP of 'R410A'; did you mean `R-410A`?"),
        ("gwp: AR7,", "process:x", "2026-02-01", "zone.gwp: 'AR7' is none of AR4, AR5, AR6"),
        ("", "process:x", "2026-02-01", "entries[0].carrier: no factor of 'process:x' exists"),
    ],
)
def test_an_entry_without_a_factor_is_refused(gwp: str, carrier: str, at: str, message: str) -> None:
    assert any(message in line for line in refusal(("id: z,", f"id: z, {gwp}"), more=LEAK % (carrier, at)))


def test_an_entry_before_its_factor_is_refused() -> None:
    own = own_factor("id: w, activity: 'process:w', company: a, value: 1, unit: kgCO2/kg", "2026-02-01")
    assert zone(more=own + LEAK % ("process:w", "2026-02-01"))
    (line,) = refusal(more=own + LEAK % ("process:w", "2026-01-31"))
    assert "no factor of 'process:w' is valid at 2026-01-31T00:00:00+08:00; add a factor" in line


def test_what_is_entered_is_counted_in_kg() -> None:
    own = own_factor("id: w, activity: 'process:w', company: a, value: 1, unit: kgCO2/m3")
    assert "unit 'kgCO2/m3' does not measure process:w; known: g, kg, t" in refusal(more=own)[0]


BLENDS = {
    "R-410A": {"HFC-32": 50, "HFC-125": 50},
    "R-404A": {"HFC-125": 44, "HFC-143a": 52, "HFC-134a": 4},
    "R-407C": {"HFC-32": 23, "HFC-125": 25, "HFC-134a": 52},
}


@pytest.mark.parametrize("report", ["AR4", "AR5", "AR6"])
@pytest.mark.parametrize("blend", BLENDS)
def test_a_blends_gwp_is_that_of_its_components_to_rounding(blend: str, report: str) -> None:
    table = load_gwp(shipped_gwp_csv())
    made = sum(table[gas, report][0] * share / 100 for gas, share in BLENDS[blend].items())
    assert abs(table[blend, report][0] - made) <= Fraction(1, 2)


def test_every_report_knows_the_common_gases_and_no_gwp_is_unverified() -> None:
    common = {"CO2", "CH4", "N2O", "SF6", "NF3", "HFC-134a", "HFC-32", "HFC-125", "HFC-143a", "R-22", *BLENDS}
    assert all(common <= set(gases(report)) for report in ("AR4", "AR5", "AR6"))
    assert {confidence for _, confidence in load_gwp(shipped_gwp_csv()).values()} <= {"H", "M"}


# Steam


@pytest.mark.parametrize(
    ("mpa", "celsius", "enthalpy"),
    [  # IAPWS R7-97(2012), tables 5 and 15, and its saturation line at 0.8 MPa
        ("0.0035", "26.85", 2549.91145),
        ("0.0035", "426.85", 3335.68375),
        ("30", "426.85", 2631.49474),
        ("0.8", None, 2768.302),
    ],
)
def test_the_enthalpy_of_steam_is_that_of_if97(mpa: str, celsius: str | None, enthalpy: float) -> None:
    found = enthalpy_kj_per_kg(Fraction(mpa), None if celsius is None else Fraction(celsius))
    assert found == pytest.approx(enthalpy, abs=5e-4)


def test_steam_by_mass_is_counted_in_gj() -> None:
    assert gj_per_tonne(Steam(Fraction("0.8"), None, Fraction("83.74"))) == Fraction("2.684562")
    for unit, per_unit in (("t", Fraction("2.684562")), ("kg", Fraction("0.002684562"))):
        (found,) = zone(register(STEAM % (unit, DRY)), more=OWN_STEAM).meters[0].registers
        assert (found.base_unit, found.scale) == ("GJ", per_unit * 10**6)
        assert found.steam == Steam(Fraction("0.8"), None, Fraction("83.74"))


@pytest.mark.parametrize(
    ("unit", "steam", "message"),
    [
        ("t", "pressure_mpa: 0.8, reference_kj_per_kg: 0", "steam: `temperature_c` is missing; add `temperature_c: null`"),
        ("t", "pressure_mpa: 0.8, temperature_c: null", "steam: `reference_kj_per_kg` is missing"),
        ("t", DRY.replace("null", "150"), "steam: 150 C is water at 0.8 MPa; steam of that pressure is hotter than 170.4 C"),
        (
            "t",
            DRY.replace("0.8", "800"),
            "steam: 800 MPa is no pressure of steam; write the absolute pressure in MPa, below 22.064",
        ),
        ("t", DRY.replace("null", "900"), "steam: 900 C is no temperature of steam"),
        ("t", DRY.replace("83.74", "3000"), "steam: the steam's enthalpy is 2768.3 kJ/kg, no more than the reference"),
        ("GJ", DRY, "steam: belongs to steam in t or kg, not to steam in GJ; remove it"),
    ],
)
def test_steam_that_cannot_be_is_refused(unit: str, steam: str, message: str) -> None:
    assert any(message in line for line in refusal(register(STEAM % (unit, steam)), more=OWN_STEAM))


# The residual mix


def test_the_residual_mix_answers_from_its_own_basis_only() -> None:
    table = FactorTable(zone())
    found = table.residual("a", START_MS)
    assert found and (found.factor_id, found.rung, found.factor_mg) == ("grid-cn-residual-2023", "CN", 609_600)
    assert [r and r.factor_id for _, _, r in table.residual_timeline("a")] == [
        None,
        "grid-cn-residual-2021",
        "grid-cn-residual-2022",
        "grid-cn-residual-2023",
    ]
    own = own_factor(
        "id: mix, activity: grid_electricity, company: a, basis: market_residual, value: 0.7, unit: kgCO2/kWh", "2026-01-01"
    )
    table = FactorTable(zone(more=own))
    found = [table.residual(company, START_MS) for company in ("a", "b")]
    assert [(r.factor_id, r.rung) for r in found if r] == [("mix", "company"), ("grid-cn-residual-2023", "CN")]
    assert FactorTable(zone(more=own)).location("electricity", "a", "kWh", START_MS) == FactorTable(zone()).location(
        "electricity", "a", "kWh", START_MS
    )


def test_two_residual_mixes_at_once_are_refused() -> None:
    text = own_factor(
        "id: mix, activity: grid_electricity, region: CN, basis: market_residual, value: 0.7, unit: kgCO2/kWh", "2026-01-01"
    )
    (line,) = refusal(more=text)
    assert "'grid-cn-residual-2023' and 'mix' all apply from 2026-01-01T00:00:00+08:00 (rung CN)" in line


def test_a_footprint_is_never_an_inventory_factor() -> None:
    text = own_factor("id: fp, activity: biogas, company: a, basis: footprint, value: 0.7, unit: kgCO2/m3", "2026-01-01")
    lines = refusal(register("carrier: biogas, direction: consumption, kind: interval, unit: m3"), more=text)
    assert "no factor of 'biogas' has basis location or default: fp (footprint is another quantity)" in lines[0]


def test_two_base_units_of_one_carrier_in_a_company_are_refused() -> None:
    gas = "carrier: natural_gas, direction: consumption, kind: interval, unit: "
    lines = refusal((GAS[0], f"g: {{{gas}Nm3, max_power: 9}}\n      h: {{{gas}GJ, max_power: 9}}"))
    told = "meters[0].registers.h.unit: counts natural_gas in GJ, line 13 in Nm3; transmit both in one of them"
    assert any(told in line for line in lines)


def test_years_begin_in_the_zones_time() -> None:
    assert datetime(2026, 1, 1, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp() * 1000 == START_MS
