"""The zone's books on small days: who counts where, and what a total says when something is missing. The oracle says the same."""

from typing import Any

import pytest
from small_logs import IMPORT, Rows, alerts, log, meter, on_time, reading, rows_of, zone_text

FLOW = {**IMPORT, "kind": "interval"}
EXPORT = {**FLOW, "direction": "export"}
PV = {**FLOW, "direction": "generation"}
GAS = {
    "carrier": "natural_gas",
    "direction": "consumption",
    "kind": "interval",
    "unit": "Nm3",
    "max_power": 1_000_000,
    "period": "15m",
}


def day(*meters: dict[str, Any], zone: dict[str, Any] | None = None, **sections: Any) -> Rows:
    """Each meter sends 100 x its place (from 1) at 10:15."""
    sent = [reading("10:15", 100 * (i + 1), m["id"]) for i, m in enumerate(meters)]
    return rows_of(zone_text(*meters, zone=zone, **sections), on_time(*sent))


def total(rows: Rows, entity: str, carrier: str, scope: int, kind: str = "company") -> dict[str, Any] | None:
    """The totals row of the window 10:00."""
    key = (kind, entity, carrier, scope, "10:00")
    found = [
        r for r in rows["totals"]
        if (r["entity_kind"], r["entity"], r["carrier"], r["scope"], r["start"].strftime("%H:%M")) == key
    ]  # fmt: skip
    return found[0] if found else None


def energy(rows: Rows, entity: str, carrier: str, scope: int, kind: str = "company") -> float | None:
    """Its energy in base units."""
    row = total(rows, entity, carrier, scope, kind)
    return None if row is None or row["energy_micro"] is None else row["energy_micro"] / 1e6


def test_company_use_is_import_and_generation_less_export_and_what_storage_takes() -> None:
    rows = day(
        meter(FLOW, "a"), meter(EXPORT, "b"), meter(PV, "c", role="generation"),
        meter({**FLOW, "direction": "charge"}, "d", role="storage"), meter({**FLOW, "direction": "discharge"}, "e", role="storage"),
    )  # fmt: skip
    assert energy(rows, "c1", "electricity", 0) == 100 - 200 + 300 - 400 + 500
    assert energy(rows, "c1", "electricity", 2) == 100


def test_a_sub_meter_counts_only_where_its_parent_is_not_registered() -> None:
    parent = {**meter(FLOW, "a"), "valid_to": "2026-03-04T10:00:00+00:00"}
    assert energy(day(meter(FLOW, "a"), meter(FLOW, "b", role="sub", parent="a")), "c1", "electricity", 0) == 100
    rows = rows_of(
        zone_text(parent, meter(FLOW, "b", role="sub", parent="a")), on_time(reading("10:00", 1, "b"), reading("10:15", 200, "b"))
    )
    assert energy(rows, "c1", "electricity", 0) == 200
    assert [row["energy_micro"] for row in rows["emissions"] if row["energy_micro"] and row["basis"] == "location"] == [200_000_000]


def test_without_boundary_meters_the_zone_draws_import_less_export_but_never_less_than_nothing() -> None:
    rows = day(meter(FLOW, "a"), meter(EXPORT, "b"))
    assert energy(rows, "z", "electricity", 2, "zone") == 0
    assert energy(rows, "z", "electricity", 0, "zone") == 100 - 200 + 200
    assert total(rows, "z", "electricity", 0, "unaccounted") is None


def test_boundary_meters_measure_what_the_zone_draws_and_what_is_unaccounted() -> None:
    rows = day(meter(FLOW, "a"), {**meter(FLOW, "b", role="boundary"), "site": "grid"})
    assert energy(rows, "z", "electricity", 2, "zone") == 200
    assert energy(rows, "z", "electricity", 0, "unaccounted") == 200 - 100
    assert energy(rows, "c1", "electricity", 0) == 100


