"""budget_burn: budgets that go too fast, day by day of the zone's calendar (schemas/messages/alerts.py is the contract)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any, Final

import numpy as np

from zonepulse.processors.accounting.plan import AggregationPlan
from zonepulse.processors.accounting.series import series_names
from zonepulse.processors.channels.periods import DAY_MS, to_utc
from zonepulse.processors.channels.table import Channels
from zonepulse.processors.detection.rules import Alert
from zonepulse.processors.flow import Rows
from zonepulse.processors.ledger.periods import DAY
from zonepulse.schemas.carriers import ELECTRICITY
from zonepulse.schemas.indicators.periods import parse_period
from zonepulse.schemas.registry.budgets import BUDGETS, FAST_DAYS, SLOW_DAYS, Budget
from zonepulse.schemas.registry.sections import entities_of
from zonepulse.schemas.units import MICRO

RULE: Final = "budget_burn"
_EPOCH: Final = date(1970, 1, 1)
Day = tuple[int, int, int | None]
"""Begin, end (UTC ms), and what was used in micro-kWh or mg; None: not known."""


@dataclass(slots=True)
class _State:
    """What is remembered of a budget."""

    days: list[Day] = field(default_factory=list)
    """The last ones that were due, oldest first, as many as the slow rate takes."""
    spent: int | None = 0
    """Since the period began; None: a day of it is not known."""
    raised: tuple[int, float, dict[str, Any]] | None = None
    """starts_at, value and evidence of the alert that is on."""


class _Watched:
    """A budget, where its sums come from, and how it stands."""

    def __init__(self, budget: Budget, channels: Channels, series: Mapping[tuple[Any, ...], list[int]]) -> None:
        self.budget, self.period = budget, parse_period(budget.period)
        self.first, self.end = (_local_ms(day) for day in (self.period.first, self.period.end))
        self.begin_ms, self.end_ms = (int(to_utc(channels.clock, at)) for at in (self.first, self.end))
        self.amount = budget.amount * MICRO
        self.identity = budget.id, budget.company, budget.period, budget.unit, budget.basis
        """What its state is of: a budget of which one of these is changed is another one; its amount may be."""
        self.series = [i for name in _sums_of(budget, channels.registry.zone.id) for i in series.get(name, ())]
        self.state = _State()

    def take(self, day: Day, tick: int, zone: str) -> Iterator[dict[str, Any]]:
        """A day of the period that is due now."""
        state, kind = self.state, self.period.kind
        last = state.days[-1][1] if state.days else self.begin_ms
        if day[0] < last:  # said before
            return
        if day[0] != last:  # days between them have no row
            state.days, state.spent = [], None
        state.days = [*state.days, day][-SLOW_DAYS[kind] :]
        state.spent = None if state.spent is None or day[2] is None else state.spent + day[2]
        is_last, rates = day[1] >= self.end_ms, (self._rate(FAST_DAYS[kind]), self._rate(SLOW_DAYS[kind]))
        if state.raised is not None and is_last:
            yield self._row("resolved", day[1], tick, zone)
        elif not is_last and rates[0] is not None and rates[1] is not None:
            is_burning = rates[0] > 1 and rates[1] > 1
            if is_burning and state.raised is None:
                state.raised = day[0], float(rates[0]), self._evidence(float(rates[0]), float(rates[1]))
                yield self._row("raised", None, tick, zone)
            elif not is_burning and state.raised is not None:
                yield self._row("resolved", day[0], tick, zone)

    def _rate(self, days: int) -> Fraction | None:
        """Over so many days, or all since the period began: 1 uses the budget up just at its end. None where one of them is not known."""
        last = self.state.days[-days:]
        sums = [used for *_, used in last if used is not None]
        if len(sums) < len(last) or (len(last) < days and last[0][0] != self.begin_ms):
            return None
        return Fraction(sum(sums) * (self.end_ms - self.begin_ms)) / (self.amount * (last[-1][1] - last[0][0]))

    def _evidence(self, fast: float, slow: float) -> dict[str, Any]:
        one, known = self.budget, {"budget": self.budget.id, "fast": fast, "slow": slow, "unit": self.budget.unit}
        known |= {"amount": float(one.amount), "period": one.period, "spent_micro": self.state.spent}
        return known | ({"basis": one.basis} if one.unit == "kgCO2e" else {})

    def _row(self, state: str, ends_at: int | None, tick: int, zone: str) -> dict[str, Any]:
        assert self.state.raised is not None
        (starts_at, value, evidence), labels = self.state.raised, {"budget": self.budget.id}
        if state == "resolved":
            self.state.raised = None
        return Alert(
            zone, RULE, labels, "warning", state, starts_at, tick, evidence, ends_at, self.budget.company, value=value,
            expected_high=1.0,
        ).row()  # fmt: skip


class BudgetBurn:
    """The budgets of one registry version; what they hold goes on to the next."""

    def __init__(self, channels: Channels, plan: AggregationPlan) -> None:
        self._zone, self._tick_ms = channels.registry.zone.id, channels.registry.zone.tick_ms
        budgets: tuple[Budget, ...] = entities_of(channels.registry, BUDGETS)
        series: dict[tuple[Any, ...], list[int]] = {}
        for i, (_, *name) in enumerate(series_names(plan, 0) if budgets else ()):
            series.setdefault(tuple(name), []).append(i)
        self._watched = [_Watched(one, channels, series) for one in budgets]

    def take(self, due: Sequence[Rows]) -> list[dict[str, Any]]:
        """Transitions of the days among these PERIOD_SUM rows, each of one period: those that are due for the first time."""
        found: list[dict[str, Any]] = []
        for sums in due if self._watched else ():
            if not len(sums) or sums["period"][0] != DAY:
                continue
            begin, end, tick = (int(sums[name][0]) for name in ("start", "end", "tick"))
            for one in self._watched:
                rows = sums[np.isin(sums["series"], one.series)]
                if len(rows) and one.begin_ms <= begin < one.end_ms:
                    what = "energy" if one.budget.unit == "kWh" else "co2e"
                    known = rows[what][rows[f"has_{what}"] == 1].tolist()
                    found += one.take((begin, end, sum(known) if known else None), tick, self._zone)
        return found

    def given_up(self, later: "BudgetBurn", applied: int) -> Iterator[dict[str, Any]]:
        """What ends, behind tick `applied`, the alerts of budgets that a later registry version does not have."""
        known = {one.identity for one in later._watched}
        for one in self._watched:
            if one.state.raised is not None and one.identity not in known:
                yield one._row("resolved", applied * self._tick_ms, applied + 1, self._zone)

    def held(self) -> list[list[Any]]:
        """By budget what a snapshot keeps, as JSON."""
        return [[one.identity, one.state.days, one.state.spent, one.state.raised] for one in self._watched]

    def resume(self, held: Sequence[Any]) -> None:
        """Go on from what was held; budgets that are not there any more are left out."""
        found = {tuple(identity): rest for identity, *rest in held}
        for one in self._watched:
            if (kept := found.get(one.identity)) is not None:
                days, spent, raised = kept
                one.state = _State([(begin, end, used) for begin, end, used in days], spent, tuple(raised) if raised else None)


def _sums_of(budget: Budget, zone: str) -> list[tuple[Any, ...]]:
    """The series that a budget adds up, by what they are called: the use of electricity, or the sums of scope 1 and 2 on its basis."""
    entity = ("company", budget.company) if budget.company else ("zone", zone)
    if budget.unit == "kWh":
        return [(*entity, ELECTRICITY, 0, "")]
    return [(*entity, "", 1, "location"), (*entity, "", 2, budget.basis)]


def _local_ms(day: date) -> int:
    return (day - _EPOCH).days * DAY_MS
