"""Hour of the week and day of a window on the zone's clock and calendar, as stored with the registry version."""

from typing import Final

from zonepulse.processors.channels.periods import DAY_MS, transition_at
from zonepulse.processors.flow import Table
from zonepulse.processors.kernel import kernel
from zonepulse.schemas.units import MS_PER_HOUR

THURSDAY: Final = 3
"""1970-01-01 was one; Monday is 0."""


@kernel
def weekday_of(weekdays: Table, day: int) -> int:
    """What a day is like: its weekday, if the calendar does not say otherwise."""
    low, high = 0, len(weekdays)
    while low < high:
        mid = (low + high) // 2
        if weekdays[mid][0] < day:
            low = mid + 1
        else:
            high = mid
    if low < len(weekdays) and weekdays[low][0] == day:
        return weekdays[low][1]
    return (day + THURSDAY) % 7


@kernel
def stretch_at(clock: Table, at: int, offset: int, stretch: int) -> int:
    """The number of the stretch that holds `at`, epoch ms: on the zone's clock, from the register's `offset`."""
    return (at + clock[transition_at(clock, at)][1] - offset) // stretch


@kernel
def slot_and_day(clock: Table, weekdays: Table, start: int) -> tuple[int, int]:
    """(24 x weekday + hour, local day from 1970-01-01) of a window that starts at `start`, epoch ms."""
    local = start + clock[transition_at(clock, start)][1]
    day = local // DAY_MS
    return 24 * weekday_of(weekdays, day) + (local - day * DAY_MS) // MS_PER_HOUR, day
