"""Factors that are allowed but probably not meant are named before they are used."""

import pytest
from zones import zone

from zonepulse.schemas.checks.notices import notices

OWN = "factors:\n  - {id: own, activity: %s, %s, value: %s, unit: %s, valid_from: 2026-01-01, source: x%s}\n"


def said(*changes: tuple[str, str], more: str = "") -> list[str]:
    return [str(p) for p in notices(zone(*changes, more=more))]


def test_a_factor_of_older_data_than_other_regions_have_is_stale() -> None:
    (line,) = said(("[CN-JS, CN]", "[CN-AH, CN]"))
    assert line == (
        "zone.yaml: factors.grid-cn-ah-loc-2022: stale_factor: from 2023-01-01T00:00:00+08:00 it answers with data of 2022, while"
        " CN, CN-EAST, CN-JS, CN-SH, CN-ZJ have those of 2023; add the CN-AH factor of 2023 to `factors` once it is published"
    )
    assert said(("[CN-JS, CN]", "[CN-JS, CN-AH, CN]")) == []
    assert said(("[CN-JS, CN]", "[CN-AH, CN]"), ("id: z,", "id: z, factors_as_of: 2025-12-30,")) == []


@pytest.mark.parametrize(
    ("whose", "value", "more", "named"),
    [
        ("company: a", "0.5810", "", "grid-cn-ets-2021 (ets, CN, 2021)"),
        ("company: a", "0.5703", "", "grid-cn-ets-2022 (ets, CN, 2022)"),
        ("company: a", "0.5568", "", "grid-cn-loc-2021 (location, CN, 2021)"),
        ("company: a", "0.5737", "", "grid-cn-sh-loc-2023 (location, CN-SH, 2023)"),
        ("company: a", "0.6096", "", "grid-cn-residual-2023 (market_residual, CN, 2023)"),
        ("company: a", "0.5306", ", basis: market_residual", "grid-cn-loc-2023 (location, CN, 2023)"),
        ("region: CN-JS", "0.5777", ", basis: ets", "grid-cn-footprint-2024 (footprint, CN, 2024)"),
    ],
)
def test_a_known_value_under_another_label_is_named(whose: str, value: str, more: str, named: str) -> None:
    text = OWN % ("grid_electricity", whose, value, "kgCO2/kWh", more)
    (line,) = [line for line in said(more=text) if "has exactly the value" in line]
    assert f"factors.own: has exactly the value of {named}: another year, region or basis; check its source" in line


def test_a_known_value_under_its_own_label_is_not() -> None:
    for value, more in (("0.5827", ""), ("0.5306", ""), ("0.6096", ", basis: market_residual"), ("0.5", "")):
        assert said(more=OWN % ("grid_electricity", "company: a", value, "kgCO2/kWh", more)) == []


def test_a_default_of_lng_by_mass_is_named() -> None:
    lng = (
        "carrier: electricity, direction: import, kind: cumulative, unit: kWh",
        "carrier: lng, direction: consumption, kind: interval, unit: t",
    )
    (line,) = said(lng)
    assert "factors.fuel-a-lng-mass: official heating values of LNG differ by 23 %" in line
    assert said(lng, more=(OWN % ("lng", "company: a", "2.5", "tCO2/t", "")).replace("2026", "2015")) == []


def test_companies_that_count_a_carrier_in_different_units_are_named() -> None:
    gas = (
        "  - {id: %s, site: %s, role: main, registers: {g: {carrier: natural_gas, direction: consumption, kind: interval, unit: %s,"
    )
    gas += " max_power: 1000000}}}\n"
    (line,) = said(more=gas % ("G1", "s", "Nm3") + gas % ("G2", "s2", "kWh"))
    assert "meters.G2.registers.g: counts natural_gas in GJ, G1 in Nm3: the zone's total of it has no unit" in line
