"""What *Energy flow* says, against the rows of the core."""

from datetime import UTC

import pytest
from dashboard_board import Board, on_basis

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]  # the first test may have to compile every kernel


def test_the_flow_table_is_the_networks_with_its_losses(board: Board) -> None:
    frame = board.panel("Energy flow")
    for kind, column in (("flow", "energy"), ("flow_back", "back"), ("loss", "lost")):
        edges = {e.id for e in board.registry.network.edges}
        rows = [r for r in on_basis(board, {kind}) if r["entity"] in edges]
        assert sum(v or 0 for v in frame.column(column)) == pytest.approx(sum(r["energy_micro"] or 0 for r in rows) / 1e6)
    ways = dict(zip(frame.column("line"), frame.column("from → to"), strict=True))
    assert ways["mill"] == "n-grid → n-mill" and len(ways) == len(board.registry.network.edges)


def test_no_imbalance_is_hidden(board: Board) -> None:
    frame = board.panel("Imbalance")
    found = {(t.replace(tzinfo=UTC), place): kw for t, place, kw in frame.rows if kw is not None}
    imbalances = [r for r in on_basis(board, {"imbalance"}) if r["energy_micro"]]
    assert imbalances
    for row in imbalances:
        assert found[row["start"], row["entity"]] == pytest.approx(row["energy_micro"] / 1e6 * 4)


def test_the_storage_holds_what_the_ledger_says(board: Board) -> None:
    drawn = {(t.replace(tzinfo=UTC), place): kwh for t, place, kwh in board.panel("Held in storage").rows}
    rows = on_basis(board, {"storage"})
    assert rows and all(drawn[r["start"], r["entity"]] == pytest.approx(r["energy_micro"] / 1e6) for r in rows)
