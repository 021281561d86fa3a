"""Table `indicators`: every indicator of every day, month, year, and of the twelve months that end with each month. Pure but for `ask`.

A period is computed when a day of it is due, again when one of its days is revised, and again when a quantity that touches it is given or
another run stands for the live rows. What is summed ends with the last day that is due: a value is a function of the rows and inputs that
its row names, whenever it is computed. What the table was last made from stands in it, so whoever keeps it goes on from there. Its hours
are kept_hours.py's.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import pyarrow as pa

from zonepulse.processors.indicators.evaluate import Result, Value, evaluate, ways_of
from zonepulse.processors.indicators.facts import Facts, facts_of
from zonepulse.processors.indicators.sums import Entity, RegisterSum, RowKey, RowSum, Sums
from zonepulse.schemas.indicators.periods import YEAR_TO, Period, midnight_ms, parse_asked, parse_period
from zonepulse.schemas.languages import LANGUAGES
from zonepulse.schemas.registry.inputs import INPUTS, Input
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.sections import entities_of
from zonepulse.schemas.tables.ddl import INDICATORS, LIVE_RUN
from zonepulse.schemas.zone_file.indicator_sets import shipped_sets
from zonepulse.streams.clickhouse.stored_rows import plain_type
from zonepulse.streams.indicators import words
from zonepulse.streams.indicators.store import Ask
from zonepulse.streams.indicators.stored_sums import stored_sums

MOST_DAYS: Final = 62
"""At first: days that are older get no rows of their own, unless they are revised; months and years are never left out."""
_DAYS: Final = """\
SELECT toString(toDate(t.local_start)) AS day, max(t.revision) AS revision FROM period_totals AS t
WHERE t.run = {run:String} AND t.zone = {zone:String} AND t.period = 'day' AND t.revision > {revision:Int64} GROUP BY day ORDER BY day"""
_MADE: Final = """\
SELECT least(countIf(period = 'year'), countIf(period = 'rolling_year')) AS n, maxIf(t.revision, period = 'year') AS revision,
    maxIf(t.registry_version, period = 'year') AS version, maxIf(t.inputs, period = 'year') AS inputs,
    maxIf(t.promotions, period = 'year') AS promotions
FROM indicators AS t WHERE run = {run:String} AND zone = {zone:String} AND period IN ('year', 'rolling_year')"""
"""Years of the calendar are written last: what they name is in the table as a whole. A table of earlier sources has no rolling years: it is
made anew."""
_PROMOTED: Final = """\
SELECT p.revision AS revision, toUnixTimestamp64Milli(p.from_at) AS from_ms, toUnixTimestamp64Milli(p.to_at) AS to_ms
FROM promotions AS p WHERE p.zone = {zone:String} AND p.revision > {promotions:Int64}"""
_SCHEMA: Final = pa.schema([pa.field(column.name, plain_type(column), column.null) for column in INDICATORS.columns])
Row = dict[str, Any]


class Made(NamedTuple):
    """What the table is made from."""

    revision: int
    """Newest tick of the days."""
    version: int
    """Of the registry."""
    inputs: int
    """How many quantities were given beside the registry."""
    promotions: int
    """The newest's revision."""


NOTHING: Final = Made(-1, 0, 0, 0)


def made(zone: str, ask: Ask) -> Made:
    """What the table was made from last. Raises what `ask` raises."""
    return made_of(ask(_MADE, {"run": LIVE_RUN, "zone": zone}))


def made_of(rows: Sequence[Row]) -> Made:
    """From the one row of an answer."""
    (row,) = rows
    return Made(row["revision"], row["version"], row["inputs"], row["promotions"]) if row["n"] else NOTHING


def news(before: Made, zone: str, ask: Ask) -> bool:
    """Whether days or promotions came since. Raises what `ask` raises."""
    parameters = {"run": LIVE_RUN, "zone": zone, "revision": before.revision}
    return bool(ask(_DAYS, parameters) or promoted_since(before, zone, ask))


def promoted_since(before: Made, zone: str, ask: Ask) -> list[Row]:
    """Which stretches another run stands for, or did, since: revision, from_ms, to_ms. Raises what `ask` raises."""
    return ask(_PROMOTED, {"zone": zone, "promotions": before.promotions})


def due_again(
    before: Made, registry: Registry, given: Sequence[Input], inputs_before: Iterable[Input], ask: Ask
) -> tuple[list[Period], int, Made]:
    """The periods whose rows are to be made since `before`, the shortest first; the end of the last day that is due (epoch ms); and what
    they are then made from.

    `registry` has all inputs that count now, `given` those beside zone.yaml, `inputs_before` those that counted before. Raises what `ask`
    raises.
    """
    zone, local = registry.zone, ZoneInfo(registry.zone.timezone)
    parameters = {"run": LIVE_RUN, "zone": zone.id}
    fresh = ask(_DAYS, parameters | {"revision": before.revision})
    promoted = promoted_since(before, zone.id, ask)
    given_again = set(inputs_before) ^ set(entities_of(registry, INPUTS)) if before != NOTHING else set()
    now = Made(
        max([before.revision, *(row["revision"] for row in fresh)]), registry.version, len(given),
        max([before.promotions, *(row["revision"] for row in promoted)]),
    )  # fmt: skip
    is_due = bool(fresh or promoted or given_again)
    known = _dates(fresh if before == NOTHING else ask(_DAYS, parameters | {"revision": -1}) if is_due else [])
    if not known:
        return [], 0, now
    spans = [(period.first, period.end) for period in map(parse_period, {one.period for one in given_again})]
    spans += [(_day(row["from_ms"], local), _day(row["to_ms"] - 1, local) + timedelta(days=1)) for row in promoted]
    spans += [(day, day + timedelta(days=1)) for day in _dates(fresh)]
    recent = known[-1] - timedelta(days=MOST_DAYS)
    periods = [
        one
        for one in _periods(known)
        if (one.kind != "day" or one.first > recent or before != NOTHING)
        and any(one.first < end and first < one.end for first, end in spans)
    ]  # fmt: skip
    return periods, midnight_ms(known[-1] + timedelta(days=1), local), now


