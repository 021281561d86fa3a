"""Weather joins by the calendar of the zone: no day off, no hour lost where clocks change, nothing made up."""

from datetime import date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest

from zonepulse.processors.efficiency.history import daily_means, days_between, history
from zonepulse.schemas.indicators.periods import midnight_ms
from zonepulse.schemas.registry.model import Series

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(("timezone", "day", "hours"), [
    ("Europe/Berlin", date(2026, 3, 29), 23), ("Europe/Berlin", date(2026, 10, 25), 25), ("Asia/Shanghai", date(2026, 3, 29), 24),
    ("America/Santiago", date(2026, 9, 6), 23), ("Asia/Kolkata", date(2026, 3, 29), 24),
])  # fmt: skip
def test_each_day_has_its_own_hours(timezone: str, day: date, hours: int) -> None:
    zone = ZoneInfo(timezone)
    first, end = day - timedelta(days=1), day + timedelta(days=2)
    begin_ms, end_ms = midnight_ms(first, zone), midnight_ms(end, zone)
    local = [datetime.fromtimestamp(at / 1000, zone).date() for at in range(begin_ms, end_ms, HOUR_MS // 2)]
    series = Series(begin_ms, HOUR_MS // 2, tuple(Fraction(one.day) for one in local))
    assert local.count(day) == 2 * hours
    assert daily_means(series, timezone, first, end) == {one: one.day for one in days_between(first, end)}


def test_daily_values_belong_to_days_of_the_calendar_however_long() -> None:
    series = Series(ms("2026-03-28T00:00+01:00"), DAY_MS, tuple(map(Fraction, (1, 2, 3, 4))))
    found = daily_means(series, "Europe/Berlin", date(2026, 3, 27), date(2026, 4, 3))
    assert found == {date(2026, 3, 28): 1, date(2026, 3, 29): 2, date(2026, 3, 30): 3, date(2026, 3, 31): 4}


def test_a_day_that_is_covered_too_little_has_no_weather() -> None:
    begin = ms("2026-01-01T00:00+08:00")
    values: list[Fraction | None] = [Fraction(1)] * 48
    values[2:4], values[24:27] = [None] * 2, [None] * 3
    found = daily_means(Series(begin, HOUR_MS, tuple(values)), "Asia/Shanghai", date(2026, 1, 1), date(2026, 1, 4))
    assert found == {date(2026, 1, 1): 1}


def test_what_is_not_known_of_a_day_stays_unknown() -> None:
    one, two = date(2026, 1, 1), date(2026, 1, 2)
    found = history("kWh", one, date(2026, 1, 3), {one: 5.0}, {two: 3.0}, {"product:x": {one: 1.0}})
    assert [(d.energy, d.temperature_c, d.production, d.is_known) for d in found.days] == [
        (5.0, None, (1.0,), True),
        (None, 3.0, (None,), False),
    ]
