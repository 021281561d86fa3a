"""The sums that indicators are made of, from the store's final rows. Pure but for `ask`, which puts a query to the store."""

from collections.abc import Mapping
from typing import Any, Final

from zonepulse.processors.indicators.facts import counting_registers
from zonepulse.processors.indicators.sums import Entity, RegisterSum, RowKey, RowSum, Sums
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.tables.ddl import LIVE_RUN
from zonepulse.streams.indicators.store import Ask

Row = Mapping[str, Any]
_MINE: Final = (
    "run = {run:String} AND zone = {zone:String}"
    " AND start >= fromUnixTimestamp64Milli({from_ms:Int64}) AND start < fromUnixTimestamp64Milli({to_ms:Int64})"
)
_TOTALS: Final = f"""\
SELECT entity_kind, entity, carrier, scope, basis, sum(toInt128(t.energy_micro)) AS energy_micro, sum(toInt128(t.co2e_mg)) AS co2e_mg,
    sum(toInt128(t.estimated_micro)) AS estimated_micro, sum(t.covered_ms) AS covered_ms, sum(t.expected_ms) AS expected_ms,
    count() AS windows, countIf(t.energy_micro IS NOT NULL AND t.co2e_mg IS NULL) AS without_factor
FROM (SELECT * FROM totals_final WHERE {_MINE} AND entity_kind IN ('zone', 'company')) AS t
GROUP BY entity_kind, entity, carrier, scope, basis"""
_REGISTERS: Final = f"""\
SELECT meter, register, company, role, direction, sum(toInt128(t.value_micro)) AS value_micro,
    sum(toInt128(t.estimated_micro)) AS estimated_micro, sum(t.covered_ms) AS covered_ms
FROM (SELECT * FROM intervals_final WHERE {_MINE} AND carrier = 'electricity') AS t
WHERE role = 'generation' OR (direction = 'export' AND role IN ('main', 'boundary'))
GROUP BY meter, register, company, role, direction"""


def stored_sums(registry: Registry, from_ms: int, to_ms: int, ask: Ask) -> Sums:
    """What the live run's rows of [from_ms, to_ms) add up to. Raises what `ask` raises."""
    parameters = {"run": LIVE_RUN, "zone": registry.zone.id, "from_ms": from_ms, "to_ms": to_ms}
    counting = counting_registers(registry)
    return Sums(
        dict(map(_total, ask(_TOTALS, parameters))),
        tuple(_register(row) for row in ask(_REGISTERS, parameters) if (row["meter"], row["register"]) in counting),
        to_ms - from_ms,
        registry.zone.window_ms,
    )


def _total(row: Row) -> tuple[RowKey, RowSum]:
    key = RowKey(Entity(row["entity_kind"], row["entity"]), row["carrier"], row["scope"], row["basis"])
    sums = RowSum(
        row["energy_micro"], row["co2e_mg"], row["estimated_micro"], row["covered_ms"], row["expected_ms"], row["windows"],
        row["without_factor"] if row["scope"] else 0,
    )  # fmt: skip
    return key, sums


def _register(row: Row) -> RegisterSum:
    return RegisterSum(row["company"], row["role"], row["direction"], row["value_micro"], row["estimated_micro"], row["covered_ms"])
