"""The SQL of one meter: whether it can be believed."""

from typing import Final

from zonepulse.streams.queries.sql_parts import MINE, NOW, Queries, quoted, translated
from zonepulse.streams.queries.zone_live_queries import QUALITIES

METER: Final = f"zonepulse.intervals_final WHERE {MINE} AND meter = ${{meter:singlequote}} AND $__timeFilter_ms(start)"
NEIGHBOURS: Final = 12
"""Meters that are compared at most, the chosen one among them."""
_LETTERS: Final = (
    f"zonepulse.dead_letters_final WHERE {MINE} AND position(value, ${{meter:singlequote}}) > 0 AND $__timeFilter_ms(received_at)"
)
"""Dead letters whose bytes name the meter."""


class MeterQueries(Queries):
    """What is asked about one meter."""

    def belief(self) -> str:
        """One row: complete, estimated, age of the newest value in s, alerts and dead letters of the range."""
        return f"""\
SELECT sum(covered_ms) / nullIf(sum(length_s) * 1000, 0) {self._as("complete")},
  sumOrNull(estimated_micro) / nullIf(sumOrNull(value_micro), 0) {self._as("estimated")},
  greatest(0, dateDiff('second', maxOrNullIf(start + toIntervalSecond(length_s), covered_ms > 0), {NOW})) {self._as("newest_value")},
  (SELECT count() FROM zonepulse.alerts_final WHERE {MINE} AND meter = ${{meter:singlequote}} AND starts_at <= $__toTime_ms
    AND (state != 'resolved' OR ends_at >= $__fromTime_ms)) {self._as("alerts_of_it")},
  (SELECT count() FROM {_LETTERS}) {self._as("letters")}
FROM {METER}"""

    def power(self) -> str:
        """Mean units an hour of each register; where a step is partly estimated, apart."""
        weak = quoted(f" ({self._say('estimated')})")
        return f"""\
SELECT {self._moments} FROM (
  SELECT {self._bucket("start")} AS time, concat(CAST(register AS String), if(estimated_micro > 0, {weak}, '')) AS series,
    sumOrNull(value_micro) / 1e6 / nullIf(countIf(value_micro IS NOT NULL) * any(length_s) / 3600, 0) AS power
  FROM {METER}
  GROUP BY time, series
  ORDER BY series, time WITH FILL STEP {self._step})
ORDER BY time, series"""

    def expected(self) -> str:
        """The band in which detectors expected each register, in units an hour; of zones that keep it."""
        ends = ", ".join(f"({quoted(' ' + self._say(f'expected_{end}'))}, {end})" for end in ("low", "high"))
        return f"""\
SELECT {self._moments} FROM (
  SELECT {self._bucket("start")} AS time, concat(CAST(register AS String), side.1) AS series,
    toNullable(avg(side.2 / length_s * 3600)) AS power
  FROM (SELECT start, register, length_s, arrayJoin([{ends}]) AS side FROM zonepulse.expected_final
    WHERE {MINE} AND meter = ${{meter:singlequote}} AND $__timeFilter_ms(start))
  GROUP BY time, series
  ORDER BY series, time WITH FILL STEP {self._step})
ORDER BY time, series"""

    def quality(self) -> str:
        """The worst quality of each step, a line a register."""
        return f"""\
SELECT {self._moments} FROM (
  SELECT {self._bucket("start")} AS time, CAST(register AS String) AS channel,
    toNullable(toUInt8(max(indexOf({list(QUALITIES)}, toString(quality)) - 1))) AS q
  FROM {METER}
  GROUP BY time, channel
  ORDER BY channel, time WITH FILL STEP {self._step})
ORDER BY time, channel"""

    def windows(self) -> str:
        """The newest windows as the ledger has them."""
        qualities = {name: self._say(name) for name in QUALITIES}
        return f"""\
SELECT start AS time, toString(register) {self._as("register")}, value_micro / 1e6 {self._as("amount")},
  estimated_micro / 1e6 {self._as("estimated_amount")}, covered_ms / 1000 {self._as("covered")},
  {translated("quality", qualities)} {self._as("quality_of")}, toString(method) {self._as("method")}, revision {self._as("revision")}
FROM {METER} ORDER BY start DESC, register LIMIT 300"""

    def letters(self) -> str:
        """The newest dead letters that name it, with what was sent."""
        return f"""\
SELECT received_at AS time, toString(reason) {self._as("reason")},
  concat(toString(partition), ':', toString(offset)) {self._as("at_offset")},
  substring(value, 1, 200) {self._as("sent_text")}
FROM {_LETTERS} ORDER BY received_at DESC, partition, offset, item LIMIT 100"""

    def neighbours(self) -> str:
        """Registers of the same carrier, direction and node: what they counted, now and in as long a stretch before."""
        known = "zonepulse.registry_meters_final WHERE zone = ${zone:singlequote}"
        same = f"(node, carrier, direction) IN (SELECT node, carrier, direction FROM {known} AND meter = ${{meter:singlequote}})"
        span = "toIntervalSecond(dateDiff('second', $__fromTime, $__toTime))"
        return f"""\
SELECT toString(meter) {self._as("meter")}, toString(register) {self._as("register")}, any(toString(company)) {self._as("company")},
  sumOrNullIf(value_micro, start >= $__fromTime_ms) / 1e6 {self._as("amount")},
  sumOrNullIf(value_micro, start >= $__fromTime_ms)
    / nullIf(sumOrNullIf(value_micro, start < $__fromTime_ms), 0) - 1 {self._as("vs_before")},
  sumIf(covered_ms, start >= $__fromTime_ms) / nullIf(sumIf(length_s, start >= $__fromTime_ms) * 1000, 0) {self._as("complete")}
FROM zonepulse.intervals_final WHERE {MINE} AND start >= $__fromTime_ms - {span} AND start <= $__toTime_ms
  AND {same} AND meter IN (SELECT DISTINCT meter FROM {known} AND {same}
    ORDER BY meter = ${{meter:singlequote}} DESC, meter LIMIT {NEIGHBOURS})
GROUP BY meter, register ORDER BY meter = ${{meter:singlequote}} DESC, meter, register LIMIT 30"""
