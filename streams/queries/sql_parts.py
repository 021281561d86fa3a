"""Pieces of SQL that several queries share, and the quoting of names and texts."""

from collections.abc import Mapping
from typing import Final

from zonepulse.streams.queries.limits import COMPLETE, Limits
from zonepulse.streams.queries.texts import Texts

NOW: Final = "least(now64(3), $__toTime_ms)"
"""The end of the picker, at most the wall clock: a replay, or a day long past, is shown as it stood then."""
HOUR_S: Final = 3_600
DAY_S: Final = 86_400
MINE: Final = "run = ${run:singlequote} AND zone = ${zone:singlequote}"
STANDING: Final = (
    "zone = ${zone:singlequote} AND (run = ${run:singlequote} OR ${run:singlequote} = 'live' AND run IN"
    " (SELECT run FROM zonepulse.promotions_final WHERE zone = ${zone:singlequote} AND is_active = 1 AND is_open = 0))"
)
"""Of a table without its `_final` view: rows that may stand in it, where nobody counts them. Live tasks that have taken over a run's state
write under its name."""
CHOSEN_INTENSITY: Final = f"""\
(SELECT start, length_s, energy_micro, co2e_mg, g_per_kwh, estimated_share, covered_ms, expected_ms
    FROM zonepulse.intensity_final WHERE {MINE} AND node = '' AND basis = ${{basis:singlequote}}
    UNION ALL SELECT start, length_s, energy AS energy_micro, carbon AS co2e_mg, carbon / nullIf(energy, 0) * 1000 AS g_per_kwh,
      ifNull(estimated / nullIf(energy, 0), 0) AS estimated_share, covered AS covered_ms, due AS expected_ms
    FROM (SELECT start, length_s, sumOrNull(energy_micro) AS energy,
        if(countIf(energy_micro > 0 AND co2e_mg IS NULL) > 0, NULL, sumOrNull(co2e_mg)) AS carbon,
        sum(estimated_micro) AS estimated, sum(covered_ms) AS covered, sum(expected_ms) AS due
      FROM zonepulse.totals_final WHERE {MINE} AND ${{basis:singlequote}} = 'nodal' AND entity_kind = 'load' AND basis = 'nodal'
      GROUP BY start, length_s)) WHERE length_s > 0"""
"""The zone on the chosen basis; nodal has no row of the zone: it is what was traced to its loads, null where a load's node is unknown."""
OF_ZONE: Final = "entity_kind = 'zone' AND entity = ${zone:singlequote}"
ZONE_TOTALS: Final = f"zonepulse.totals_final WHERE {MINE} AND {OF_ZONE}"
ZONE_CARBON: Final = f"""\
zonepulse.totals_final WHERE {MINE} AND carrier = ''
    AND (entity_kind = 'zone' AND (scope = 1 AND basis = 'location' OR scope = 2 AND basis = ${{basis:singlequote}})
      OR entity_kind = 'company' AND ${{basis:singlequote}} = 'nodal' AND scope = 2 AND basis = 'nodal')"""
"""Scope 1 and 2 of all carriers; nodal is known of companies only, and they add up to the zone's loads."""
PARTS: Final = (
    "scope > 0 AND carrier != '' AND (basis = 'location' AND carrier != 'electricity'"
    " OR basis = ${basis:singlequote} AND carrier = 'electricity')"
)
"""Of totals: the carriers that make up scope 1 and 2 on the chosen basis, each once."""
FULL: Final = f"covered_ms >= {COMPLETE} * expected_ms"
"""Of a window; sums of other windows are too small to compare."""
NEWEST_FULL: Final = f"""\
(SELECT maxOrNull(start) FROM {CHOSEN_INTENSITY}
  AND start > {NOW} - INTERVAL 1 DAY AND start <= {NOW} AND {FULL}) AS newest"""
