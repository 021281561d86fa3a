"""What *Replay* says, against the rows of the core."""

from datetime import UTC, timedelta

import pytest
from dashboard_board import Board, at
from demo_store import DAY_MS, UNTIL_MS

from zonepulse.streams.queries.macros import TimeRange

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]  # the first test may have to compile every kernel


@pytest.mark.parametrize("basis", ["location", "market", "nodal"])
def test_a_run_is_compared_with_live_in_its_stretch(board: Board, basis: str) -> None:
    week = TimeRange(UNTIL_MS - 7 * DAY_MS, UNTIL_MS, 86_400)
    frame = board.panel("Change by company", time=week, basis=basis)
    assert frame.rows
    for _, live, run, change, share in frame.rows:
        if live:
            assert (run, share) == (pytest.approx(1.1 * live, rel=1e-5), pytest.approx(0.1, rel=1e-3))
            assert change == pytest.approx(run - live)
    assert {
        t.replace(tzinfo=UTC) + timedelta(hours=8) >= at(UNTIL_MS - 3 * DAY_MS)
        for t in board.panel("Change by day", time=week).column("time")
    } == {True}
    tables = {row[0]: row[1:] for row in board.panel("Rows and energy", time=week).rows}
    assert all(live == run > 0 and abs(kwh) < 1e-9 for live, run, kwh in tables.values())
    assert board.panel("Change by company", time=week, run="live").rows == []
