"""The SQL of data quality: what is missing, late, estimated or refused, by meter, gateway, day and reason."""

from typing import Final

from zonepulse.streams.queries.sql_parts import CHOSEN, DAY_S, MINE, Queries, bucket, moments, named, quoted, step_of, step_s_of

MOST_DAYS: Final = 31
"""Windows of single meters have no sums: of a longer range its last days are looked at."""
_RANGE: Final = f"$__timeFilter_ms(start) AND start > $__toTime_ms - INTERVAL {MOST_DAYS} DAY"
MINE_IN_RANGE: Final = f"zonepulse.intervals_final WHERE {MINE} AND {CHOSEN} AND {_RANGE}"
WORST: Final = 30
"""Meters of the map of days: those with least."""


class QualityQueries(Queries):
    """What is asked about the quality of data."""

    def totals(self) -> str:
        """One row: complete, estimated, registers without a value, late and all refused readings of the range."""
        refused = f"zonepulse.dead_letters_final WHERE {MINE} AND $__timeFilter_ms(received_at)"
        return f"""\
SELECT sum(seen) / nullIf(sum(due), 0) {self._as("complete")}, sum(weak) / nullIf(sum(amount), 0) {self._as("estimated")},
  countIf(seen = 0) {self._as("without_value")},
  (SELECT count() FROM {refused} AND reason = 'late') {self._as("too_late")}, (SELECT count() FROM {refused}) {self._as("refused")}
FROM (SELECT meter, register, sum(covered_ms) AS seen, sum(length_s) * 1000 AS due,
    sumIf(estimated_micro, carrier = 'electricity') AS weak, sumOrNullIf(value_micro, carrier = 'electricity') AS amount
  FROM {MINE_IN_RANGE} GROUP BY meter, register)"""

    def days(self) -> str:
        """The share of each zone day that a meter covered, of the meters with least; a day without a row is no value."""
        step_s, timezone = step_s_of(DAY_S), self._limits.timezone
        return f"""\
SELECT {moments(step_s, timezone)} FROM (
  SELECT {bucket("start", step_s, timezone)} AS time, CAST(meter AS String) AS label,
    toNullable(sum(covered_ms) / (sum(length_s) * 1000)) AS complete_share
  FROM {MINE_IN_RANGE} AND meter IN (SELECT meter FROM {MINE_IN_RANGE}
    GROUP BY meter ORDER BY sum(covered_ms) / sum(length_s), meter LIMIT {WORST})
  GROUP BY time, label
  ORDER BY label, time WITH FILL STEP {step_of(DAY_S)})
ORDER BY time, label"""

    def gateways(self) -> str:
        """One row a gateway: its meters, what they covered, and what was refused under its key."""
        return f"""\
SELECT if(g.gateway_of = '', {quoted(self._say("none"))}, g.gateway_of) {self._as("gateway")}, uniqExact(i.m) {self._as("meters")},
  sum(i.seen) / nullIf(sum(i.due), 0) {self._as("complete")}, sum(i.weak) / nullIf(sum(i.amount), 0) {self._as("estimated")},
  max(i.newest) {self._as("latest_window")}, any(l.letters_of) {self._as("refused")}
FROM (SELECT toString(meter) AS m, sum(covered_ms) AS seen, sum(length_s) * 1000 AS due,
    sumIf(estimated_micro, carrier = 'electricity') AS weak, sumOrNullIf(value_micro, carrier = 'electricity') AS amount,
    maxOrNullIf(start, covered_ms > 0) AS newest
  FROM {MINE_IN_RANGE} GROUP BY meter) AS i
LEFT JOIN (SELECT toString(meter) AS m, any(toString(gateway)) AS gateway_of FROM zonepulse.registry_meters_final
  WHERE zone = ${{zone:singlequote}} GROUP BY m) AS g ON g.m = i.m
LEFT JOIN (SELECT toString(key) AS gateway_key, count() AS letters_of FROM zonepulse.dead_letters_final
  WHERE {MINE} AND $__timeFilter_ms(received_at) GROUP BY gateway_key) AS l ON l.gateway_key = g.gateway_of
GROUP BY g.gateway_of ORDER BY {named(self._say("complete"))}, g.gateway_of LIMIT 200"""

    def worst(self) -> str:
        """The registers that covered least, then with most estimated."""
        return f"""\
SELECT toString(meter) {self._as("meter")}, toString(register) {self._as("register")}, toString(any(company)) {self._as("company")},
  sum(covered_ms) / nullIf(sum(length_s) * 1000, 0) {self._as("complete")},
  sumOrNull(estimated_micro) / nullIf(sumOrNull(value_micro), 0) {self._as("estimated")},
  countIf(quality = 'missing') {self._as("missing_windows")}, maxOrNullIf(start, covered_ms > 0) {self._as("latest_window")}
FROM {MINE_IN_RANGE}
GROUP BY meter, register
ORDER BY {named(self._say("complete"))}, {named(self._say("estimated"))} DESC NULLS LAST, meter, register LIMIT 50"""

    def reasons(self) -> str:
        """Refused readings by the exact reason, with the newest one."""
        return f"""\
SELECT toString(reason) {self._as("reason")}, count() {self._as("refused")}, count() / sum(count()) OVER () {self._as("share")},
  max(received_at) {self._as("newest_one")}, argMax(toString(key), received_at) {self._as("gateway")},
  substring(argMax(value, received_at), 1, 160) {self._as("sent_text")}
FROM zonepulse.dead_letters_final WHERE {MINE} AND $__timeFilter_ms(received_at)
GROUP BY reason ORDER BY count() DESC, reason"""

    def methods(self) -> str:
        """How the windows with a value came about: count, share, and kWh of electricity."""
        return f"""\
SELECT if(method = '', {quoted(self._say("missing"))}, toString(method)) {self._as("method")}, sum(of_meter) {self._as("windows")},
  sum(of_meter) / sum(sum(of_meter)) OVER () {self._as("share")}, sumOrNull(amount) / 1e6 {self._as("energy")}, count() {self._as("meters")}
FROM (SELECT method, meter, count() AS of_meter, sumOrNullIf(value_micro, carrier = 'electricity') AS amount
  FROM {MINE_IN_RANGE} GROUP BY method, meter)
GROUP BY method ORDER BY sum(of_meter) DESC, method"""
