"""What a budget's entity used day by day, from the store's final rows. Pure but for `ask`."""

from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from zonepulse.processors.indicators.forecast import Days
from zonepulse.schemas.indicators.periods import midnight_ms
from zonepulse.schemas.registry.budgets import Budget
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.tables.ddl import LIVE_RUN
from zonepulse.schemas.units import MICRO
from zonepulse.streams.indicators.store import Ask

HISTORY_DAYS: Final = 420
COMPLETE: Final = 0.9
"""Of a day's windows, and of what they should cover; other days are not known."""
_DAY_MS: Final = 86_400_000
_SERIES: Final = {
    "kWh": ("energy_micro", "carrier = 'electricity' AND scope = 0"),
    "kgCO2e": ("co2e_mg", "carrier = '' AND (scope = 1 AND basis = 'location' OR scope = 2 AND basis = {basis:String})"),
}
"""Unit of a budget -> its column, in millionths, and its rows of `totals`."""
_DAYS: Final = """\
SELECT toUnixTimestamp64Milli(toDateTime64(toStartOfDay(start, {{timezone:String}}), 3)) AS day_ms, sumOrNull(toInt128({column})) AS amount,
    uniqExactIf(start, {column} IS NOT NULL) AS windows, sum(covered_ms) / nullIf(sum(expected_ms), 0) AS covered
FROM (SELECT start, {column}, covered_ms, expected_ms FROM totals_final WHERE run = {{run:String}} AND zone = {{zone:String}}
    AND entity_kind = {{kind:String}} AND entity = {{entity:String}} AND {rows}
    AND start >= fromUnixTimestamp64Milli({{from_ms:Int64}}) AND start < fromUnixTimestamp64Milli({{to_ms:Int64}}))
GROUP BY day_ms ORDER BY day_ms"""


def stored_days(registry: Registry, budget: Budget, until: date, ask: Ask) -> Days:
    """The days before `until` in the budget's unit, from the first one known on; empty without any. Raises what `ask` raises."""
    zone, (column, rows) = registry.zone, _SERIES[budget.unit]
    end_ms = midnight_ms(until, ZoneInfo(zone.timezone))
    kind, entity = ("company", budget.company) if budget.company else ("zone", zone.id)
    parameters = {
        "run": LIVE_RUN, "zone": zone.id, "kind": kind, "entity": entity, "timezone": zone.timezone, "basis": budget.basis,
        "from_ms": end_ms - HISTORY_DAYS * _DAY_MS, "to_ms": end_ms,
    }  # fmt: skip
    known = {
        _day(row["day_ms"], zone.timezone): row["amount"] / MICRO
        for row in ask(_DAYS.format(column=column, rows=rows), parameters)
        if row["windows"] >= COMPLETE * _DAY_MS / zone.window_ms and (row["covered"] or 0) >= COMPLETE
    }
    first = min(known, default=until)
    days = np.full((until - first).days, np.nan)
    for day, amount in known.items():
        days[(day - first).days] = amount
    return days


def _day(ms: int, timezone: str) -> date:
    return datetime.fromtimestamp(ms / 1000, UTC).astimezone(ZoneInfo(timezone)).date()
