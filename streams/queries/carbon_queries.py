"""The SQL of where carbon goes: the network, storages, contracts, and the explanation of each row."""

from typing import Final

from zonepulse.streams.queries.sql_parts import MINE, Queries, company_names, named, quoted, summed, sums, translated

NODAL: Final = f"zonepulse.totals_final WHERE {MINE} AND basis = 'nodal'"
TOP: Final = 20
"""Nodes drawn at most: those with most energy."""
_RANGE: Final = "$__timeFilter_ms(start)"
NOTHING: Final = "–"
"""Of a place without a value."""


class CarbonQueries(Queries):
    """What is asked about where carbon goes."""

    def flows(self) -> str:
        """One row an edge of the network: energy and carbon there and back over the range, and what was lost on the way."""

        def kwh(kind: str) -> str:
            return f"sumOrNullIf(energy_micro, entity_kind = '{kind}') / 1e6"

        def tonnes(kind: str) -> str:
            return f"sumOrNullIf(co2e_mg, entity_kind = '{kind}') / 1e9"

        def g(kind: str) -> str:
            return f"sumOrNullIf(co2e_mg, entity_kind = '{kind}') / nullIf(sumOrNullIf(valued_micro, entity_kind = '{kind}'), 0) * 1000"

        lines = sums("totals", "entity_kind, entity", "basis = 'nodal' AND entity_kind IN ('flow', 'flow_back', 'loss')")
        return f"""\
WITH {summed()}
SELECT concat(n.from_node, ' → ', n.to_node) {self._as("way")}, t.line {self._as("edge")},
  t.there {self._as("energy")}, t.there_t {self._as("carbon")}, t.there_g {self._as("g_per_kwh")},
  nullIf(t.back, 0) {self._as("back")}, if(t.back > 0, t.back_t, NULL) {self._as("back_carbon")},
  t.lost {self._as("lost")}, t.lost / nullIf(t.there + ifNull(t.back, 0) + t.lost, 0) {self._as("lost_share")},
  t.lost_t {self._as("lost_carbon")}
FROM (
  SELECT toString(entity) AS line, {kwh("flow")} AS there, {tonnes("flow")} AS there_t, {g("flow")} AS there_g,
    {kwh("flow_back")} AS back, {tonnes("flow_back")} AS back_t, {kwh("loss")} AS lost, {tonnes("loss")} AS lost_t
  FROM {lines}
  GROUP BY line HAVING countIf(entity_kind = 'flow') > 0) AS t
LEFT JOIN (SELECT toString(edge) AS edge, from_node, to_node FROM zonepulse.registry_edges_final WHERE zone = ${{zone:singlequote}}) AS n
  ON n.edge = t.line
ORDER BY t.there DESC NULLS LAST LIMIT 100"""

    def node_intensity(self) -> str:
        """g/kWh of what flowed through each node, sum over sum, and of what each storage held at the end of the step."""
        stored = quoted(" (" + self._say("storage") + ")")
        nodes = sums("intensity", "node", "basis = 'nodal' AND node != ''")
        return f"""\
WITH {summed(self._step_s)}
SELECT {self._moments} FROM (
  SELECT * FROM (
    SELECT {self._bucket("start")} AS time, CAST(node AS String) AS place,
      sumOrNull(co2e_mg) / nullIf(sumOrNull(valued_micro), 0) * 1000 AS g
    FROM {nodes}
    WHERE node IN (SELECT node FROM {nodes} GROUP BY node ORDER BY sum(energy_micro) DESC, node LIMIT {TOP})
    GROUP BY time, place
    UNION ALL SELECT {self._bucket("start")} AS time, concat(CAST(entity AS String), {stored}) AS place,
      argMax(tuple(co2e_mg / nullIf(energy_micro, 0)), start).1 * 1000 AS g
    FROM {NODAL} AND entity_kind = 'storage' AND {_RANGE}
    GROUP BY time, place)
  ORDER BY place, time WITH FILL STEP {self._step})
ORDER BY time, place"""

    def picture_nodes(self) -> str:
        """The nodes on a circle in the registry's order, with the intensity of what flowed through each over the range."""
        count = "(SELECT count() FROM zonepulse.registry_nodes_final WHERE zone = ${zone:singlequote})"
        angle = f"2 * pi() * n.position / greatest({count}, 1)"
        nodes = sums("intensity", "node", "basis = 'nodal' AND node != ''")
        return f"""\
WITH {summed()}
SELECT toString(n.node) AS id, toString(n.node) AS title,
  if(i.g IS NULL, {quoted(NOTHING)}, concat(toString(round(i.g)), ' g/kWh')) AS mainstat,
  if(i.kwh IS NULL, {quoted(NOTHING)}, concat(toString(round(i.kwh)), ' kWh')) AS secondarystat,
  round(180 * cos({angle})) AS fixedx, round(110 * sin({angle})) AS fixedy
FROM (SELECT node, position FROM zonepulse.registry_nodes_final WHERE zone = ${{zone:singlequote}}) AS n
LEFT JOIN (SELECT toString(node) AS place, sumOrNull(energy_micro) / 1e6 AS kwh,
    sumOrNull(co2e_mg) / nullIf(sumOrNull(valued_micro), 0) * 1000 AS g
  FROM {nodes} GROUP BY place) AS i
  ON i.place = toString(n.node)
ORDER BY n.position LIMIT {TOP}"""

    def picture_edges(self) -> str:
        """The lines between the nodes: net energy over the range, from where it came; thicker where more flowed."""
        lines = sums("totals", "entity_kind, entity", "basis = 'nodal' AND entity_kind IN ('flow', 'flow_back')")
        return f"""\
WITH {summed()}
SELECT t.line AS id, if(t.net < 0, n.to_node, n.from_node) AS source, if(t.net < 0, n.from_node, n.to_node) AS target,
  if(t.net IS NULL, {quoted(NOTHING)}, concat(toString(round(abs(t.net))), ' kWh')) AS mainstat,
  1 + 5 * ifNull(abs(t.net) / nullIf(max(abs(t.net)) OVER (), 0), 0) AS thickness
FROM (SELECT toString(entity) AS line,
    sumOrNullIf(energy_micro, entity_kind = 'flow') / 1e6 - ifNull(sumOrNullIf(energy_micro, entity_kind = 'flow_back'), 0) / 1e6 AS net
  FROM {lines} GROUP BY line) AS t
INNER JOIN (SELECT toString(edge) AS edge, toString(from_node) AS from_node, toString(to_node) AS to_node
  FROM zonepulse.registry_edges_final WHERE zone = ${{zone:singlequote}}) AS n ON n.edge = t.line
ORDER BY id LIMIT 100"""

    def storage(self) -> str:
        """kWh that each storage holds at the end of each step, as it can give them back."""
        return f"""\
SELECT {self._moments} FROM (
  SELECT {self._bucket("start")} AS time, CAST(entity AS String) AS place,
    argMax(tuple(energy_micro), start).1 / 1e6 AS kwh
  FROM {NODAL} AND entity_kind = 'storage' AND {_RANGE}
  GROUP BY time, place
  ORDER BY place, time WITH FILL STEP {self._step})
ORDER BY time, place"""

    def imbalance(self) -> str:
        """Mean kW, over the time covered, that went into each node and came out nowhere (negative: out of nowhere), where there is any."""
        mine = sums("totals", "entity_kind, entity", "basis = 'nodal' AND entity_kind IN ('imbalance', 'untraced')")
        hours = "sumIf(length_s * if(expected_ms = 0, 1, covered_ms / expected_ms), energy_micro IS NOT NULL) / 3600"
        untraced = quoted(" " + self._say("untraced"))
        return f"""\
WITH {summed(self._step_s)}
SELECT {self._moments} FROM (
  SELECT {self._bucket("start")} AS time,
    concat(CAST(entity AS String), if(entity_kind = 'untraced', {untraced}, '')) AS place,
    sumOrNull(energy_micro) / 1e6 / nullIf({hours}, 0) AS kw
  FROM {mine}
  WHERE (entity_kind, entity) IN (SELECT entity_kind, entity FROM {mine}
      GROUP BY entity_kind, entity HAVING countIf(energy_micro != 0) > 0 OR entity_kind = 'imbalance'
      ORDER BY sum(abs(energy_micro)) DESC LIMIT 12)
  GROUP BY time, place
  ORDER BY place, time WITH FILL STEP {self._step})
ORDER BY time, place"""

    def contracts(self) -> str:
        """One row a contract: what it matched, the share of its company's import; of hourly ones that is the 24/7 score."""
        market = "basis = 'market' AND entity_kind = 'company'"
        taken = sums(
            "totals", "entity, carrier", f"{market} AND startsWith(carrier, 'contract:') AND entity IN (${{company:singlequote}})"
        )
        imported = sums("totals", "entity", f"{market} AND carrier = 'electricity' AND entity IN (${{company:singlequote}})")
        kinds = {"hourly": self._say("hourly"), "volume": self._say("volume")}
        return f"""\
WITH {summed()}
SELECT if(n.name = '', t.owner, n.name) {self._as("company")}, t.id {self._as("contract")},
  {translated("c.profile", kinds)} {self._as("kind")},
  t.taken / 1e6 {self._as("matched")}, t.taken / nullIf(i.imported, 0) {self._as("of_import")},
  if(c.profile = 'hourly', t.taken / nullIf(i.imported, 0), NULL) {self._as("score")}
FROM (SELECT toString(entity) AS owner, replaceOne(toString(carrier), 'contract:', '') AS id, sumOrNull(energy_micro) AS taken
  FROM {taken}
  GROUP BY owner, id) AS t
LEFT JOIN (SELECT toString(entity) AS buyer, sumOrNull(energy_micro) AS imported
  FROM {imported} GROUP BY buyer) AS i ON i.buyer = t.owner
LEFT JOIN (SELECT toString(contract) AS id, toString(profile) AS profile
  FROM zonepulse.registry_contracts_final WHERE zone = ${{zone:singlequote}}) AS c ON c.id = t.id
LEFT JOIN {company_names(self._say.language)} AS n ON n.company = t.owner
ORDER BY t.taken DESC NULLS LAST, t.id LIMIT 50"""

    def explain(self) -> str:
        """The newest emissions rows, of a day at most, of the chosen companies on the chosen basis, each with its factor and interval."""
        qualities = {name: self._say(name) for name in ("measured", "corrected", "estimated", "missing")}
        of_company = "company IN (${company:singlequote})"
        meters = f"SELECT meter FROM zonepulse.registry_meters_final WHERE zone = ${{zone:singlequote}} AND {of_company}"
        mine = f"{of_company} AND (meter = '' OR meter IN ({meters}))"
        newest = f"start > (SELECT max(start) FROM zonepulse.emissions_final WHERE {MINE} AND {mine} AND {_RANGE}) - INTERVAL 1 DAY"
        electricity = "basis = ${basis:singlequote} OR ${basis:singlequote} = 'nodal' AND basis = 'location'"
        return f"""\
SELECT start AS time, if(n.name = '', toString(e.company), n.name) {self._as("company")}, toString(e.carrier) {self._as("carrier")},
  concat(e.meter, ' ', e.register) {self._as("register")}, e.scope {self._as("scope")}, e.basis {self._as("basis")},
  e.energy_micro / 1e6 {self._as("amount")}, toString(e.base_unit) {self._as("unit")},
  e.factor_mg / 1e6 {self._as("factor")}, e.co2e_mg / 1e6 {self._as("mass")},
  toString(e.factor_id) {self._as("factor_id")}, toString(e.rung) {self._as("rung")}, e.source {self._as("source")},
  toString(e.published) {self._as("published")}, toString(e.confidence) {self._as("confidence")},
  {translated("e.quality", qualities)} {self._as("quality_of")}, toString(e.method) {self._as("method")},
  e.covered_ms / 1000 {self._as("covered")}, e.revision {self._as("revision")}
FROM (SELECT * FROM zonepulse.explain WHERE {MINE} AND {mine} AND {_RANGE} AND {newest}
  AND (scope = 2 AND carrier = 'electricity' AND ({electricity}) OR basis = 'location' AND NOT (scope = 2 AND carrier = 'electricity'))
  ORDER BY start DESC, company, scope, meter, register LIMIT 300) AS e
LEFT JOIN {company_names(self._say.language)} AS n ON n.company = e.company
ORDER BY time DESC, {named(self._say("company"))}, e.scope, e.meter, e.register"""
