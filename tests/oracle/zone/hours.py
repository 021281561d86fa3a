"""Hours of a calendar on the zone's clock."""

from datetime import UTC, datetime, timedelta

from zonepulse.oracle.zone.registry import Calendar, Registry


def is_open(calendar: Calendar, start_ms: int, registry: Registry) -> bool:
    """Whether a window begins within the hours."""
    local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=start_ms)).astimezone(registry.policy.timezone)
    minute = 60 * local.hour + local.minute

    def works(day: datetime) -> bool:
        text = day.date().isoformat()
        name = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[day.weekday()]
        return text in calendar.workdays or (text not in calendar.holidays and name in calendar.days)

    if calendar.first_minute < calendar.end_minute:
        return calendar.first_minute <= minute < calendar.end_minute and works(local)
    yesterday = local.replace(tzinfo=None) - timedelta(days=1)
    return (minute >= calendar.first_minute and works(local)) or (minute < calendar.end_minute and works(yesterday))
