"""Pieces of SQL that several queries share, and the quoting of names and texts."""

from collections.abc import Mapping
from typing import Final

from zonepulse.streams.queries.limits import COMPLETE, Limits
from zonepulse.streams.queries.texts import Texts

NOW: Final = "least(now64(3), $__toTime_ms)"
"""The end of the picker, at most the wall clock: a replay, or a day long past, is shown as it stood then."""
MINE: Final = "run = ${run:singlequote} AND zone = ${zone:singlequote}"
STANDING: Final = (
    "zone = ${zone:singlequote} AND (run = ${run:singlequote} OR ${run:singlequote} = 'live' AND run IN"
    " (SELECT run FROM zonepulse.promotions_final WHERE zone = ${zone:singlequote} AND is_active = 1 AND is_open = 0))"
)
"""Of a table without its `_final` view: rows that may stand in it, where nobody counts them. Live tasks that have taken over a run's state
write under its name."""
INTENSITY: Final = f"zonepulse.intensity_final WHERE {MINE} AND node = '' AND basis = 'location'"
"""The zone by what it draws and generates."""
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
ZONE_TOTALS: Final = f"zonepulse.totals_final WHERE {MINE} AND entity_kind = 'zone' AND entity = ${{zone:singlequote}}"
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
CHOSEN: Final = "if(company = '', '(zone)', toString(company)) IN (${company:singlequote})"
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
    """Seconds of the automatic interval, a whole number of windows: other steps draw a comb."""
    return f"intDiv($__interval_s + {window_s - 1}, {window_s}) * {window_s}"


def step_of(window_s: int) -> str:
    """The same as an interval."""
    return f"toIntervalSecond({step_s_of(window_s)})"


def bucket(moment: str, step: str, timezone: str) -> str:
    """The step that a moment lies in; steps are counted from the zone's midnight, by its clock at the end of the range."""
    ahead = f"toIntervalSecond(timeZoneOffset(toTimeZone($__toTime, {quoted(timezone)})))"
    return f"toStartOfInterval({moment} + {ahead}, {step}) - {ahead}"


class Queries:
    """The queries of one screen in one language for a zone with these limits."""

    def __init__(self, limits: Limits, say: Texts) -> None:
        self._limits, self._say = limits, say
        self._step = step_of(limits.window_s)

    def _bucket(self, moment: str) -> str:
        """The step of whole windows that a moment lies in."""
        return bucket(moment, self._step, self._limits.timezone)

    def _as(self, key: str) -> str:
        """The column's name in the language."""
        return f"AS {named(self._say(key))}"
