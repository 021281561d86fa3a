"""Periods of the calendar, as people write them: a year `2026`, a month `2026-03`, a day `2026-03-04`; and, to ask for, the twelve months
that end with a month, `P1Y/2026-03` (ISO 8601: a duration and its end), or an hour `2026-03-04T08`."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from zonepulse.schemas.values import BadValue, shortened

PeriodKind = Literal["hour", "day", "month", "year"]
KINDS: Final[tuple[PeriodKind, ...]] = ("hour", "day", "month", "year")
"""From the shortest to the longest."""
_TEXT: Final = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)
YEAR_TO: Final = "P1Y/"
ROLLING_YEAR: Final = "rolling_year"
LAST_HOUR: Final = 23
_HOUR: Final = re.compile(r"[01]\d|2[0-3]", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_YEAR: Final = 1990
LAST_YEAR: Final = 2100


@dataclass(frozen=True, slots=True)
class Period:
    """A day, month or year: [first, end); or an hour of a day."""

    text: str
    kind: PeriodKind
    first: date
    end: date
    hour: int | None = None
    """That the clock shows: of a day on which it is set back one of them lasts two hours, or none where it is set forward."""

    @property
    def name(self) -> str:
        """As tables have it: its kind, or ROLLING_YEAR where it is the twelve months that end with one."""
        return ROLLING_YEAR if self.text.startswith(YEAR_TO) else self.kind

    def contains(self, other: "Period") -> bool:
        """Whether all of `other` lies in it."""
        return self.first <= other.first and other.end <= self.end

    def span_ms(self, timezone: str) -> tuple[int, int]:
        """[from, to) in epoch ms: its days begin at midnight of the time zone."""
        zone = ZoneInfo(timezone)
        if self.hour is None:
            return midnight_ms(self.first, zone), midnight_ms(self.end, zone)
        begin = _clock_ms(self.first, self.hour, zone)
        return begin, midnight_ms(self.end, zone) if self.hour == LAST_HOUR else _clock_ms(self.first, self.hour + 1, zone)


def parse_period(text: str) -> Period:
    """The period that a text names. Raises BadValue."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise BadValue(f"{shortened(text)!r} is no period", "write a year 2026, a month 2026-03 or a day 2026-03-04")
    year, month, day = int(match[1]), int(match[2] or 1), int(match[3] or 1)
    if not FIRST_YEAR <= year < LAST_YEAR:
        raise BadValue(f"{text!r} is out of range", f"write a year from {FIRST_YEAR} to {LAST_YEAR - 1}")
    try:
        first = date(year, month, day)
    except ValueError as error:
        raise BadValue(f"{text!r} is no period: {error}", "write a day or month that exists") from None
    if match[3]:
        return Period(text, "day", first, first + timedelta(days=1))
    if match[2]:
        return Period(text, "month", first, date(year + month // 12, month % 12 + 1, 1))
    return Period(text, "year", first, date(year + 1, 1, 1))


def parse_asked(text: str) -> Period:
    """A period that is asked for: also the twelve months that end with one, and an hour. Raises BadValue."""
    day, is_hour, hour = text.partition("T")
    if is_hour:
        of = parse_period(day)
        if of.kind != "day" or not _HOUR.fullmatch(hour):
            raise BadValue(f"{shortened(text)!r} is no hour", "write an hour of a day, such as 2026-03-04T08")
        return Period(text, "hour", of.first, of.end, int(hour))
    if not text.startswith(YEAR_TO):
        return parse_period(text)
    last = parse_period(text.removeprefix(YEAR_TO))
    if last.kind != "month":
        raise BadValue(f"{shortened(text)!r} ends with no month", f"write the last of the twelve months, such as {YEAR_TO}2026-03")
    return Period(text, "year", last.end.replace(year=last.end.year - 1), last.end)


def midnight_ms(day: date, zone: ZoneInfo) -> int:
    """Where a day of the calendar begins, epoch ms."""
    return _clock_ms(day, 0, zone)


def _clock_ms(day: date, hour: int, zone: ZoneInfo) -> int:
    """When the clock first shows an hour of a day, or a later one where it skips it."""
    return (datetime(day.year, day.month, day.day, hour, tzinfo=zone) - _EPOCH) // timedelta(milliseconds=1)
