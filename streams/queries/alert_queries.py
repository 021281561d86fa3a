"""The SQL of alerts: which are open and by what they cost, and whether the alerts of a range were any good."""

from typing import Final

from zonepulse.streams.queries.sql_parts import (
    CHOSEN,
    MINE,
    NOW,
    OPEN,
    Queries,
    bucket,
    company_names,
    moments,
    named,
    on_clock,
    quoted,
    step_of,
    step_s_of,
    translated,
)
from zonepulse.streams.queries.zone_live_queries import SEVERITIES, rule_words

FLOOD: Final = 10
"""Alerts in ten minutes that are a flood (EEMUA 191)."""
SLOT_S: Final = 600
_RAISED: Final = "$__timeFilter_ms(starts_at)"
_COUNTED: Final = f"zonepulse.alerts_final WHERE {MINE} AND {CHOSEN} AND severity != 'info' AND {_RAISED}"
"""What asked a person for something in the range."""
_ACKNOWLEDGED_MS: Final = "JSONExtractInt(evidence, 'acknowledged', 'at_ms')"
"""When somebody acknowledged an alert last; 0: nobody."""
_PLACE: Final = "if(meter = '', if(company = '', toString(node), toString(company)), toString(meter))"
STATES: Final = 12
"""Lines of the timeline: the rules and places that were open longest."""


