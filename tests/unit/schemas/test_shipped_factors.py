"""Every factor of the shipped table, as it answers: one line for each activity, region and year; and where its value comes from."""

import json
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from zones import SNAPSHOTS, zone

from zonepulse.processors.accounting.factor_table import FactorTable, Resolved, factor_mg
from zonepulse.schemas.carriers import carrier_of
from zonepulse.schemas.factors.gwp import gwp_factors, load_gwp, shipped_gwp_csv
from zonepulse.schemas.factors.shipped import BASES, UNVERIFIED, load_factors, shipped_factors_csv
from zonepulse.schemas.values import parse_instant_ms

ZONE = ZoneInfo("Asia/Shanghai")
SHIPPED = load_factors(shipped_factors_csv(), "Asia/Shanghai")
BY_ID = {f.id: f for f in SHIPPED}
REGIONS = sorted({f.region for f in SHIPPED})
CHANNELS = sorted({(f.activity, f.base_unit) for f in SHIPPED})
YEARS = range(2014, 2028)
FAMILY_A = {  # NCV GJ/t (gases: GJ/10^4 Nm3), tC/GJ, oxidation: NDRC guides 2013-2015; natural gas also GB/T 32151.34-2024, table C.1
    "natural-gas": ("389.31", "0.0153", "0.99"),
    "lng": ("41.868", "0.0153", "0.99"),
    "lpg": ("47.31", "0.0172", "0.99"),
    "diesel": ("43.33", "0.0202", "0.98"),
    "gasoline": ("44.80", "0.0189", "0.98"),
    "kerosene": ("44.75", "0.0196", "0.98"),
    "fuel-oil": ("40.19", "0.0211", "0.98"),
    "anthracite": ("24.515", "0.02749", "0.94"),
    "bituminous-coal": ("23.204", "0.02618", "0.93"),
    "lignite": ("14.449", "0.0280", "0.96"),
    "coke": ("28.446", "0.0294", "0.93"),
    "coke-oven-gas": ("173.854", "0.0136", "0.99"),
    "blast-furnace-gas": ("37.69", "0.0708", "0.99"),
}
GASES = ("natural-gas", "coke-oven-gas", "blast-furnace-gas")


def _shown(found: Resolved | None) -> str:
    return f"{found.factor_id} {found.factor_mg} mg, rung {found.rung}" if found else "none"


def test_every_factor_of_the_table_answers_as_the_snapshot_says() -> None:
    lines = {}
    for region in REGIONS:
        table = FactorTable(zone(("[CN-JS, CN]", f"[{region}]"), ("import", "export")))
        for year in YEARS:
            for month in ("01", "12") if year == 2026 else ("07",):
                at_ms = parse_instant_ms(f"{year}-{month}-01", ZONE)
                for activity, base_unit in CHANNELS:
                    found = table.location(carrier_of(activity), "a", base_unit, at_ms)
                    if found is not None:
                        lines[f"{region} {year}-{month} {activity} per {base_unit}"] = _shown(found)
                lines[f"{region} {year}-{month} residual electricity"] = _shown(table.residual("a", at_ms))
    text = json.dumps(lines, indent=1) + "\n"
    assert text == (SNAPSHOTS / "shipped_factors.json").read_text("utf-8")
    answering = {line.split()[0] for line in lines.values()}
    silent = {f.id for f in SHIPPED if f.id not in answering}
    assert silent == {f.id for f in SHIPPED if f.confidence == UNVERIFIED or f.basis in ("footprint", "ets", "fossil_only")}


@pytest.mark.parametrize("fuel", FAMILY_A)
def test_a_fuels_factor_is_its_heating_value_times_its_carbon_that_burns(fuel: str) -> None:
    ncv, carbon, oxidation = map(Fraction, FAMILY_A[fuel])
    per_gj = carbon * oxidation * 44 / 12
    ncv, kind = (ncv / 10, "vol") if fuel in GASES else (ncv, "mass")
    assert abs(BY_ID[f"fuel-a-{fuel}-{kind}"].value - ncv * per_gj) <= Fraction(1, 200_000)
    assert abs(BY_ID[f"fuel-a-{fuel}-energy"].value - per_gj) <= Fraction(1, 2_000_000)


def test_every_gwp_is_a_factor_to_the_last_digit() -> None:
    for (gas, report), (gwp, confidence) in load_gwp(shipped_gwp_csv()).items():
        if report in ("AR4", "AR5", "AR6"):
            (factor,) = gwp_factors([f"refrigerant:{gas}", "process:x", f"refrigerant:{gas}"], report)
            assert (factor.id, factor.confidence, factor_mg(factor.kg_per_base)) == (f"gwp-{report}-{gas}", confidence, gwp * 10**6)


def test_every_row_says_where_it_comes_from() -> None:
    assert all(f.source and f.basis in BASES and f.confidence for f in SHIPPED)
