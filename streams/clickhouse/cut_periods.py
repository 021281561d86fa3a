"""Hours and days that the edges of a promoted stretch cut: sums of the run's windows within it and of the live tasks' around it.

They are written before the promotion's row, under the run's name with ddl.EDGES behind it, and stand in the views as long as that row does.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from zonepulse.processors.channels.table import utc_offsets
from zonepulse.processors.ledger.periods import MOST_SIZES, SIZE_BITS, Period, cut_by, due_tick
from zonepulse.schemas.registry.model import ZonePolicy
from zonepulse.schemas.tables.basis_texts import STOCKS
from zonepulse.schemas.tables.ddl import EDGES, LIVE_RUN
from zonepulse.schemas.tables.results import INTENSITY, PERIOD_INTENSITY, PERIOD_TOTALS, TOTALS, Table

_IS_SUMMED: Final = {
    PERIOD_TOTALS.name: (TOTALS, "estimated_micro", f"entity_kind NOT IN ({', '.join(map(repr, STOCKS))})"),
    PERIOD_INTENSITY.name: (INTENSITY, "toInt64(round(estimated_share * ifNull(energy_micro, 0)))", "1"),
}
"""Of which rows, with which of their energy estimated."""
_SUMS: Final = """\
SELECT {{run:String}} AS run, zone, p.1 AS period, {keys}, fromUnixTimestamp64Milli(toInt64(p.2), 'UTC') AS start,
    fromUnixTimestamp64Milli(toInt64(p.3), 'UTC') AS local_start, toInt32(intDiv(p.4 - p.2, 1000)) AS length_s,
    if(energy_fits, sumOrNull(energy), NULL) AS energy_micro, if(co2e_fits, sumOrNull(co2e), NULL) AS co2e_mg,
    if(energy_fits, sumIf(estimated, energy IS NOT NULL), 0) AS estimated_micro,
    if(energy_fits AND co2e_fits, sumIf(assumeNotNull(energy), energy IS NOT NULL AND co2e IS NOT NULL), 0) AS valued_micro,
    sum(covered) AS covered_ms, sum(due) AS expected_ms, greatest(max(tick), toInt64(p.5)) AS revision,
    sumIf(intDiv(greatest(abs(assumeNotNull(energy)), abs(estimated)), {size}), energy IS NOT NULL) < {most} AS energy_fits,
    sumIf(intDiv(abs(assumeNotNull(co2e)), {size}), co2e IS NOT NULL) < {most} AS co2e_fits
FROM (SELECT zone, {keys}, toUnixTimestamp64Milli(start) AS at, energy_micro AS energy, co2e_mg AS co2e, {estimated} AS estimated,
        covered_ms AS covered, expected_ms AS due, revision AS tick
    FROM {table}_final WHERE zone = {{zone:String}} AND {is_summed} AND run IN ('{live}', {{own:String}})
    AND start >= fromUnixTimestamp64Milli({{first_ms:Int64}}) AND start < fromUnixTimestamp64Milli({{end_ms:Int64}})
    AND (run != '{live}') = (start >= fromUnixTimestamp64Milli({{from_ms:Int64}}) AND start < fromUnixTimestamp64Milli({{to_ms:Int64}})))
ARRAY JOIN [{periods}] AS p
WHERE at >= p.2 AND at < p.4 GROUP BY zone, {keys}, p"""


def cut_periods(zone: ZonePolicy, from_ms: int, to_ms: int) -> list[Period]:
    """The hours and days of the zone's calendar in which a stretch begins or ends, but not with it; each once."""
    clock = utc_offsets(zone)
    return list(dict.fromkeys((*cut_by(clock, from_ms), *cut_by(clock, to_ms))))


def with_cut_periods(zone: ZonePolicy, from_ms: int, to_ms: int) -> tuple[int, int]:
    """The stretch and all of the hours and days that it cuts."""
    cut = cut_periods(zone, from_ms, to_ms)
    return min([from_ms, *(period.start for period in cut)]), max([to_ms, *(period.end for period in cut)])


def cut_sums(client: Client, run: str, zone_id: str, zone: ZonePolicy, from_ms: int, to_ms: int) -> Iterator[tuple[str, pa.Table]]:
    """(table, rows) of the hours and days that the stretch of a run cuts; `zone` has the calendar, `zone_id` names the rows."""
    cut = cut_periods(zone, from_ms, to_ms)
    first_ms, end_ms = with_cut_periods(zone, from_ms, to_ms)
    parameters = {
        "run": run + EDGES, "own": run, "zone": zone_id, "first_ms": first_ms, "end_ms": end_ms, "from_ms": from_ms, "to_ms": to_ms,
    }  # fmt: skip
    for table in (PERIOD_TOTALS, PERIOD_INTENSITY) if cut else ():
        rows = client.query_arrow(_sql(table, zone, cut), parameters=parameters)
        yield table.name, rows.select(["run", *(column.name for column in table.stored)])


def _sql(table: Table, zone: ZonePolicy, cut: Sequence[Period]) -> str:
    windows, estimated, is_summed = _IS_SUMMED[table.name]
    periods = ", ".join(
        f"('{one.name}', {one.start}, {one.local_start}, {one.end},"
        f" {due_tick(one.end, zone.window_ms, zone.delay_ms, zone.tick_ms)})"
        for one in cut
    )
    keys = ", ".join(name for name in table.key if name not in ("zone", "period", "start"))
    return _SUMS.format(
        keys=keys, size=1 << SIZE_BITS, most=MOST_SIZES, estimated=estimated, table=windows.name, is_summed=is_summed,
        live=LIVE_RUN, periods=periods,
    )  # fmt: skip
