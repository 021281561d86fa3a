"""The SQL of the pages behind the zone's (a company, a meter, an alert, the factors) and of a report's month. Columns are keys, the same in
every language.
"""

from typing import Final

from zonepulse.streams.queries.limits import COMPLETE, Limits
from zonepulse.streams.queries.sql_parts import CHOSEN, MINE, NOW, OPEN, PARTS, STANDING, quoted

_RANGE: Final = "$__timeFilter_ms(start)"
_SEVERITY_ORDER: Final = "indexOf(['critical', 'warning', 'info'], toString(severity))"
LETTERS: Final = f"""\
SELECT toString(reason) AS reason, count() AS letters FROM zonepulse.dead_letters_final
WHERE {MINE} AND $__timeFilter_ms(received_at) GROUP BY reason ORDER BY letters DESC, reason"""
"""Dead letters of the range by reason."""
ALERTS: Final = f"""\
SELECT fingerprint, toUnixTimestamp64Milli(starts_at) AS starts_ms, toUnixTimestamp64Milli(ends_at) AS ends_ms,
  toString(rule) AS rule, toString(severity) AS severity, toString(state) AS state, toString(company) AS company,
  toString(meter) AS meter, toString(node) AS node, value, expected_low, expected_high, impact_kg, evidence, ({OPEN}) AS is_open
FROM zonepulse.alerts_final WHERE {MINE} AND {CHOSEN} AND starts_at <= {NOW} AND ({OPEN} OR ends_at >= $__fromTime_ms)
ORDER BY is_open DESC, {_SEVERITY_ORDER}, impact_kg DESC NULLS LAST, starts_ms DESC, fingerprint LIMIT 200"""
"""Alerts that are open, and those that ended in the range; the worst and costliest first."""
ALERT: Final = f"""\
SELECT fingerprint, toUnixTimestamp64Milli(starts_at) AS starts_ms, toUnixTimestamp64Milli(ends_at) AS ends_ms,
  toString(rule) AS rule, toString(severity) AS severity, toString(state) AS state, toString(company) AS company,
  toString(meter) AS meter, JSONExtractString(evidence, 'register') AS register, toString(node) AS node, value, expected_low, expected_high,
  impact_kg, evidence, ({OPEN}) AS is_open
FROM zonepulse.alerts_final WHERE {MINE} AND fingerprint = ${{fingerprint:singlequote}} ORDER BY starts_at DESC LIMIT 20"""
"""Every life of one alert, the newest first."""
AROUND: Final = f"""\
SELECT toUnixTimestamp64Milli(start) AS start_ms, length_s, value_micro FROM zonepulse.intervals_final
WHERE {MINE} AND meter = ${{meter:singlequote}} AND register = ${{register:singlequote}} AND {_RANGE} ORDER BY start"""
"""The windows of a register."""
METERS: Final = f"""\
SELECT toString(meter) AS meter, toString(register) AS register, any(toString(carrier)) AS carrier, any(toString(direction)) AS direction,
  sumOrNull(value_micro) AS range_micro, toUnixTimestamp64Milli(max(start)) AS newest_ms,
  argMax(tuple(value_micro), start).1 AS newest_micro, argMax(toString(quality), start) AS quality,
  sum(covered_ms) / nullIf(sum(length_s) * 1000, 0) AS complete,
  sumOrNull(estimated_micro) / nullIf(sumOrNull(value_micro), 0) AS estimated
FROM zonepulse.intervals_final WHERE {MINE} AND company = ${{company:singlequote}} AND {_RANGE}
GROUP BY meter, register ORDER BY carrier, meter, register LIMIT 500"""
"""The registers of a company with windows in the range."""
METER: Final = f"""\
SELECT toString(register) AS register, toUnixTimestamp64Milli(start) AS start_ms, length_s, value_micro, toString(quality) AS quality,
  toString(method) AS method, covered_ms, estimated_micro, toString(carrier) AS carrier, toString(direction) AS direction
FROM zonepulse.intervals_final WHERE {MINE} AND meter = ${{meter:singlequote}} AND {_RANGE} ORDER BY register, start"""
"""The windows of a meter's registers."""
FACTORS: Final = f"""\
SELECT toString(factor_id) AS factor_id, toString(rung) AS rung, source, toString(published) AS published,
  toString(confidence) AS confidence, toString(base_unit) AS unit, min(factor_mg) / 1e6 AS low, max(factor_mg) / 1e6 AS high,
  sumOrNull(co2e_mg) AS mg, uniqExact(company) AS companies
FROM zonepulse.explain WHERE {MINE} AND {_RANGE} AND factor_id != ''
GROUP BY factor_id, rung, source, published, confidence, unit ORDER BY mg DESC NULLS LAST, factor_id LIMIT 200"""
"""The factors that answered in the range."""
FACTORS_BY_BASIS: Final = f"""\
SELECT toString(basis) AS basis, scope, toString(factor_id) AS factor_id, toString(rung) AS rung, toString(base_unit) AS unit,
  min(factor_mg) / 1e6 AS low, max(factor_mg) / 1e6 AS high, sumOrNull(co2e_mg) AS mg,
  any(toString(source)) AS source, any(toString(source_url)) AS source_url, any(toString(published)) AS published,
  any(toString(confidence)) AS confidence
FROM zonepulse.explain WHERE {MINE} AND {CHOSEN} AND {_RANGE} AND factor_id != ''
GROUP BY basis, scope, factor_id, rung, unit ORDER BY basis, scope, mg DESC NULLS LAST, factor_id, rung"""
"""What each factor bore in the month, of the companies chosen."""
PULSE: Final = f"""\
SELECT (SELECT toUnixTimestamp64Milli(maxOrNull(start)) FROM zonepulse.intensity WHERE {STANDING} AND start <= {NOW}) AS newest_window_ms,
  (SELECT count() FROM zonepulse.intervals WHERE {STANDING} AND {_RANGE}) AS windows"""
"""How far the ledger is, by tables that cost little to read."""


def company_hours(limits: Limits) -> str:
    """mg of a company by hour of the zone's clock and scope; `complete` is what its meters covered of what they should."""
    return f"""\
SELECT toUnixTimestamp64Milli(toDateTime64(toStartOfHour(start, {quoted(limits.timezone)}), 3)) AS time_ms, scope, sumOrNull(co2e_mg) AS mg,
  sum(covered_ms) / nullIf(sum(expected_ms), 0) AS complete, ifNull(complete < {COMPLETE}, 1) AS is_provisional
FROM zonepulse.totals_final
WHERE {MINE} AND entity_kind = 'company' AND entity = ${{company:singlequote}} AND {PARTS} AND {_RANGE}
GROUP BY time_ms, scope ORDER BY time_ms, scope"""


def days(limits: Limits) -> str:
    """mg of the entity's scope 1 and 2 (location) by day of the zone's calendar; provisional where too little was covered."""
    return f"""\
SELECT toUnixTimestamp64Milli(toDateTime64(toStartOfDay(start, {quoted(limits.timezone)}), 3)) AS time_ms, scope,
  sumOrNull(co2e_mg) AS mg, ifNull(sum(covered_ms) < {COMPLETE} * sum(expected_ms), 1) AS is_provisional
FROM zonepulse.totals_final
WHERE {MINE} AND entity_kind = ${{kind:singlequote}} AND entity = ${{entity:singlequote}}
  AND carrier = '' AND scope > 0 AND basis = 'location' AND {_RANGE}
GROUP BY time_ms, scope ORDER BY time_ms, scope"""
