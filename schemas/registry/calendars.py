"""calendars: working hours by name, on the zone's clock, with the holidays of the years that matter.

Holidays are data of the registry version, not of a library: a newer library changes no replay.
"""

from dataclasses import dataclass
from typing import Final

from zonepulse.schemas.registry.section import Field, Section

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WHOLE_DAY: Final = (0, 24 * 60)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Open from `from_min` until `to_min`, half-open, minutes of the local day; over midnight where `to_min` is the earlier one: such
    hours belong to the day on which they begin."""

    id: str
    days: tuple[str, ...] = WEEKDAYS[:5]
    from_min: int = WHOLE_DAY[0]
    to_min: int = WHOLE_DAY[1]
    holidays: tuple[str, ...] = ()
    """ISO dates without hours, whatever day of the week they are."""
    workdays: tuple[str, ...] = ()
    """ISO dates with hours, whatever day of the week they are: Saturdays that are worked for a longer holiday."""


def _check(calendar: Calendar) -> tuple[str, str] | None:
    both = sorted(set(calendar.holidays) & set(calendar.workdays))
    if both:
        return f"{both[0]} is both a holiday and a workday", "keep it in one of the two lists"
    return None


CALENDARS: Final = Section(
    "calendars",
    "calendar",
    Calendar,
    (
        Field("id", "id", need=True),
        Field("days", "words", "with hours; absent: Monday to Friday", default=WEEKDAYS[:5], words=WEEKDAYS),
        Field(
            "hours", "minutes", "from and to on the zone's clock; absent: the whole day", default=WHOLE_DAY,
            called=("from_min", "to_min"),
        ),
        Field("holidays", "days", "days without hours", default=()),
        Field("workdays", "days", "days with hours whatever day of the week they are", default=()),
    ),
    check=_check,
)  # fmt: skip
