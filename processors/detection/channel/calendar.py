"""Hour of the week and day of a window on the zone's calendar."""

from collections.abc import Collection
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

SUNDAY = 6


def calendar_of(starts_ms: Any, zone: str, holidays: Collection[date] = ()) -> tuple[Any, Any]:
    """(slots, days), int64: 24 x weekday + hour, a holiday as Sunday; and the local day's number. `starts_ms`: epoch ms, UTC."""
    at, off = ZoneInfo(zone), frozenset(holidays)
    slots, days = np.empty(len(starts_ms), np.int64), np.empty(len(starts_ms), np.int64)
    for i, start in enumerate(starts_ms):
        local = datetime.fromtimestamp(int(start) / 1000, at)
        days[i] = local.toordinal()
        slots[i] = 24 * (SUNDAY if local.date() in off else local.weekday()) + local.hour
    return slots, days
