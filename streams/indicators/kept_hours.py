"""The hours of table `indicators`: what is computed by the hour, as each hour is due and again when it is revised. Pure but for `ask`.

An hour is the ledger's (table period_totals): one of the zone's clock, that ends where the clock changes. Of an hour only those indicators
have rows that make sense for one. The newest hour is written last and again in every round, so that what it was made from is in the table
as a whole.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final, NamedTuple

import pyarrow as pa

from zonepulse.processors.indicators.facts import facts_of
from zonepulse.schemas.indicators.periods import parse_asked
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.tables.ddl import LIVE_RUN
from zonepulse.streams.indicators.kept import NOTHING, Made, Part, Row, made_of, promoted_since, rows_of_part, table_of
from zonepulse.streams.indicators.store import Ask
from zonepulse.streams.indicators.stored_sums import stored_sums_of

MOST_HOURS: Final = 7 * 24
"""At first: older hours get no rows of their own, unless they are revised."""
MOST_DAYS: Final = 62
"""Before the newest hour: what is revised earlier than that, by no promotion, is not looked for."""
_OF_HOURS: Final = "run = {run:String} AND zone = {zone:String} AND period = 'hour'"
_MADE: Final = f"""\
SELECT count() AS n, max(t.revision) AS revision, max(t.registry_version) AS version, max(t.inputs) AS inputs,
    max(t.promotions) AS promotions
FROM indicators AS t WHERE {_OF_HOURS} AND start = (SELECT max(start) FROM indicators WHERE {_OF_HOURS})"""
_HOURS: Final = f"""\
SELECT toUnixTimestamp64Milli(t.start) AS from_ms, toUnixTimestamp64Milli(any(t.local_start)) AS local_ms, any(t.length_s) AS length_s,
    max(t.revision) AS revision
FROM period_totals AS t
WHERE {_OF_HOURS} AND (t.start = newest OR t.start > newest - INTERVAL {MOST_DAYS} DAY AND t.revision > {{revision:Int64}}
    OR arrayExists((begin, end) -> begin <= toUnixTimestamp64Milli(t.start) AND toUnixTimestamp64Milli(t.start) < end,
        {{begins:Array(Int64)}}, {{ends:Array(Int64)}}))
GROUP BY from_ms ORDER BY from_ms"""
_NEWEST: Final = f"WITH (SELECT max(start) FROM period_totals WHERE {_OF_HOURS}) AS newest\n"


class Hour(NamedTuple):
    """One that is due."""

    from_ms: int
    local_ms: int
    """Where it begins, on the zone's clock."""
    length_s: int
    revision: int

    @property
    def to_ms(self) -> int:
        """Where it ends, epoch ms."""
        return self.from_ms + self.length_s * 1000


def hours_made(zone: str, ask: Ask) -> Made:
    """What the hours were made from last. Raises what `ask` raises."""
    return made_of(ask(_MADE, {"run": LIVE_RUN, "zone": zone}))


def hours_again(before: Made, zone: str, ask: Ask) -> tuple[list[Hour], Made]:
    """The hours whose rows are to be made since `before`, the oldest first, none where nothing is new; and the ticks and promotions that
    they are then made from. Raises what `ask` raises.
    """
    promoted = promoted_since(before, zone, ask)
    parameters: dict[str, Any] = {
        "run": LIVE_RUN, "zone": zone, "revision": before.revision,
        "begins": [row["from_ms"] for row in promoted], "ends": [row["to_ms"] for row in promoted],
    }  # fmt: skip
    found = [Hour(**row) for row in ask(_NEWEST + _HOURS, parameters)]
    if before == NOTHING:
        found = found[-MOST_HOURS:]
    now = before._replace(
        revision=max([before.revision, *(hour.revision for hour in found)]),
        promotions=max([before.promotions, *(row["revision"] for row in promoted)]),
    )
    return found if now != before else [], now


def hour_rows(registry: Registry, hours: list[Hour], now: Made, ask: Ask) -> Iterator[pa.Table]:
    """The rows of the hours, a day at a time. Raises what `ask` raises."""
    facts = facts_of(registry)
    for _, of_day in groupby(hours, lambda hour: _local(hour).date()):
        mine = list(of_day)
        every = stored_sums_of(registry, [(hour.from_ms, hour.to_ms) for hour in mine], ask)
        rows: list[Row] = []
        for hour, sums in zip(mine, every, strict=True):
            part = Part(parse_asked(f"{_local(hour):%Y-%m-%dT%H}"), hour.local_ms, hour.to_ms)
            rows += rows_of_part(facts, registry.zone.id, part, sums, now)
        yield table_of(rows)


def _local(hour: Hour) -> datetime:
    return datetime.fromtimestamp(hour.local_ms / 1000, UTC)
