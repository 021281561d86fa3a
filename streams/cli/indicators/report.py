"""`zonepulse report`: a month of a company or the zone, on paper and in sheets."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from zonepulse.processors.indicators.sums import Entity
from zonepulse.schemas.indicators.periods import Period, parse_period
from zonepulse.schemas.languages import LANGUAGES
from zonepulse.schemas.problems import nearest
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.values import BadValue
from zonepulse.streams.cli.shared.asked_registry import asked_registry, today_in
from zonepulse.streams.indicators.store import store
from zonepulse.streams.reports import page, sheets
from zonepulse.streams.reports.fonts import what_is_missing
from zonepulse.streams.reports.month import Month, read_month
from zonepulse.streams.reports.tables import Tables
from zonepulse.streams.reports.words import ReportWords
from zonepulse.streams.screen import BadInput, JsonOption, Stop, print_json, say, show_remark

FORMATS: Final = ("html", "pdf", "xlsx", "csv")
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
MonthOption = Annotated[str, typer.Option("--month", metavar="YYYY-MM", help="Default: the last whole month.")]
LanguageOption = Annotated[str, typer.Option(help="en, de or zh.")]
FormatOption = Annotated[list[str] | None, typer.Option("--format", help="html, pdf, xlsx or csv; several times. Default: all.")]
OutOption = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the files go; it is made if need be.")]
ZoneOption = Annotated[Path | None, typer.Option(metavar="ZONE.YAML", help="A file instead of the published registry.")]


@app.callback()
def report() -> None:
    """Write the month of a company or the zone as HTML, PDF, Excel workbook and CSV.

    Energy, emissions by scope and basis, factors with sources, data quality, indicators, alerts, method, digest of the rows.
    """


@app.command()
def company(
    company: Annotated[str, typer.Argument(metavar="ID", help="A company of the registry.")],
    month: MonthOption = "",
    language: LanguageOption = "en",
    formats: FormatOption = None,
    out: OutOption = Path(),
    zone: ZoneOption = None,
    json: JsonOption = False,
) -> None:
    """The report of a company."""
    registry = asked_registry(zone)
    known = [one.id for one in registry.companies]
    if company not in known:
        raise BadInput(f"company {company!r}: {nearest(company, known, 'there are ' + ', '.join(known))}")
    _write(registry, Entity("company", company), month, language, formats, out, json)


@app.command("zone")
def of_zone(
    month: MonthOption = "",
    language: LanguageOption = "en",
    formats: FormatOption = None,
    out: OutOption = Path(),
    zone: ZoneOption = None,
    json: JsonOption = False,
) -> None:
    """The report of the zone, with its companies."""
    registry = asked_registry(zone)
    _write(registry, Entity("zone", registry.zone.id), month, language, formats, out, json)


def _write(registry: Registry, entity: Entity, month: str, language: str, formats: list[str] | None, out: Path, json: bool) -> None:
    if language not in LANGUAGES:
        raise BadInput(f"--language {language!r}: {nearest(language, LANGUAGES, 'write en, de or zh')}")
    for one in formats or ():
        if one not in FORMATS:
            raise BadInput(f"--format {one!r}: {nearest(one, FORMATS, 'write html, pdf, xlsx or csv')}")
    if "pdf" in (formats or FORMATS) and (missing := what_is_missing()):
        if formats:
            raise Stop(f"{missing[0]}; {missing[1]}")
        show_remark(f"no PDF: {missing[0]}; {missing[1]}")
        formats = [one for one in FORMATS if one != "pdf"]
    period, words = _period(month, registry), ReportWords(language, registry.zone.timezone)
    with store() as ask:
        found = read_month(registry, entity, period, ask)
    made_ms = int(datetime.now(UTC).timestamp() * 1000)
    written = _files(found, words, made_ms, tuple(formats or FORMATS), out)
    if json:
        facts = {"zone": registry.zone.id, "version": registry.version, "entity_kind": entity.kind, "entity": entity.id}
        of = {"month": period.text, "settled": found.is_settled, "files": [str(path) for path in written]}
        print_json(facts | of | {"tables": sheets.document(Tables(found, words).all())})
    else:
        say(*map(str, written))


def _files(month: Month, words: ReportWords, made_ms: int, formats: tuple[str, ...], out: Path) -> list[Path]:
    """Writes what was asked for; the paths."""
    made: dict[str, bytes] = {}
    stem = f"{_file_name(month.entity.id)}-{month.period.text}-{words.language}"
    tables = Tables(month, words).all()
    if "html" in formats or "pdf" in formats:
        text = page.html(month, words, made_ms)
        made |= {f"{stem}.html": text.encode()} if "html" in formats else {}
        made |= {f"{stem}.pdf": _on_paper(text)} if "pdf" in formats else {}
    if "xlsx" in formats:
        about = [(words("report_title"), page.entity_name(month, words)), (words("indicator_period"), month.period.text)]
        made[f"{stem}.xlsx"] = sheets.workbook(tables, words, about)
    if "csv" in formats:
        made |= {f"{stem}-{table.id}.csv": sheets.csv_text(table).encode() for table in tables}
    out.mkdir(parents=True, exist_ok=True)
    for name, content in made.items():
        (out / name).write_bytes(content)
    return [out / name for name in made]


def _on_paper(text: str) -> bytes:
    drawn = page.paper(text)
    if drawn.missing:
        show_remark(f"no font of this machine has {drawn.missing[:40]}: the PDF shows boxes; install one that has them")
    return drawn.pdf


def _file_name(name: str) -> str:
    """An id may have any characters, a file's name not."""
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in name).lstrip(".") or "_"


def _period(text: str, registry: Registry) -> Period:
    if not text:
        today = today_in(registry)
        year, month = (today.year, today.month - 1) if today.month > 1 else (today.year - 1, 12)
        text = f"{year:04}-{month:02}"
    try:
        period = parse_period(text)
    except BadValue as error:
        raise BadInput(f"--month: {error}") from error
    if period.kind != "month":
        raise BadInput(f"--month {text!r}: is a {period.kind}; write a month such as 2026-03")
    return period
