"""Whether an instant lies within the hours of a calendar (schemas/registry/calendars.py says which those are)."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import date
from typing import Final

from zonepulse.schemas.registry.calendar import DAY_MS
from zonepulse.schemas.registry.calendars import WEEKDAYS, Calendar

_MINUTE_MS: Final = 60_000
_EPOCH: Final = date(1970, 1, 1).toordinal()
_FIRST_WEEKDAY: Final = date(1970, 1, 1).weekday()


class WorkingHours:
    """A calendar on a zone's clock: `offsets` are (from_utc_ms, offset_ms), ascending, the first from ever."""

    def __init__(self, calendar: Calendar, offsets: Sequence[tuple[int, int]]) -> None:
        self._from, self._to = calendar.from_min, calendar.to_min
        self._days = frozenset(WEEKDAYS.index(day) for day in calendar.days)
        self._holidays, self._workdays = (_numbers(days) for days in (calendar.holidays, calendar.workdays))
        self._since, self._offsets = [since for since, _ in offsets], [offset for _, offset in offsets]

    def is_open(self, at_ms: int) -> bool:
        """Whether epoch ms `at_ms` lies within the hours."""
        day, ms = divmod(at_ms + self._offsets[max(0, bisect_right(self._since, at_ms) - 1)], DAY_MS)
        minute = ms // _MINUTE_MS
        if self._from < self._to:
            return self._from <= minute < self._to and self._works(day)
        return (minute >= self._from and self._works(day)) or (minute < self._to and self._works(day - 1))

    def _works(self, day: int) -> bool:
        """A day, numbered from 1970-01-01."""
        if day in self._workdays:
            return True
        return day not in self._holidays and (day + _FIRST_WEEKDAY) % 7 in self._days


def _numbers(days: Sequence[str]) -> frozenset[int]:
    return frozenset(date.fromisoformat(day).toordinal() - _EPOCH for day in days)
