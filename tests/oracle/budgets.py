"""`budget_burn`: budgets day by day, as schemas/messages/alerts.py says it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from zonepulse.oracle.alerts import Transition, raised, resolved
from zonepulse.oracle.carbon.book import Book, TableRow
from zonepulse.oracle.grid import Grid
from zonepulse.oracle.periods import Calendar, periods
from zonepulse.oracle.zone.registry import Budget, Registry

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class BudgetWatch:
    """One budget: what its entity used day by day."""

    registry: Registry
    budget: Budget
    transitions: list[Transition] = field(default_factory=list)
    _used: dict[int, tuple[int, int | None]] = field(default_factory=dict)
    """Begin of a day -> its end and what was used."""
    _active: Transition | None = None

    def judge(self, begin_ms: int, end_ms: int, rows: list[TableRow], tick: int) -> None:
        """A day that is due, and the rows of its windows."""
        one, calendar = self.budget, Calendar(self.registry.policy)
        mine = [row for row in rows if self._is_mine(row)]
        if not mine or not one.first <= calendar.local(_EPOCH + timedelta(milliseconds=begin_ms)).date() < one.end:
            return
        what = "energy_micro" if one.unit == "kWh" else "co2e_mg"
        days = [row for row in periods(mine, [], self.registry.policy, tick)["period_totals"] if row["period"] == "day"]
        known = [row[what] for row in days if row[what] is not None]
        self._used[begin_ms] = end_ms, sum(known) if known else None
        first_ms, last_ms = self._span(calendar)
        is_year = "-" not in one.period
        fast, slow = (self._rate(begin_ms, n, first_ms, last_ms) for n in ((7, 30) if is_year else (1, 7)))
        if end_ms >= last_ms:
            self._end(end_ms, tick)
        elif fast is not None and slow is not None:
            if not (fast > 1 and slow > 1):
                self._end(begin_ms, tick)
            elif self._active is None:
                labels = {"zone": self.registry.policy.zone, "rule": "budget_burn", "budget": one.id}
                evidence = {
                    "amount": float(one.amount), "budget": one.id, "fast": float(fast), "slow": float(slow), "period": one.period,
                    "spent_micro": self._spent(begin_ms, first_ms), "unit": one.unit,
                }  # fmt: skip
                evidence |= {"basis": one.basis} if one.unit == "kgCO2e" else {}
                self._active = raised(labels, begin_ms, tick, evidence, float(fast), company=one.company, expected_high=1.0)
                self.transitions.append(self._active)

    def _end(self, at_ms: int, tick: int) -> None:
        if self._active is not None:
            self.transitions.append(resolved(self._active, at_ms, tick))
            self._active = None

    def _is_mine(self, row: TableRow) -> bool:
        one = self.budget
        if (row["entity_kind"], row["entity"]) != (
            ("company", one.company) if one.company else ("zone", self.registry.policy.zone)
        ):
            return False
        of = row["carrier"], row["scope"], row["basis"]
        return of == ("electricity", 0, "") if one.unit == "kWh" else of in (("", 1, "location"), ("", 2, one.basis))

    def _span(self, calendar: Calendar) -> tuple[int, int]:
        def begin(day: object) -> int:
            at = datetime.fromisoformat(str(day)).replace(hour=12, tzinfo=self.registry.policy.timezone)
            return (calendar.day(at)[0] - _EPOCH) // timedelta(milliseconds=1)

        return begin(self.budget.first), begin(self.budget.end)

    def _back(self, begin_ms: int) -> Iterator[int]:
        """Begins of the days that were seen one after the other, the latest first."""
        at: int | None = begin_ms
        while at is not None:
            yield at
            at = next((before for before, (end, _) in self._used.items() if end == at), None)

    def _rate(self, begin_ms: int, n: int, first_ms: int, last_ms: int) -> Fraction | None:
        days = [at for _, at in zip(range(n), self._back(begin_ms), strict=False)]
        used = [self._used[at][1] for at in days]
        known = [one for one in used if one is not None]
        if len(known) < len(used) or (len(days) < n and days[-1] != first_ms):
            return None
        length_ms = self._used[begin_ms][0] - days[-1]
        return Fraction(sum(known), 10**6) / length_ms / (self.budget.amount / (last_ms - first_ms))

    def _spent(self, begin_ms: int, first_ms: int) -> int | None:
        days = list(self._back(begin_ms))
        used = [self._used[at][1] for at in days]
        return None if days[-1] != first_ms or None in used else sum(one for one in used if one is not None)


class Budgets:
    """The budgets of a zone, judged as days become due."""

    def __init__(self, registry: Registry, book: Book) -> None:
        self._registry, self._book, self._calendar = registry, book, Calendar(registry.policy)
        self._grid = Grid.of(registry.policy)
        self._watches = [BudgetWatch(registry, budget) for budget in registry.budgets]
        self._tick: int | None = None
        """The days that were due by it are judged, or had no row."""

    @property
    def transitions(self) -> list[Transition]:
        """Of all of them."""
        return [transition for watch in self._watches for transition in watch.transitions]

    def judge(self, until_tick: int) -> None:
        """Judge the days that have become due up to a tick."""
        before, self._tick = self._tick, until_tick
        if not self._watches or before is None or self._last_due(until_tick) <= before:
            return
        by_day: dict[tuple[int, int], list[TableRow]] = {}
        for row in self._book.tables["totals"].values():
            by_day.setdefault(self._day(row["start"]), []).append(row)
        for (begin_ms, end_ms), rows in sorted(by_day.items()):
            tick = self._due(end_ms)
            if before < tick <= until_tick:
                for watch in self._watches:
                    watch.judge(begin_ms, end_ms, rows, tick)

    def _last_due(self, tick: int) -> int:
        """The tick at which the last day was due that is due by a tick."""
        begin_ms, _ = self._day(tick * self._grid.tick_ms - self._grid.delay_ms)
        return self._due(begin_ms)

    def _due(self, end_ms: int) -> int:
        return self._grid.due_tick(self._grid.window(end_ms - 1))

    def _day(self, at_ms: int) -> tuple[int, int]:
        begin, end = self._calendar.day(_EPOCH + timedelta(milliseconds=at_ms))
        return (begin - _EPOCH) // timedelta(milliseconds=1), (end - _EPOCH) // timedelta(milliseconds=1)
