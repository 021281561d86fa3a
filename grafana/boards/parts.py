"""Pieces of Grafana's dashboard JSON, with the options that draw well in Grafana 12.4 and the ClickHouse plugin 4.14."""

from collections.abc import Sequence
from typing import Any, Final

Json = dict[str, Any]
Step = tuple[str, float | None]
"""A colour and the value from which it holds; None = from the start, and what null gets."""

DATASOURCE: Final[Json] = {"type": "grafana-clickhouse-datasource", "uid": "zpch"}
PLUGIN_VERSION: Final = "4.14.1"

OK, WATCH, ACT, UNKNOWN, CORRECTED = "#3C7FB1", "#C77F00", "#C2255C", "#8E8E8E", "#7B5EA7"
GRID, OWN = "#5B6C8F", "#F0C929"
REASON_COLOURS: Final = ("#0072B2", "#56B4E9", "#999999", "#CC79A7", "#D55E00")
NOTHING: Final = "–"
"""Of a cell or tile without a value."""
TOOLTIP: Final[Json] = {"mode": "multi", "sort": "desc", "hideZeros": False}


def query(ref: str, sql: str, *, series: bool = False) -> Json:
    """A query; `series` = long rows with the time first become one series a label, else the frame as it is."""
    return {
        "refId": ref,
        "editorType": "sql",
        "queryType": "timeseries" if series else "table",
        "format": 0 if series else 1,
        "pluginVersion": PLUGIN_VERSION,
        "rawSql": sql,
    }


def target(ref: str, sql: str, *, series: bool = False) -> Json:
    """A query of a panel."""
    return query(ref, sql, series=series) | {"datasource": DATASOURCE}


def thresholds(*steps: Step) -> Json:
    """Absolute thresholds; the first step's value is None."""
    return {"mode": "absolute", "steps": [{"color": colour, "value": value} for colour, value in steps]}


def limits(base: str, fine: str | None, watch: float | None, act: float | None) -> Json:
    """Thresholds from limits of which any may be absent; `base` is what null gets, `fine` holds from 0."""
    steps: list[Step] = [(base, None)]
    steps += [(fine, 0)] if fine else []
    steps += [(colour, value) for colour, value in ((WATCH, watch), (ACT, act)) if value is not None]
    return thresholds(*steps)


def fixed(colour: str) -> Json:
    """One colour."""
    return {"mode": "fixed", "fixedColor": colour}


def override(name: str, **properties: object) -> Json:
    """Properties of the field of this name; `__` in a key stands for the dot of Grafana's property id."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()],
    }


def matching(pattern: str, **properties: object) -> Json:
    """Properties of the fields whose names match; `__` in a key stands for the dot."""
    return override("", **properties) | {"matcher": {"id": "byRegexp", "options": f"/{pattern}/"}}


def every(**properties: object) -> Json:
    """Properties of every field; they leave the panel's own message as it is."""
    return {"matcher": {"id": "byRegexp", "options": "/.*/"}, "properties": [{"id": k, "value": v} for k, v in properties.items()]}


def fields(*overrides: Json, **defaults: Any) -> Json:
    """`fieldConfig`."""
    return {"defaults": defaults, "overrides": list(overrides)}


def cell(kind: str) -> Json:
    """How a table's cell is drawn."""
    return {"type": kind, "mode": "basic"}


def value_mappings(known: Sequence[tuple[str, str, str]]) -> list[Json]:
    """(value, text, colour) of each known value, in the order of the legend."""
    options = {value: {"index": i, "text": text, "color": colour} for i, (value, text, colour) in enumerate(known)}
    return [{"type": "value", "options": options}]


def pattern_mappings(known: Sequence[tuple[str, str]]) -> list[Json]:
    """(regular expression, colour): a text that matches keeps its words and gets the colour."""
    return [
        {"type": "regex", "options": {"pattern": pattern, "result": {"color": colour, "index": i}}}
        for i, (pattern, colour) in enumerate(known)
    ]


def reduced(calc: str, fields: str = "") -> Json:
    """`reduceOptions`: `last` where null at the end must show, `lastNotNull` for a frame of one row."""
    return {"calcs": [calc], "fields": fields, "values": False}


