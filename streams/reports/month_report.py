"""The report of a month of a company or the zone, for one reader."""

from typing import Final

from markupsafe import Markup

from zonepulse.streams.board import charts
from zonepulse.streams.board.charts import Line
from zonepulse.streams.reports.month import Month
from zonepulse.streams.reports.report import Picture, Report
from zonepulse.streams.reports.tables import Tables
from zonepulse.streams.reports.words import ReportWords

_DAY_MS: Final = 86_400_000
_MG_IN_T: Final = 1e9
_MINUTE_MS: Final = 60_000
_CHART_STYLE: Final = Markup(
    "<style>text { fill: #566472; font-size: 11px; text-anchor: middle; } text.end { text-anchor: end; }"
    " .grid { stroke: #dde3e9; stroke-width: 1; } .scope1 { fill: #8a6d3b; stroke: #8a6d3b; } .scope2 { fill: #2a6f9f; stroke: #2a6f9f; }"
    " .weak { fill-opacity: 0.2; stroke-width: 0.7; }</style>"
)
"""Inside the picture: a style sheet of the page does not reach into it on paper."""
_METHODS: Final = ("method_boundary", "method_energy", "method_scope_2", "method_gaps", "method_uncertainty", "method_savings")


def month_report(month: Month, say: ReportWords) -> Report:
    """Everything that a page and sheets show of it."""
    zone, of_month = month.registry.zone, say.month(month.period)
    return Report(
        title=say("report_title"),
        name=_name(month, say),
        period=of_month,
        zone=say.name(zone.name, zone.id),
        state=say("settled" if month.is_settled else "unsettled"),
        tables=Tables(month, say).all(),
        method=_method(month, say, of_month),
        picture=_days(month, say),
    )


def _name(month: Month, say: ReportWords) -> str:
    if month.entity.kind == "zone":
        return say.name(month.registry.zone.name, month.entity.id)
    return next(say.name(one.name, one.id) for one in month.registry.companies if one.id == month.entity.id)


def _days(month: Month, say: ReportWords) -> Picture | None:
    """Bars, a day each; None without a value."""
    rows = month.rows["days"]
    if not any(row["mg"] is not None for row in rows):
        return None
    weak = frozenset(int(row["time_ms"]) for row in rows if row["is_provisional"])
    series = [
        Line(say(f"scope_{scope}"), f"scope{scope}",
             [(int(row["time_ms"]), None if row["mg"] is None else row["mg"] / _MG_IN_T) for row in rows if row["scope"] == scope])
        for scope in (2, 1)
    ]  # fmt: skip
    from_ms, to_ms = month.span_ms
    ticks = [(from_ms + day * _DAY_MS + _DAY_MS // 2, str(day + 1)) for day in range(0, round((to_ms - from_ms) / _DAY_MS), 2)]
    axes = charts.Axes(say("days_title"), from_ms, to_ms, ticks, say.axis, height=190)
    head, _, rest = str(charts.bars(series, _DAY_MS, weak, axes)).partition(">")
    drawn = Markup(f'{head} xmlns="http://www.w3.org/2000/svg">{_CHART_STYLE}{rest}')
    legend = (("scope1", say("scope_1")), ("scope2", say("scope_2")))
    return Picture(say("days_title"), drawn, legend, say("days_note", complete=say.percent(0.9)))


def _method(month: Month, say: ReportWords, of_month: str) -> list[str]:
    zone = month.registry.zone
    values = {
        "window": zone.window_ms // _MINUTE_MS, "month": of_month, "timezone": zone.timezone, "version": month.registry.version,
        "entity": _name(month, say), "sha256": month.registry.sha256,
    }  # fmt: skip
    texts = [say(key, **values) if key == _METHODS[0] else say(key) for key in _METHODS]
    return texts + ([say("method_gwp", gwp=zone.gwp)] if zone.gwp else [])
