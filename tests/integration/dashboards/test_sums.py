"""Long ranges read the sums of hours and days: they say what their windows say, at every edge of a range and where the clock changes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from clickhouse_connect.driver.client import Client
from dashboard_board import Board, Frame, at
from demo_store import DAY_MS, DAYS, UNTIL_MS

from zonepulse.streams.queries.macros import TimeRange
from zonepulse.streams.queries.sql_parts import bucket, moments, step_of, step_s_of

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]  # the first test may have to compile every kernel
WINDOWS_ONLY, SUMS_ONLY = "windows-only", "sums-only"
RANGES = {
    "whole days": TimeRange(UNTIL_MS - 8 * DAY_MS - 8 * 3_600_000, UNTIL_MS - 8 * 3_600_000 - 1, 86_400),
    "edges within hours and days": TimeRange(UNTIL_MS - 6 * DAY_MS + 1_900_000, UNTIL_MS - 2_000_000, 7_200),
    "before and behind all rows": TimeRange(UNTIL_MS - 3 * DAYS * DAY_MS, UNTIL_MS + 5 * DAY_MS, 100_000),
}
SUMMED = (
    ("Intensity of its electricity", "A"), ("What it uses", "A"), ("Energy flow", "A"), ("Intensity by node", "A"),
    ("Contracts", "A"), ("The network", "nodes"), ("The network", "edges"),
)  # fmt: skip


@pytest.fixture(scope="module")
def runs(board: Board, writer: Client) -> Iterator[None]:
    """The demo's rows once more without the sums of periods, and the sums without the rows."""
    for table, run in [
        ("totals", WINDOWS_ONLY),
        ("intensity", WINDOWS_ONLY),
        ("period_totals", SUMS_ONLY),
        ("period_intensity", SUMS_ONLY),
    ]:
        writer.command(f"INSERT INTO {table} SELECT * REPLACE ('{run}' AS run) FROM (SELECT * FROM {table} WHERE run = 'live')")
    yield


def cells(frame: Frame) -> list[tuple[Any, ...]]:
    return [tuple(pytest.approx(v, rel=1e-9) if isinstance(v, float) else v for v in row) for row in frame.rows]


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize("span", RANGES)
@pytest.mark.parametrize(("title", "ref"), SUMMED)
def test_sums_of_hours_and_days_say_what_their_windows_say(board: Board, title: str, ref: str, span: str) -> None:
    summed, windows = (board.panel(title, ref, RANGES[span], run=run) for run in ("live", WINDOWS_ONLY))
    assert summed.rows and summed.rows == cells(windows)


@pytest.mark.usefixtures("runs")
def test_a_long_range_reads_no_window_of_a_day_that_is_summed(board: Board) -> None:
    days = [r for r in board.list("period_totals") if r["period"] == "day"]
    begin, end = min(r["start"] for r in days), max(r["start"] + timedelta(seconds=r["length_s"]) for r in days)
    span = TimeRange(int(begin.timestamp() * 1000), int(end.timestamp() * 1000), 86_400)
    frame = board.panel("What it uses", time=span, run=SUMS_ONLY)
    mine = [r for r in days if (r["entity_kind"], r["entity"], r["scope"]) == ("company", board.ones["company"], 0)]
    assert dict(zip(frame.column("carrier"), frame.column("amount"), strict=True)) == {
        carrier: pytest.approx(sum(r["energy_micro"] or 0 for r in mine if r["carrier"] == carrier) / 1e6)
        for carrier in {r["carrier"] for r in mine}
    }
    fine = TimeRange(span.from_ms, span.to_ms, 900)
    assert not board.panel("Carbon intensity", time=fine, run=SUMS_ONLY).rows, "steps of a window need windows"
    assert board.panel("Carbon intensity", time=span, run=SUMS_ONLY).rows


@pytest.mark.parametrize("timezone", ["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kolkata"])
@pytest.mark.parametrize("month", [3, 4, 10, 11])
def test_a_days_step_begins_at_each_midnight_of_the_zone_and_no_hour_is_lost_or_twice(
    board: Board, timezone: str, month: int
) -> None:
    zone = ZoneInfo(timezone)
    begin = datetime(2025, month, 1, tzinfo=zone).astimezone(UTC)
    quarters = 96 * 34
    frm, to = int(begin.timestamp() * 1000), int((begin + timedelta(minutes=15 * quarters)).timestamp() * 1000) - 1
    for interval_s in (86_400, 3_600):
        step_s = step_s_of(900)
        frame = board.ask(
            f"SELECT {moments(step_s, timezone)} FROM (SELECT {bucket('at', step_s, timezone)} AS time, count() AS n"
            f" FROM (SELECT toDateTime64({frm // 1000}, 3, 'UTC') + toIntervalMinute(15 * number) AS at FROM numbers({quarters}))"
            f" GROUP BY time ORDER BY time WITH FILL STEP {step_of(900)}) ORDER BY time",
            TimeRange(frm, to, interval_s),
        )
        expected: dict[datetime, int] = {}
        for i in range(quarters):
            moment = (begin + timedelta(minutes=15 * i)).astimezone(zone)
            start = moment.replace(hour=0, minute=0, fold=0).astimezone(UTC)
            if interval_s == 3_600:
                ahead = at(to).astimezone(zone).utcoffset()
                assert ahead is not None
                seconds = int((moment.astimezone(UTC) + ahead).timestamp()) // 3600 * 3600
                start = datetime.fromtimestamp(seconds, UTC) - ahead
            expected[start] = expected.get(start, 0) + 1
        assert {t.replace(tzinfo=UTC): n for t, n in frame.rows} == expected