def test_fuel_is_scope_1_and_heat_and_electricity_are_scope_2() -> None:
    heat = {"id": "h", "activity": "purchased_heat", "region": "X", "value": 0.1, "unit": "tCO2/GJ", "source": "s"}
    heat["valid_from"] = "2026-01-01"
    rows = day(
        meter(FLOW, "a"),
        meter(GAS, "b"),
        meter({**GAS, "carrier": "heat", "unit": "GJ"}, "c"),
        factors=[heat],
        zone={"factor_regions": ["X", "CN-JS", "CN"]},
    )
    scope_1, scope_2 = total(rows, "c1", "", 1), total(rows, "c1", "", 2)
    assert scope_1 is not None and scope_2 is not None
    assert (scope_1["co2e_mg"], scope_2["co2e_mg"]) == (200 * 2_162_190, 100 * 582_700 + 300 * 100_000_000)
    assert (scope_1["energy_micro"], scope_1["estimated_micro"]) == (None, 0)


def test_what_is_missing_is_null_and_what_should_be_covered_is_said() -> None:
    text = zone_text(meter(FLOW, "a"), meter(FLOW, "b"))
    row = total(rows_of(text, on_time(reading("10:15", 7, "a"))), "c1", "electricity", 0)
    assert row is not None
    assert (row["energy_micro"], row["covered_ms"], row["expected_ms"]) == (7_000_000, 900_000, 1_800_000)
    later = [r for r in rows_of(text, on_time(reading("10:15", 7, "a")))["totals"] if r["start"].strftime("%H:%M") == "10:15"]
    assert {(r["energy_micro"], r["co2e_mg"], r["covered_ms"]) for r in later} == {(None, None, 0)}


def test_emissions_round_half_up_row_by_row_and_totals_only_add() -> None:
    factor = {"id": "f", "activity": "grid_electricity", "region": "X", "value": 0.5, "unit": "kgCO2/kWh", "source": "s"}
    factor["valid_from"] = "2026-01-01"
    text = zone_text(meter(FLOW, "a"), meter(FLOW, "b"), zone={"factor_regions": ["X"]}, factors=[factor])
    rows = rows_of(text, on_time(reading("10:15", 0.000001, "a"), reading("10:15", 0.000001, "b")))
    assert [row["co2e_mg"] for row in rows["emissions"] if row["energy_micro"]] == [1, 1]
    found, zone = total(rows, "c1", "", 2), total(rows, "z", "", 2, "zone")
    assert found is not None and zone is not None
    assert (found["co2e_mg"], zone["co2e_mg"]) == (2, 1)


@pytest.mark.parametrize(("after", "starts"), [("10:15", ["10:00"]), ("10:00", [])])
def test_energy_without_a_factor_is_an_alert_until_there_is_one(after: str, starts: list[str]) -> None:
    factor = {
        "id": "f", "activity": "grid_electricity", "region": "X", "value": 0.5, "unit": "kgCO2/kWh", "source": "s",
        "valid_from": f"2026-03-04T{after}:00+00:00",
    }  # fmt: skip
    text = zone_text(meter(FLOW), zone={"factor_regions": ["X"]}, factors=[factor])
    rows = rows_of(text, on_time(reading("10:15", 1), reading("10:30", 1)))
    found = alerts(rows, "no_factor")
    assert [alert["starts_at"].strftime("%H:%M") for alert in found] == starts
    assert {alert["state"] for alert in found} <= {"resolved"}


def test_power_in_a_rule_is_the_float_nearest_the_exact_ratio() -> None:
    rule = {"id": "low", "on": "company", "when": {"indicator": "power_kw", "below": 400}}
    rows = rows_of(
        zone_text(meter({**FLOW, "period": "5m"}), zone={"window": "5m"}, rules=[rule]),
        log(("10:05", reading("10:05", 0.238095)), ("10:20", b"[]")),
    )
    assert alerts(rows, "low")[0]["value"] == 2.85714