"""`WITH` this: start of the newest full window of the last day, null if there is none."""
NEWEST_VALUE: Final = f"""\
(SELECT maxOrNull(t) FROM (
    SELECT maxOrNull(at) AS t FROM zonepulse.live
    WHERE {MINE} AND entity_kind = 'zone' AND power_kw IS NOT NULL AND at > {NOW} - INTERVAL 1 DAY AND at <= {NOW}
    UNION ALL SELECT maxOrNull(start + toIntervalSecond(length_s)) FROM {ZONE_TOTALS}
    AND covered_ms > 0 AND start > {NOW} - INTERVAL 1 DAY AND start <= {NOW}))"""
"""When the zone last had a value, of the live view or of a closed window; null if never in a day."""
CHOSEN: Final = "(company IN (${company:singlequote}) OR company = '' AND '(zone)' IN (${company:singlequote}))"
OPEN: Final = f"starts_at <= {NOW} AND (state != 'resolved' OR ends_at > {NOW})"
"""Of an alert; one may be open for any time, so it has no earliest start."""


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


def company_names(language: str) -> str:
    """A sub-query (company, name) of the registry's newest version."""
    return (
        f"(SELECT toString(company) AS company, name_{language} AS name FROM zonepulse.registry_companies_final"
        " WHERE zone = ${zone:singlequote})"
    )


def step_s_of(window_s: int) -> str:
    """Seconds of the automatic interval, up to a whole number of windows; of hours above half of one, of days above half of one.

    Steps that are no whole number of what is summed draw a comb.
    """

    def whole(least_s: int) -> str:
        unit_s = max(least_s, window_s)
        return f"intDiv($__interval_s + {unit_s - 1}, {unit_s}) * {unit_s}"

    return (
        f"multiIf($__interval_s > {DAY_S // 2}, {whole(DAY_S)}, $__interval_s > {HOUR_S // 2}, {whole(HOUR_S)}, {whole(window_s)})"
    )


def step_of(window_s: int) -> str:
    """The same as an interval."""
    return f"toIntervalSecond({step_s_of(window_s)})"


def bucket(moment: str, step_s: str, timezone: str) -> str:
    """What the zone's clocks show, as if it were UTC, when the step begins that a moment lies in; `moments` has the time itself.

    Days begin at each midnight of the zone, also where they have 23 or 25 hours; shorter steps are counted by the clock at the end of
    the range, so that the hour that comes twice stays two.
    """
    return f"toStartOfInterval({on_clock(moment, step_s, timezone)}, toIntervalSecond({step_s}))"


def on_clock(moment: str, step_s: str, timezone: str) -> str:
    """What the zone's clocks show at a moment, as if it were UTC, as `bucket` reads them."""
    at = f"if({step_s} >= {DAY_S}, toDateTime({moment}, 'UTC'), $__toTime)"
    return f"{moment} + {_ahead(at, timezone)}"


def moments(step_s: str, timezone: str) -> str:
    """All columns, with the `time` that `bucket` made turned into the moment itself."""
    at = f"if({step_s} >= {DAY_S}, toDateTime(time, 'UTC') - {_ahead('$__toTime', timezone)}, $__toTime)"
    return f"* REPLACE (time - {_ahead(at, timezone)} AS time)"


def _ahead(at: str, timezone: str) -> str:
    return f"toIntervalSecond(timeZoneOffset(toTimeZone({at}, {quoted(timezone)})))"


def summed(step_s: str = "", days_ago: int = 0) -> str:
    """`WITH` these: from when to when the ledger has summed hours and days that lie in the range, which ends `days_ago` earlier.

    They stand for the windows of `sums` where a step is no shorter than they are; `step_s` empty: one sum of the whole range.
    Where there is none, both ends are 1970. The ledger says all sums of a period at once: those of the zone's intensity stand for all.
    """
    ago = f" - INTERVAL {days_ago} DAY" if days_ago else ""

    def between(period: str, seconds: int) -> str:
        wide_enough = f" AND {step_s} >= {seconds}" if step_s else ""
        return f"""\
(SELECT (min(start), max(start + toIntervalSecond(length_s))) FROM zonepulse.period_intensity_final WHERE {MINE} AND period = '{period}'
    AND node = '' AND basis = 'location' AND start >= $__fromTime_ms{ago}
    AND start + toIntervalSecond(length_s) <= $__toTime_ms{ago}{wide_enough}) AS summed_{period}s{days_ago or ""}"""

    return between("hour", HOUR_S) + ",\n  " + between("day", DAY_S)


