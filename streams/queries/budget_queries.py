"""The SQL of budgets: what is used of each, and how fast, by the days that the rule budget_burn judges (schemas/messages/alerts.py)."""

from collections.abc import Mapping
from typing import Final

from zonepulse.schemas.registry.budgets import FAST_DAYS, SLOW_DAYS
from zonepulse.streams.queries.sql_parts import MINE, NOW, Queries, company_names, named, quoted

VERDICTS: Final = ("burning", "in_budget")
"""What a budget's rates say, as keys of texts."""
_MOST_DAYS: Final = 367
"""Before now, in which a period lies that has not ended."""


class BudgetQueries(Queries):
    """What is asked about budgets."""

    def budgets(self) -> str:
        """A row a budget of the chosen companies and the zone whose period goes on: shares of what is used and of the period that is
        gone, and the two rates; null where a day that they need is not known. The fastest first."""
        zone, timezone = quoted(self._say("zone_itself")), quoted(self._limits.timezone)
        first, begin_s = "toDate(concat(period, if(is_year, '-01-01', '-01')))", f"toUnixTimestamp(toDateTime(first, {timezone}))"
        end_s = f"toUnixTimestamp(toDateTime(if(is_year, addYears(first, 1), addMonths(first, 1)), {timezone}))"
        fast, slow, (burning, keeps) = named(self._say("fast")), named(self._say("slow")), (quoted(word) for word in VERDICTS)
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
    arrayReverseSort(arrayFilter(d -> d.2 > 0, groupArray((toUnixTimestamp(d.start), d.lasts_s,
      if(b.unit = 'kWh', d.kwh, if(b.basis = 'market', d.market, d.location)))))) AS days
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
    AND (d.lasts_s = 0 OR startsWith(d.month, b.period))
  GROUP BY budget)
ORDER BY {fast} DESC NULLS LAST, budget LIMIT 50"""


def _days(of: Mapping[str, int]) -> str:
    """By the kind of a budget's period."""
    return f"if(is_year, {of['year']}, {of['month']})"
