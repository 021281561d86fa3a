"""Weather that models are fitted with: a station of the registry, or a file."""

import csv
import io
from datetime import UTC, date, datetime
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from zonepulse.schemas.indicators.periods import FIRST_YEAR, LAST_YEAR, midnight_ms
from zonepulse.schemas.problems import nearest
from zonepulse.schemas.registry.calendar import DAY_MS
from zonepulse.schemas.registry.efficiency.weather import WEATHER, Weather
from zonepulse.schemas.registry.model import Registry, Series
from zonepulse.schemas.registry.sections import entities_of
from zonepulse.schemas.values import BadValue, parse_decimal, parse_instant_ms
from zonepulse.streams.screen import BadInput

MOST_STEPS: Final = 2_000_000
"""Of a file: nineteen years of five minutes, or four of one."""
_DATE_LENGTH: Final = len("2026-01-31")
_REMEDY: Final = "write a header `start,temperature_c`, then dates (daily means) or times with offset, evenly spaced"


def weather_series(registry: Registry, named: str, text: str | None) -> tuple[str, Series] | None:
    """Source and temperatures: of a file's `text` where there is one, else of the registry's station of this id, else of its only one.

    None: there is no weather. Raises BadInput.
    """
    if text is not None:
        return named, read_series(text, Path(named), registry.zone.timezone, "temperature_c")
    stations: tuple[Weather, ...] = entities_of(registry, WEATHER)
    found = {one.id: one for one in stations}
    if named and named not in found:
        raise BadInput(
            f"--weather {named!r}: {nearest(named, found, 'name a file that is there, or a station of `weather` in zone.yaml')}"
        )
    if not named and len(found) > 1:
        raise BadInput(f"zone {registry.zone.id} has several stations: choose one with --weather {next(iter(found))}")
    one = found.get(named) or next(iter(found.values()), None)
    return (f"{one.id}: {one.source}", one.temperature_c) if one else None


def read_series(text: str, path: Path, timezone: str, column: str) -> Series:
    """A series of a CSV with the columns `start` and `column`; rows that are missing are gaps.

    Dates stand for days of the zone's calendar, times carry their offset. Raises BadInput with the line.
    """
    rows = csv.DictReader(io.StringIO(text, newline=""))
    zone, found, are_days = ZoneInfo(timezone), dict[int, Fraction](), set[bool]()
    try:
        if not {"start", column} <= set(rows.fieldnames or ()):
            raise BadValue(f"no columns start and {column}", _REMEDY.replace("temperature_c", column))
        for row in rows:
            start = row["start"] or ""
            at_ms = _start_ms(start, zone)
            if row[column]:
                if at_ms in found:
                    raise BadValue(f"{start} stands there twice", "leave one of them out")
                found[at_ms] = parse_decimal(row[column])
            are_days.add(len(start) == _DATE_LENGTH)
    except BadValue as error:
        raise BadInput(f"{path}:{max(1, rows.line_num)}: {error}") from error
    except csv.Error as error:  # in the line behind the last one that was read
        raise BadInput(f"{path}:{rows.line_num + 1}: {error}; {_REMEDY}".replace("temperature_c", column)) from error
    if len(found) < 2 or len(are_days) != 1:
        raise BadInput(f"{path}: {len(found)} values{', dates and times mixed' if len(are_days) > 1 else ''}; {_REMEDY}")
    return _days(found, zone) if are_days == {True} else _steps(found, path)


def _start_ms(text: str, zone: ZoneInfo) -> int:
    """Raises BadValue."""
    at_ms = parse_instant_ms(text, zone)
    if not FIRST_YEAR <= int(text[:4]) < LAST_YEAR:
        raise BadValue(f"{text} is out of range", f"write a year from {FIRST_YEAR} to {LAST_YEAR - 1}")
    return at_ms


def _days(found: dict[int, Fraction], zone: ZoneInfo) -> Series:
    days = {_local_day(at_ms, zone): value for at_ms, value in found.items()}
    first = min(days)
    span = range((max(days) - first).days + 1)
    return Series(midnight_ms(first, zone), DAY_MS, tuple(days.get(date.fromordinal(first.toordinal() + i)) for i in span))


def _local_day(at_ms: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).date()


def _steps(found: dict[int, Fraction], path: Path) -> Series:
    times = sorted(found)
    step_ms = min(later - earlier for earlier, later in pairwise(times))
    if DAY_MS % step_ms or step_ms == DAY_MS or any((at - times[0]) % step_ms for at in times):
        raise BadInput(f"{path}: its times are not evenly spaced within a day; {_REMEDY}")
    if (times[-1] - times[0]) // step_ms >= MOST_STEPS:
        raise BadInput(
            f"{path}: more than {MOST_STEPS:,} steps of {step_ms} ms from its first to its last time; write longer steps"
        )
    return Series(times[0], step_ms, tuple(found.get(at) for at in range(times[0], times[-1] + 1, step_ms)))
