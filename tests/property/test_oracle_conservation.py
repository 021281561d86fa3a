"""No carbon and no energy is lost by the oracle, whatever the network: what sources give is somewhere, in every window."""

from collections import defaultdict
from typing import Any

from core_runs import expected
from hypothesis import given
from hypothesis import strategies as st
from log_strategies import Case
from network_strategies import network_cases

Rows = list[dict[str, Any]]


def by_window(rows: Rows, **where: Any) -> dict[int, Rows]:
    out: defaultdict[int, Rows] = defaultdict(list)
    for row in rows:
        if all(row[name] == value for name, value in where.items()):
            out[row["start"]].append(row)
    return out


def carbon(rows: Rows, *kinds: str) -> int:
    return sum(row["co2e_mg"] or 0 for row in rows if row["entity_kind"] in kinds)


@given(network_cases(), st.booleans())
def test_the_carbon_of_sources_is_all_somewhere(case: Case, finish: bool) -> None:
    found = expected(case.text, case.records, case.partitions, finish=finish)
    edges = {edge["id"] for edge in case.zone["network"]["edges"]}
    for rows in by_window(found["totals"], basis="nodal").values():
        lost = sum(row["co2e_mg"] or 0 for row in rows if row["entity_kind"] == "loss" and row["entity"] in edges)
        assert carbon(rows, "source") == carbon(rows, "load", "charge", "export", "imbalance", "untraced") + lost


@given(network_cases())
def test_companies_carry_what_the_loads_carry(case: Case) -> None:
    found = expected(case.text, case.records, case.partitions)
    for rows in by_window(found["totals"], basis="nodal", carrier="electricity").values():
        companies = [row for row in rows if row["entity_kind"] == "company"]
        loads = [row for row in rows if row["entity_kind"] == "load"]
        if all(row["co2e_mg"] is not None or row["energy_micro"] is None for row in (*companies, *loads)):
            unowned = sum(row["co2e_mg"] or 0 for row in loads) - sum(row["co2e_mg"] or 0 for row in companies)
            assert unowned >= 0


@given(network_cases())
def test_a_storage_holds_what_it_took_and_did_not_give(case: Case) -> None:
    found = expected(case.text, case.records, case.partitions)
    for source in case.zone["network"]["sources"]:
        rows = [row for row in found["totals"] if row["entity"] == source["meter"] and row["basis"] == "nodal"]
        held = sorted((row for row in rows if row["entity_kind"] == "storage"), key=lambda row: row["start"])
        if source["kind"] != "storage" or not held:
            continue
        initial = source.get("initial") or {"kwh": 0, "g_per_kwh": 0}
        begun = round(initial["kwh"] * initial["g_per_kwh"] * 1000)
        rest = begun + carbon(rows, "charge") - carbon(rows, "source") - carbon(rows, "loss")
        if any(row["entity_kind"] == "storage_adjustment" for row in rows):
            assert held[-1]["co2e_mg"] >= rest
        else:
            assert held[-1]["co2e_mg"] == rest


@given(network_cases())
def test_contracts_and_rest_are_the_import(case: Case) -> None:
    found = expected(case.text, case.records, case.partitions)
    emitted: defaultdict[tuple[str, int], Rows] = defaultdict(list)
    for row in found["emissions"]:
        if row["basis"] == "market":
            emitted[row["company"], row["start"]].append(row)
    lines = {
        (r["entity"], r["start"]): r
        for r in found["totals"]
        if (r["entity_kind"], r["carrier"], r["basis"]) == ("company", "electricity", "market")
    }
    assert emitted.keys() == lines.keys()
    for key, rows in emitted.items():
        energies = [row["energy_micro"] for row in rows]
        assert lines[key]["energy_micro"] == (None if None in energies else sum(energies))
    used: defaultdict[str, int] = defaultdict(int)
    for rows in emitted.values():
        for row in rows:
            used[row["register"]] += row["energy_micro"] or 0
    for contract in case.zone["contracts"]:
        if "mwh" in contract:
            assert used[contract["id"]] <= round(contract["mwh"] * 10**9)


@given(network_cases(), st.randoms(use_true_random=False))
def test_an_entry_is_one_row_of_its_company(case: Case, _: object) -> None:
    found = expected(case.text, case.records, case.partitions)
    rows = {row["register"]: row for row in found["emissions"] if row["meter"] == "" and row["basis"] == "location"}
    for entry in case.zone["entries"]:
        if entry["id"] in rows:
            assert rows[entry["id"]]["energy_micro"] == round(entry["kg"] * 10**6)
