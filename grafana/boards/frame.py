"""What surrounds the panels of a dashboard: its settings, variables, annotations and links."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from boards.parts import DATASOURCE, WATCH, Json, query
from zonepulse.streams.queries.limits import Limits
from zonepulse.streams.queries.texts import LANGUAGE_NAMES, LANGUAGES

ALL: Final[Json] = {"text": ["All"], "value": ["$__all"]}


def one(value: str, text: str = "") -> Json:
    """The current choice of a variable of which one value is chosen."""
    return {"text": text or value, "value": value}


def variable(name: str, label: str, sql: str, current: Json, *, depends: bool = False) -> Json:
    """A variable filled by a query; `depends` = on other variables or the time. Many may be chosen if all are at first."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "query": query(f"var-{name}", sql),
        "definition": sql,
        "refresh": 2 if depends else 1,
        "multi": current == ALL,
        "includeAll": current == ALL,
        "hide": 0,
        "sort": 0,
        "regex": "",
        "options": [],
        "current": current,
    }


def marks(name: str, sql: str, panels: Sequence[int]) -> Json:
    """Annotations on these panels, as a switch above the dashboard."""
    return {
        "name": name,
        "enable": True,
        "hide": False,
        "iconColor": WATCH,
        "datasource": DATASOURCE,
        "target": query("Anno", sql),
        "filter": {"exclude": False, "ids": list(panels)},
    }


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard: a module here that says `BOARD = Board(...)` is built, once a language. `make` takes a zone's limits and a language;
    what it makes has the uid that `uid_of` tells, `zp-` and the file's name."""

    uid: str
    make: Callable[[Limits, str], Json]


def uid_of(board: str, language: str) -> str:
    """A board's uid in a language; English has the plain one."""
    return board if language == "en" else f"{board}-{language}"


def language_links(board: str, language: str) -> list[Json]:
    """Links to the same board in the other languages, which keep time and variables."""
    return [_link(LANGUAGE_NAMES[other], f"/d/{uid_of(board, other)}") for other in LANGUAGES if other != language]


def _link(title: str, url: str) -> Json:
    return {
        "title": title,
        "type": "link",
        "url": url,
        "icon": "dashboard",
        "keepTime": True,
        "includeVars": True,
        "targetBlank": False,
        "tags": [],
        "asDropdown": False,
        "tooltip": "",
    }


def dashboard(uid: str, title: str, about: str, timezone: str, language: str) -> Json:
    """The settings of a live dashboard."""
    return {
        "uid": uid,
        "title": title,
        "description": about,
        "tags": ["zonepulse", f"zonepulse-{language}"],
        "schemaVersion": 42,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": timezone,
        "weekStart": "monday",
        "time": {"from": "now-24h", "to": "now"},
        "refresh": "5s",
        "timepicker": {"refresh_intervals": ["5s", "10s", "30s", "1m", "5m"]},
        "liveNow": False,
        "preload": False,
    }
