"""Quantities that were given by hand: which inputs make up a period. Nothing is spread, nothing partial is summed."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

from zonepulse.processors.indicators.answers import Answer, Known, Missing
from zonepulse.processors.indicators.sums import Entity
from zonepulse.schemas.indicators.periods import KINDS, Period, parse_period
from zonepulse.schemas.indicators.quantities import QUANTITIES
from zonepulse.schemas.registry.inputs import Input


class Given:
    """The inputs that count: those that none replaces."""

    def __init__(self, inputs: Sequence[Input], employees: Mapping[str, int]) -> None:
        replaced = {one.replaces for one in inputs}
        self._by_key: dict[tuple[str, str], list[tuple[Period, Fraction]]] = {}
        for one in inputs:
            if one.id not in replaced:
                self._by_key.setdefault((one.quantity, one.company), []).append((parse_period(one.period), one.value))
        self._employees = employees

    def of(self, entity: Entity, companies: Sequence[str], quantity: str, period: Period) -> Answer:
        """A zone's own input counts; else the sum of all its companies', where the quantity can be added up."""
        own = self._of("" if entity.kind == "zone" else entity.id, quantity, period)
        if isinstance(own, Known) or own.why == "input_gap" or entity.kind == "company" or not QUANTITIES[quantity].is_summable:
            return own
        found = {company: self._of(company, quantity, period) for company in companies if company}
        without = tuple(company for company, answer in found.items() if isinstance(answer, Missing))
        if len(without) == len(found):
            return own
        if without:
            return Missing(quantity, "companies", without)
        return Known(sum((answer.value for answer in found.values() if isinstance(answer, Known)), Fraction(0)))

    def _of(self, company: str, quantity: str, period: Period) -> Answer:
        entries = self._by_key.get((quantity, company), [])
        if QUANTITIES[quantity].how == "flow":
            return _added(quantity, period, entries)
        around = [(KINDS.index(one.kind), value) for one, value in entries if one.contains(period)]
        if around:
            return Known(min(around)[1])
        if quantity == "employees" and company in self._employees:
            return Known(Fraction(self._employees[company]))
        return Missing(quantity, "input")


def _added(quantity: str, period: Period, entries: Sequence[tuple[Period, Fraction]]) -> Answer:
    """The longest inputs that follow one another from the period's first day to its last."""
    if period.kind == "hour":
        return Missing(quantity, "short", ("day",))
    inside = [(one, value) for one, value in entries if period.contains(one)]
    at, total = period.first, Fraction(0)
    while at < period.end:
        here = [(one.end, value) for one, value in inside if one.first == at]
        if not here:
            return Missing(quantity, "input_gap", (at.isoformat(),)) if inside else Missing(quantity, "input")
        at, value = max(here)
        total += value
    return Known(total)