def sums(table: str, keys: str, where: str, days_ago: int = 0) -> str:
    """A sub-query of the rows of `totals` or `intensity` in the range, `days_ago` earlier: days, else hours, else windows. Needs `summed`.

    Columns: keys, start, length_s, energy_micro, co2e_mg, estimated_micro, valued_micro, covered_ms, expected_ms. All of them add up, and
    so do g: 1000 x co2e_mg / valued_micro.
    """
    ago = f" - INTERVAL {days_ago} DAY" if days_ago else ""
    hours, days = (f"{name}{days_ago or ''}" for name in ("summed_hours", "summed_days"))

    def without(between: str) -> str:
        return f"(start < {between}.1 OR start >= {between}.2)"

    estimated = (
        "estimated_micro" if table == "totals" else "toInt64(round(estimated_share * ifNull(energy_micro, 0))) AS estimated_micro"
    )
    of_both = f"{keys}, start, length_s, energy_micro, co2e_mg"
    rest = "covered_ms, expected_ms"
    of_sums = f"{of_both}, estimated_micro, toNullable(valued_micro) AS valued_micro, {rest} FROM zonepulse.period_{table}_final"
    of_windows = (
        f"{of_both}, {estimated}, if(co2e_mg IS NULL, NULL, energy_micro) AS valued_micro, {rest} FROM zonepulse.{table}_final"
    )
    return f"""\
(SELECT {of_sums} WHERE {MINE} AND period = 'day' AND {where}
    AND start >= {days}.1 AND start < {days}.2
  UNION ALL SELECT {of_sums} WHERE {MINE} AND period = 'hour' AND {where}
    AND start >= {hours}.1 AND start < {hours}.2 AND {without(days)}
  UNION ALL SELECT {of_windows} WHERE {MINE} AND {where}
    AND start >= $__fromTime_ms{ago} AND start <= $__toTime_ms{ago} AND {without(hours)} AND {without(days)})"""


def chosen_sums(days_ago: int = 0) -> str:
    """The zone on the chosen basis as `sums` has it; nodal is what was traced to its loads."""
    loads = sums("totals", "entity", "${basis:singlequote} = 'nodal' AND entity_kind = 'load' AND basis = 'nodal'", days_ago)
    columns = "start, length_s, energy_micro, co2e_mg, estimated_micro, valued_micro, covered_ms, expected_ms"
    zone = sums("intensity", "node", "node = '' AND basis = ${basis:singlequote}", days_ago)
    return f"""\
(SELECT {columns} FROM {zone}
  UNION ALL SELECT start, length_s, energy AS energy_micro, if(is_unknown, NULL, carbon) AS co2e_mg, estimated AS estimated_micro,
    if(is_unknown, NULL, valued) AS valued_micro, covered AS covered_ms, due AS expected_ms
  FROM (SELECT start, length_s, sumOrNull(energy_micro) AS energy, sumOrNull(co2e_mg) AS carbon, sum(estimated_micro) AS estimated,
      sumOrNull(valued_micro) AS valued, sum(covered_ms) AS covered, sum(expected_ms) AS due,
      countIf(energy_micro > 0 AND co2e_mg IS NULL) > 0 AS is_unknown
    FROM {loads} GROUP BY start, length_s))"""


class Queries:
    """The queries of one screen in one language for a zone with these limits."""

    def __init__(self, limits: Limits, say: Texts) -> None:
        self._limits, self._say = limits, say
        self._step_s, self._step = step_s_of(limits.window_s), step_of(limits.window_s)
        self._moments = moments(self._step_s, limits.timezone)

    def _bucket(self, moment: str) -> str:
        """The step of whole windows that a moment lies in, by the zone's clock."""
        return bucket(moment, self._step_s, self._limits.timezone)

    def _as(self, key: str) -> str:
        """The column's name in the language."""
        return f"AS {named(self._say(key))}"
