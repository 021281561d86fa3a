"""Hours and days of the zone's calendar, from the final rows of windows, as docs/ledger.md says it.

A window counts in the hour and the day of the zone's clock that hold its start. A period's row is there once the last window that
begins in it is due, and says the sums of the rows of its windows. Its revision is the largest of theirs, and no less than the tick at
which it is due. What a storage holds is no sum. Where the magnitudes of the windows, each in whole units of 2^20, come to 2^42, the sum is
unknown.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from zonepulse.oracle.grid import Grid
from zonepulse.oracle.zone.registry import Policy

Row = dict[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)
_NAMES = {
    "totals": ("zone", "entity_kind", "entity", "carrier", "scope", "basis"),
    "intensity": ("zone", "node", "basis"),
}


class Calendar:
    """Where the hours and days of a zone begin and end."""

    def __init__(self, policy: Policy) -> None:
        self._timezone = policy.timezone
        self._days: dict[date, datetime] = {}

    def hour(self, at: datetime) -> tuple[datetime, datetime]:
        """Minutes around an instant that the clock calls by the same hour without having been changed between."""
        begin, end = at, at + _MINUTE
        while self._hour_name(begin - _MINUTE) == self._hour_name(at):
            begin -= _MINUTE
        while self._hour_name(end) == self._hour_name(at):
            end += _MINUTE
        return begin, end

    def _hour_name(self, at: datetime) -> tuple[Any, ...]:
        local = at.astimezone(self._timezone)
        return local.date(), local.hour, local.utcoffset()

    def day(self, at: datetime) -> tuple[datetime, datetime]:
        """From the first instant of the calendar's day to the first of the next."""
        today = self.local(at).date()
        return self._first(today), self._first(today + timedelta(days=1))

    def _first(self, day: date) -> datetime:
        if day not in self._days:
            at = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=15)
            while self.local(at).date() < day:
                at += timedelta(minutes=15)
            self._days[day] = at
        return self._days[day]

    def local(self, at: datetime) -> datetime:
        """What the zone's clocks show."""
        return at.astimezone(self._timezone)


def periods(totals: Iterable[Row], intensity: Iterable[Row], policy: Policy, applied: int) -> dict[str, list[Row]]:
    """Rows of `period_totals` and `period_intensity`; `applied` is the last tick that the ledger has applied."""
    calendar = Calendar(policy)
    sums = [row for row in totals if row["entity_kind"] != "storage"]
    return {
        "period_totals": [*_summed(sums, _NAMES["totals"], calendar, policy, applied)],
        "period_intensity": [*_summed(intensity, _NAMES["intensity"], calendar, policy, applied)],
    }


def _summed(rows: Iterable[Row], names: tuple[str, ...], calendar: Calendar, policy: Policy, applied: int) -> Iterator[Row]:
    found: dict[int, dict[str, tuple[datetime, datetime]]] = {}
    groups: defaultdict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        if row["start"] not in found:
            at = _EPOCH + timedelta(milliseconds=row["start"])
            found[row["start"]] = {"hour": calendar.hour(at), "day": calendar.day(at)}
        for period, stretch in found[row["start"]].items():
            groups[period, stretch, *(row[name] for name in names)].append(row)
    grid = Grid.of(policy)
    for (period, (begin, end), *key), windows in groups.items():
        due = grid.due_tick(grid.window(_ms(end) - 1))
        if due > applied:
            continue
        known = [row for row in windows if row["energy_micro"] is not None and row["co2e_mg"] is not None]
        energies = [(row["energy_micro"], _estimated(row)) for row in windows if row["energy_micro"] is not None]
        has_energy = _fits(max(abs(value), abs(part)) for value, part in energies)
        has_co2e = _fits(abs(row["co2e_mg"]) for row in windows if row["co2e_mg"] is not None)
        yield dict(zip(names, key, strict=True)) | {
            "period": period,
            "start": _ms(begin),
            "local_start": _ms(calendar.local(begin).replace(tzinfo=UTC)),
            "length_s": (end - begin) // timedelta(seconds=1),
            "energy_micro": _sum(value for value, _ in energies) if has_energy else None,
            "co2e_mg": _sum(row["co2e_mg"] for row in windows) if has_co2e else None,
            "estimated_micro": sum(part for _, part in energies) if has_energy else 0,
            "valued_micro": sum(row["energy_micro"] for row in known) if has_energy and has_co2e else 0,
            "covered_ms": sum(row["covered_ms"] for row in windows),
            "expected_ms": sum(row["expected_ms"] for row in windows),
            "revision": max(due, *(row["revision"] for row in windows)),
        }


def _estimated(row: Row) -> int:
    if "estimated_micro" in row:
        return int(row["estimated_micro"])
    share: float = row["estimated_share"]
    return round(share * (row["energy_micro"] or 0))


def _fits(magnitudes: Iterable[int]) -> bool:
    return sum(value // 2**20 for value in magnitudes) < 2**42


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _ms(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)
