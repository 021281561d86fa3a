"""The SQL of a dashboard's variables. Two columns are (value, text). Each has a row before there is any result."""

from zonepulse.streams.queries.limits import Limits
from zonepulse.streams.queries.sql_parts import MINE, STANDING, company_names, quoted, translated
from zonepulse.streams.queries.texts import Texts


def runs() -> str:
    """Every run, the live one first."""
    return """\
SELECT run FROM (SELECT 'live' AS run UNION DISTINCT SELECT toString(run) FROM zonepulse.intensity
  UNION DISTINCT SELECT toString(run) FROM zonepulse.runs_final)
ORDER BY run = 'live' DESC, run DESC"""


def zones(limits: Limits, say: Texts) -> str:
    """Every zone with results, the one the dashboard was made for first."""
    name = translated("zone", {limits.zone: limits.zone_name.get(say.language, limits.zone)})
    return f"""\
SELECT zone, {name} AS name
FROM (SELECT {quoted(limits.zone)} AS zone UNION DISTINCT SELECT toString(zone) FROM zonepulse.intensity)
ORDER BY zone = {quoted(limits.zone)} DESC, zone"""


def bases() -> str:
    """The scope 2 bases that have results, location first."""
    return f"""\
SELECT basis FROM (SELECT 'location' AS basis UNION DISTINCT SELECT toString(basis) FROM zonepulse.totals
  WHERE {MINE} AND entity_kind = 'zone' AND scope = 2
  UNION DISTINCT SELECT toString(basis) FROM zonepulse.intensity WHERE {MINE})
ORDER BY indexOf(['location', 'market', 'nodal'], basis)"""


def periods() -> str:
    """Of indicators, the longest first."""
    return "SELECT arrayJoin(['year', 'rolling_year', 'month', 'day', 'hour']) AS period"


def companies(say: Texts) -> str:
    """The companies with results, then the zone itself: alerts and meters that belong to no company."""
    return f"""\
SELECT id, text FROM (
  {_known(say)}
  UNION ALL SELECT '(zone)' AS id, {quoted(say("zone_itself"))} AS text)
ORDER BY id = '(zone)', text"""


def company(say: Texts) -> str:
    """The companies with results."""
    return f"{_known(say)}\nORDER BY text"


def _known(say: Texts) -> str:
    return f"""\
SELECT c.company AS id, if(n.name = '', c.company, n.name) AS text
  FROM (SELECT DISTINCT toString(entity) AS company FROM zonepulse.totals WHERE {MINE} AND entity_kind = 'company') AS c
  LEFT JOIN {company_names(say.language)} AS n ON n.company = c.company"""


def meters(say: Texts) -> str:
    """The meters with results, by the registry's names."""
    return f"""\
SELECT m.meter AS id, if(n.name = '', m.meter, concat(m.meter, ' · ', n.name)) AS text
FROM (SELECT DISTINCT toString(meter) AS meter FROM zonepulse.intervals WHERE {STANDING} AND $__timeFilter_ms(start)) AS m
LEFT JOIN (SELECT toString(meter) AS meter, any(name_{say.language}) AS name FROM zonepulse.registry_meters_final
  WHERE zone = ${{zone:singlequote}} GROUP BY meter) AS n ON n.meter = m.meter
ORDER BY id LIMIT 5000"""
