"""Emission factors: exact units, and the right one at every instant."""

import json
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zones import EXAMPLE, SNAPSHOTS, zone

from zonepulse.processors.accounting.factor_table import AmbiguousFactor, FactorTable, factor_mg
from zonepulse.schemas.factors.shipped import FactorTableError, factor_unit, load_factors, shipped_factors_csv
from zonepulse.schemas.registry.model import ALWAYS, FOREVER
from zonepulse.schemas.values import BadValue, parse_instant_ms
from zonepulse.schemas.zone_file.read import parse_zone

HEADER = shipped_factors_csv().splitlines()[0]
SHANGHAI = ZoneInfo("Asia/Shanghai")
GASES = ("natural_gas", "coke_oven_gas", "blast_furnace_gas")
FUELS = ("lng", "lpg", "diesel", "gasoline", "kerosene", "fuel_oil", "anthracite", "bituminous_coal", "lignite", "coke")
CHANNELS = [
    ("electricity", "kWh"),
    ("heat", "GJ"),
    *((carrier, base) for carrier in GASES for base in ("Nm3", "GJ")),
    *((carrier, base) for carrier in FUELS for base in ("kg", "GJ")),
    ("steam", "kg"),
    ("purchased_steam_sat_0.8MPa", "kg"),
    ("water", "m3"),
]


def at(text: str) -> int:
    return parse_instant_ms(text, SHANGHAI)


def _when(ms: int) -> str:
    return "" if abs(ms) == FOREVER else datetime.fromtimestamp(ms / 1000, UTC).isoformat()


def test_every_resolved_factor_is_the_one_of_the_snapshot() -> None:
    resolved = {}
    for regions in (["CN-JS", "CN"], ["CN-EAST"], ["CN-SH", "CN"], ["CN-AH", "CN-EAST"], ["CN-ZJ"], ["CN"]):
        table = FactorTable(zone(("[CN-JS, CN]", f"[{', '.join(regions)}]")))
        for carrier, base in CHANNELS if regions[0] == "CN-JS" else CHANNELS[:1]:
            resolved[f"{' '.join(regions)}: {carrier} per {base}"] = [
                f"{_when(start)} .. {_when(end)}: " + (f"{r.factor_id} ({r.rung}) {r.factor_mg}" if r else "none")
                for start, end, r in table.timeline(carrier, "a", base)
            ]
    text = json.dumps(resolved, indent=1, ensure_ascii=False) + "\n"
    assert text == (SNAPSHOTS / "resolved_factors.json").read_text(encoding="utf-8")


def test_a_companys_own_factor_comes_before_those_of_regions() -> None:
    table = FactorTable(parse_zone(EXAMPLE))
    own = table.location("natural_gas", "steelworks", "Nm3", at("2026-01-01"))
    assert own and (own.factor_id, own.rung, own.factor_mg) == ("steelworks-gas-2026", "company", 2_162_200)
    before = table.location("natural_gas", "steelworks", "Nm3", at("2026-01-01") - 1)
    assert before and (before.factor_id, before.rung, before.valid_to_ms) == ("fuel-a-natural-gas-vol", "CN", at("2026-01-01"))
    assert table.location("natural_gas", "", "Nm3", at("2026-02-01")) == table.location(
        "natural_gas", "other", "Nm3", at("2026-02-01")
    )


def test_regions_answer_in_the_order_of_the_zone() -> None:
    table = FactorTable(parse_zone(EXAMPLE))
    found = table.location("electricity", "", "kWh", at("2026-05-01"))
    assert found and (found.factor_id, found.rung, found.factor_mg) == ("grid-cn-js-loc-2023", "CN-JS", 582_700)
    assert (found.valid_from_ms, found.valid_to_ms) == (at("2023-01-01"), FOREVER)


def test_validity_is_half_open_in_the_zones_time() -> None:
    table = FactorTable(parse_zone(EXAMPLE))
    edge = at("2022-01-01T00:00:00+08:00")
    ids = [r and r.factor_id for r in (table.location("electricity", "", "kWh", t) for t in (edge - 1, edge))]
    assert ids == ["grid-cn-js-loc-2021", "grid-cn-js-loc-2022"]
    assert table.location("electricity", "", "kWh", at("2021-01-01") - 1) is None


def test_location_comes_before_default_and_other_bases_never() -> None:
    own = "factors:\n" + "".join(
        f"  - {{id: {basis}, activity: grid_electricity, company: a, basis: {basis}, value: 1, unit: kgCO2/kWh,"
        f" valid_from: {since}, source: x}}\n"
        for basis, since in (("footprint", "2020-01-01"), ("default", "2024-01-01"), ("location", "2025-01-01"))
    )
    table = FactorTable(zone(more=own))
    ids = [r and r.factor_id for r in (table.location("electricity", "a", "kWh", at(f"{y}-06-01")) for y in (2023, 2024, 2025))]
    assert ids == ["grid-cn-js-loc-2023", "default", "location"]


def test_an_unverified_factor_is_never_used() -> None:
    table = FactorTable(zone())
    assert table.location("purchased_steam_sat_0.8MPa", "", "kg", at("2026-09-01")) is None
    assert table.location("heat", "", "GJ", at("2026-06-30")) is None
    heat = table.location("heat", "", "GJ", at("2026-07-01"))
    assert heat and heat.factor_id == "heat-cn-default-2025"