class AlertQueries(Queries):
    """What is asked about alerts."""

    def _what(self) -> str:
        return translated("rule", rule_words(self._limits, self._say))

    def counts(self) -> str:
        """One row: open critical ones and warnings, how many are raised a day, the share of ten-minute slots in flood, how soon they are
        acknowledged."""
        seconds = "dateDiff('second', $__fromTime_ms, $__toTime_ms)"
        return f"""\
SELECT (SELECT countIf(severity = 'critical') FROM zonepulse.alerts_final WHERE {MINE} AND {CHOSEN} AND {OPEN}) {self._as("critical")},
  (SELECT countIf(severity = 'warning') FROM zonepulse.alerts_final WHERE {MINE} AND {CHOSEN} AND {OPEN}) {self._as("warning")},
  sum(slot_alerts) * 86400 / nullIf({seconds}, 0) {self._as("raised_a_day")},
  countIf(slot_alerts >= {FLOOD}) * {SLOT_S} / nullIf({seconds}, 0) {self._as("in_flood")},
  (SELECT countIf({_ACKNOWLEDGED_MS} > 0) / nullIf(count(), 0) FROM {_COUNTED}) {self._as("acknowledged_share")},
  (SELECT quantileExactOrNullIf(0.5)({_ACKNOWLEDGED_MS} - toUnixTimestamp64Milli(starts_at), {_ACKNOWLEDGED_MS} > 0) / 1000
    FROM {_COUNTED}) {self._as("to_acknowledge")}
FROM (SELECT toStartOfInterval(starts_at, toIntervalSecond({SLOT_S})) AS slot, count() AS slot_alerts FROM {_COUNTED} GROUP BY slot)"""

    def listed(self, where: str = CHOSEN) -> str:
        """Alerts that were open in the range: the open ones first, then by what they cost."""
        severity_order = f"indexOf({list(SEVERITIES)}, toString(severity))"
        return f"""\
SELECT toString(a.severity) {self._as("severity")}, {self._what()} {self._as("what")},
  multiIf(a.company = '', {quoted(self._say("zone_itself"))}, n.name = '', toString(a.company), n.name) {self._as("who")},
  if(a.meter = '', toString(a.node), toString(a.meter)) {self._as("place")}, a.impact_kg / 1000 {self._as("impact_t")},
  a.value {self._as("value")}, a.expected_low {self._as("from_value")}, a.expected_high {self._as("to_value")},
  a.starts_at {self._as("begun")}, if(is_open, NULL, a.ends_at) {self._as("ended")},
  if(a.company = '', '(zone)', toString(a.company)) AS company_id,
  toString(a.meter) AS meter_id
FROM (SELECT *, ({OPEN}) AS is_open FROM zonepulse.alerts_final
  WHERE {MINE} AND {where} AND starts_at <= {NOW} AND ({OPEN} OR ends_at >= $__fromTime_ms)) AS a
LEFT JOIN {company_names(self._say.language)} AS n ON n.company = toString(a.company)
ORDER BY is_open DESC, a.impact_kg DESC NULLS LAST, {severity_order}, a.starts_at DESC, a.fingerprint LIMIT 200"""

    def raised(self) -> str:
        """Alerts raised a step of whole hours by severity; zero-filled, since none is a fact."""
        step_s, timezone = step_s_of(3_600), self._limits.timezone
        counts = ", ".join(f"countIf(severity = '{key}') {self._as(key)}" for key in SEVERITIES)
        return f"""\
SELECT {moments(step_s, timezone)} FROM (
SELECT {bucket("starts_at", step_s, timezone)} AS time, {counts}
FROM zonepulse.alerts_final WHERE {MINE} AND {CHOSEN} AND {_RAISED}
GROUP BY time
ORDER BY time WITH FILL FROM {bucket("$__fromTime", step_s, timezone)} TO {on_clock("$__toTime", step_s, timezone)}
  STEP {step_of(3_600)})
ORDER BY time"""

    def states(self) -> str:
        """The worst open severity of each step (1 info to 3 critical), of the rules and places that were open longest."""
        step_s = self._step_s
        begin = f"toUnixTimestamp({self._bucket('$__fromTime')})"

        def clock(moment: str) -> str:
            return f"toUnixTimestamp({on_clock(moment, step_s, self._limits.timezone)})"

        seen = f"{MINE} AND {CHOSEN} AND starts_at <= $__toTime_ms AND (state != 'resolved' OR ends_at >= $__fromTime_ms)"
        ends = "if(state = 'resolved', ends_at, $__toTime_ms)"
        return f"""\
SELECT {self._moments} FROM (
  SELECT fromUnixTimestamp64Milli(toInt64({begin} + number * {step_s}) * 1000) AS time, label, nullIf(max(level), 0) AS state_of
  FROM (
    SELECT trimRight(concat({self._what()}, ' ', {_PLACE})) AS label, 4 - indexOf({list(SEVERITIES)}, toString(severity)) AS level,
      arrayJoin(range(
        toUInt32(intDiv(greatest({clock("starts_at")}, {begin}) - {begin}, {step_s})),
        toUInt32(intDiv(least({clock(ends)}, {clock("$__toTime")}) - {begin}, {step_s})) + 1)) AS number
    FROM zonepulse.alerts_final WHERE {seen}
      AND (rule, meter, company, node) IN (SELECT rule, meter, company, node FROM zonepulse.alerts_final WHERE {seen}
        GROUP BY rule, meter, company, node
        ORDER BY sum(dateDiff('second', greatest(starts_at, $__fromTime_ms), {ends})) DESC, rule, meter, company, node LIMIT {STATES}))
  GROUP BY time, label
  ORDER BY label, time WITH FILL STEP {self._step})
ORDER BY time, label"""

    def talkers(self) -> str:
        """The rules and places that raised most, their share of all, and how long theirs stood."""
        return f"""\
SELECT {self._what()} {self._as("what")}, {_PLACE} {self._as("place")}, count() {self._as("raised_count")},
  count() / sum(count()) OVER () {self._as("share")},
  quantileExactIf(0.5)(dateDiff('second', starts_at, ends_at), state = 'resolved') {self._as("stood")},
  sumOrNull(impact_kg) / 1000 {self._as("impact_t")}
FROM {_COUNTED}
GROUP BY rule, meter, company, node ORDER BY count() DESC, rule, {named(self._say("place"))} LIMIT 15"""

    def told(self) -> str:
        """Messages of the range by channel and purpose: how many went, waited, failed, and the newest error."""
        return f"""\
SELECT toString(channel) {self._as("channel")}, toString(purpose) {self._as("purpose")},
  countIf(outcome = 'sent') {self._as("sent")}, countIf(outcome != 'sent') {self._as("not_sent")},
  avg(attempts) {self._as("attempts")}, argMaxIf(toString(error), made_at, error != '') {self._as("error")}
FROM zonepulse.deliveries_final WHERE {MINE} AND $__timeFilter_ms(made_at)
GROUP BY channel, purpose ORDER BY count() DESC, channel, purpose LIMIT 50"""
