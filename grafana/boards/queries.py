"""The SQL of *zone live*. Columns are those of zonepulse.schemas.tables; nothing that is missing becomes zero.

"Now" is the end of the picker, at most the wall clock: so a replay, or a day long past, is shown as it stood then.
A window is *full* when at least COMPLETE of what the registry expects of it is covered; sums of others are too small to compare.
"""

from collections.abc import Mapping
from typing import Final

from boards.limits import COMPLETE, ESTIMATED_WATCH, Limits
from boards.texts import Texts

NOW: Final = "least(now64(3), $__toTime_ms)"
MINE: Final = "run = '${run}' AND zone = '${zone}'"
INTENSITY: Final = f"zonepulse.intensity_final WHERE {MINE} AND node = '' AND basis = 'location'"
ZONE_TOTALS: Final = f"zonepulse.totals_final WHERE {MINE} AND entity_kind = 'zone' AND entity = '${{zone}}'"
BASIS: Final = "(scope = 1 AND basis = 'location' OR scope = 2 AND basis = '${basis}')"
FULL: Final = f"covered_ms >= {COMPLETE} * expected_ms"
CHOSEN: Final = "if(company = '', '(zone)', toString(company)) IN (${company:singlequote})"
OPEN: Final = f"starts_at <= {NOW} AND (state != 'resolved' OR ends_at > {NOW})"
"""Of an alert; one may be open for any time, so it has no earliest start."""
SEVERITIES: Final = ("critical", "warning", "info")
QUALITIES: Final = ("measured", "corrected", "estimated", "missing")
"""From good to bad; the place is the number a panel maps back to a word."""
NOTHING_AT_ALL: Final = len(QUALITIES)
REASONS: Final[Mapping[str, tuple[str, ...]]] = {
    "late": ("late",),
    "future": ("future",),
    "unreadable": ("malformed", "naive_time", "too_large"),
    "unknown": ("unknown_meter", "unknown_register"),
    "wrong": ("unit_mismatch", "out_of_range", "off_grid", "wrong_partition"),
}
"""Text key -> dead-letter reasons shown together."""


def quoted(text: str) -> str:
    """A string literal of ClickHouse."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def named(text: str) -> str:
    """A column alias."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def translated(column: str, words: Mapping[str, str]) -> str:
    """The column's values in the words given, others as they are."""
    known, said = (", ".join(quoted(word) for word in side) for side in (words.keys(), words.values()))
    return f"transform({column}, [{known}], [{said}], toString({column}))"


