"""A report as one page of HTML that needs nothing else, and as a PDF of it."""

import logging
from importlib.metadata import version
from importlib.resources import files
from typing import Any, Final, NamedTuple

from babel.numbers import format_decimal
from jinja2 import PackageLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from zonepulse.streams.board.words import LOCALES, NOTHING
from zonepulse.streams.reports.report import Column, Report, Table
from zonepulse.streams.reports.words import ReportWords

_SMALL: Final = 4
"""Significant digits of a number that its column's decimals would round away."""
_SHORT: Final = 9
"""Characters of a text that stands on one line: Chinese would be broken anywhere."""
_WHOLE: Final = 12
"""Rows of a table that no page break divides."""


def html(report: Report, say: ReportWords, made_ms: int) -> str:
    """The page."""
    jinja = SandboxedEnvironment(
        loader=PackageLoader("zonepulse.streams.reports"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    footer = f"zonepulse {version('zonepulse')} · {report.title} · {report.name} · {report.period}"
    return jinja.get_template("report.html.j2").render(
        say=say,
        report=report,
        made_at=say.moment(made_ms),
        tables=[_shown(table, say) for table in report.tables],
        version=version("zonepulse"),
        css=Markup(style()),
        page_word=Markup(_css_text(f"{say('page_word')} ")),
        page_end=Markup(_css_text(f" {say('page_end')}".rstrip())),
        footer=Markup(_css_text(footer)),
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


class _Cell(NamedTuple):
    """Text of a table; one that is short never wraps."""

    text: str
    kind: str

    @classmethod
    def of(cls, text: str, column: Column) -> "_Cell":
        """`n`: a number, `s`: short."""
        is_number = column.kind in ("number", "factor", "share")
        return cls(text, "n" if is_number else "s" if len(text) <= _SHORT else "")


def _shown(table: Table, say: ReportWords) -> dict[str, Any]:
    """A table as text, without the columns that have nothing in any row."""
    kept = [n for n in range(len(table.columns)) if any(row[n] not in (None, "") for row in table.rows)]
    columns = [table.columns[n] for n in kept]
    return {
        "id": table.id,
        "title": table.title or say(table.id),
        "heads": [_Cell.of(say(column.key), column) for column in columns],
        "rows": [[_Cell.of(shown(row[n], table.columns[n], say), table.columns[n]) for n in kept] for row in table.rows],
        "note": table.note,
        "is_whole": len(table.rows) <= _WHOLE,
    }


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


def _css_text(text: str) -> str:
    """A string of CSS inside a style element: no quote, line end or `<` ends it."""
    return '"' + "".join(c if c.isalnum() or c in " ·.,-" else f"\\{ord(c):x} " for c in text) + '"'
