"""The oracle's market basis, manual entries and factors as the specification says."""

import json
from typing import Any

import pytest
from network_zones import DAY, FACTORS, MINUTE, Energies, meter, tables, totals, zone
from network_zones import log as sent

from zonepulse.oracle.metering.decode import Record
from zonepulse.oracle.run import Tables
from zonepulse.oracle.zone.if97 import liquid, saturated_or_at, saturation_k, vapour

KWH = 1_000_000
METERS = [meter("a", "works", "main", "import"), meter("b", "shop", "main", "import")]
SITES = {"works": ("c1", "n1"), "shop": ("c2", "n2")}
ALWAYS = {"valid_from": "2026-01-01", "valid_to": "2027-01-01", "evidence": "e"}


def contract(name: str, **what: Any) -> dict[str, Any]:
    return {"id": name, "company": "c1", "kind": "ppa", **ALWAYS, **what}


def hourly(*values: float | None) -> dict[str, Any]:
    return {"hourly": {"from": "2026-03-04T00:00:00+00:00", "step": "1h", "values": list(values)}}


def market(found: Tables, window: int = 0) -> dict[tuple[str, str, str, int], tuple[int | None, int | None]]:
    return totals(found, "market")[window]


def emissions(found: Tables, register: str) -> list[tuple[int | None, int | None, str, str]]:
    """Of company c1 on the market basis, by window up to the last that is covered."""
    rows = [r for r in found["emissions"] if (r["company"], r["register"], r["basis"]) == ("c1", register, "market")]
    out = [(r["energy_micro"], r["co2e_mg"], r["factor_id"], r["rung"]) for r in sorted(rows, key=lambda r: r["start"])]
    while out and out[-1][0] is None:
        out.pop()
    return out


def using(*kwh: float | None) -> list[Energies]:
    return [{("a", "import"): value, ("b", "import"): 1} for value in kwh]


def test_without_contracts_everything_bears_the_residual_mix() -> None:
    found = tables(zone(METERS, SITES), sent(*using(10)), 60)
    assert emissions(found, "") == [(10 * KWH, 6 * KWH, "rest", "CN")]
    assert market(found)["company", "c1", "", 2] == (None, 6 * KWH)
    assert market(found)["zone", "z", "electricity", 2] == (11 * KWH, 6_600_000)
    row = next(r for r in found["intensity"] if r["basis"] == "market")
    assert (row["node"], row["energy_micro"], row["co2e_mg"], row["g_per_kwh"]) == ("", 11 * KWH, 6_600_000, 600.0)


def test_without_a_residual_factor_and_contracts_there_is_no_market_basis() -> None:
    found = tables(zone(METERS, SITES, zone={"factor_regions": ["CN-JS"]}), sent(*using(10)), 60)
    assert {row["basis"] for table in ("emissions", "intensity") for row in found[table]} == {"location"}


def test_a_contract_is_used_up_in_the_middle_of_a_window() -> None:
    text = zone(METERS, SITES, contracts=[contract("gec", mwh=0.025)])
    found = tables(text, sent(*using(10, 10, 10, 10)), 120)
    assert [row[:2] for row in emissions(found, "gec")] == [(10 * KWH, 0), (10 * KWH, 0), (5 * KWH, 0), (0, 0)]
    assert [row[:2] for row in emissions(found, "")] == [(0, 0), (0, 0), (5 * KWH, 3 * KWH), (10 * KWH, 6 * KWH)]
    assert market(found, 2)["company", "c1", "contract:gec", 2] == (5 * KWH, 0)
    assert market(found, 2)["company", "c1", "electricity", 2] == (10 * KWH, 3 * KWH)
    assert market(found, 2)["zone", "z", "electricity", 2] == (11 * KWH, 3_600_000)


def test_a_late_reading_moves_what_later_windows_get() -> None:
    text = zone(METERS, SITES, contracts=[contract("gec", mwh=0.025)])
    found = tables(text, sent(*using(None, 10, 10, 10), late={(0, "a", "import"): (10, 44)}), 120)
    assert [row[0] for row in emissions(found, "gec")] == [10 * KWH, 10 * KWH, 5 * KWH, 0]


