"""The sums that indicators are made of, from the store's final rows. Pure but for `ask`, which puts a query to the store."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from zonepulse.processors.indicators.facts import counting_registers, facts_of
from zonepulse.processors.indicators.sums import BASE_SHARE, Entity, Hour, HourlyUse, RegisterSum, RowKey, RowSum, Sums
from zonepulse.schemas.carriers import ELECTRICITY
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.tables.ddl import LIVE_RUN
from zonepulse.schemas.units import MS_PER_HOUR
from zonepulse.streams.indicators.store import Ask

Row = Mapping[str, Any]
Span = tuple[int, int]
"""[from, to) in epoch ms."""
_MINE: Final = (
    "run = {run:String} AND zone = {zone:String}"
    " AND start >= fromUnixTimestamp64Milli({from_ms:Int64}) AND start < fromUnixTimestamp64Milli({to_ms:Int64})"
)
_PART: Final = """\
arrayFirstIndex((begin, end) -> begin <= toUnixTimestamp64Milli(t.start) AND toUnixTimestamp64Milli(t.start) < end,
    {begins:Array(Int64)}, {ends:Array(Int64)}) AS part"""
"""Of the spans that are asked for: the one that a window is in, from 1 on; 0: none."""
_ELECTRIC: Final = "role = 'generation' OR (direction = 'export' AND role IN ('main', 'boundary'))"
_TOTALS: Final = f"""\
SELECT {_PART}, entity_kind, entity, carrier, scope, basis, sum(toInt128(t.energy_micro)) AS energy_micro,
    sum(toInt128(t.co2e_mg)) AS co2e_mg, sum(toInt128(t.estimated_micro)) AS estimated_micro, sum(t.covered_ms) AS covered_ms,
    sum(t.expected_ms) AS expected_ms, count() AS windows,
    countIf(t.energy_micro IS NOT NULL AND t.co2e_mg IS NULL) AS without_factor
FROM (SELECT * FROM totals_final WHERE {_MINE} AND entity_kind IN ('zone', 'company')) AS t
GROUP BY part, entity_kind, entity, carrier, scope, basis"""
_REGISTERS: Final = f"""\
SELECT {_PART}, meter, register, company, role, direction, sum(toInt128(t.value_micro)) AS value_micro,
    sum(toInt128(t.estimated_micro)) AS estimated_micro, sum(t.covered_ms) AS covered_ms
FROM (SELECT * FROM intervals_final WHERE {_MINE} AND carrier = 'electricity') AS t
WHERE {_ELECTRIC}
GROUP BY part, meter, register, company, role, direction"""
_HOURLY: Final = f"""\
SELECT part, kind, id, countIf(is_whole) AS hours, sumIf(used, is_whole) AS whole_micro, sum(used) AS used_micro,
    sumIf(greatest(0, least(used, own)), windows > 0) AS own_met_micro,
    arraySort(groupArrayIf(used, is_whole))[greatest(1, intDiv(countIf(is_whole) * {{base_of:Int64}} + {{base_in:Int64}} - 1,
        {{base_in:Int64}}))] AS base_micro,
    groupArrayIf((hour, used, own), windows > 0 AND has({{contracted:Array(String)}}, id)) AS each
FROM (
    SELECT {_PART}, t.kind AS kind, t.id AS id,
        intDiv(toUnixTimestamp64Milli(t.start) - {{begins:Array(Int64)}}[part], {{hour_ms:Int64}}) AS hour,
        toInt64(ifNull(sum(toInt128(t.use_micro)), 0)) AS used, toInt64(sum(toInt128(t.own_micro))) AS own,
        count(t.use_micro) AS windows,
        windows * {{window_ms:Int64}} = {{hour_ms:Int64}} AND sum(t.covered_ms) * 10 >= sum(t.expected_ms) * 9 AS is_whole
    FROM (
        SELECT start, toString(entity_kind) AS kind, toString(entity) AS id, energy_micro AS use_micro, toInt64(0) AS own_micro,
            covered_ms, expected_ms
        FROM totals_final WHERE {_MINE} AND entity_kind IN ('zone', 'company') AND carrier = 'electricity' AND scope = 0
        UNION ALL
        SELECT start, whose.1 AS kind, whose.2 AS id, NULL AS use_micro,
            ifNull(if(role = 'generation', value_micro, -value_micro), 0) AS own_micro, toInt64(0) AS covered_ms,
            toInt64(0) AS expected_ms
        FROM (SELECT start, role, value_micro, arrayJoin(arrayFilter(w -> w.1 = 'zone' AND role != 'main'
                OR w.1 = 'company' AND role != 'boundary', [('company', toString(company)), ('zone', toString(zone))])) AS whose
            FROM intervals_final WHERE {_MINE} AND carrier = 'electricity' AND ({_ELECTRIC})
                AND NOT has({{idle:Array(String)}}, concat(toString(meter), '/', toString(register))))
    ) AS t
    GROUP BY part, kind, id, hour)
