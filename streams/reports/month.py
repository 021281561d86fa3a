"""Everything that a report says, asked of the store once: sums, factors, quality, indicators, savings, alerts, digests. In no language."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from zonepulse.processors.indicators.evaluate import Result, evaluate
from zonepulse.processors.indicators.facts import Facts, facts_of
from zonepulse.processors.indicators.sums import Entity, Sums
from zonepulse.schemas.indicators.model import IndicatorSet
from zonepulse.schemas.indicators.periods import Period
from zonepulse.schemas.registry.efficiency.networks import EFFICIENCY, Efficiency, current_members
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.sections import whole_of
from zonepulse.schemas.tables.ddl import LIVE_RUN
from zonepulse.schemas.tables.results import DEAD_LETTERS, FINAL_TABLES, TABLES
from zonepulse.schemas.zone_file.indicator_sets import shipped_sets
from zonepulse.streams.efficiency.network import Asked, MemberSavings, member_savings, network_savings
from zonepulse.streams.indicators.store import Ask
from zonepulse.streams.indicators.stored_sums import stored_sums
from zonepulse.streams.queries import detail_queries
from zonepulse.streams.queries.limits import Limits, limits_of
from zonepulse.streams.queries.macros import TimeRange, Value, with_macros, with_variables
from zonepulse.streams.queries.quality_queries import QualityQueries
from zonepulse.streams.queries.texts import Keys
from zonepulse.streams.reports.provenance import digests, is_settled

Row = Mapping[str, Any]
THE_ZONE: Final = "(zone)"
"""Among the companies that a query chooses: what belongs to none."""
DIGESTED: Final = tuple(name for name in FINAL_TABLES if TABLES[name] is not DEAD_LETTERS)
"""Tables that a report is made from; letters arrive when they do."""


@dataclass(frozen=True, slots=True)
class Month:
    """One entity in one month."""

    registry: Registry
    facts: Facts
    limits: Limits
    entity: Entity
    period: Period
    span_ms: tuple[int, int]
    sums: Sums
    indicators: Sequence[tuple[IndicatorSet, Sequence[Result]]]
    rows: Mapping[str, Sequence[Row]]
    """By question: factors, days, quality, methods, alerts, meters; digests have the table's name in `table`."""
    savings: tuple[MemberSavings, ...]
    """From the year's first day to the month's last: the company's own, the zone's networks' members'."""
    asked: Asked
    """Of the savings."""
    is_settled: bool
    """Whether no reading in time revises a window of the month any more."""


def read_month(registry: Registry, entity: Entity, period: Period, asked_savings: Asked, ask: Ask) -> Month:
    """The month of an entity of the registry. Raises what `ask` raises."""
    facts, limits, span_ms = facts_of(registry), limits_of(registry), period.span_ms(registry.zone.timezone)
    sums = stored_sums(registry, *span_ms, ask)
    found = [(one, evaluate(one.indicators, sums, facts, entity, period)) for one in shipped_sets().values()]
    asked = _Asked(ask, registry, entity, span_ms)
    quality = QualityQueries(limits, Keys())
    questions = {
        "factors": detail_queries.FACTORS_BY_BASIS,
        "days": detail_queries.days(limits),
        "quality": quality.totals(),
        "methods": quality.methods(),
        "alerts": detail_queries.ALERTS,
    }
    rows = {name: asked.rows(sql) for name, sql in questions.items()}
    rows |= {"meters": asked.meters(), "digests": digests(registry, DIGESTED, *span_ms, ask)}
    indicators = [(one, results) for one, results in found if results]
    savings = _savings(registry, entity, asked_savings, ask)
    settled = is_settled(registry, span_ms[1], ask)
    return Month(registry, facts, limits, entity, period, span_ms, sums, indicators, rows, savings, asked_savings, settled)


def _savings(registry: Registry, entity: Entity, asked: Asked, ask: Ask) -> tuple[MemberSavings, ...]:
    efficiency: Efficiency = whole_of(registry, EFFICIENCY)
    if entity.kind == "zone":
        return tuple(one for network in efficiency.networks for one in network_savings(registry, network, asked, ask))
    mine = [one for one in efficiency.networks if entity.id in _members(efficiency, one.id, asked)]
    return (member_savings(registry, entity.id, mine[0].id if mine else "", asked, ask),)


def _members(efficiency: Efficiency, network: str, asked: Asked) -> tuple[str, ...]:
    return current_members(efficiency, network, asked.first.isoformat(), asked.end.isoformat())


class _Asked:
    """Puts the screens' SQL with the variables of a report."""

    def __init__(self, ask: Ask, registry: Registry, entity: Entity, span_ms: tuple[int, int]) -> None:
        self._ask, self._span_ms, self._zone = ask, span_ms, registry.zone
        is_zone = entity.kind == "zone"
        companies = [*(company.id for company in registry.companies), THE_ZONE] if is_zone else [entity.id]
        self._variables: dict[str, Value] = {
            "run": LIVE_RUN, "zone": registry.zone.id, "kind": entity.kind, "entity": entity.id, "company": companies,
        }  # fmt: skip
        self._own_company = "" if is_zone else entity.id

    def rows(self, sql: str, **instead: Value) -> list[dict[str, Any]]:
        """Screens' ranges have both ends: the last is the month's last second."""
        time = TimeRange(self._span_ms[0], self._span_ms[1] - 1000)
        return self._ask(with_macros(with_variables(sql, self._variables | instead), time), {})

    def meters(self) -> list[dict[str, Any]]:
        """Of the company; of a zone those of no company."""
        return self.rows(detail_queries.METERS, company=self._own_company)
