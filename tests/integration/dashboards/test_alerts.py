"""What *Alerts* says, against the rows of the core."""

from collections import defaultdict

import pytest
from dashboard_board import Board, at
from demo_store import DAY_MS, DAYS, UNTIL_MS

from zonepulse.streams.queries.macros import TimeRange

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]  # the first test may have to compile every kernel


def test_the_counts_of_alerts_leave_hints_out_and_floods_are_slots_of_ten(board: Board) -> None:
    week = TimeRange(UNTIL_MS - DAYS * DAY_MS, UNTIL_MS)
    raised = [a for a in board.list("alerts") if at(week.from_ms) <= a["starts_at"] <= at(week.to_ms) and a["severity"] != "info"]
    slots: dict[int, int] = defaultdict(int)
    for alert in raised:
        slots[int(alert["starts_at"].timestamp()) // 600] += 1
    ((critical, warning, a_day, in_flood),) = board.panel("Open, and how many a day", time=week).rows
    open_now = [a for a in board.list("alerts") if a["state"] != "resolved" or a["ends_at"] > at(UNTIL_MS)]
    assert (critical, warning) == tuple(sum(a["severity"] == s for a in open_now) for s in ("critical", "warning"))
    assert a_day == pytest.approx(len(raised) / DAYS)
    assert in_flood == pytest.approx(sum(n >= 10 for n in slots.values()) / (DAYS * 144))
    assert sum(sum(row[1:]) for row in board.panel("Raised by severity", time=week).rows) == sum(
        at(week.from_ms) <= a["starts_at"] <= at(week.to_ms) for a in board.list("alerts")
    )


def test_messages_are_counted_by_what_became_of_them(board: Board) -> None:
    ((channel, purpose, sent, not_sent, attempts, error),) = board.panel("Who was told").rows
    assert (channel, purpose, sent, not_sent, attempts, error) == ("mail", "now", 1, 1, 2, "550 no such mailbox")
