"""The zone's local clock, and the grid of the periods of `interval` registers on it."""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from zonepulse.oracle.zone.registry import Facts

DAY_MS: Final = 86_400_000
_EPOCH: Final = datetime(1970, 1, 1)
_FIRST, _LAST = (int(datetime(year, 1, 2, tzinfo=UTC).timestamp()) * 1000 for year in (1970, 2100))


def offset_at(timezone: ZoneInfo, at_ms: int) -> int:
    """What local clocks are ahead of UTC at an instant; beyond 1970 to 2100, as at its ends."""
    at = _EPOCH.replace(tzinfo=UTC) + timedelta(milliseconds=min(max(at_ms, _FIRST), _LAST))
    return _ms(at.astimezone(timezone).utcoffset())


def from_local(timezone: ZoneInfo, local_ms: int) -> int:
    """The instant of a local time: of a repeated one the first, of a skipped one by the clock before the change."""
    at = _EPOCH + timedelta(milliseconds=min(max(local_ms, _FIRST), _LAST))
    return local_ms - _ms(at.replace(tzinfo=timezone, fold=0).utcoffset())


def _ms(offset: timedelta | None) -> int:
    assert offset is not None
    return offset // timedelta(milliseconds=1)


def day_begin(timezone: ZoneInfo, facts: Facts, day: int) -> int:
    """When the register's day of a number begins."""
    return from_local(timezone, day * DAY_MS + facts.offset_ms)


def day_near(timezone: ZoneInfo, facts: Facts, ts_ms: int) -> int:
    """The number of the day that begins nearest to an instant, the earlier of two."""
    about = (ts_ms + offset_at(timezone, ts_ms) - facts.offset_ms) // DAY_MS
    return min((about - 1, about, about + 1, about + 2), key=lambda day: abs(day_begin(timezone, facts, day) - ts_ms))


def edge_near(timezone: ZoneInfo, facts: Facts, ts_ms: int) -> int:
    """The edge nearest to an instant, the later of two, of periods that divide the local hour."""
    ahead_ms = offset_at(timezone, ts_ms) - facts.offset_ms
    return (ts_ms + ahead_ms + facts.period_ms // 2) // facts.period_ms * facts.period_ms - ahead_ms


def period_of(timezone: ZoneInfo, facts: Facts, ts_ms: int) -> tuple[int, int, int]:
    """(snapped stamp, begin, end) of the period that an interval reading stamped `ts_ms` speaks of."""
    if facts.is_daily:
        day = day_near(timezone, facts, ts_ms)
        first = day if facts.is_stamped_at_start else day - 1
        begin, end = day_begin(timezone, facts, first), day_begin(timezone, facts, first + 1)
        return (begin if facts.is_stamped_at_start else end), begin, end
    edge = edge_near(timezone, facts, ts_ms)
    begin = edge if facts.is_stamped_at_start else edge - facts.period_ms
    return edge, begin, begin + facts.period_ms
