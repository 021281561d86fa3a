"""What *Alerts* says, against the rows of the core."""

import json
from collections import defaultdict

import pytest
from clickhouse_connect.driver.client import Client
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
    ((critical, warning, a_day, in_flood, acknowledged, to_acknowledge),) = board.panel("Open, and how many a day", time=week).rows
    open_now = [a for a in board.list("alerts") if a["state"] != "resolved" or a["ends_at"] > at(UNTIL_MS)]
    assert (critical, warning) == tuple(sum(a["severity"] == s for a in open_now) for s in ("critical", "warning"))
    assert a_day == pytest.approx(len(raised) / DAYS)
    assert (acknowledged, to_acknowledge) == (0, None), "nobody acknowledges anything in the demo"
    assert in_flood == pytest.approx(sum(n >= 10 for n in slots.values()) / (DAYS * 144))
    assert sum(sum(row[1:]) for row in board.panel("Raised by severity", time=week).rows) == sum(
        at(week.from_ms) <= a["starts_at"] <= at(week.to_ms) for a in board.list("alerts")
    )


def test_messages_are_counted_by_what_became_of_them(board: Board) -> None:
    ((channel, purpose, sent, not_sent, attempts, error),) = board.panel("Who was told").rows
    assert (channel, purpose, sent, not_sent, attempts, error) == ("mail", "now", 1, 1, 2, "550 no such mailbox")


def test_how_soon_alerts_are_acknowledged_is_the_median_of_those_that_were(board: Board, writer: Client) -> None:
    begun = at(UNTIL_MS - 3_600_000)
    for number, after_s in enumerate((60, 180, 1200, None)):
        evidence = (
            {} if after_s is None else {"acknowledged": {"at_ms": UNTIL_MS - 3_600_000 + after_s * 1000, "by": "w", "why": "y"}}
        )
        row = {
            "run": "acknowledged", "zone": board.registry.zone.id, "fingerprint": f"{number:016}", "starts_at": begun,
            "rule": "silent_channel", "severity": "warning", "state": "raised",
            "company": "", "meter": "m", "node": "",
            "evidence": json.dumps(evidence),
            "revision": 1,
        }  # fmt: skip
        writer.insert("alerts", [list(row.values())], column_names=list(row))
    assert board.panel("Open, and how many a day", run="acknowledged").rows[0][4:] == (0.75, 180)
