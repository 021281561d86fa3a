"""Days of the zone's calendar from the store's final rows of `totals`. Pure but for `ask`."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import date, timedelta
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from zonepulse.processors.indicators.forecast import Days
from zonepulse.processors.indicators.sums import Entity, EntityKind
from zonepulse.schemas.indicators.periods import midnight_ms
from zonepulse.schemas.registry.budgets import Budget
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.tables.ddl import LIVE_RUN
from zonepulse.schemas.units import MICRO
from zonepulse.streams.indicators.store import Ask

HISTORY_DAYS: Final = 420
LEAST_COVERED: Final = 0.9
"""Of a day that readings cover, and of its windows that have an amount; other days are not known."""
_SERIES: Final = {
    "kWh": ("energy_micro", "carrier = 'electricity' AND scope = 0"),
    "kgCO2e": ("co2e_mg", "carrier = '' AND (scope = 1 AND basis = 'location' OR scope = 2 AND basis = {basis:String})"),
}
"""Unit of a budget -> its column, in millionths, and its rows of `totals`."""
_DAYS: Final = """\
SELECT entity, carrier, scope, toString(toDate(t.start, {{timezone:String}})) AS day, sum(toInt128(t.{column})) AS micro,
    sum(t.covered_ms) AS covered_ms, sum(t.expected_ms) AS expected_ms, count() AS windows, count(t.{column}) AS valued
FROM (SELECT * FROM totals_final WHERE run = {{run:String}} AND zone = {{zone:String}} AND entity_kind = {{kind:String}}
    AND entity IN {{entities:Array(String)}} AND {rows}
    AND start >= fromUnixTimestamp64Milli({{from_ms:Int64}}) AND start < fromUnixTimestamp64Milli({{to_ms:Int64}})) AS t
GROUP BY entity, carrier, scope, day ORDER BY day"""


class SeriesKey(NamedTuple):
    """A series of `totals`."""

    entity: str
    carrier: str
    scope: int


class Span(NamedTuple):
    """Days [first, end) of a time zone's calendar."""

    first: date
    end: date
    timezone: str

    def parameters(self) -> dict[str, Any]:
        """Of a query."""
        zone = ZoneInfo(self.timezone)
        return {"timezone": self.timezone, "from_ms": midnight_ms(self.first, zone), "to_ms": midnight_ms(self.end, zone)}


class Series(NamedTuple):
    """What one adds up to, day by day."""

    micro: Mapping[date, int]
    """Of the days that are known."""
    begins: date | None
    """The first day on which it is metered; None: it never is, as manual entries are not."""


def series_days(
    registry: Registry, kind: EntityKind, entities: Collection[str], span: Span, of: tuple[str, str], ask: Ask, **more: Any
) -> dict[SeriesKey, Series]:  # fmt: skip
    """Days of the live run's series; `of` is a column and the rows of `totals`, which `more` are parameters of.

    A day is known where readings cover nine tenths of it, and as many of its windows have an amount. Raises what `ask` raises.
    """
    column, rows = of
    parameters = {"run": LIVE_RUN, "zone": registry.zone.id, "kind": kind, "entities": list(entities)} | span.parameters()
    micro, begins = defaultdict[SeriesKey, dict[date, int]](dict), dict[SeriesKey, date | None]()
    for row in ask(_DAYS.format(column=column, rows=rows), parameters | more):
        key, day = SeriesKey(row["entity"], row["carrier"], row["scope"]), date.fromisoformat(row["day"])
        if begins.setdefault(key, None) is None and row["expected_ms"]:
            begins[key] = day
        if row["micro"] is not None and (not row["expected_ms"] or _is_covered(row, day, registry.zone.window_ms, span.timezone)):
            micro[key][day] = row["micro"]
    return {key: Series(micro[key], begin) for key, begin in begins.items()}


def _is_covered(row: Mapping[str, Any], day: date, window_ms: int, timezone: str) -> bool:
    length_ms = day_ms(day, timezone)
    received_ms = row["covered_ms"] * row["windows"] * window_ms
    return bool(
        received_ms >= LEAST_COVERED * row["expected_ms"] * length_ms and row["valued"] * window_ms >= LEAST_COVERED * length_ms
    )


def day_ms(day: date, timezone: str) -> int:
    """How long a day of the calendar is: 23, 24 or 25 hours."""
    zone = ZoneInfo(timezone)
    return midnight_ms(day + timedelta(days=1), zone) - midnight_ms(day, zone)


def budget_days(registry: Registry, budget: Budget, until: date, ask: Ask) -> Days:
    """The days before `until` in the budget's unit, from the first one known on; empty without any. Raises what `ask` raises.

    A day is known where it is known of every scope that is metered by then.
    """
    span = Span(until - timedelta(days=HISTORY_DAYS), until, registry.zone.timezone)
    whose = Entity("company", budget.company) if budget.company else Entity("zone", registry.zone.id)
    found = series_days(registry, whose.kind, (whose.id,), span, _SERIES[budget.unit], ask, basis=budget.basis).values()
    metered = [one for one in found if one.begins is not None]
    days = np.full(HISTORY_DAYS, np.nan)
    for i in range(HISTORY_DAYS):
        day = span.first + timedelta(days=i)
        due = [one for one in metered if one.begins is not None and one.begins <= day]
        if due and all(day in one.micro for one in due):
            days[i] = sum(one.micro.get(day, 0) for one in found) / MICRO
    known = np.flatnonzero(np.isfinite(days))
    return days[known[0] :] if len(known) else days[:0]
