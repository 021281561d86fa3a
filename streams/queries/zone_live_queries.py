"""The SQL of *zone live*. Columns are those of zonepulse.schemas.tables.ddl; nothing that is missing becomes zero."""

from collections.abc import Mapping
from typing import Final

from zonepulse.processors.detection.meter.rules import RULES
from zonepulse.processors.detection.watch.words import SHORT
from zonepulse.schemas.messages.alerts import SILENT_GROUPS
from zonepulse.streams.queries.limits import COMPLETE, ESTIMATED_WATCH, Limits
from zonepulse.streams.queries.sql_parts import (
    CHOSEN,
    CHOSEN_INTENSITY,
    FULL,
    MINE,
    NEWEST_FULL,
    NEWEST_VALUE,
    NOW,
    OF_ZONE,
    OPEN,
    PARTS,
    ZONE_CARBON,
    ZONE_TOTALS,
    Queries,
    bucket,
    chosen_sums,
    company_names,
    moments,
    named,
    on_clock,
    quoted,
    step_of,
    step_s_of,
    summed,
    sums,
    translated,
)
from zonepulse.streams.queries.texts import Texts

BUILT_IN_RULES: Final = (
    *(rule.id for rule in RULES),
    *SILENT_GROUPS,
    *SHORT,
    "no_factor",
    "flow_residual",
    "unexplained_energy",
    "sub_above_main",
    "pv_low",
    "power_factor",
    "budget_burn",
)
SEVERITIES: Final = ("critical", "warning", "info")
QUALITIES: Final = ("measured", "corrected", "estimated", "missing")
"""From good to bad; the place is the number a panel maps back to a word."""
NOTHING_AT_ALL: Final = len(QUALITIES)
REASONS: Final[Mapping[str, tuple[str, ...]]] = {
    "late": ("late",),
    "future": ("future",),
    "unreadable": ("malformed", "naive_time", "epoch_seconds", "too_large", "poison", "capped"),
    "unknown": ("unknown_meter", "unknown_register", "not_valid"),
    "wrong": ("unit_mismatch", "out_of_range", "off_grid", "wrong_partition"),
}
"""Text key -> dead-letter reasons shown together."""
_MOST_EMITTERS: Final = 50
_TODAY, _TODAY_BEHIND, _YESTERDAY, _YESTERDAY_BEHIND, _LAST_WEEK, _LAST_WEEK_BEHIND = range(6)
"""Where a window lies: of three days, up to the newest full window's time of day, and behind it."""


def rule_words(limits: Limits, say: Texts) -> dict[str, str]:
    """Rule -> its text: the built-in rules, then the registry's own."""
    own = {rule: text.get(say.language) or text.get("en") or rule for rule, text in limits.rule_texts.items()}
    return {rule: say(rule) for rule in BUILT_IN_RULES} | own