def test_the_contract_that_ends_first_is_used_first_and_hourly_ones_lapse() -> None:
    day = contract("sun", **hourly(4, 4, None), ef=0.05) | {"valid_to": "2026-12-31"}
    text = zone(METERS, SITES, contracts=[contract("gec", mwh=0.02), day])
    found = tables(text, sent(*using(0.5, 10, 10, 10, 10)), 150)
    assert [row[0] for row in emissions(found, "sun")] == [500_000, KWH, KWH, KWH, KWH]
    assert emissions(found, "sun")[0] == (500_000, 25_000, "sun", "contract")
    assert [row[0] for row in emissions(found, "gec")] == [0, 9 * KWH, 9 * KWH, 2 * KWH, 0]


def test_nothing_is_matched_where_nothing_is_covered() -> None:
    text = zone(METERS, SITES, contracts=[contract("gec", mwh=0.015)])
    found = tables(text, sent(*using(10, None, 10)), 120)
    assert [row[:2] for row in emissions(found, "gec")] == [(10 * KWH, 0), (None, None), (5 * KWH, 0)]
    assert emissions(found, "")[1] == (None, None, "rest", "CN")


def test_what_a_settled_window_gives_up_is_lost() -> None:
    """The first window settles at 00:45 with 10 kWh; at 00:50 it becomes known that 7 of them belong to the second."""
    cumulative = [meter("a", "works", "main", "import", kind="cumulative")]
    text = zone(cumulative, SITES, contracts=[contract("gec", mwh=0.015)])
    log = sent(late={(-1, "a", "import"): (0, 0), (1, "a", "import"): (20, 30)})
    early = json.dumps({"meter": "a", "register": "import", "ts": DAY + 20 * MINUTE, "value": 4}).encode()
    before, after = (tables(text, [*log, *more], 60) for more in ([], [Record(0, 3, DAY + 50 * MINUTE, b"k", early)]))
    assert [row[0] for row in emissions(before, "gec")] == [10 * KWH, 5 * KWH]
    assert [row[0] for row in emissions(after, "gec")] == [3 * KWH, 5 * KWH]
    assert [row[0] for row in emissions(after, "")] == [0, 12 * KWH]


def test_a_rest_without_a_factor_is_an_alert_of_the_market_basis() -> None:
    factors = FACTORS.replace("0.6,kgCO2/kWh,2025-12-31,2023-01-01", "0.6,kgCO2/kWh,2025-12-31,2026-03-05")
    found = tables(zone(METERS, SITES, contracts=[contract("gec", mwh=0.015)]), sent(*using(10, 10)), 60, factors)
    alerts = [a for a in found["alerts"] if a["rule"] == "no_factor"]
    assert sorted((a["company"], a["starts_at"] - DAY, a["state"]) for a in alerts) == [
        ("c1", 15 * MINUTE, "raised"),
        ("c2", 0, "raised"),
    ]
    assert emissions(found, "") == [(0, 0, "", ""), (5 * KWH, None, "", "")]
    assert market(found, 1)["zone", "z", "", 2] == (None, None)


ENTRY = {"company": "c1", "kg": 2.5, "at": "2026-03-04T00:05:00+00:00", "occurred": "2026-03-04", "by": "me", "reason": "leak"}


