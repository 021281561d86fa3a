"""Every factor that a result row can name is a row of registry_factors, and the network, contracts and entries have theirs."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from zones import EXAMPLE, zone

from zonepulse.processors.accounting.factor_table import FactorTable, Resolved
from zonepulse.schemas.registry.model import FOREVER, Registry
from zonepulse.schemas.tables.ddl import STORAGES
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.clickhouse.registry_dimensions import dimensions
from zonepulse.streams.clickhouse.registry_rows import registry_rows

START_MS = 1_767_196_800_000  # 2026-01-01T00:00+08:00
HOUR_MS = 3_600_000
MORE = """\
factors:
  - {id: signal, activity: grid_electricity, company: a, unit: gCO2/kWh, source: supplier,
     series: {from: 2026-01-01, step: 1h, values: [%s]}}
  - {id: gas, activity: natural_gas, company: a, unit: kgCO2/Nm3, source: lab, valid_from: 2026-01-01,
     fuel: {ncv: 0.04, carbon: 0.015, oxidation: 1}}
contracts:
  - {id: c, company: a, kind: gec, mwh: 5, vintage: 2025, ef: 0.04, valid_from: 2026-01-01, valid_to: 2027-01-01, evidence: no 7}
  - {id: d, company: b, kind: ppa, valid_from: 2026-01-01, valid_to: 2027-01-01, hourly: {from: 2026-01-01, step: 1h, values: [1]}}
entries:
  - {id: leak, company: a, carrier: 'refrigerant:R-32', kg: 2, at: 2026-02-01, by: Li, reason: weighed}
  - {id: leak2, company: a, carrier: 'refrigerant:HFC-32', kg: 2.5, at: 2026-02-01, by: Li, reason: weighed, evidence: photo}
"""
AR5 = ("id: z,", "id: z, gwp: AR5,")


def rich(values: str = "500, 500, null, 431.5") -> Registry:
    return zone(AR5, more=(MORE % values).replace("refrigerant:R-32", "refrigerant:SF6"))


def rows(registry: Registry) -> dict[str, list[dict[str, Any]]]:
    return {storage.name: found for storage, found in dimensions(registry)}


def resolve(found: list[dict[str, Any]], factor_id: str, start_ms: int) -> list[dict[str, Any]]:
    """As a query does: by (factor_id, start)."""
    return [
        row
        for row in found
        if row["factor"] == factor_id and row["valid_from"] <= start_ms and (row["valid_to"] is None or start_ms < row["valid_to"])
    ]


@given(st.lists(st.sampled_from(["null", "0", "500", "431.5"]), min_size=1, max_size=6))
def test_whatever_a_look_up_answers_is_one_row_with_its_number(values: list[str]) -> None:
    registry = rich(", ".join(values))
    table, found = FactorTable(registry), rows(registry)["registry_factors"]
    lines = [
        *table.timeline("electricity", "a", "kWh"),
        *table.timeline("electricity", "", "kWh"),
        *table.timeline("natural_gas", "a", "Nm3"),
        *table.timeline("refrigerant:SF6", "a", "kg"),
        *table.residual_timeline("a"),
    ]
    for start_ms, end_ms, answer in lines:
        for at_ms in (max(0, start_ms), min(end_ms, FOREVER) - 1):
            if isinstance(answer, Resolved) and start_ms <= at_ms:
                (row,) = resolve(found, answer.factor_id, at_ms)
                assert row["factor_mg"] == answer.factor_mg


def test_a_factors_row_says_where_it_comes_from() -> None:
    found = rows(rich())["registry_factors"]
    series = [row for row in found if row["factor"] == "signal"]
    assert [(r["valid_from"], r["valid_to"], r["value"], r["factor_mg"], r["origin"]) for r in series] == [
        (START_MS, START_MS + 2 * HOUR_MS, 500.0, 500_000, "series"),
        (START_MS + 3 * HOUR_MS, START_MS + 4 * HOUR_MS, 431.5, 431_500, "series"),
    ]
    (gas,) = resolve(found, "gas", START_MS)
    assert (gas["origin"], gas["ncv"], gas["carbon"], gas["oxidation"], gas["value"]) == ("fuel", 0.04, 0.015, 1.0, 2.2)
    (grid,) = resolve(found, "grid-cn-js-loc-2023", START_MS)
    assert (grid["value"], grid["unit"], grid["published"], grid["confidence"]) == (0.5827, "kgCO2/kWh", "2025-12-31", "H")
    assert grid["source_url"].startswith("https://www.mee.gov.cn/")
    (contract,) = resolve(found, "c", START_MS)
    assert (contract["origin"], contract["basis"], contract["factor_mg"], contract["source"]) == (
        "contract",
        "market",
        40_000,
        "no 7",
    )
    (gwp,) = resolve(found, "gwp-AR5-SF6", START_MS)
    assert (gwp["value"], gwp["factor_mg"], gwp["region"]) == (23500.0, 23_500_000_000, "GWP")


def test_contracts_and_entries_have_their_rows() -> None:
    found = rows(rich())
    assert [(r["contract"], r["profile"], r["energy_micro"]) for r in found["registry_contracts"]] == [
        ("c", "volume", 5_000_000_000),
        ("d", "hourly", 1_000_000),
    ]
    assert [(r["entry"], r["value_micro"], r["entered_by"], r["evidence"]) for r in found["registry_entries"]] == [
        ("leak", 2_000_000, "Li", ""),
        ("leak2", 2_500_000, "Li", "photo"),
    ]


def test_budgets_have_their_rows() -> None:
    budget = "\nbudgets:\n  - {id: b, period: 2026-03, unit: kgCO2e, basis: market, amount: 12.5}\n"
    found = {name: table.to_pylist() for name, table in registry_rows(parse_zone(EXAMPLE + budget))}
    assert [tuple(row.values())[2:] for row in found["registry_budgets"]] == [("b", "", "2026-03", "kgCO2e", "market", 12.5)]


def test_the_network_has_its_rows_in_its_order() -> None:
    found = {name: table.to_pylist() for name, table in registry_rows(parse_zone(EXAMPLE))}
    assert [(r["node"], r["position"]) for r in found["registry_nodes"]] == [("n-grid", 0), ("n-mill", 1)]
    assert [
        (r["edge"], r["from_node"], r["meter_to"], r["valid_from"].timestamp(), r["valid_to"]) for r in found["registry_edges"]
    ] == [("e1", "n-grid", "TC-0001-E1", 0, None)]
    assert [(r["source"], r["kind"], r["efficiency"]) for r in found["registry_sources"]] == [("TC-0900-E1", "grid_import", 1.0)]


def test_all_rows_have_the_columns_of_their_tables_and_a_table_without_rows_is_left_out() -> None:
    columns = {storage.name: [c.name for c in storage.columns] for storage in STORAGES}
    for registry in (zone(), rich(), parse_zone(EXAMPLE)):
        for name, table in registry_rows(registry):
            assert table.column_names == columns[name]
            assert table.num_rows
    assert {name for name, _ in registry_rows(zone())} == {"registry_companies", "registry_meters", "registry_factors"}