class ZoneLiveQueries(Queries):
    """What *zone live* asks."""

    def __init__(self, limits: Limits, say: Texts) -> None:
        super().__init__(limits, say)
        self._midnight = f"toStartOfDay({NOW}, {quoted(limits.timezone)}) AS midnight"

    def status(self) -> str:
        """One row: the word and why."""
        say, blind_s = self._say, self._limits.blind_s
        blind, act, watch, all_right = (quoted(say(key)) for key in ("blind", "act", "watch", "all_right"))
        critical, warning = quoted(f" {say('critical')}, "), quoted(f" {say('warning')}")
        return f"""\
SELECT multiIf(is_blind, {blind}, critical > 0, {act}, warning > 0, {watch}, {all_right}) AS status,
  multiIf(is_blind, {quoted(say("blind_why", blind_min=blind_s // 60))},
    critical + warning > 0, concat(toString(critical), {critical}, toString(warning), {warning}),
    {quoted(say("all_right_why"))}) AS why
FROM (
  SELECT countIf(severity = 'critical') AS critical, countIf(severity = 'warning') AS warning,
    ifNull(dateDiff('second', {NEWEST_VALUE}, {NOW}), {blind_s + 1}) > {blind_s} AS is_blind
  FROM zonepulse.alerts_final WHERE {MINE} AND {OPEN})"""

    def intensity_now(self) -> str:
        """The full windows of 24 h, then the live value, which is location-based; at the end null when both are too old."""
        slowest_s = self._limits.slowest_s
        return f"""\
WITH {NEWEST_FULL}
SELECT time, intensity FROM (
  SELECT start AS time, if({FULL}, g_per_kwh, NULL) AS intensity
  FROM {CHOSEN_INTENSITY} AND start > {NOW} - INTERVAL 1 DAY AND start <= newest
  UNION ALL SELECT {NOW} AS time, g AS intensity
  FROM (SELECT count() AS rows, argMax(tuple(g_per_kwh), at).1 AS g
    FROM zonepulse.live WHERE {MINE} AND ${{basis:singlequote}} = 'location'
      AND entity_kind = 'zone' AND at > {NOW} - INTERVAL 5 MINUTE AND at <= {NOW})
  WHERE rows > 0 OR ifNull(dateDiff('second', newest, {NOW}), {slowest_s + 1}) > {slowest_s})
ORDER BY time WITH FILL STEP toIntervalSecond({self._limits.window_s})"""

    def last_hour(self) -> str:
        """One row: the newest full hour's intensity against a day and a week before, as shares."""
        now, yesterday, last_week = (
            f"start > newest - INTERVAL {days} DAY - INTERVAL 1 HOUR AND start <= newest - INTERVAL {days} DAY"
            for days in (0, 1, 7)
        )

        def g(hour: str) -> str:
            return f"sumOrNullIf(co2e_mg, {hour}) / nullIf(sumOrNullIf(energy_micro, {hour}), 0)"

        return f"""\
WITH {NEWEST_FULL}
SELECT g_now / nullIf(g_yesterday, 0) - 1 {self._as("vs_yesterday")},
  g_now / nullIf(g_last_week, 0) - 1 {self._as("vs_last_week")}
FROM (
  SELECT {g(now)} AS g_now,
    {g(yesterday)} AS g_yesterday,
    {g(last_week)} AS g_last_week
  FROM {CHOSEN_INTENSITY} AND g_per_kwh IS NOT NULL AND {FULL}
    AND (({now}) OR ({yesterday}) OR ({last_week})))"""

    def day_budget(self) -> str:
        """One row: today's emissions as a share of last week's whole day, and the share of the day that they cover."""
        window = self._limits.window_s
        last_week = "start >= midnight - INTERVAL 7 DAY AND start < midnight - INTERVAL 6 DAY"
        today = "start >= midnight AND start <= newest"
        return f"""\
WITH {NEWEST_FULL},
  {self._midnight},
  dateDiff('second', midnight - INTERVAL 7 DAY, midnight - INTERVAL 6 DAY) AS day_s,
  windows >= {COMPLETE} * day_s / {window} AND covered >= {COMPLETE} * expected AS is_full_day
SELECT today_mg / nullIf(if(is_full_day, last_week_mg, NULL), 0) {self._as("emitted")},
  if(newest >= midnight, dateDiff('second', midnight, newest + toIntervalSecond({window})) / day_s, NULL) {self._as("day_gone")}
FROM (
  SELECT sumOrNullIf(co2e_mg, {today}) AS today_mg,
    sumOrNullIf(co2e_mg, {last_week}) AS last_week_mg,
    uniqExactIf(start, {last_week}) AS windows,
    sumIf(covered_ms, {last_week}) AS covered,
    sumIf(expected_ms, {last_week}) AS expected
  FROM {ZONE_CARBON}
    AND (({last_week}) OR ({today})))"""

    def trust(self) -> str:
        """One row: complete, estimated, too late, age of the newest value in s."""
        windows_a_day = 86400 // self._limits.window_s
        return f"""\
WITH {NOW} - toIntervalSecond({self._limits.slowest_s}) AS due
SELECT sum(covered_ms) / nullIf(sum(expected_ms) / nullIf(uniqExact(start), 0) * {windows_a_day}, 0) {self._as("complete")},
  sumOrNullIf(estimated_micro, energy_micro IS NOT NULL) / nullIf(sumOrNull(energy_micro), 0) {self._as("estimated")},
  (SELECT count() FROM zonepulse.dead_letters_final WHERE {MINE}
    AND reason = 'late' AND received_at > {NOW} - INTERVAL 1 DAY AND received_at <= {NOW}) {self._as("too_late")},
  if({NEWEST_VALUE} IS NULL, NULL, greatest(0, dateDiff('second', {NEWEST_VALUE}, {NOW}))) {self._as("newest_value")}
FROM {ZONE_TOTALS}
  AND carrier = 'electricity' AND scope = 0 AND start > due - INTERVAL 1 DAY AND start <= due"""

    def curve(self) -> str:
        """Measured and provisional intensity; the provisional line overlaps a point on both sides."""
        return f"""\
WITH {summed(self._step_s)}
SELECT {self._moments} FROM (
SELECT time, if(p = 0, g, NULL) {self._as("measured")},
  if(p = 1 OR lagInFrame(p) OVER around = 1 OR leadInFrame(p) OVER around = 1, g, NULL) {self._as("provisional")}
FROM (
  SELECT time, g, ifNull(estimated >= {ESTIMATED_WATCH} OR covered < {COMPLETE} * expected, 1) AS p
  FROM (
    SELECT {self._bucket("start")} AS time,
      sumOrNull(co2e_mg) / nullIf(sumOrNull(valued_micro), 0) * 1000 AS g,
      sumOrNull(estimated_micro) / nullIf(sumOrNull(energy_micro), 0) AS estimated,
      sum(covered_ms) AS covered, sum(expected_ms) AS expected
    FROM {chosen_sums()} WHERE valued_micro > 0
    GROUP BY time))
WINDOW around AS (ORDER BY time ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING)
ORDER BY time WITH FILL STEP {self._step})
ORDER BY time"""

    def curve_before(self, days: int, key: str) -> str:
        """The full windows of so many days before, at today's time."""
        return f"""\
WITH {summed(self._step_s, days)}
SELECT {self._moments} FROM (
SELECT {self._bucket(f"start + INTERVAL {days} DAY")} AS time,
  sumOrNull(co2e_mg) / nullIf(sumOrNull(valued_micro), 0) * 1000 {self._as(key)}
FROM {chosen_sums(days)} WHERE valued_micro > 0 AND {FULL}
GROUP BY time
ORDER BY time WITH FILL STEP {self._step})
ORDER BY time"""

    def wrong_now(self) -> str:
        """Open alerts, one row for a rule and company, the worst and costliest first."""
        zone = quoted(self._say("zone_itself"))
        return f"""\
SELECT severity {self._as("severity")},
  multiIf(a.company = '', {zone}, n.name = '', toString(a.company), n.name) {self._as("who")},
  {translated("rule", rule_words(self._limits, self._say))} {self._as("what")},
  nullIf(meters, 0) {self._as("meters")}, impact / 1000 {self._as("impact_t")},
  dateDiff('second', first_start, {NOW}) {self._as("since")},
  if(a.company = '', '(zone)', toString(a.company)) AS company_id
FROM (
  SELECT severity, rule, company, uniqExactIf(meter, meter != '') AS meters, sumOrNull(impact_kg) AS impact,
    min(starts_at) AS first_start
  FROM zonepulse.alerts_final WHERE {MINE} AND {OPEN} AND {CHOSEN}
  GROUP BY severity, rule, company) AS a
LEFT JOIN {company_names(self._say.language)} AS n ON n.company = a.company
ORDER BY indexOf({list(SEVERITIES)}, severity), impact DESC NULLS LAST, first_start DESC LIMIT 50"""

    def sources(self) -> str:
        """Mean kW of grid import and own generation."""
        step, power = self._step, "/ 1e6 / nullIf(hours, 0)"
        grid, own = quoted(self._say("grid")), quoted(self._say("own"))
        zone = sums("intensity", "node", "node = '' AND basis = 'location'")
        imported = sums("totals", "entity", f"{OF_ZONE} AND carrier = 'electricity' AND scope = 2 AND basis = 'location'")
        return f"""\
WITH {summed(self._step_s)}
SELECT {self._moments} FROM (
  SELECT time, named_power.1 AS source, named_power.2 AS power
  FROM (
    SELECT {self._bucket("i.start")} AS time,
      sumOrNull(i.energy_micro) AS all_micro, sumOrNull(t.energy_micro) AS grid_micro, sum(i.length_s) / 3600 AS hours
    FROM (SELECT start, length_s, energy_micro FROM {zone} WHERE energy_micro IS NOT NULL AND {FULL}) AS i
    INNER JOIN (SELECT start, energy_micro FROM {imported} WHERE energy_micro IS NOT NULL) AS t ON t.start = i.start
    GROUP BY time)
  ARRAY JOIN [({grid}, grid_micro {power}), ({own}, (all_micro - grid_micro) {power})] AS named_power
  ORDER BY source, time WITH FILL STEP {step})
ORDER BY time, source"""

    def emitters(self) -> str:
        """One row a company with windows since yesterday's midnight, of those that emit most today: today's emissions in t, comparisons, 24
        hourly values and the two weaknesses; null before the day's first window.

        Which they are is asked first, by fewer columns and days; windows are summed by hour and stretch before they are looked at again.
        """
        every = f"{MINE} AND entity_kind = 'company' AND {PARTS} AND start <= {NOW}"
        today = f"stretch IN ({_TODAY}, {_TODAY_BEHIND})"

        def against(then: int) -> str:
            is_then = f"stretch = {then}"
            past = f"if(sumIf(covered, {is_then}) >= {COMPLETE} * sumIf(expected, {is_then}), sumOrNullIf(mg, {is_then}), NULL)"
            return f"sumOrNullIf(mg, stretch = {_TODAY})\n    / nullIf({past}, 0) - 1"

        hourly = ", ".join(f"sumOrNullIf(mg, hour = {hour}) / 1e9" for hour in reversed(range(24)))
        return f"""\
WITH {NEWEST_FULL},
  {self._midnight},
  (SELECT (groupArray(company), any(all_mg)) FROM (
    SELECT toString(entity) AS company, sumOrNullIf(co2e_mg, start >= midnight) AS mg, sum(mg) OVER () AS all_mg
    FROM zonepulse.totals_final WHERE {every} AND entity IN (${{company:singlequote}}) AND start >= midnight - INTERVAL 1 DAY
    GROUP BY entity ORDER BY mg DESC NULLS LAST, company LIMIT {_MOST_EMITTERS})) AS most
SELECT if(n.name = '', toString(e.company), n.name) AS company_name, toString(e.company) AS company_id,
  sumOrNullIf(mg, {today}) / 1e9 {self._as("today")},
  sumOrNullIf(mg, {today}) / nullIf(most.2, 0) {self._as("share")},
  {against(_YESTERDAY)} {self._as("vs_yesterday")},
  {against(_LAST_WEEK)} {self._as("vs_last_week")},
  [{hourly}] {self._as("last_24_h")},
  sumOrNullIf(estimated_mg, {today}) / nullIf(sumOrNullIf(mg, {today}), 0) {self._as("estimated")},
  sumIf(covered, stretch = {_TODAY}) / nullIf(sumIf(expected, stretch = {_TODAY}), 0) {self._as("complete")}
FROM (
  SELECT entity AS company, sumOrNull(co2e_mg) AS mg,
    sumOrNull(co2e_mg * estimated_micro / nullIf(energy_micro, 0)) AS estimated_mg,
    sum(covered_ms) AS covered, sum(expected_ms) AS expected,
    toInt64(intDiv(dateDiff('second', start, {NOW}), 3600)) AS hour,
    multiIf(start >= midnight, if(start <= newest, {_TODAY}, {_TODAY_BEHIND}),
      start >= midnight - INTERVAL 1 DAY, if(start <= newest - INTERVAL 1 DAY, {_YESTERDAY}, {_YESTERDAY_BEHIND}),
      if(start <= newest - INTERVAL 7 DAY, {_LAST_WEEK}, {_LAST_WEEK_BEHIND})) AS stretch
  FROM zonepulse.totals_final
  WHERE {every} AND entity IN (SELECT arrayJoin(most.1))
    AND (start >= midnight - INTERVAL 1 DAY OR start >= midnight - INTERVAL 7 DAY AND start < midnight - INTERVAL 6 DAY)
  GROUP BY company, hour, stretch) AS e
LEFT JOIN {company_names(self._say.language)} AS n ON n.company = e.company
GROUP BY company_name, company_id
ORDER BY {named(self._say("today"))} DESC NULLS LAST, company_id"""

    def quality(self) -> str:
        """The worst quality of each step, of the twelve registers with most gaps in the last day; grey when nothing was closed at all."""
        step, step_s = self._step, self._step_s
        mine = f"{MINE} AND {CHOSEN} AND $__timeFilter_ms(start)"
        return f"""\
SELECT {self._moments} FROM (
  SELECT * FROM (
    SELECT {self._bucket("start")} AS time, concat(meter, ' ', register) AS channel,
      toNullable(toUInt8(max(indexOf({list(QUALITIES)}, toString(quality)) - 1))) AS q
    FROM zonepulse.intervals_final WHERE {mine}
      AND (meter, register) IN (
        SELECT meter, register FROM zonepulse.intervals_final WHERE {mine} AND start > $__toTime_ms - INTERVAL 1 DAY
        GROUP BY meter, register
        ORDER BY countIf(quality = 'missing') DESC, countIf(quality = 'estimated') DESC, meter, register LIMIT 12)
    GROUP BY time, channel
    ORDER BY channel, time WITH FILL STEP {step})
  UNION ALL SELECT {self._bucket("$__fromTime")} + toIntervalSecond(number * {step_s}) AS time,
    {quoted(self._say("none"))} AS channel, toNullable(toUInt8({NOTHING_AT_ALL})) AS q
  FROM numbers(toUInt64(intDiv(dateDiff('second', $__fromTime, $__toTime), {step_s})) + 1)
  WHERE NOT EXISTS (SELECT 1 FROM zonepulse.intervals WHERE {mine}))
ORDER BY time, channel"""

    def rejected(self) -> str:
        """Dead letters a step of whole hours, one column a group of reasons; zero-filled, since none is a fact."""
        step_s, timezone = step_s_of(3_600), self._limits.timezone
        counts = [f"countIf(reason IN ({', '.join(map(quoted, reasons))})) {self._as(key)}" for key, reasons in REASONS.items()]
        lines = ",\n  ".join(counts)
        return f"""\
SELECT {moments(step_s, timezone)} FROM (
SELECT {bucket("received_at", step_s, timezone)} AS time,
  {lines}
FROM zonepulse.dead_letters_final WHERE {MINE} AND $__timeFilter_ms(received_at)
GROUP BY time
ORDER BY time WITH FILL FROM {bucket("$__fromTime", step_s, timezone)} TO {on_clock("$__toTime", step_s, timezone)}
  STEP {step_of(3_600)})
ORDER BY time"""

    def alert_marks(self) -> str:
        """Annotations: critical alerts and those of the zone, as regions."""
        severity = translated("severity", {key: self._say(key) for key in SEVERITIES})
        return f"""\
SELECT starts_at AS time, if(state = 'resolved', coalesce(ends_at, {NOW}), {NOW}) AS timeEnd,
  concat({translated("rule", rule_words(self._limits, self._say))}, if(meter = '', '', concat(' · ', meter))) AS title,
  {severity} AS text, if(company = '', toString(severity), concat(severity, ',', company)) AS tags
FROM zonepulse.alerts_final WHERE {MINE} AND (severity = 'critical' OR company = '' AND severity = 'warning')
  AND starts_at <= {NOW} AND timeEnd >= $__fromTime_ms
ORDER BY time DESC LIMIT 200"""