def stat(
    reduce: Json, *, text: str, justify: str, sizes: Json, colour: str = "value", graph: str = "none", orientation: str = "auto"
) -> Json:
    """Options of a stat panel; `sizes` in pixels keeps its tiles alike on every screen."""
    return {
        "reduceOptions": reduce,
        "colorMode": colour,
        "graphMode": graph,
        "textMode": text,
        "justifyMode": justify,
        "orientation": orientation,
        "text": sizes,
    }


def legend(mode: str = "list", placement: str = "bottom", calcs: Sequence[str] = ()) -> Json:
    """A shown legend."""
    return {"showLegend": True, "displayMode": mode, "placement": placement, "calcs": list(calcs)}


def panel(kind: str, title: str, about: str, place: tuple[int, int, int, int], targets: Sequence[Json], **rest: Any) -> Json:
    """A panel without its id; `place` = x, y, width, height in the grid of 24 columns."""
    x, y, w, h = place
    if kind in ("table", "timeseries"):  # the message of an empty panel is no text for an empty cell or a gap's tooltip
        rest["fieldConfig"]["overrides"] = [every(noValue=NOTHING), *rest["fieldConfig"]["overrides"]]
    return {
        "type": kind,
        "title": title,
        "gridPos": {"x": x, "y": y, "w": w, "h": h},
        "description": about,
        "datasource": DATASOURCE,
        "targets": list(targets),
        **rest,
    }


def table(title: str, about: str, place: tuple[int, int, int, int], sql: str, empty: str, *overrides: Json) -> Json:
    """A table of one query; `empty` = what it says without a row."""
    return panel(
        "table", title, about, place, [target("A", sql)],
        fieldConfig=fields(*overrides, unit="short", noValue=empty, thresholds=thresholds(("text", None)), custom={"align": "auto"}),
        options={"showHeader": True, "cellHeight": "sm"},
    )  # fmt: skip


def lines(
    title: str, about: str, place: tuple[int, int, int, int], queries: Sequence[Json], empty: str, *overrides: Json, **rest: Any
) -> Json:
    """Lines over time whose gaps stay open; `rest`: unit, displayName, interval and what is custom."""
    custom: Json = {
        "drawStyle": "line",
        "lineWidth": 2,
        "fillOpacity": 0,
        "showPoints": "never",
        "spanNulls": False,
        **rest.pop("custom", {}),
    }
    interval = rest.pop("interval")
    look = {"decimals": 1, "color": {"mode": "palette-classic"}, "thresholds": thresholds((OK, None)), **rest}
    return panel(
        "timeseries", title, about, place, queries, fieldConfig=fields(*overrides, noValue=empty, custom=custom, **look),
        options={"legend": legend(), "tooltip": TOOLTIP}, interval=interval,
    )  # fmt: skip


def bars(
    title: str, about: str, place: tuple[int, int, int, int], sql: str, empty: str, *overrides: Json, stacked: bool, **look: Any
) -> Json:
    """Bars over time, one column of the query each; `look`: unit, decimals, and the `interval` that a bar lasts."""
    interval = look.pop("interval")
    return panel(
        "barchart", title, about, place, [target("A", sql)],
        fieldConfig=fields(*overrides, noValue=empty, thresholds=thresholds((OK, None)),
                           custom={"fillOpacity": 85, "lineWidth": 0, "axisWidth": 50}, **look),
        options={
            "legend": legend(), "tooltip": TOOLTIP, "stacking": "normal" if stacked else "none", "barWidth": 0.85, "groupWidth": 0.7,
            "orientation": "vertical", "xField": "time", "xTickLabelSpacing": 100, "showValue": "never", "fullHighlight": False,
            "xTickLabelRotation": 0,
        },
        interval=interval,
    )  # fmt: skip


def tiles(title: str, about: str, place: tuple[int, int, int, int], sql: str, *overrides: Json, size: int = 28) -> Json:
    """The columns of one row, side by side; what has no value is a dash."""
    return panel(
        "stat", title, about, place, [target("A", sql)],
        fieldConfig=fields(*overrides, unit="short", decimals=1, color={"mode": "thresholds"}, noValue=NOTHING,
                           thresholds=thresholds((UNKNOWN, None))),
        options=stat(reduced("lastNotNull", "/.*/"), text="value_and_name", orientation="vertical", justify="center",
                     sizes={"titleSize": 14, "valueSize": size}),
    )  # fmt: skip


def numbered(panels: Sequence[Json]) -> list[Json]:
    """The panels with ids 1, 2, 3 ... in their order."""
    return [{"id": number, **one} for number, one in enumerate(panels, 1)]
