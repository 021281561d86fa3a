"""The variables above the dashboards, each filled by a query."""

from typing import Final

from boards.parts import DATASOURCE, Json, query
from zonepulse.streams.queries import variable_queries
from zonepulse.streams.queries.limits import Limits
from zonepulse.streams.queries.texts import Texts

_ALL: Final[Json] = {"text": ["All"], "value": ["$__all"]}
_FIRST: Final[Json] = {"text": "", "value": ""}
"""Nothing that is offered: Grafana takes the first value instead."""


def run(say: Texts) -> Json:
    """The live run, or a replay."""
    return _variable("run", say("run"), variable_queries.runs(), _one("live"))


def zone(limits: Limits, say: Texts) -> Json:
    """One zone, at first the one that the dashboard was made for."""
    name = limits.zone_name.get(say.language, limits.zone)
    return _variable("zone", say("zone"), variable_queries.zones(limits, say), _one(limits.zone, name))


def basis(say: Texts) -> Json:
    """One basis of scope 2."""
    return _variable("basis", say("basis"), variable_queries.bases(), _one("location"), depends=True)


def period(say: Texts) -> Json:
    """From a year to an hour."""
    return _variable("period", say("period"), variable_queries.periods(), _one("month"))


def companies(say: Texts) -> Json:
    """Any companies, and those that belong to none."""
    return _variable("company", say("company"), variable_queries.companies(say), _ALL, depends=True)


def company(say: Texts) -> Json:
    """One company."""
    return _variable("company", say("company"), variable_queries.company(say), _FIRST, depends=True)


def meter(say: Texts) -> Json:
    """One meter of the registry."""
    return _variable("meter", say("meter"), variable_queries.meters(say), _FIRST, depends=True)


def _one(value: str, text: str = "") -> Json:
    """The current choice of a variable of which one value is chosen."""
    return {"text": text or value, "value": value}


def _variable(name: str, label: str, sql: str, current: Json, *, depends: bool = False) -> Json:
    """`depends` = on other variables or the time. Many may be chosen if all are at first."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "query": query(f"var-{name}", sql),
        "definition": sql,
        "refresh": 2 if depends else 1,
        "multi": current == _ALL,
        "includeAll": current == _ALL,
        "hide": 0,
        "sort": 0,
        "regex": "",
        "options": [],
        "current": current,
    }
