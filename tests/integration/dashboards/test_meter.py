"""What *Meter* says, against the rows of the core."""

import pytest
from dashboard_board import DAY, Board, at
from demo_store import DAY_MS, DAYS, UNTIL_MS

from zonepulse.streams.queries.macros import TimeRange

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]  # the first test may have to compile every kernel


def test_a_meters_windows_and_belief_are_the_ledgers(board: Board) -> None:
    meter = board.ones["meter"]
    mine = [r for r in board.list("intervals") if r["meter"] == meter and at(DAY.from_ms) <= r["start"] <= at(DAY.to_ms)]
    ((complete, estimated, newest_s, alerts, _),) = board.panel("Can I believe it").rows
    assert complete == pytest.approx(sum(r["covered_ms"] for r in mine) / sum(r["length_s"] * 1000 for r in mine))
    assert estimated == pytest.approx(sum(r["estimated_micro"] for r in mine) / sum(r["value_micro"] or 0 for r in mine))
    assert newest_s >= 0
    begun = [a for a in board.list("alerts") if a["meter"] == meter and a["starts_at"] <= at(DAY.to_ms)]
    assert (
        alerts
        == sum(a["state"] != "resolved" or a["ends_at"] >= at(DAY.from_ms) for a in begun)
        == len(board.panel("Alerts and restarts").rows)
    )
    frame = board.panel("Its windows")
    assert len(frame.rows) == min(len(mine), 300)
    assert frame.rows[0][2] == (None if mine[-1]["value_micro"] is None else pytest.approx(mine[-1]["value_micro"] / 1e6))
    assert {row[1] for row in board.panel("Mean rate").rows} >= {
        r["register"] for r in mine if r["value_micro"] is not None and not r["estimated_micro"]
    }


def test_refused_readings_that_name_a_meter_are_shown_with_it(board: Board) -> None:
    named = [
        (str(letter["reason"]), meter)
        for letter in board.list("dead_letters")
        for meter in {m.id for m in board.registry.meters}
        if meter.encode() in letter["value"]
    ]
    assert named
    reason, meter = named[0]
    week = TimeRange(UNTIL_MS - DAYS * DAY_MS - DAY_MS, UNTIL_MS)
    frame = board.panel("Refused readings that name it", time=week, meter=meter)
    assert reason in frame.column("reason") and all(meter in text for text in frame.column("what was sent"))


def test_the_expected_band_is_drawn_as_a_rate_like_what_it_is_compared_with(board: Board) -> None:
    band = {(series, power) for _, series, power in board.panel("Mean rate", "B").rows if power is not None}
    assert band == {("1.8.0 at least", 20.0), ("1.8.0 at most", 30.0)}
