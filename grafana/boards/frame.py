"""What surrounds the panels of a dashboard: its settings, variables, annotations and links."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from boards.parts import DATASOURCE, WATCH, Json, numbered, query
from zonepulse.schemas.languages import LANGUAGES
from zonepulse.streams.queries.limits import Limits
from zonepulse.streams.queries.texts import LANGUAGE_NAMES, Texts


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


class Panels(Protocol):
    """The panels of a dashboard in one language, a method each; their order is the reading order, on a phone as well."""

    def __init__(self, zone: Limits, say: Texts) -> None: ...

    def dashboard(self) -> Json:
        """All of it, by `frame.dashboard`."""


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard: a module here that says `BOARD = Board(...)` is built, once a language. What its panels make has the uid that `uid_of`
    tells, `zp-` and the file's name."""

    uid: str
    panels: type[Panels]

    def make(self, zone: Limits, language: str) -> Json:
        """The dashboard of a zone in a language."""
        return self.panels(zone, Texts(language)).dashboard()


def uid_of(board: str, language: str) -> str:
    """A board's uid in a language; English has the plain one."""
    return board if language == "en" else f"{board}-{language}"


KEPT: Final = "${__url_time_range}&${run:queryparam}&${zone:queryparam}"
"""What a link keeps: time, run and zone."""


def drill(board: str, say: Texts, title: str, **fields: str) -> Json:
    """A link of a table's cell to another dashboard: a variable takes the value of a field of the row; time, run and zone are kept."""
    chosen = "&".join(f"var-{name}=${{__data.fields.{field}}}" for name, field in fields.items())
    return {"title": title, "url": f"/d/{uid_of(board, say.language)}?{chosen}&{KEPT}"}


def links(board: str, language: str) -> list[Json]:
    """To all dashboards of the language, and to the same one in the other languages; they keep time and variables."""
    others = [_link("link", LANGUAGE_NAMES[other], f"/d/{uid_of(board, other)}", []) for other in LANGUAGES if other != language]
    return [_link("dashboards", "zonepulse", "", [f"zonepulse-{language}"]), *others]


def _link(kind: str, title: str, url: str, tags: Sequence[str]) -> Json:
    return {
        "title": title,
        "type": kind,
        "url": url,
        "icon": "dashboard",
        "keepTime": True,
        "includeVars": True,
        "targetBlank": False,
        "tags": list(tags),
        "asDropdown": bool(tags),
        "tooltip": "",
    }


def dashboard(
    uid: str,
    key: str,
    zone: Limits,
    say: Texts,
    variables: Sequence[Json],
    panels: Sequence[Json],
    marked: tuple[str, Sequence[str]] = ("", ()),
) -> Json:
    """A dashboard whose name is the text `key`; `marked` = the SQL of annotations and the titles of the panels that show them."""
    language = say.language
    placed, (sql, titles) = numbered(panels), marked
    ids = [one["id"] for one in placed if one["title"] in titles]
    return {
        "uid": uid_of(uid, language),
        "title": say(key) if language == "en" else f"{say(key)} ({LANGUAGE_NAMES[language]})",
        "description": say(f"{key}_about"),
        "tags": ["zonepulse", f"zonepulse-{language}"],
        "schemaVersion": 42,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": zone.timezone,
        "weekStart": "monday",
        "time": {"from": "now-24h", "to": "now"},
        "refresh": "5s",
        "timepicker": {"refresh_intervals": ["5s", "10s", "30s", "1m", "5m"]},
        "liveNow": False,
        "preload": False,
        "templating": {"list": list(variables)},
        "annotations": {"list": [marks(say("alert_marks"), sql, ids)] if ids else []},
        "links": links(uid, language),
        "panels": placed,
    }
