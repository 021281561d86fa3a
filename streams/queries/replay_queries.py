"""The SQL of replays: the runs, what was promoted, and what the chosen run would change. `zonepulse replay diff` goes row by row."""

from typing import Final

from zonepulse.streams.queries.sql_parts import DAY_S, MINE, NOW, PARTS, Queries, bucket, company_names, moments, quoted, step_s_of

BOTH: Final = "run IN ('live', ${run:singlequote}) AND zone = ${zone:singlequote}"
"""Live and the chosen run."""
STRETCH: Final = (
    f"start >= (SELECT maxOrNull(from_at) FROM zonepulse.runs_final WHERE {MINE})"
    f" AND start < (SELECT maxOrNull(to_at) FROM zonepulse.runs_final WHERE {MINE}) AND $__timeFilter_ms(start)"
)
"""The run's stretch within the range; of the live run there is none."""
_OF_RUN: Final = "run != 'live'"
_TABLES: Final = ("intervals", "emissions", "totals", "intensity")


class ReplayQueries(Queries):
    """What is asked about runs and promotions."""

    def runs(self) -> str:
        """The zone's runs, the newest first."""
        return f"""\
SELECT toString(run) {self._as("run")}, toString(state) {self._as("state_of")},
  from_at {self._as("from_time")}, to_at {self._as("to_time")}, registry_version {self._as("registry_version")},
  started_at {self._as("begun")}, finished_at {self._as("ended")}, note {self._as("note")}
FROM zonepulse.runs_final WHERE zone = ${{zone:singlequote}} AND started_at <= {NOW} ORDER BY started_at DESC, run LIMIT 100"""

    def promotions(self) -> str:
        """What readers see instead of the live rows, and what they saw."""
        state = f"if(is_active = 1, {quoted(self._say('in_force'))}, {quoted(self._say('taken_back'))})"
        return f"""\
SELECT toString(run) {self._as("run")}, {state} {self._as("state_of")}, from_at {self._as("from_time")}, to_at {self._as("to_time")},
  at {self._as("since_when")}, who {self._as("who")}, why {self._as("why")}
FROM zonepulse.promotions_final WHERE zone = ${{zone:singlequote}} AND at <= {NOW} ORDER BY at DESC, run LIMIT 100"""

    def tables(self) -> str:
        """Rows of both sides in the stretch, table by table, and the energy between them."""
        one = " UNION ALL ".join(
            f"SELECT '{table}' AS table_name, countIf({_OF_RUN}) AS rows_run, countIf(run = 'live') AS rows_live,"
            f" {self._energy(table)} AS kwh FROM zonepulse.{table}_final WHERE {BOTH} AND {STRETCH}"
            for table in _TABLES
        )
        return f"""\
SELECT table_name {self._as("table")}, rows_live {self._as("rows_of_live")}, rows_run {self._as("rows_of_run")},
  kwh {self._as("energy_change")}
FROM ({one}) WHERE rows_run + rows_live > 0 ORDER BY table_name"""

    def _energy(self, table: str) -> str:
        column, electric = {
            "intervals": ("value_micro", "carrier = 'electricity'"),
            "emissions": ("energy_micro", "scope = 2 AND basis = 'location'"),
            "totals": ("energy_micro", "entity_kind = 'zone' AND carrier = 'electricity' AND scope = 0"),
            "intensity": ("energy_micro", "node = '' AND basis = 'location'"),
        }[table]
        return f"(sumOrNullIf({column}, {_OF_RUN} AND {electric}) - sumOrNullIf({column}, run = 'live' AND {electric})) / 1e6"

    def companies(self) -> str:
        """Scope 1 and 2 of each company on the chosen basis: live, the run, and the difference."""
        return f"""\
SELECT if(n.name = '', d.id, n.name) {self._as("company")}, d.live_mg / 1e9 {self._as("of_live")}, d.run_mg / 1e9 {self._as("of_run")},
  (d.run_mg - d.live_mg) / 1e9 {self._as("change")}, d.run_mg / nullIf(d.live_mg, 0) - 1 {self._as("change_share")}
FROM (SELECT toString(entity) AS id, sumOrNullIf(co2e_mg, run = 'live') AS live_mg, sumOrNullIf(co2e_mg, {_OF_RUN}) AS run_mg
  FROM zonepulse.totals_final WHERE {BOTH} AND entity_kind = 'company' AND {PARTS} AND {STRETCH} GROUP BY id) AS d
LEFT JOIN {company_names(self._say.language)} AS n ON n.company = d.id
ORDER BY abs(d.run_mg - d.live_mg) DESC NULLS LAST, d.id LIMIT 100"""

    def days(self) -> str:
        """Tonnes that the run has more than live, a zone day; null where one of the two has none."""
        step_s, timezone = step_s_of(DAY_S), self._limits.timezone
        return f"""\
SELECT {moments(step_s, timezone)} FROM (
SELECT {bucket("start", step_s, timezone)} AS time,
  (sumOrNullIf(co2e_mg, {_OF_RUN}) - sumOrNullIf(co2e_mg, run = 'live')) / 1e9 {self._as("change")}
FROM zonepulse.totals_final WHERE {BOTH} AND entity_kind = 'zone' AND {PARTS} AND {STRETCH}
GROUP BY time)
ORDER BY time"""

    def intensity(self) -> str:
        """The zone's g/kWh on the chosen basis, live and of the run."""
        names = f"if(run = 'live', {quoted(self._say('of_live'))}, {quoted(self._say('of_run'))})"
        return f"""\
SELECT {self._moments} FROM (
  SELECT {self._bucket("start")} AS time, {names} AS series,
    sumOrNull(co2e_mg) / nullIf(sumOrNull(energy_micro), 0) * 1000 AS g
  FROM zonepulse.intensity_final WHERE {BOTH} AND node = '' AND basis = ${{basis:singlequote}} AND g_per_kwh IS NOT NULL AND {STRETCH}
  GROUP BY time, series
  ORDER BY series, time WITH FILL STEP {self._step})
ORDER BY time, series"""
