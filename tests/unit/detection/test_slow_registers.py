"""Registers that send less often than a window lasts: detectors judge what lies between readings, as core and oracle say alike."""

import json
from datetime import datetime
from typing import Any, Final

import pytest
from small_logs import alerts, log, rows_of, zone_text

from zonepulse.processors.channels.table import compile_registry
from zonepulse.processors.detection.watch.words import SHORT
from zonepulse.schemas.registry.calendar import NOT_JUDGED, stretch_of
from zonepulse.schemas.zone_file.read import parse_zone

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
MONDAY: Final = 1_791_129_600_000
"""2026-10-05T00:00 in Shanghai."""


def text(period: str, window: str, kind: str = "cumulative", **others: Any) -> str:
    register = {"carrier": "electricity", "direction": "import", "kind": kind, "unit": "kWh", "max_power": 1000, "period": period}
    zone = {"timezone": "Asia/Shanghai", "window": window, "tick": window, "key": "meter", "alert_budget": 0.25, "expected": True}
    return zone_text({"id": "m", "site": "s1", "role": "main", "registers": {"r": register}, **others}, zone=zone)


def sent(used: list[float], every_ms: int, kind: str) -> list[Any]:
    """Readings that arrive in time, and a heartbeat a day later."""
    total, out = 0.0, []
    for i, kwh in enumerate([0.0, *used] if kind == "cumulative" else used):
        total += kwh
        ts = MONDAY + (i + (kind == "interval")) * every_ms
        out.append((ts, {"meter": "m", "register": "r", "ts": ts, "value": total if kind == "cumulative" else kwh}))
    return log(*out, (out[-1][0] + DAY, b"[]"))


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def working(hours: int) -> list[float]:
    return [(10.0 if 7 <= h % 24 < 19 else 2.0) + (h * h % 97) / 100 for h in range(hours)]


@pytest.mark.large
@pytest.mark.parametrize("kind", ["cumulative", "interval"])
def test_an_hourly_register_is_judged_by_the_hour_where_windows_last_a_quarter(kind: str) -> None:
    used = [*working(15 * 24 + 3), 200.0, *working(30)]
    found = rows_of(text("60m", "15m", kind), sent(used, HOUR, kind))
    (alert,) = [row for row in found["alerts"] if row["rule"] in SHORT]
    assert json.loads(alert["evidence"])["length_s"] == 3600
    assert (ms(alert["starts_at"]), alert["value"]) == (MONDAY + (15 * 24 + 3) * HOUR, 200.0)
    assert {row["length_s"] for row in found["expected"]} == {3600}
    assert {ms(row["start"]) % HOUR for row in found["expected"]} == {0}
    assert {row["quality"] for row in found["intervals"] if row["covered_ms"]} == {"estimated"}


def test_a_daily_register_that_stays_at_zero_is_told_by_the_day() -> None:
    used = [100.0 + day * day % 7 for day in range(20)] + [0.0] * 9
    found = rows_of(text("1d", "60m"), sent(used, DAY, "cumulative"))
    (alert,) = alerts(found, "zero_run")
    days, rest = divmod(ms(alert["starts_at"]) - MONDAY, DAY)
    assert days > 21 and rest == 0


@pytest.mark.large
def test_a_day_whose_reading_is_missing_is_not_judged() -> None:
    """Two days come as one: of each nobody knows how much was its own."""
    used = [100.0 + day * day % 7 for day in range(20)]
    whole = sent(used, DAY, "cumulative")
    found, fewer = (rows_of(text("1d", "60m"), records) for records in (whole, [r for i, r in enumerate(whole) if i != 16]))
    starts = [{(ms(row["start"]) - MONDAY) // DAY for row in rows["expected"]} for rows in (found, fewer)]
    assert starts[0] == {*range(14, 20)} and starts[1] == {*range(14, 20)} - {15, 16}


@pytest.mark.large
def test_what_is_read_less_than_once_a_day_is_not_judged() -> None:
    channels = compile_registry(parse_zone(text("48h", "60m")), 1)
    assert (channels.versions["stretch"].tolist(), channels.versions["detect"].tolist()) == ([NOT_JUDGED], [0])
    assert rows_of(text("48h", "60m"), sent([200.0] * 20, 2 * DAY, "cumulative"))["expected"] == []


@pytest.mark.parametrize(
    ("period_min", "window_min", "stretch_min"),
    [
        (15, 15, 15),
        (1, 15, 15),
        (20, 15, 30),
        (60, 15, 60),
        (50, 15, 60),
        (300, 60, 360),
        (800, 60, 1440),
        (1440, 1, 1440),
        (1441, 1, 0),
    ],
)
def test_a_stretch_is_a_part_of_a_day_no_shorter_than_the_period(period_min: int, window_min: int, stretch_min: int) -> None:
    assert stretch_of(period_min * MINUTE, window_min * MINUTE) == stretch_min * MINUTE