GROUP BY part, kind, id"""
"""Hours are counted from the begin of their span: so they are those of the zone's clock."""


def stored_sums(registry: Registry, from_ms: int, to_ms: int, ask: Ask, *, by_the_hour: bool = True) -> Sums:
    """What the live run's rows of [from_ms, to_ms) add up to. Raises what `ask` raises."""
    (found,) = stored_sums_of(registry, ((from_ms, to_ms),), ask, by_the_hour=by_the_hour)
    return found


def stored_sums_of(registry: Registry, spans: Sequence[Span], ask: Ask, *, by_the_hour: bool = True) -> list[Sums]:
    """The same of each of some spans, in ascending order; the store is asked once for all of them. Raises what `ask` raises."""
    counting = counting_registers(registry)
    electric = {
        (meter.id, register.id)
        for meter in registry.meters
        for register in meter.registers
        if register.carrier == ELECTRICITY and register.direction in ("generation", "export")
    }
    contracted = {one.company for one in facts_of(registry).clean_contracts if one.hourly is not None}
    parameters = {
        "run": LIVE_RUN, "zone": registry.zone.id, "from_ms": spans[0][0], "to_ms": spans[-1][1],
        "begins": [begin for begin, _ in spans], "ends": [end for _, end in spans],
    }  # fmt: skip
    of_hours = {
        "idle": [f"{meter}/{register}" for meter, register in sorted(electric - counting)],
        "contracted": sorted(contracted | {registry.zone.id} if contracted else ()), "hour_ms": MS_PER_HOUR,
        "window_ms": registry.zone.window_ms, "base_of": BASE_SHARE.numerator, "base_in": BASE_SHARE.denominator,
    }  # fmt: skip
    rows, registers, hourly = (defaultdict[int, list[Row]](list) for _ in range(3))
    for row in ask(_TOTALS, parameters):
        rows[row["part"]].append(row)
    for row in ask(_REGISTERS, parameters):
        if (row["meter"], row["register"]) in counting:
            registers[row["part"]].append(row)
    for row in ask(_HOURLY, parameters | of_hours) if by_the_hour else ():
        hourly[row["part"]].append(row)
    return [
        Sums(
            dict(map(_total, rows[part])), tuple(map(_register, registers[part])), end - begin, registry.zone.window_ms,
            {Entity(row["kind"], row["id"]): _hours(row) for row in hourly[part]}, begin,
        )
        for part, (begin, end) in enumerate(spans, start=1)
    ]  # fmt: skip


def _total(row: Row) -> tuple[RowKey, RowSum]:
    key = RowKey(Entity(row["entity_kind"], row["entity"]), row["carrier"], row["scope"], row["basis"])
    sums = RowSum(
        row["energy_micro"], row["co2e_mg"], row["estimated_micro"], row["covered_ms"], row["expected_ms"], row["windows"],
        row["without_factor"] if row["scope"] else 0,
    )  # fmt: skip
    return key, sums


def _register(row: Row) -> RegisterSum:
    return RegisterSum(row["company"], row["role"], row["direction"], row["value_micro"], row["estimated_micro"], row["covered_ms"])


def _hours(row: Row) -> HourlyUse:
    each = tuple(Hour(*one) for one in row["each"])
    return HourlyUse(row["hours"], row["whole_micro"], row["base_micro"], row["used_micro"], row["own_met_micro"], each)
