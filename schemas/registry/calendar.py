"""The zone's local clock as numbers: the instants at which its offset from UTC changes; and the parts of a day that are judged as one.

They are read from the tz database once, when zone.yaml is read, and kept with the registry version: a newer database changes no replay.
"""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

from zonepulse.schemas.registry.model import ALWAYS

FIRST_YEAR: Final = 1990
LAST_YEAR: Final = 2100
DAY_MS: Final = 86_400_000
NOT_JUDGED: Final = 0
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_STEP: Final = timedelta(days=7)
Offsets = tuple[tuple[int, int], ...]
"""(from_utc_ms, offset_ms), ascending, the first from ever."""


def stretch_of(period_ms: int, window_ms: int) -> int:
    """What detectors judge at a time of a register: the shortest part of a day that is whole windows and no shorter than its period, ms;
    NOT_JUDGED where a day is too short. So a reading's energy is judged as one, and not as the equal parts that it is booked in."""
    lengths = range(window_ms, DAY_MS + 1, window_ms) if window_ms else ()
    return next((ms for ms in lengths if ms >= period_ms and DAY_MS % ms == 0), NOT_JUDGED)


@cache
def offsets_of(timezone: str) -> Offsets:
    """The transitions of an IANA time zone from FIRST_YEAR to LAST_YEAR. Raises ZoneInfoNotFoundError."""
    zone = ZoneInfo(timezone)
    at, end = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC), datetime(LAST_YEAR, 1, 1, tzinfo=UTC)
    found = [(ALWAYS, _offset_ms(zone, at))]
    while at < end:
        if _offset_ms(zone, at + _STEP) != found[-1][1]:
            at = _change(zone, at, at + _STEP)
            found.append(((at - _EPOCH) // timedelta(milliseconds=1), _offset_ms(zone, at)))
        else:
            at += _STEP
    return tuple(found)


def _offset_ms(zone: ZoneInfo, at: datetime) -> int:
    offset = at.astimezone(zone).utcoffset()
    assert offset is not None
    return offset // timedelta(milliseconds=1)


def _change(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The first second in (low, high] with another offset than `low`."""
    was = _offset_ms(zone, low)
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // timedelta(seconds=2) * timedelta(seconds=1)
        low, high = (middle, high) if _offset_ms(zone, middle) == was else (low, middle)
    return high
