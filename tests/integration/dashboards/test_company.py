"""What *Company* says, against the rows of the core."""

from collections import defaultdict

import pytest
from dashboard_board import DAY, RANGES, Board, at, is_full, on_its_basis

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]  # the first test may have to compile every kernel


def test_contracts_are_shown_with_their_share_and_hourly_ones_with_the_score(board: Board) -> None:
    week = RANGES["a week"]
    frame = board.panel("Contracts", time=week, company=board.variables["company"])
    by_name = {row[frame.names.index("contract")]: dict(zip(frame.names, row, strict=True)) for row in frame.rows}
    assert set(by_name) == {c.id for c in board.registry.contracts}
    rows = [r for r in board.list("totals") if r["basis"] == "market" and at(week.from_ms) <= r["start"] <= at(week.to_ms)]
    for contract in board.registry.contracts:
        mine = [r for r in rows if r["entity"] == contract.company]
        matched = sum(r["energy_micro"] or 0 for r in mine if r["carrier"] == f"contract:{contract.id}")
        imported = sum(r["energy_micro"] or 0 for r in mine if r["carrier"] == "electricity")
        shown = by_name[contract.id]
        assert (shown["matched"], shown["of import"]) == (pytest.approx(matched / 1e6), pytest.approx(matched / imported))
        assert shown["24/7 score"] == (None if contract.hourly is None else shown["of import"])


@pytest.mark.parametrize("basis", ["location", "market", "nodal"])
def test_every_explained_row_is_its_amount_times_its_factor(board: Board, basis: str) -> None:
    frame = board.panel("What each kilogram", basis=basis, company=board.variables["company"])
    assert len(frame.rows) > 100
    for row in (dict(zip(frame.names, row, strict=True)) for row in frame.rows):
        if row["kg CO₂e"] is not None:
            assert row["amount"] * row["kg per unit"] == pytest.approx(row["kg CO₂e"], abs=1e-6)
            assert row["factor"] and row["source"] and row["rung"]
            assert bool(row["quality"]) == bool(row["register"].split()[:1] and row["covered"] is not None)


@pytest.mark.parametrize("company", ["steelworks", "bakery"])
def test_a_companys_emissions_are_its_totals_and_what_is_not_covered_is_apart(board: Board, company: str) -> None:
    frame = board.panel("Emissions by scope", company=company)
    drawn: dict[str, float] = defaultdict(float)
    for _, series, tonnes in frame.rows:
        drawn[series] += tonnes or 0
    known: dict[str, float] = defaultdict(float)
    for row in on_its_basis(board, company):
        known[f"scope {row['scope']}{'' if is_full(row) else ' (provisional)'}"] += (row["co2e_mg"] or 0) / 1e9
    assert {k: v for k, v in drawn.items() if k != "same day last week"} == pytest.approx(known)
    by_carrier = board.panel("What it uses", company=company)
    assert sum(t or 0 for t in by_carrier.column("CO₂e")) == pytest.approx(sum(known.values()))


def test_a_companys_meters_are_its_own_with_what_they_counted(board: Board) -> None:
    frame = board.panel("Its meters", company="bakery")
    counted: dict[tuple[str, str], int] = defaultdict(int)
    for row in board.list("intervals"):
        if row["company"] == "bakery" and at(DAY.from_ms) <= row["start"] <= at(DAY.to_ms):
            counted[row["meter"], row["register"]] += row["value_micro"] or 0
    shown = {(m, r): v for m, r, v in zip(frame.column("meter"), frame.column("register"), frame.column("amount"), strict=True)}
    assert {key: value or 0 for key, value in shown.items()} == pytest.approx({key: micro / 1e6 for key, micro in counted.items()})
