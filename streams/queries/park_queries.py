"""The SQL of the park's indicators and budgets: where the zone and its companies stand, how the core indicator went, how budgets burn."""

from collections.abc import Mapping
from typing import Final

from zonepulse.schemas.registry.budgets import FAST_DAYS, SLOW_DAYS
from zonepulse.streams.queries.sql_parts import MINE, NOW, Queries, company_names, named, quoted, translated

_OF_PERIOD: Final = f"zonepulse.indicators_final WHERE {MINE} AND period = ${{period:singlequote}} AND start <= {NOW}"
_NEWEST: Final = f"start = (SELECT max(start) FROM {_OF_PERIOD})"
_CORE: Final = "indicator_set = 'national-zero-carbon-park' AND startsWith(indicator, 'co2_per_energy')"
BUDGET_VERDICTS: Final = ("burning", "in_budget")
"""What a budget's rates say, as keys of texts."""
_MOST_DAYS: Final = 367
"""Before now, in which a budget's period lies that has not ended."""
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


class BudgetQueries(Queries):
    """What is asked about budgets."""

    def budgets(self) -> str:
        """A row a budget of the chosen companies and the zone whose period goes on: shares of what is used and of the period that is
        gone, and the two rates; null where a day that they need is not known, as on the first of a month. The fastest first."""
        zone, timezone = quoted(self._say("zone_itself")), quoted(self._limits.timezone)
        first, begin_s = "toDate(concat(period, if(is_year, '-01-01', '-01')))", f"toUnixTimestamp(toDateTime(first, {timezone}))"
        end_s = f"toUnixTimestamp(toDateTime(if(is_year, addYears(first, 1), addMonths(first, 1)), {timezone}))"
        fast, slow, (burning, keeps) = (
            named(self._say("fast")),
            named(self._say("slow")),
            (quoted(word) for word in BUDGET_VERDICTS),
        )
        return f"""\
WITH
  (SELECT formatDateTime({NOW}, '%Y-%m', {timezone})) AS this_month,
  last -> arraySum(d -> d.2, last) AS seconds,
  last -> length(last) > 0 AND NOT arrayExists(d -> d.3 IS NULL, last) AND last[1].1 + last[1].2 - last[-1].1 = seconds(last) AS is_known,
  last -> arraySum(d -> toFloat64(ifNull(d.3, 0)), last) / micro AS part,
  n -> arraySlice(days, 1, n) AS newest,
  n -> if(is_known(newest(n)) AND (length(days) >= n OR days[-1].1 = begin_s),
    part(newest(n)) * period_s / seconds(newest(n)), NULL) AS rate
SELECT toString(budget) {self._as("budget")},
  multiIf(owner = '', {zone}, name = '', toString(owner), name) {self._as("who")},
  toString(owner) AS company_id, period {self._as("period")},
  if(is_known(days) AND days[-1].1 = begin_s, part(days), NULL) {self._as("spent_share")},
  if(length(days) = 0, NULL, (days[1].1 + days[1].2 - begin_s) / period_s) {self._as("elapsed_share")},
  rate({_days(FAST_DAYS)}) {self._as("fast")}, rate({_days(SLOW_DAYS)}) {self._as("slow")},
  multiIf({fast} IS NULL OR {slow} IS NULL, NULL, {fast} > 1 AND {slow} > 1, {burning}, {keeps}) {self._as("verdict")}
FROM (
  SELECT b.budget AS budget, any(b.company) AS owner, any(n.name) AS name, any(b.period) AS period, any(b.amount) * 1e6 AS micro,
    any(length(b.period) = 4) AS is_year, {first} AS first, {begin_s} AS begin_s, {end_s} - begin_s AS period_s,
    arrayReverseSort(groupArrayIf((toUnixTimestamp(d.start), d.lasts_s,
      if(b.unit = 'kWh', d.kwh, if(b.basis = 'market', d.market, d.location))), startsWith(d.month, b.period))) AS days
  FROM zonepulse.registry_budgets_final AS b
  LEFT JOIN (
    SELECT if(entity_kind = 'zone', '', toString(entity)) AS company, start, formatDateTime(any(local_start), '%Y-%m') AS month,
      any(length_s) AS lasts_s, sumOrNullIf(energy_micro, scope = 0) AS kwh,
      sumOrNullIf(co2e_mg, scope > 0 AND basis = 'location') AS location,
      sumOrNullIf(co2e_mg, scope = 1 OR scope = 2 AND basis = 'market') AS market
    FROM zonepulse.period_totals_final
    WHERE {MINE} AND period = 'day' AND entity_kind IN ('zone', 'company')
      AND entity IN (SELECT if(company = '', zone, company) FROM zonepulse.registry_budgets_final WHERE zone = ${{zone:singlequote}})
      AND (carrier = 'electricity' AND scope = 0 OR carrier = '' AND scope IN (1, 2) AND basis IN ('location', 'market'))
      AND start >= {NOW} - INTERVAL {_MOST_DAYS} DAY AND start + toIntervalSecond(length_s) <= {NOW}
    GROUP BY entity_kind, company, start) AS d ON d.company = toString(b.company)
  LEFT JOIN {company_names(self._say.language)} AS n ON n.company = toString(b.company)
  WHERE b.zone = ${{zone:singlequote}} AND startsWith(this_month, b.period)
    AND if(b.company = '', '(zone)', toString(b.company)) IN (${{company:singlequote}})
  GROUP BY budget)
ORDER BY {fast} DESC NULLS LAST, budget LIMIT 50"""


def _days(of: Mapping[str, int]) -> str:
    """By the kind of a budget's period."""
    return f"if(is_year, {of['year']}, {of['month']})"
