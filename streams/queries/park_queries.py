"""The SQL of the park's indicators: where the zone and its companies stand, and how the core indicator went."""

from typing import Final

from zonepulse.streams.queries.sql_parts import MINE, NOW, Queries, company_names, quoted, translated

_OF_PERIOD: Final = f"zonepulse.indicators_final WHERE {MINE} AND period = ${{period:singlequote}} AND start <= {NOW}"
_NEWEST: Final = f"start = (SELECT max(start) FROM {_OF_PERIOD})"
_CORE: Final = "indicator_set = 'national-zero-carbon-park' AND startsWith(indicator, 'co2_per_energy')"
VERDICTS: Final = ("met", "missed", "none", "unverified", "case_by_case", "unknown_size")


class ParkQueries(Queries):
    """What is asked about indicators of the newest day, month or year."""

    def _name(self) -> str:
        ways = {way: f" ({self._say(f'counts_{way}')})" for way in ("equal", "equivalent")}
        return f"concat(name_{self._say.language}, {translated('electricity', ways)})"

    def _cells(self) -> str:
        """Value, unit, bound, verdict, gap, how well it is known, and why there is none."""
        return f"""\
value {self._as("value")}, toString(unit) {self._as("unit")},
  coalesce(concat('≤ ', toString(at_most)), concat('≥ ', toString(at_least)), '') {self._as("bound")},
  toString(verdict) {self._as("verdict")}, gap {self._as("gap")}, toString(gap_unit) {self._as("gap_unit")},
  covered {self._as("complete")}, estimated {self._as("estimated")}, missing_{self._say.language} {self._as("not_computable")}"""

    def zone(self) -> str:
        """The zone's indicators, set by set in their order."""
        return f"""\
SELECT toString(indicator_set) {self._as("indicator_set")}, {self._name()} {self._as("indicator")}, {self._cells()}
FROM {_OF_PERIOD} AND {_NEWEST} AND entity_kind = 'zone'
ORDER BY indicator_set, position, electricity LIMIT 200"""

    def companies(self) -> str:
        """Those of the companies."""
        return f"""\
SELECT if(n.name = '', toString(i.entity), n.name) {self._as("company")}, {self._name()} {self._as("indicator")}, {self._cells()}
FROM (SELECT * FROM {_OF_PERIOD} AND {_NEWEST} AND entity_kind = 'company' AND entity IN (${{company:singlequote}})) AS i
LEFT JOIN {company_names(self._say.language)} AS n ON n.company = toString(i.entity)
ORDER BY i.indicator_set, i.position, i.electricity, i.entity LIMIT 500"""

    def core(self) -> str:
        """CO2 per unit of energy in each period of the range, by each way to count it, and the bound where there is one."""
        mine = f"{_OF_PERIOD} AND until >= $__fromTime_ms AND entity_kind = 'zone' AND {_CORE}"
        return f"""\
SELECT start AS time, {self._name()} AS series, value AS ratio FROM {mine}
UNION ALL SELECT start AS time, {quoted(self._say("bound"))} AS series, min(at_most) AS ratio FROM {mine}
GROUP BY time HAVING ratio IS NOT NULL
ORDER BY time, series"""

    def known(self) -> str:
        """One row: how many of the zone's indicators are met, missed, without a verdict, and not computable."""
        judged = ", ".join(f"countIf(verdict = '{verdict}') {self._as(f'verdict_{verdict}')}" for verdict in ("met", "missed"))
        return f"""\
SELECT {judged}, countIf(value IS NOT NULL AND verdict NOT IN ('met', 'missed')) {self._as("without_verdict")},
  countIf(value IS NULL) {self._as("not_computable")}, maxOrNull(until) {self._as("summed_until")}
FROM {_OF_PERIOD} AND {_NEWEST} AND entity_kind = 'zone'"""