def rows_of(registry: Registry, period: Period, until_ms: int, now: Made, ask: Ask) -> pa.Table:
    """The rows of a period, as far as `until_ms`. Raises what `ask` raises."""
    zone = registry.zone
    from_ms, to_ms = period.span_ms(zone.timezone)
    end_ms = min(to_ms, until_ms)
    sums = replace(stored_sums(registry, from_ms, end_ms, ask), period_ms=to_ms - from_ms)
    local_ms = midnight_ms(period.first, ZoneInfo("UTC"))
    return table_of(rows_of_part(facts_of(registry), zone.id, Part(period, local_ms, end_ms), sums, now))


class Part(NamedTuple):
    """A period as it is summed."""

    period: Period
    local_ms: int
    """Where it begins, on the zone's clock."""
    until_ms: int
    """The end of what is summed, epoch ms."""


def table_of(rows: Iterable[Row]) -> pa.Table:
    """As the store takes them."""
    return pa.Table.from_pylist(list(rows), _SCHEMA)


def rows_of_part(facts: Facts, zone: str, part: Part, sums: Sums, now: Made) -> Iterator[Row]:
    """What each indicator says of each entity; of an hour, those that make sense for one."""
    period = part.period
    every: dict[str, Any] = {
        "run": LIVE_RUN, "zone": zone, "period": period.name, "start": sums.from_ms, "until": part.until_ms,
        "local_start": part.local_ms, "length_s": sums.period_ms // 1000,
        "registry_version": now.version, "inputs": now.inputs, "promotions": now.promotions, "revision": now.revision,
    }  # fmt: skip
    for entity, own in _by_entity(sums, facts.entities()):
        for one in shipped_sets().values():
            for position, result in enumerate(evaluate(one.indicators, own, facts, entity, period)):
                named = {"entity_kind": entity.kind, "entity": entity.id, "indicator_set": one.id, "position": position}
                if period.kind != "hour" or result.indicator.period == "hour":
                    yield from (every | named | row for row in _said(result, period))


def _by_entity(sums: Sums, entities: Iterable[Entity]) -> Iterator[tuple[Entity, Sums]]:
    """What each is made of: a company of its own sums, so that it need not look through all of them."""
    rows, registers = defaultdict[Entity, dict[RowKey, RowSum]](dict), defaultdict[str, list[RegisterSum]](list)
    for key, one in sums.rows.items():
        rows[key.entity][key] = one
    for register in sums.registers:
        registers[register.company].append(register)
    for entity in entities:
        own = replace(sums, rows=rows[entity], registers=tuple(registers[entity.id]))
        yield entity, sums if entity.kind == "zone" else own


def _said(result: Result, period: Period) -> Iterator[Row]:
    """A row for each way in which electricity may count: a value, or why there is none."""
    one, values = result.indicator, {value.electricity: value for value in result.values}
    for way in ways_of(one):
        value = values.get(way)
        yield {
            "indicator": one.id, "electricity": way or "", "unit": one.unit, "better": one.better, "gap_unit": one.gap_unit,
            **{f"name_{language}": one.name[language] for language in LANGUAGES},
            **{f"missing_{language}": "" if value else _reasons(result, period, language) for language in LANGUAGES},
            **(_numbers(value) if value else {"exact": "", "is_provisional": 0, "verdict": ""}),
        }  # fmt: skip


def _numbers(value: Value) -> Row:
    bound = value.threshold
    return {
        "value": float(value.value), "exact": str(value.value), "covered": _decimal(value.covered),
        "estimated": _decimal(value.estimated), "is_provisional": int(value.is_provisional), "verdict": value.verdict,
        "at_most": _decimal(bound.at_most if bound else None),
        "at_least": _decimal(bound.at_least if bound else None), "gap": _decimal(value.gap),
    }  # fmt: skip


def _reasons(result: Result, period: Period, language: str) -> str:
    return "; ".join(words.reason(one, result.entity, period.text, language) for one in result.missing)


def _decimal(value: Fraction | None) -> float | None:
    return None if value is None else float(value)


def _periods(days: Sequence[date]) -> list[Period]:
    """The days, their months, the twelve months that end with each of these, and their years."""
    forms = ("{:%Y-%m-%d}", "{:%Y-%m}", YEAR_TO + "{:%Y-%m}", "{:%Y}")
    return [parse_asked(text) for form in forms for text in dict.fromkeys(map(form.format, days))]


def _dates(rows: Iterable[Row]) -> list[date]:
    return [date.fromisoformat(row["day"]) for row in rows]


def _day(ms: int, local: ZoneInfo) -> date:
    return datetime.fromtimestamp(ms / 1000, UTC).astimezone(local).date()
