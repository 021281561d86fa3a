"""Which time zone a clock may have: from the offsets that it shows, or from the hours that it skips and repeats."""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

CANDIDATES: Final = (
    "UTC", "Asia/Shanghai", "Europe/Berlin", "Europe/London", "Europe/Helsinki", "America/New_York", "America/Chicago", "America/Denver",
    "America/Los_Angeles", "America/Sao_Paulo", "Asia/Tokyo", "Asia/Kolkata", "Australia/Sydney", "Australia/Brisbane", "Pacific/Auckland",
)  # fmt: skip
"""Tried first, in this order."""
_HOUR_MS: Final = 3_600_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MOST: Final = 2_000


def zone_of_offsets(stamps: Sequence[tuple[int, int]]) -> str:
    """`stamps`: (epoch ms, offset in s) -> a zone whose clock shows all of them; '' where none does, or there are none."""
    if not stamps:
        return ""
    tried = list(dict.fromkeys(stamps))
    tried = tried[:: max(1, len(tried) // MOST)]
    fixed = {offset for _, offset in tried}
    if len(fixed) == 1 and max(ms for ms, _ in tried) - min(ms for ms, _ in tried) > 200 * 24 * _HOUR_MS:
        return _fixed(tried, fixed.pop())
    others = sorted(name for name in available_timezones() if re.match("(Africa|America|Asia|Australia|Europe|Pacific)/", name))
    return next((name for name in (*CANDIDATES, *others) if _shows(name, tried)), "")


def _fixed(stamps: Sequence[tuple[int, int]], offset_s: int) -> str:
    """Of a clock without summer time."""
    hours, rest = divmod(offset_s, 3600)
    etc = "" if rest else "UTC" if not hours else f"Etc/GMT{-hours:+d}"
    return next((name for name in CANDIDATES if _shows(name, stamps)), etc)


def _shows(name: str, stamps: Sequence[tuple[int, int]]) -> bool:
    zone = ZoneInfo(name)
    for ms, offset_s in stamps:
        offset = (_EPOCH + timedelta(milliseconds=ms)).astimezone(zone).utcoffset()
        if offset is None or offset.total_seconds() != offset_s:
            return False
    return True


def zone_of_local_times(local_ms: Sequence[int]) -> str:
    """`local_ms`: a clock's times as if they were UTC -> the first zone of CANDIDATES whose skipped hours are missing in them and whose
    repeated hours are there twice; '' where nothing shows it."""
    if not local_ms:
        return ""
    times, often = sorted(set(local_ms)), Counter(local_ms)
    usual = Counter(often.values()).most_common(1)[0][0]
    scores = {
        name: sum(_score(change, times, often, usual) for change in _changes(name, times[0], times[-1])) for name in CANDIDATES
    }
    best = max(CANDIDATES, key=lambda name: scores[name])
    return best if scores[best] > 0 else ""


def _changes(name: str, first_ms: int, last_ms: int) -> Iterator[tuple[int, int, bool]]:
    """(start, end, is skipped) of the local hours that a zone's clock skips or repeats, in local ms as if UTC."""
    zone, day = ZoneInfo(name), timedelta(days=1)
    at = _EPOCH + timedelta(milliseconds=first_ms) - day  # as if UTC: the change may lie before the first
    end = min(_EPOCH + timedelta(milliseconds=last_ms) + day, at + 3660 * day)
    while at < end:
        before, after = (moment.astimezone(zone).utcoffset() or timedelta(0) for moment in (at, at + day))
        if before != after:
            low, high = at, at + day
            while high - low > timedelta(minutes=1):
                middle = low + (high - low) / 2
                low, high = (middle, high) if (middle.astimezone(zone).utcoffset() or timedelta(0)) == before else (low, middle)
            change = round((high - _EPOCH).total_seconds() / 60) * 60_000
            edges = sorted(change + round(offset.total_seconds()) * 1000 for offset in (before, after))
            yield edges[0], edges[1], after > before
        at += day


def _score(change: tuple[int, int, bool], times: Sequence[int], often: Counter[int], usual: int) -> int:
    """1 where the clock shows the change, -1 where it shows that there was none, 0 where it says nothing."""
    start, end, is_skipped = change
    inside = times[bisect_left(times, start) : bisect_left(times, end)]
    around = times[bisect_left(times, start - _HOUR_MS) : bisect_left(times, start)]
    behind = times[bisect_left(times, end) : bisect_left(times, end + 2 * _HOUR_MS)]
    if not around or not behind:
        return 0
    if is_skipped:
        return -1 if inside else 1
    if not inside:
        return 0
    return 1 if any(often[t] >= 2 * usual for t in inside) else -1
