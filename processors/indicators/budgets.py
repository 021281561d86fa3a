"""Budgets: what is used of them, and how fast. A burn rate of 1 uses a budget up just at its period's end (as error budgets in site
reliability engineering). Pure; exact fractions."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from zonepulse.processors.indicators.answers import Answer, Missing
from zonepulse.processors.indicators.evaluate import LEAST_COVERED, MOST_ESTIMATED
from zonepulse.processors.indicators.facts import Facts
from zonepulse.processors.indicators.measured import Measured
from zonepulse.processors.indicators.sums import Entity, Sums
from zonepulse.schemas.indicators.periods import PeriodKind
from zonepulse.schemas.registry.budgets import FAST_DAYS, SLOW_DAYS, Budget

_DAY_MS: Final = 86_400_000
SpentIn = Callable[[int, int], Answer]
"""What is used in [from_ms, to_ms), in the budget's unit."""


@dataclass(frozen=True, slots=True)
class Burn:
    """How a budget stands."""

    budget: Budget
    spent: Fraction
    elapsed: Fraction
    """Part of the period."""
    fast: Fraction
    slow: Fraction
    """Burn rates."""
    projected: Fraction
    """At the period's end, if it goes on at the slow rate."""
    covered: Fraction
    estimated: Fraction

    @property
    def is_burning(self) -> bool:
        """Whether it goes too fast, now and for a while: one busy day alone is no alarm, nor is a peak that is over."""
        return self.fast > 1 and self.slow > 1

    @property
    def is_provisional(self) -> bool:
        """Whether too little is covered, or too much estimated."""
        return self.covered < LEAST_COVERED or self.estimated > MOST_ESTIMATED


def burn(budget: Budget, kind: PeriodKind, span_ms: tuple[int, int], at_ms: int, spent_in: SpentIn) -> Burn | Missing:
    """How a budget stands at an instant, for a period [from, to) of this kind; after its end as it was then.

    Before it began, or where one of the sums is missing: why.
    """
    from_ms, to_ms = span_ms
    at_ms = min(at_ms, to_ms)
    if at_ms <= from_ms:
        return Missing(budget.id, "no_rows", ("its period, which has not begun",))
    fast_ms, slow_ms = FAST_DAYS[kind] * _DAY_MS, SLOW_DAYS[kind] * _DAY_MS
    sums = [spent_in(max(from_ms, at_ms - length), at_ms) for length in (at_ms - from_ms, fast_ms, slow_ms)]
    for answer in sums:
        if isinstance(answer, Missing):
            return answer
    spent, fast, slow = (answer for answer in sums if not isinstance(answer, Missing))
    a_ms = budget.amount / (to_ms - from_ms)
    rates = [
        known.value / (min(length, at_ms - from_ms) * a_ms)
        for known, length in ((fast, fast_ms), (slow, slow_ms))
    ]  # fmt: skip
    return Burn(
        budget,
        spent.value,
        Fraction(at_ms - from_ms, to_ms - from_ms),
        rates[0],
        rates[1],
        spent.value + rates[1] * a_ms * (to_ms - at_ms),
        Fraction(1) if spent.covered is None else spent.covered,
        spent.estimated or Fraction(0),
    )


def spent(budget: Budget, sums: Sums, facts: Facts, entity: Entity | None = None) -> Answer:
    """What the budget's entity, or another one, used in the period of the sums, in the budget's unit."""
    entity = entity or (Entity("company", budget.company) if budget.company else Entity("zone", facts.zone))
    if budget.unit == "kWh":
        return Measured(sums, facts, entity).get("electricity_use_kwh", "equal")
    tonnes = Measured(sums, facts, entity).get(f"co2e_{budget.basis}_t", "equal")
    return tonnes if isinstance(tonnes, Missing) else tonnes._replace(value=tonnes.value * 1000)


def parts(budget: Budget, sums: Sums, facts: Facts) -> list[tuple[str, Fraction]]:
    """What used up a zone's budget: its companies and what each used, most first; those without a sum are left out."""
    found = [(company, spent(budget, sums, facts, Entity("company", company))) for company in facts.companies]
    known = [(company, answer.value) for company, answer in found if not isinstance(answer, Missing)]
    return sorted(known, key=lambda one: (-one[1], one[0]))
