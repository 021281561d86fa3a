"""Quiet hours and digest slots on a subscriber's local clock. Pure: the time comes as an argument (epoch ms)."""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from zonepulse.schemas.registry.subscribers import Subscriber

HOUR_MS: Final = 3_600_000


def local(at_ms: int, timezone: str) -> datetime:
    """That instant on the clock of a time zone."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZoneInfo(timezone or "UTC"))


def is_quiet(subscriber: Subscriber, at_ms: int, zone_timezone: str) -> bool:
    """Whether the subscriber's quiet hours hold then."""
    begin, end = subscriber.quiet_from_min, subscriber.quiet_to_min
    if begin == end:
        return False
    now = local(at_ms, subscriber.timezone or zone_timezone)
    minute = now.hour * 60 + now.minute
    return begin <= minute < end if begin < end else minute >= begin or minute < end


def next_slot_ms(subscriber: Subscriber, after_ms: int, zone_timezone: str) -> int:
    """The first digest at or after an instant; the instant itself for who wants none."""
    if not subscriber.digest:
        return after_ms
    if subscriber.digest == "hourly":
        return -(-after_ms // HOUR_MS) * HOUR_MS
    now = local(after_ms, subscriber.timezone or zone_timezone)
    hour, minute = divmod(subscriber.digest_at_min, 60)
    slot = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if slot < now:
        slot += timedelta(days=1)
    return round(slot.timestamp() * 1000)
