"""A report as one page of HTML that needs nothing else, and as a PDF of it."""

import logging
from importlib.metadata import version
from importlib.resources import files
from typing import Any, Final, NamedTuple

from babel.numbers import format_decimal
from jinja2 import PackageLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from zonepulse.streams.board import charts
from zonepulse.streams.board.charts import Line
from zonepulse.streams.board.words import LOCALES, NOTHING
from zonepulse.streams.reports.month import Month
from zonepulse.streams.reports.tables import Column, Table, Tables
from zonepulse.streams.reports.words import ReportWords

_DAY_MS: Final = 86_400_000
_MG_IN_T: Final = 1e9
_MINUTE_MS: Final = 60_000
_SMALL: Final = 4
"""Significant digits of a number that its column's decimals would round away."""
_CHART_STYLE: Final = Markup(
    "<style>text { fill: #566472; font-size: 11px; text-anchor: middle; } text.end { text-anchor: end; }"
    " .grid { stroke: #dde3e9; stroke-width: 1; } .scope1 { fill: #8a6d3b; stroke: #8a6d3b; } .scope2 { fill: #2a6f9f; stroke: #2a6f9f; }"
    " .weak { fill-opacity: 0.2; stroke-width: 0.7; }</style>"
)
"""Inside the picture: a style sheet of the page does not reach into it on paper."""
METHODS: Final = ("method_boundary", "method_energy", "method_scope_2", "method_gaps", "method_uncertainty")


def html(month: Month, say: ReportWords, made_ms: int) -> str:
    """The page."""
    jinja = SandboxedEnvironment(
        loader=PackageLoader("zonepulse.streams.reports"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    name, of_month = entity_name(month, say), say.month(month.period)
    title = say("report_title")
    return jinja.get_template("report.html.j2").render(
        say=say,
        title=title,
        name=name,
        month=of_month,
        zone=say.name(month.registry.zone.name, month.registry.zone.id),
        made_at=say.moment(made_ms),
        state=say("settled" if month.is_settled else "unsettled"),
        tables=[_shown(table, say) for table in Tables(month, say).all()],
        chart=_days(month, say),
        method=_method(month, say, of_month),
        version=version("zonepulse"),
        css=Markup(style()),
        page_word=Markup(_css_text(f"{say('page_word')} ")),
        page_end=Markup(_css_text(f" {say('page_end')}".rstrip())),
        footer=Markup(_css_text(f"zonepulse {version('zonepulse')} · {title} · {name} · {of_month}")),
    )


def style() -> str:
    """The style sheet of pages."""
    return (files("zonepulse.streams.reports") / "report.css").read_text("utf-8")


class Paper(NamedTuple):
    """A PDF, and the characters of it that no font of this machine has: they are boxes."""

    pdf: bytes
    missing: str


def paper(page: str, **options: Any) -> Paper:
    """The page on A4, `options` as weasyprint has them. Nothing is fetched, wherever the page may point."""
    import weasyprint

    class Nothing(weasyprint.URLFetcher):  # type: ignore[misc]
        def fetch(self, url: str, headers: Any = None) -> Any:
            raise ValueError(f"{url[:100]}: a report needs nothing from outside")

    said = _Said()
    logging.getLogger("weasyprint").addHandler(said)
    try:
        drawn = weasyprint.HTML(string=page, url_fetcher=Nothing()).write_pdf(**options)
    finally:
        logging.getLogger("weasyprint").removeHandler(said)
    return Paper(bytes(drawn), "".join(sorted(said.missing)))


class _Said(logging.Handler):
    """Collects the characters that weasyprint says it has no glyph for."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.missing = set[str]()

    def emit(self, record: logging.LogRecord) -> None:
        """A record whose first argument is the character."""
        if ".notdef" in str(record.msg) and isinstance(record.args, tuple) and record.args:
            self.missing.add(str(record.args[0]))


def entity_name(month: Month, say: ReportWords) -> str:
    """Of the zone or company."""
    if month.entity.kind == "zone":
        return say.name(month.registry.zone.name, month.entity.id)
    return next(say.name(one.name, one.id) for one in month.registry.companies if one.id == month.entity.id)


def _shown(table: Table, say: ReportWords) -> dict[str, Any]:
    """A table as text."""
    heads = [{"text": say(column.key), "is_number": column.kind in ("number", "factor", "share")} for column in table.columns]
    rows = [[shown(cell, column, say) for cell, column in zip(row, table.columns, strict=True)] for row in table.rows]
    return {"id": table.id, "title": table.title or say(table.id), "heads": heads, "rows": rows, "note": table.note}


def shown(cell: Any, column: Column, say: ReportWords) -> str:
    """A cell as the reader writes it; what is not known is a dash."""
    if column.kind == "text":
        return str(cell or "")
    if cell is None:
        return NOTHING
    if column.kind == "moment":
        return say.moment(int(cell))
    if column.kind == "share":
        return say.percent(float(cell), column.decimals)
    value = float(cell)
    if column.kind == "factor":
        return str(format_decimal(value, "#,##0." + "#" * column.decimals, locale=LOCALES[say.language]))
    if value and abs(value) < 0.5 * 10**-column.decimals:
        return str(format_decimal(float(f"{value:.{_SMALL}g}"), "0.##########", locale=LOCALES[say.language]))
    return say.number(value, column.decimals)


def _days(month: Month, say: ReportWords) -> Markup | None:
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
    drawn = str(charts.bars(series, _DAY_MS, weak, axes))
    head, _, rest = drawn.partition(">")
    return Markup(f'{head} xmlns="http://www.w3.org/2000/svg">{_CHART_STYLE}{rest}')


def _method(month: Month, say: ReportWords, of_month: str) -> list[str]:
    zone = month.registry.zone
    values = {
        "window": zone.window_ms // _MINUTE_MS, "month": of_month, "timezone": zone.timezone, "version": month.registry.version,
        "entity": entity_name(month, say), "sha256": month.registry.sha256,
    }  # fmt: skip
    texts = [say(key, **values) if key == METHODS[0] else say(key) for key in METHODS]
    return texts + ([say("method_gwp", gwp=zone.gwp)] if zone.gwp else [])


def _css_text(text: str) -> str:
    """A string of CSS inside a style element: no quote, line end or `<` ends it."""
    return '"' + "".join(c if c.isalnum() or c in " ·.,-" else f"\\{ord(c):x} " for c in text) + '"'