def test_an_entry_counts_in_its_window_only() -> None:
    entries = [{"id": "e", "carrier": "refrigerant:R-410A", **ENTRY}, {"id": "p", "carrier": "process:welding", **ENTRY}]
    own = {"id": "own", "activity": "process:welding", "company": "c1", "value": 1, "unit": "kgCO2/kg", "source": "s"}
    text = zone(METERS, SITES, entries=entries, zone={"gwp": "AR5"}, factors=[own])
    found = tables(text, sent(*using(1, 1)), 90)
    rows = {r["register"]: r for r in found["emissions"] if r["meter"] == "" and r["basis"] == "location"}
    assert (rows["e"]["co2e_mg"], rows["e"]["factor_id"], rows["e"]["rung"]) == (4_810 * KWH, "gwp-AR5-R-410A", "GWP")
    assert (rows["p"]["co2e_mg"], rows["p"]["rung"], rows["p"]["revision"]) == (2_500_000, "company", (DAY + 16 * MINUTE) // MINUTE)
    lines = totals(found, "location")
    assert lines[0]["company", "c1", "", 1] == lines[0]["zone", "z", "", 1] == (None, 4_810 * KWH + 2_500_000)
    assert ("company", "c1", "", 1) not in lines[1]
    scope = next(r for r in found["totals"] if (r["entity"], r["carrier"], r["scope"]) == ("c1", "", 1))
    assert scope["covered_ms"] == scope["expected_ms"] == 30 * MINUTE


def location(text: str, factors: str = FACTORS, windows: int = 1) -> list[tuple[int | None, str, str]]:
    found = tables(text, sent(*using(*[10] * windows)), 200, factors)
    rows = [r for r in found["emissions"] if (r["company"], r["basis"]) == ("c1", "location")]
    return [(r["co2e_mg"], r["factor_id"], r["rung"]) for r in sorted(rows, key=lambda r: r["start"])][:windows]


def test_a_series_answers_step_by_step_and_a_null_leaves_it_to_the_next_rung() -> None:
    series = {"from": "2026-03-04T00:00:00+00:00", "step": "15m", "values": [0.2, None, 0.3]}
    own = {
        "id": "live",
        "activity": "grid_electricity",
        "company": "c1",
        "series": series,
        "unit": "kgCO2/kWh",
        "basis": "location",
    }
    expected = [(2 * KWH, "live", "company"), (5 * KWH, "js", "CN-JS"), (3 * KWH, "live", "company"), (5 * KWH, "js", "CN-JS")]
    assert location(zone(METERS, SITES, factors=[own]), windows=4) == expected


def test_a_factor_that_was_not_published_yet_leaves_its_forerunner_valid() -> None:
    older = "old,grid_electricity,CN-JS,,location,0.7,kgCO2/kWh,2024-12-26,2022-01-01,2023-01-01,H\n"
    for as_of, answer in (("2025-06-30", (7 * KWH, "old", "CN-JS")), ("2025-12-31", (5 * KWH, "js", "CN-JS"))):
        assert location(zone(METERS, SITES, zone={"factors_as_of": as_of}), FACTORS + older) == [answer]


def test_a_fuels_factor_is_made_of_its_components() -> None:
    gas = meter("g", "works", "main", "consumption", carrier="natural_gas", unit="Nm3")
    fuel = {"ncv": 0.038931, "carbon": 0.0153, "oxidation": 0.99}
    own = {"id": "f", "activity": "natural_gas", "region": "CN", "fuel": fuel, "unit": "kgCO2/Nm3"}
    found = tables(zone([gas], SITES, factors=[own]), sent({("g", "consumption"): 1000}), 60)
    assert found["emissions"][0]["co2e_mg"] == 2_162_189_000


@pytest.mark.parametrize(("unit", "value"), [("t", 1), ("kg", 1000)])
def test_a_mass_of_steam_is_heat(unit: str, value: float) -> None:
    facts = {"pressure_mpa": 0.8, "temperature_c": None, "reference_kj_per_kg": 83.74}
    steam = meter("s", "works", "main", "consumption", carrier="steam", unit=unit, steam=facts)
    own = {"id": "f", "activity": "steam", "region": "CN", "value": 0.11, "unit": "tCO2/GJ"}
    found = tables(zone([steam], SITES, factors=[own]), sent({("s", "consumption"): value}), 60)
    row = next(r for r in found["emissions"])
    assert (row["energy_micro"], row["co2e_mg"]) == (2_684_562, 295_301_820)


def test_the_enthalpies_are_those_of_the_release() -> None:
    """IAPWS R7-97(2012), tables 5, 15 and 36."""
    assert [liquid(3, 300), liquid(80, 300), liquid(3, 500)] == pytest.approx([115.331273, 184.142828, 975.542239], abs=1e-6)
    assert [vapour(0.0035, 300), vapour(0.0035, 700), vapour(30, 700)] == pytest.approx(
        [2549.91145, 3335.68375, 2631.49474], abs=1e-5
    )
    assert [saturation_k(p) for p in (0.1, 1, 10)] == pytest.approx([372.755919, 453.035632, 584.149488], abs=1e-6)
    assert saturated_or_at(0.8, 100) < 500 < saturated_or_at(0.8, None) < saturated_or_at(0.8, 200)
