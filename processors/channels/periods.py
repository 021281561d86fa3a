"""The grid of `interval` registers on the zone's local clock: where a period ends that a reading names, and where it began.

`clock` are the zone's offset transitions, rows (from_utc_ms, offset_ms), ascending, the first from ever. A period up to an hour divides the
hour of the local clock; a period of a day is the calendar day of 23, 24 or 25 h; both are shifted by the register's `offset`.
"""

from zonepulse.processors.channels.version import Version
from zonepulse.processors.flow import Table
from zonepulse.processors.kernel import kernel

DAY_MS = 86_400_000


@kernel
def transition_at(clock: Table, utc_ms: int) -> int:
    """The last transition at or before `utc_ms`."""
    low, high = 0, len(clock)
    while high - low > 1:
        mid = (low + high) // 2
        if clock[mid][0] <= utc_ms:
            low = mid
        else:
            high = mid
    return low


@kernel
def to_utc(clock: Table, wall_ms: int) -> int:
    """UTC of a local time: of a repeated hour the first, a skipped one by the clock before the change."""
    i = transition_at(clock, wall_ms + DAY_MS)
    while i > 0 and wall_ms < clock[i][0] + max(clock[i][1], clock[i - 1][1]):
        i -= 1
    return wall_ms - clock[i][1]


@kernel
def day_of(clock: Table, utc_ms: int, offset: int) -> int:
    """Number of the local day (begun at `offset`) that holds `utc_ms`."""
    day = (utc_ms + clock[transition_at(clock, utc_ms)][1] - offset) // DAY_MS
    while to_utc(clock, day * DAY_MS + offset) > utc_ms:
        day -= 1
    while to_utc(clock, (day + 1) * DAY_MS + offset) <= utc_ms:
        day += 1
    return day


@kernel
def snapped(clock: Table, version: Version, ts: int) -> int:
    """The edge of a period that is nearest to `ts`: half up on a grid, of days the earlier."""
    period, offset = version.period, version.offset
    if period >= DAY_MS:
        day = day_of(clock, ts, offset)
        before, after = to_utc(clock, day * DAY_MS + offset), to_utc(clock, (day + 1) * DAY_MS + offset)
        return before if ts - before <= after - ts else after
    shift = clock[transition_at(clock, ts)][1] - offset
    return (ts + shift + period // 2) // period * period - shift


@kernel
def period_end(clock: Table, version: Version, begin: int) -> int:
    """End of the period that begins at the edge `begin`."""
    if version.period >= DAY_MS:
        return to_utc(clock, (day_of(clock, begin, version.offset) + 1) * DAY_MS + version.offset)
    return begin + version.period


@kernel
def period_begin(clock: Table, version: Version, end: int) -> int:
    """Begin of the period that ends at the edge `end`."""
    if version.period >= DAY_MS:
        return to_utc(clock, day_of(clock, end - 1, version.offset) * DAY_MS + version.offset)
    return end - version.period
