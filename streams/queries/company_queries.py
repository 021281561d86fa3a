"""The SQL of one company: its day, its emissions by scope, its energy, its meters."""

from typing import Final

from zonepulse.streams.queries.limits import COMPLETE
from zonepulse.streams.queries.sql_parts import MINE, PARTS, Queries, named, quoted, summed, sums
from zonepulse.streams.queries.zone_live_queries import ZoneLiveQueries

COMPANY: Final = "entity_kind = 'company' AND entity IN (${company:singlequote})"
"""Of totals."""
_RANGE: Final = "$__timeFilter_ms(start)"


class CompanyQueries(Queries):
    """What is asked about one company."""

    def today(self) -> str:
        """One row, as *who emits today* has it."""
        columns = ("today", "vs_yesterday", "vs_last_week", "estimated", "complete")
        emitters = ZoneLiveQueries(self._limits, self._say).emitters()
        return f"SELECT {', '.join(named(self._say(key)) for key in columns)} FROM (\n{emitters})"

    def intensity(self) -> str:
        """g/kWh of the electricity that it draws, a line a basis, sum over sum."""
        drawn = sums("totals", "basis", f"{COMPANY} AND carrier = 'electricity' AND scope = 2")
        return f"""\
WITH {summed(self._step_s)}
SELECT {self._moments} FROM (
  SELECT {self._bucket("start")} AS time, CAST(basis AS String) AS series,
    sumOrNull(co2e_mg) / nullIf(sumOrNull(valued_micro), 0) * 1000 AS g
  FROM {drawn}
  GROUP BY time, series
  ORDER BY series, time WITH FILL STEP {self._step})
ORDER BY time, series"""

    def emissions(self) -> str:
        """kg a step by scope, apart where less is covered than a complete window's share; and all of the same day last week."""
        scope = f"concat({quoted(self._say('scope') + ' ')}, toString(scope))"
        provisional = quoted(f" ({self._say('provisional')})")
        now, before = (sums("totals", "scope", f"{COMPANY} AND {PARTS}", days_ago) for days_ago in (0, 7))
        return f"""\
WITH {summed(self._step_s)},
  {summed(self._step_s, 7)}
SELECT {self._moments} FROM (
  SELECT {self._bucket("start")} AS time,
    concat({scope}, if(ifNull(covered_ms < {COMPLETE} * expected_ms, 1), {provisional}, '')) AS series, sumOrNull(co2e_mg) / 1e9 AS t
  FROM {now}
  GROUP BY time, series
  UNION ALL SELECT {self._bucket("start + INTERVAL 7 DAY")} AS time, {quoted(self._say("last_week"))} AS series,
    sumOrNull(co2e_mg) / 1e9 AS t
  FROM {before}
  GROUP BY time HAVING sum(covered_ms) >= {COMPLETE} * sum(expected_ms)
  ORDER BY series, time WITH FILL STEP {self._step})
ORDER BY time, series"""

    def carriers(self) -> str:
        """One row a carrier: what it used, the CO2e of it on the chosen basis, and how well that is known."""
        used = sums("totals", "carrier, scope, basis", f"{COMPANY} AND carrier != '' AND NOT startsWith(carrier, 'contract:')")
        return f"""\
WITH {summed()}
SELECT carrier_of {self._as("carrier")}, used / 1e6 {self._as("amount")}, u.unit_of {self._as("unit")}, mg / 1e9 {self._as("carbon")},
  mg / nullIf(sum(mg) OVER (), 0) {self._as("share")}, weak / nullIf(abs(used), 0) {self._as("estimated")},
  seen / nullIf(due, 0) {self._as("complete")}
FROM (SELECT toString(carrier) AS carrier_of, sumOrNullIf(energy_micro, scope = 0) AS used, sumIf(estimated_micro, scope = 0) AS weak,
    sumIf(covered_ms, scope = 0) AS seen, sumIf(expected_ms, scope = 0) AS due, sumOrNullIf(co2e_mg, {PARTS}) AS mg
  FROM {used}
  GROUP BY carrier_of) AS c
LEFT JOIN (SELECT toString(carrier) AS carrier_id, any(toString(base_unit)) AS unit_of FROM zonepulse.registry_meters_final
  WHERE zone = ${{zone:singlequote}} GROUP BY carrier_id) AS u ON u.carrier_id = c.carrier_of
ORDER BY mg DESC NULLS LAST, carrier_of LIMIT 50"""

    def meters(self) -> str:
        """One row a register: what it counted in the range, and how well."""
        return f"""\
SELECT toString(meter) {self._as("meter")}, toString(register) {self._as("register")}, any(toString(role)) {self._as("role")},
  any(toString(carrier)) {self._as("carrier")}, any(toString(direction)) {self._as("direction")},
  sumOrNull(value_micro) / 1e6 {self._as("amount")}, max(start) {self._as("latest_window")},
  sum(covered_ms) / nullIf(sum(length_s) * 1000, 0) {self._as("complete")},
  sumOrNull(estimated_micro) / nullIf(sumOrNull(value_micro), 0) {self._as("estimated")}
FROM zonepulse.intervals_final WHERE {MINE} AND company IN (${{company:singlequote}}) AND {_RANGE}
  AND meter IN (SELECT meter FROM zonepulse.registry_meters_final WHERE zone = ${{zone:singlequote}}
    AND company IN (${{company:singlequote}}))
GROUP BY meter, register ORDER BY {named(self._say("complete"))}, meter, register LIMIT 500"""
