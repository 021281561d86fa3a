"""What *Data quality* says, against the rows of the core."""

from collections import defaultdict
from datetime import datetime, timedelta

import pytest
from dashboard_board import Board, at
from demo_store import DAY_MS, UNTIL_MS

from zonepulse.streams.queries.macros import TimeRange

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]  # the first test may have to compile every kernel


def test_a_gateway_and_a_day_show_what_their_meters_covered(board: Board) -> None:
    week = TimeRange(UNTIL_MS - 7 * DAY_MS, UNTIL_MS, 86_400)
    frame = board.panel("By gateway", time=week)
    assert sum(frame.column("meters")) == len({r["meter"] for r in board.list("intervals") if r["start"] >= at(week.from_ms)})
    days = board.panel("Completeness by meter and day", time=week)
    covered: dict[tuple[datetime, str], list[int]] = defaultdict(lambda: [0, 0])
    for row in board.list("intervals"):
        if row["start"] >= at(week.from_ms):
            midnight = datetime.combine((row["start"] + timedelta(hours=8)).date(), datetime.min.time()) - timedelta(hours=8)
            cell = covered[midnight, row["meter"]]
            cell[0] += row["covered_ms"]
            cell[1] += row["length_s"] * 1000
    assert days.rows and all(
        share == pytest.approx(covered[t, m][0] / covered[t, m][1]) for t, m, share in days.rows if share is not None
    )
