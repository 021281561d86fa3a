"""The SQL of a report's month: emissions by day, and the factors that answered, by basis. Columns are keys, the same in every language."""

from typing import Final

from zonepulse.streams.queries.limits import COMPLETE, Limits
from zonepulse.streams.queries.sql_parts import CHOSEN, MINE, quoted

_RANGE: Final = "$__timeFilter_ms(start)"
FACTORS: Final = f"""\
SELECT toString(basis) AS basis, scope, toString(factor_id) AS factor_id, toString(rung) AS rung, toString(base_unit) AS unit,
  min(factor_mg) / 1e6 AS low, max(factor_mg) / 1e6 AS high, sumOrNull(co2e_mg) AS mg,
  any(toString(source)) AS source, any(toString(source_url)) AS source_url, any(toString(published)) AS published,
  any(toString(confidence)) AS confidence
FROM zonepulse.explain WHERE {MINE} AND {CHOSEN} AND {_RANGE} AND factor_id != ''
GROUP BY basis, scope, factor_id, rung, unit ORDER BY basis, scope, mg DESC NULLS LAST, factor_id, rung"""
"""What each factor bore in the month, of the companies chosen."""


def days(limits: Limits) -> str:
    """mg of the entity's scope 1 and 2 (location) by day of the zone's calendar; provisional where too little was covered."""
    return f"""\
SELECT toUnixTimestamp64Milli(toDateTime64(toStartOfDay(start, {quoted(limits.timezone)}), 3)) AS time_ms, scope,
  sumOrNull(co2e_mg) AS mg, ifNull(sum(covered_ms) < {COMPLETE} * sum(expected_ms), 1) AS is_provisional
FROM zonepulse.totals_final
WHERE {MINE} AND entity_kind = ${{kind:singlequote}} AND entity = ${{entity:singlequote}}
  AND carrier = '' AND scope > 0 AND basis = 'location' AND {_RANGE}
GROUP BY time_ms, scope ORDER BY time_ms, scope"""