def test_a_time_line_covers_all_time_without_gaps() -> None:
    spans = FactorTable(zone()).timeline("electricity", "a", "kWh")
    assert (spans[0][0], spans[-1][1]) == (ALWAYS, FOREVER)
    assert all(one[1] == other[0] for one, other in pairwise(spans))
    assert spans[0][2] is None


@given(st.integers(at("2015-01-01"), at("2030-01-01")))
def test_a_look_up_and_the_time_line_agree(at_ms: int) -> None:
    table = FactorTable(zone())
    (expected,) = [r for start, end, r in table.timeline("electricity", "a", "kWh") if start <= at_ms < end]
    assert table.location("electricity", "a", "kWh", at_ms) == expected


def test_two_factors_at_one_time_are_never_guessed_between() -> None:
    two = "factors:\n" + "".join(
        f"  - {{id: own-{i}, activity: lng, company: a, value: {i}, unit: tCO2/t, valid_from: 2024-01-01, source: x}}\n"
        for i in (1, 2)
    )
    with pytest.raises(AmbiguousFactor, match="own-1 and own-2"):
        FactorTable(zone(more=two)).location("lng", "a", "kg", at("2024-05-01"))


@pytest.mark.parametrize(
    ("unit", "activity", "base", "kg"),
    [
        ("kgCO2/kWh", "grid_electricity", "kWh", Fraction(1)),
        ("tCO2/MWh", "grid_electricity", "kWh", Fraction(1)),
        ("gCO2e/kWh", "grid_electricity", "kWh", Fraction(1, 1000)),
        ("tCO2/GJ", "purchased_heat", "GJ", Fraction(1000)),
        ("kgCO2/kWh", "purchased_heat", "GJ", Fraction(2500, 9)),
        ("tCO2/t", "diesel", "kg", Fraction(1)),
        ("kgCO2e/Nm3", "natural_gas", "Nm3", Fraction(1)),
        ("kgCO2/m3", "diesel", "m3", Fraction(1)),
        ("kgCO2/L", "diesel", "m3", Fraction(1000)),
    ],
)
def test_factor_units_are_exact(unit: str, activity: str, base: str, kg: Fraction) -> None:
    assert factor_unit(unit, activity) == (base, kg)


@pytest.mark.parametrize(
    ("unit", "activity", "message"),
    [
        ("kg/kWh", "grid_electricity", "write mass/quantity"),
        ("kgCO2/Nm3", "grid_electricity", "does not measure grid_electricity; known: GJ"),
        ("kgCO2/m3", "natural_gas", "no reference temperature"),
        ("lbCO2/kWh", "grid_electricity", "is no emission factor's"),
    ],
)
def test_an_unknown_unit_is_refused_with_a_remedy(unit: str, activity: str, message: str) -> None:
    with pytest.raises(BadValue, match=message):
        factor_unit(unit, activity)


@given(st.decimals(0, 1000, places=9))
def test_the_integer_factor_is_the_exact_one_rounded_half_to_even(value: object) -> None:
    exact = Fraction(str(value)) * 10**6
    assert abs(factor_mg(Fraction(str(value))) - exact) <= Fraction(1, 2)
    assert factor_mg(Fraction("0.0000005")) == 0
    assert factor_mg(Fraction("0.0000015")) == 2


def test_the_shipped_table_loads_with_all_its_provenance() -> None:
    factors = load_factors(shipped_factors_csv(), "Asia/Shanghai")
    assert len(factors) == len(shipped_factors_csv().splitlines()) - 1 == 69
    (one,) = [f for f in factors if f.id == "fuel-a-natural-gas-energy"]
    assert (one.value, one.base_unit, one.kg_per_base) == (Fraction("0.055539"), "GJ", Fraction("55.539"))
    (east,) = [f for f in factors if f.id == "grid-cn-east-loc-2023"]
    assert (east.data_year, east.published, east.confidence, east.valid_to_ms) == (2023, "2025-12-31", "H", FOREVER)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x,lng,CN,default,1,kgCO2/piece,2020,,2020-01-01,,s,,H", "line 2: .*does not measure lng"),
        ("x,lng,CN,default,1,tCO2/t,2020,,2020-01-01 08:00,,s,,H", "line 2: .*no offset"),
        ("x,lng,CN,usual,1,tCO2/t,2020,,2020-01-01,,s,,H", "bases: location"),
        ("x,lng,CN,default,1e,tCO2/t,2020,,2020-01-01,,s,,H", "no decimal number"),
        ("x,lng,CN,default,1,tCO2/t,2020,,2020-01-01,,s,,H,more", "number of columns"),
        ("x,lng,CN,default,1,tCO2/t,2020,,2020-01-01,2019-01-01,s,,H", "empty validity"),
    ],
)
def test_a_bad_line_of_the_table_is_named(line: str, message: str) -> None:
    with pytest.raises(FactorTableError, match=message):
        load_factors(f"{HEADER}\n{line}\n", "UTC")


def test_a_table_with_other_columns_or_a_repeated_id_is_refused() -> None:
    with pytest.raises(FactorTableError, match="they must be id, activity"):
        load_factors("id,value\nx,1\n", "UTC")
    line = "x,lng,CN,default,1,tCO2/t,2020,,2020-01-01,,s,,H\n"
    with pytest.raises(FactorTableError, match="line 3: id 'x' stands twice"):
        load_factors(f"{HEADER}\n{line}{line}", "UTC")