class ZoneLive:
    """The queries of one language for a zone with these limits."""

    def __init__(self, limits: Limits, say: Texts) -> None:
        self._limits, self._say = limits, say
        window = limits.window_s
        self._step = f"toIntervalSecond(intDiv($__interval_s + {window - 1}, {window}) * {window})"
        """The automatic interval as a whole number of windows: other buckets draw a comb."""
        self._midnight = f"toStartOfDay({NOW}, {quoted(limits.timezone)})"
        self._newest_full = (
            f"(SELECT maxOrNull(start) FROM {INTENSITY} AND start > {NOW} - INTERVAL 1 DAY AND start <= {NOW} AND {FULL})"
        )
        self._newest_value = (
            "(SELECT maxOrNull(t) FROM"
            f" (SELECT maxOrNull(at) AS t FROM zonepulse.live WHERE {MINE} AND entity_kind = 'zone' AND power_kw IS NOT NULL"
            f" AND at > {NOW} - INTERVAL 1 DAY AND at <= {NOW}\n"
            f"  UNION ALL SELECT maxOrNull(start + toIntervalSecond(length_s)) FROM {ZONE_TOTALS} AND covered_ms > 0"
            f" AND start > {NOW} - INTERVAL 1 DAY AND start <= {NOW}))"
        )
        self._names = (
            f"(SELECT company, name_{say.language} AS name FROM zonepulse.registry_companies_final WHERE zone = '${{zone}}')"
        )

    def status(self) -> str:
        """One row: the word and why."""
        say, limits = self._say, self._limits
        words = [quoted(say(key)) for key in ("blind", "act", "watch", "all_right")]
        blind_why = quoted(say("blind_why", blind_min=limits.blind_s // 60))
        counts = (
            f"concat(toString(critical), {quoted(' ' + say('critical') + ', ')}, toString(warning), {quoted(' ' + say('warning'))})"
        )
        return f"""\
SELECT multiIf(is_blind, {words[0]}, critical > 0, {words[1]}, warning > 0, {words[2]}, {words[3]}) AS status,
  multiIf(is_blind, {blind_why}, critical + warning > 0, {counts}, {quoted(say("all_right_why"))}) AS why
FROM (SELECT countIf(severity = 'critical') AS critical, countIf(severity = 'warning') AS warning,
    ifNull(dateDiff('second', {self._newest_value}, {NOW}), {limits.blind_s + 1}) > {limits.blind_s} AS is_blind
  FROM zonepulse.alerts_final WHERE {MINE} AND {OPEN})"""

    def intensity_now(self) -> str:
        """The full windows of 24 h, then the live value; at the end null when both are too old."""
        limits = self._limits
        live = f"FROM zonepulse.live WHERE {MINE} AND entity_kind = 'zone' AND at > {NOW} - INTERVAL 5 MINUTE AND at <= {NOW}"
        return f"""\
WITH {self._newest_full} AS newest
SELECT time, intensity FROM (
  SELECT start AS time, if({FULL}, g_per_kwh, NULL) AS intensity
  FROM {INTENSITY} AND start > {NOW} - INTERVAL 1 DAY AND start <= newest
  UNION ALL SELECT {NOW} AS time, g AS intensity FROM (SELECT count() AS n, argMax(tuple(g_per_kwh), at).1 AS g {live})
  WHERE n > 0 OR ifNull(dateDiff('second', newest, {NOW}), {limits.slowest_s + 1}) > {limits.slowest_s})
ORDER BY time WITH FILL STEP toIntervalSecond({limits.window_s})"""

    def last_hour(self) -> str:
        """One row: the newest full hour's intensity against a day and a week before, as shares."""
        hours = {"now": 0, "yesterday": 1, "last_week": 7}
        at = {
            key: f"start > newest - INTERVAL {d} DAY - INTERVAL 1 HOUR AND start <= newest - INTERVAL {d} DAY"
            for key, d in hours.items()
        }
        g = {
            key: f"sumOrNullIf(co2e_mg, {when}) / nullIf(sumOrNullIf(energy_micro, {when}), 0) AS {key}_mg_per_micro"
            for key, when in at.items()
        }
        return f"""\
WITH {self._newest_full} AS newest
SELECT now_mg_per_micro / nullIf(yesterday_mg_per_micro, 0) - 1 AS {named(self._say("vs_yesterday"))},
  now_mg_per_micro / nullIf(last_week_mg_per_micro, 0) - 1 AS {named(self._say("vs_last_week"))}
FROM (SELECT {g["now"]},
    {g["yesterday"]},
    {g["last_week"]}
  FROM {INTENSITY} AND g_per_kwh IS NOT NULL AND {FULL}
    AND (({at["now"]}) OR ({at["yesterday"]}) OR ({at["last_week"]})))"""

    def day_budget(self) -> str:
        """One row: today's emissions as a share of last week's whole day, and the share of the day that they cover."""
        window = self._limits.window_s
        last_week = "start >= midnight - INTERVAL 7 DAY AND start < midnight - INTERVAL 6 DAY"
        today = "start >= midnight AND start <= newest"
        return f"""\
WITH {self._newest_full} AS newest, {self._midnight} AS midnight, dateDiff('second', midnight - INTERVAL 7 DAY, midnight - INTERVAL 6 DAY) AS day_s
SELECT today_mg / nullIf(if(windows >= {COMPLETE} * day_s / {window} AND covered >= {COMPLETE} * expected, last_week_mg, NULL), 0) AS {named(self._say("emitted"))},
  if(newest >= midnight, dateDiff('second', midnight, newest + toIntervalSecond({window})) / day_s, NULL) AS {named(self._say("day_gone"))}
FROM (SELECT sumOrNullIf(co2e_mg, {today}) AS today_mg, sumOrNullIf(co2e_mg, {last_week}) AS last_week_mg,
    uniqExactIf(start, {last_week}) AS windows, sumIf(covered_ms, {last_week}) AS covered, sumIf(expected_ms, {last_week}) AS expected
  FROM {ZONE_TOTALS} AND carrier = '' AND {BASIS} AND (({last_week}) OR ({today})))"""

    def trust(self) -> str:
        """One row: complete, estimated, too late, age of the newest value in s."""
        say, limits = self._say, self._limits
        late = f"zonepulse.dead_letters_final WHERE {MINE} AND reason = 'late' AND received_at > {NOW} - INTERVAL 1 DAY AND received_at <= {NOW}"
        return f"""\
WITH {NOW} - toIntervalSecond({limits.slowest_s}) AS due
SELECT sum(covered_ms) / nullIf(sum(expected_ms) / nullIf(uniqExact(start), 0) * {86400 // limits.window_s}, 0) AS {named(say("complete"))},
  sumOrNullIf(estimated_micro, energy_micro IS NOT NULL) / nullIf(sumOrNull(energy_micro), 0) AS {named(say("estimated"))},
  (SELECT count() FROM {late}) AS {named(say("too_late"))},
  greatest(0, dateDiff('second', {self._newest_value}, {NOW})) AS {named(say("newest_value"))}
FROM {ZONE_TOTALS} AND carrier = 'electricity' AND scope = 0 AND start > due - INTERVAL 1 DAY AND start <= due"""

    def curve(self) -> str:
        """Measured and provisional intensity; the provisional line overlaps a point on both sides."""
        say = self._say
        return f"""\
SELECT time, if(p = 0, g, NULL) AS {named(say("measured"))},
  if(p = 1 OR lagInFrame(p) OVER around = 1 OR leadInFrame(p) OVER around = 1, g, NULL) AS {named(say("provisional"))}
FROM (SELECT time, g, ifNull(estimated >= {ESTIMATED_WATCH} OR covered < {COMPLETE} * expected, 1) AS p
  FROM (SELECT toStartOfInterval(start, {self._step}) AS time, sumOrNull(co2e_mg) / nullIf(sumOrNull(energy_micro), 0) * 1000 AS g,
      sumOrNull(estimated_share * energy_micro) / nullIf(sumOrNull(energy_micro), 0) AS estimated,
      sum(covered_ms) AS covered, sum(expected_ms) AS expected
    FROM {INTENSITY} AND g_per_kwh IS NOT NULL AND $__timeFilter_ms(start) GROUP BY time))
WINDOW around AS (ORDER BY time ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING)
ORDER BY time WITH FILL STEP {self._step}"""

    def curve_before(self, days: int, key: str) -> str:
        """The full windows of so many days before, at today's time."""
        shifted = f"start + INTERVAL {days} DAY"
        return f"""\
SELECT toStartOfInterval({shifted}, {self._step}) AS time, sumOrNull(co2e_mg) / nullIf(sumOrNull(energy_micro), 0) * 1000 AS {named(self._say(key))}
FROM {INTENSITY} AND g_per_kwh IS NOT NULL AND {FULL} AND $__timeFilter_ms({shifted})
GROUP BY time ORDER BY time WITH FILL STEP {self._step}"""

    def wrong_now(self) -> str:
        """Open alerts, one row for a rule and company, the worst first."""
        say = self._say
        return f"""\
SELECT severity AS {named(say("severity"))}, multiIf(a.company = '', {quoted(say("zone_itself"))}, n.name = '', toString(a.company), n.name) AS {named(say("who"))},
  {translated("rule", self.rule_words())} AS {named(say("what"))}, nullIf(meters, 0) AS {named(say("meters"))},
  dateDiff('second', first_start, {NOW}) AS {named(say("since"))}, if(a.company = '', '(zone)', toString(a.company)) AS company_id
FROM (SELECT severity, rule, company, uniqExactIf(meter, meter != '') AS meters, min(starts_at) AS first_start
  FROM zonepulse.alerts_final WHERE {MINE} AND {OPEN} AND {CHOSEN} GROUP BY severity, rule, company) AS a
LEFT JOIN {self._names} AS n ON n.company = a.company
ORDER BY indexOf({list(SEVERITIES)}, severity), first_start DESC LIMIT 50"""

    def rule_words(self) -> dict[str, str]:
        """Rule -> its text: the built-in rules, then the registry's own."""
        built_in = ("silent_channel", "stuck", "impossible_value", "register_backwards", "gap_too_long", "no_factor")
        own = {rule: text.get(self._say.language) or text.get("en") or rule for rule, text in self._limits.rule_texts.items()}
        return {rule: self._say(rule) for rule in built_in} | own

    def sources(self) -> str:
        """Mean kW of grid import and own generation."""
        say, step = self._say, self._step
        power = "/ 1e6 / nullIf(hours, 0)"
        return f"""\
SELECT * FROM (SELECT time, named_power.1 AS source, named_power.2 AS power
FROM (SELECT toStartOfInterval(i.start, {step}) AS time, sumOrNull(i.energy_micro) AS all_micro, sumOrNull(t.energy_micro) AS grid_micro,
    count() * any(i.length_s) / 3600 AS hours
  FROM (SELECT start, length_s, energy_micro FROM {INTENSITY} AND energy_micro IS NOT NULL AND {FULL} AND $__timeFilter_ms(start)) AS i
  INNER JOIN (SELECT start, energy_micro FROM {ZONE_TOTALS} AND carrier = 'electricity' AND scope = 2 AND basis = 'location'
    AND energy_micro IS NOT NULL AND $__timeFilter_ms(start)) AS t ON t.start = i.start
  GROUP BY time)
ARRAY JOIN [({quoted(say("grid"))}, grid_micro {power}), ({quoted(say("own"))}, (all_micro - grid_micro) {power})] AS named_power
ORDER BY source, time WITH FILL STEP {step})
ORDER BY time, source"""

    def emitters(self) -> str:
        """One row a company with today's emissions in t, comparisons, 24 hourly values and the two weaknesses."""
        say = self._say
        today = "start >= midnight"
        before = {d: f"start >= midnight - INTERVAL {d} DAY AND start <= newest - INTERVAL {d} DAY" for d in (1, 7)}

        def against(days: int) -> str:
            when = before[days]
            past = f"if(sumIf(covered, {when}) >= {COMPLETE} * sumIf(expected, {when}), sumOrNullIf(mg, {when}), NULL)"
            return f"sumOrNullIf(mg, {today} AND start <= newest) / nullIf({past}, 0) - 1"

        return f"""\
WITH {self._newest_full} AS newest, {self._midnight} AS midnight
SELECT if(n.name = '', toString(e.company), n.name) AS company_name, toString(e.company) AS company_id,
  sumOrNullIf(mg, {today}) / 1e9 AS {named(say("today"))},
  sumOrNullIf(mg, {today}) / nullIf(sum(sumOrNullIf(mg, {today})) OVER (), 0) AS {named(say("share"))},
  {against(1)} AS {named(say("vs_yesterday"))},
  {against(7)} AS {named(say("vs_last_week"))},
  arrayMap(h -> if(sumMap(map(hour, toUInt64(mg IS NOT NULL)))[h] = 0, NULL, sumMap(map(hour, ifNull(mg, 0)))[h] / 1e9), reverse(range(24))) AS {named(say("last_24_h"))},
  sumOrNullIf(estimated_mg, {today}) / nullIf(sumOrNullIf(mg, {today}), 0) AS {named(say("estimated"))},
  sumIf(covered, {today} AND start <= newest) / nullIf(sumIf(expected, {today} AND start <= newest), 0) AS {named(say("complete"))}
FROM (SELECT entity AS company, start, sumOrNull(co2e_mg) AS mg, sumOrNull(co2e_mg * estimated_micro / nullIf(energy_micro, 0)) AS estimated_mg,
    sum(covered_ms) AS covered, sum(expected_ms) AS expected, toInt64(intDiv(dateDiff('second', start, {NOW}), 3600)) AS hour
  FROM zonepulse.totals_final
  WHERE {MINE} AND entity_kind = 'company' AND carrier != '' AND {BASIS} AND entity IN (${{company:singlequote}}) AND start <= {NOW}
    AND (start >= midnight - INTERVAL 1 DAY OR start >= midnight - INTERVAL 7 DAY AND start < midnight - INTERVAL 6 DAY)
  GROUP BY company, start) AS e
LEFT JOIN {self._names} AS n ON n.company = e.company
GROUP BY company_name, company_id HAVING countIf({today}) > 0 ORDER BY {named(say("today"))} DESC LIMIT 50"""

    def quality(self) -> str:
        """The worst quality of each step, of the twelve registers with most gaps; grey when nothing was closed at all."""
        step, when = self._step, f"{MINE} AND {CHOSEN} AND $__timeFilter_ms(start)"
        code = f"toNullable(toUInt8(max(indexOf({list(QUALITIES)}, toString(quality)) - 1)))"
        return f"""\
SELECT * FROM (SELECT * FROM (SELECT toStartOfInterval(start, {step}) AS time, concat(meter, ' ', register) AS channel, {code} AS q
FROM zonepulse.intervals_final WHERE {when} AND (meter, register) IN
  (SELECT meter, register FROM zonepulse.intervals_final WHERE {when} GROUP BY meter, register
   ORDER BY countIf(quality = 'missing') DESC, countIf(quality = 'estimated') DESC, meter, register LIMIT 12)
GROUP BY time, channel ORDER BY channel, time WITH FILL STEP {step})
UNION ALL SELECT toStartOfInterval($__fromTime_ms, {step}) + toIntervalSecond(number * {self._limits.window_s}) AS time, {quoted(self._say("none"))} AS channel,
  toNullable(toUInt8({NOTHING_AT_ALL})) AS q
FROM numbers(toUInt64(intDiv(dateDiff('second', $__fromTime, $__toTime), {self._limits.window_s})) + 1)
WHERE NOT EXISTS (SELECT 1 FROM zonepulse.intervals WHERE {when}))
ORDER BY time, channel"""

    def rejected(self) -> str:
        """Dead letters a step of whole hours, one column a group of reasons; zero-filled, since none is a fact."""
        step = "toIntervalSecond(intDiv($__interval_s + 3599, 3600) * 3600)"
        counts = [
            f"countIf(reason IN ({', '.join(map(quoted, reasons))})) AS {named(self._say(key))}" for key, reasons in REASONS.items()
        ]
        lines = ",\n  ".join(counts)
        return f"""\
SELECT toStartOfInterval(received_at, {step}) AS time,
  {lines}
FROM zonepulse.dead_letters_final WHERE {MINE} AND $__timeFilter_ms(received_at)
GROUP BY time ORDER BY time WITH FILL FROM toStartOfInterval($__fromTime, {step}) TO $__toTime STEP {step}"""

    def alert_marks(self) -> str:
        """Annotations: critical alerts and those of the zone, as regions."""
        severity = translated("severity", {key: self._say(key) for key in SEVERITIES})
        return f"""\
SELECT starts_at AS time, if(state = 'resolved', coalesce(ends_at, {NOW}), {NOW}) AS timeEnd,
  concat({translated("rule", self.rule_words())}, if(meter = '', '', concat(' · ', meter))) AS title, {severity} AS text,
  if(company = '', toString(severity), concat(severity, ',', company)) AS tags
FROM zonepulse.alerts_final
WHERE {MINE} AND (severity = 'critical' OR company = '' AND severity = 'warning') AND starts_at <= {NOW} AND timeEnd >= $__fromTime_ms
ORDER BY time DESC LIMIT 200"""


def runs() -> str:
    """Every run, the live one first and always there."""
    return """\
SELECT run FROM (SELECT 'live' AS run UNION DISTINCT SELECT toString(run) FROM zonepulse.intensity
  UNION DISTINCT SELECT toString(run) FROM zonepulse.runs_final) ORDER BY run = 'live' DESC, run DESC"""


def zones(limits: Limits, say: Texts) -> str:
    """(id, name) of every zone with results, the one the dashboard was made for first and always there."""
    name = translated("zone", {limits.zone: limits.zone_name.get(say.language, limits.zone)})
    return f"""\
SELECT zone, {name} AS name FROM (SELECT {quoted(limits.zone)} AS zone UNION DISTINCT SELECT toString(zone) FROM zonepulse.intensity)
ORDER BY zone = {quoted(limits.zone)} DESC, zone"""


def bases() -> str:
    """The scope 2 bases that have results; location always."""
    return f"""\
SELECT basis FROM (SELECT 'location' AS basis UNION DISTINCT SELECT toString(basis) FROM zonepulse.totals
  WHERE {MINE} AND entity_kind = 'zone' AND scope = 2) ORDER BY indexOf(['location', 'market', 'nodal'], basis)"""


def companies(say: Texts) -> str:
    """(id, name) of the companies with results, then the zone itself: alerts and meters that belong to no company."""
    return f"""\
SELECT c.company AS id, if(n.name = '', c.company, n.name) AS name
FROM (SELECT DISTINCT toString(entity) AS company FROM zonepulse.totals WHERE {MINE} AND entity_kind = 'company') AS c
LEFT JOIN (SELECT toString(company) AS company, name_{say.language} AS name FROM zonepulse.registry_companies_final WHERE zone = '${{zone}}') AS n
  ON n.company = c.company
ORDER BY name UNION ALL SELECT '(zone)' AS id, {quoted(say("zone_itself"))} AS name"""
