"""Filling gaps of interval values, and how much of a month may be filled: pure functions.

Short gaps are interpolated between their ends, long ones take the average of like days; a known register advance is apportioned
to that profile. An estimate never rests on estimates, and what cannot be estimated stays None: never 0.

Sources: California DASMMD (linear up to 2 hours, like days beyond), NAESB UBP, AEMO Metrology Procedure B (methods 15, 17).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from zonepulse.processors.vee.checks import Outcome, exceeds

LINEAR_MAX_MS: Final = 7_200_000
LIKE_DAY_MAX_AGE_DAYS: Final = 366
MAX_ESTIMATED_SHARE: Final = 0.1

Method = Literal["linear", "linear_scaled", "like_day", "like_day_scaled", "flat"]


@dataclass(frozen=True, slots=True)
class Gap:
    """`missing` slots of `slot_ms` on local date `day`, between the values `before` and `after` (None: not known).

    `ends_usable` is False where a power failure touches an end. `register_advance` is the energy of the whole gap, where a register
    knows it.
    """

    missing: int
    slot_ms: int
    before: float | None = None
    after: float | None = None
    ends_usable: bool = True
    register_advance: float | None = None
    day: date | None = None


@dataclass(frozen=True, slots=True)
class LikeDay:
    """The values of the gap's slots on another day; `is_measured` is False if any of them was estimated."""

    day: date
    values: tuple[float | None, ...]
    is_measured: bool = True
    is_outage: bool = False
    is_partial: bool = False


@dataclass(frozen=True, slots=True)
class GapFill:
    """`method` is None and all values are None where nothing could be estimated. `unscaled` is the profile before apportioning."""

    method: Method | None
    values: tuple[float | None, ...]
    unscaled: tuple[float, ...] | None = None
    used_days: tuple[date, ...] = ()

    @property
    def quality(self) -> Literal["estimated", "missing"]:
        """As in `intervals.quality`."""
        return "missing" if self.method is None else "estimated"


def fill_gap(gap: Gap, like_days: Sequence[LikeDay] = (), linear_max_ms: int = LINEAR_MAX_MS) -> GapFill:
    """Estimate a gap: linear up to `linear_max_ms` between usable ends, else the average of usable like days, else nothing.

    With a known advance the profile is scaled to it; without a profile, or with one that is all zero, the advance is spread flat,
    as for registers. Raises ValueError for a gap without slots.
    """
    if gap.missing < 1:
        raise ValueError(f"a gap of {gap.missing} slots is none; give the number of missing slots, 1 or more")
    if gap.missing * gap.slot_ms <= linear_max_ms and gap.ends_usable and gap.before is not None and gap.after is not None:
        return _apportion(_linear(gap.missing, gap.before, gap.after), "linear", gap)
    usable = usable_like_days(gap, like_days)
    if usable:
        return _apportion(_average(usable), "like_day", gap, tuple(d.day for d in usable))
    if gap.register_advance is not None:
        return GapFill("flat", (gap.register_advance / gap.missing,) * gap.missing)
    return GapFill(None, (None,) * gap.missing)


def usable_like_days(gap: Gap, like_days: Sequence[LikeDay]) -> tuple[LikeDay, ...]:
    """Complete, measured days without outage, of the gap's weekday and before it by at most a year; in the order given.

    Raises ValueError if the gap has no date to compare with.
    """
    if like_days and gap.day is None:
        raise ValueError("like days need the date of the gap; set `day`")
    return tuple(d for d in like_days if gap.day is not None and _is_like(d, gap.day, gap.missing))


def _is_like(other: LikeDay, day: date, slots: int) -> bool:
    age_days = (day - other.day).days
    return (
        0 < age_days <= LIKE_DAY_MAX_AGE_DAYS
        and age_days % 7 == 0
        and other.is_measured
        and not (other.is_outage or other.is_partial or None in other.values)
        and len(other.values) == slots
    )


def _linear(slots: int, before: float, after: float) -> tuple[float, ...]:
    return tuple(before + (after - before) * (i + 1) / (slots + 1) for i in range(slots))


def _average(days: Sequence[LikeDay]) -> tuple[float, ...]:
    by_slot = zip(*(d.values for d in days), strict=True)
    return tuple(sum(v for v in slot if v is not None) / len(days) for slot in by_slot)


def _apportion(
    profile: tuple[float, ...], method: Literal["linear", "like_day"], gap: Gap, used_days: tuple[date, ...] = ()
) -> GapFill:
    advance, total = gap.register_advance, sum(profile)
    if advance is None:
        return GapFill(method, profile, None, used_days)
    if total <= 0:
        return GapFill("flat", (advance / gap.missing,) * gap.missing, profile)
    scaled: Method = "linear_scaled" if method == "linear" else "like_day_scaled"
    return GapFill(scaled, tuple(v / total * advance for v in profile), profile, used_days)


def estimated_share(estimated_slots: int, expected_slots: int, max_share: float = MAX_ESTIMATED_SHARE) -> tuple[float, Outcome]:
    """Share of estimated slots and whether it is worth a warning: guideline at most 10 % a month.

    Raises ValueError where nothing is expected.
    """
    if expected_slots < 1:
        raise ValueError(f"{expected_slots} expected slots have no share; give the slots of the whole period")
    share = estimated_slots / expected_slots
    return share, Outcome.WARN if exceeds(share, max_share) else Outcome.PASS


def expected_intervals(timezone: str, day: date, length_ms: int) -> int:
    """Number of intervals of `length_ms` in a local calendar day: 96 quarter hours, 92 or 100 when clocks change.

    `timezone` is an IANA name. Raises ZoneInfoNotFoundError for an unknown one, ValueError where intervals do not fill the day.
    """
    zone = ZoneInfo(timezone)
    start, end = (datetime.combine(d, time(), zone).astimezone(UTC) for d in (day, day + timedelta(days=1)))
    day_ms = (end - start) // timedelta(milliseconds=1)
    if day_ms % length_ms:
        raise ValueError(f"{day} in {timezone} lasts {day_ms} ms, no multiple of {length_ms} ms; choose a length that divides it")
    return day_ms // length_ms
