"""`zonepulse report`: a month of a company, the zone or an energy-efficiency network, on paper and in sheets."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer

from zonepulse.processors.indicators.sums import Entity
from zonepulse.schemas.indicators.periods import Period, parse_period
from zonepulse.schemas.languages import LANGUAGES
from zonepulse.schemas.problems import nearest
from zonepulse.schemas.registry.efficiency.networks import EfficiencyNetwork
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.values import BadValue
from zonepulse.streams.cli.shared.asked_registry import asked_registry, require_company, today_in
from zonepulse.streams.cli.shared.grouped_options import grouped
from zonepulse.streams.cli.shared.savings_options import How, NetworkArgument, asked_network, asked_savings
from zonepulse.streams.efficiency.network import Asked
from zonepulse.streams.efficiency.network_figures import earlier_figures, keep_figures
from zonepulse.streams.indicators.store import store
from zonepulse.streams.reports import page, sheets
from zonepulse.streams.reports.fonts import what_is_missing
from zonepulse.streams.reports.month import read_month
from zonepulse.streams.reports.month_report import month_report
from zonepulse.streams.reports.network import Reader, network_report, read_network
from zonepulse.streams.reports.report import Report
from zonepulse.streams.reports.words import ReportWords
from zonepulse.streams.screen import BadInput, JsonOption, Stop, print_json, say, show_remark

FORMATS: Final = ("html", "pdf", "xlsx", "csv")
_RECORDS: Final = Path("benchmarks")
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
ZoneOption = Annotated[Path | None, typer.Option(metavar="ZONE.YAML", help="A file instead of the published registry.")]


class Paper(NamedTuple):
    """What is written, and where."""

    month: Annotated[str, typer.Option("--month", metavar="YYYY-MM", help="Default: the last whole month.")] = ""
    language: Annotated[str, typer.Option(help="en, de or zh.")] = "en"
    formats: Annotated[list[str] | None, typer.Option("--format", help="html, pdf, xlsx or csv; several times. Default: all.")] = (
        None
    )
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the files go; it is made if need be.")] = Path()


@app.callback()
def report() -> None:
    """Write the month of a company, the zone or an efficiency network as HTML, PDF, Excel workbook and CSV.

    Energy, emissions by scope and basis, factors with sources, data quality, indicators, measures, savings, alerts, method, digests.
    """


@app.command()
@grouped(paper=Paper, how=How)
def company(
    company: Annotated[str, typer.Argument(metavar="ID", help="A company of the registry.")],
    paper: Paper,
    how: How,
    zone: ZoneOption = None,
    json: JsonOption = False,
) -> None:
    """The report of a company."""
    registry = asked_registry(zone)
    require_company(registry, company)
    _write_month(registry, Entity("company", company), paper, how, json)


@app.command("zone")
@grouped(paper=Paper, how=How)
def of_zone(paper: Paper, how: How, zone: ZoneOption = None, json: JsonOption = False) -> None:
    """The report of the zone, with its companies."""
    registry = asked_registry(zone)
    _write_month(registry, Entity("zone", registry.zone.id), paper, how, json)


@app.command("network")
@grouped(paper=Paper, how=How)
def of_network(
    paper: Paper,
    how: How,
    network: NetworkArgument = "",
    moderator: Annotated[str, typer.Option(metavar="NAME", help="With names and numbers, for the network's moderator.")] = "",
    company: Annotated[str, typer.Option(metavar="ID", help="With this member's own numbers, for it alone.")] = "",
    records: Annotated[Path, typer.Option(metavar="FOLDER", help="Where records of reports are kept.")] = _RECORDS,
    zone: ZoneOption = None,
    json: JsonOption = False,
) -> None:
    """The report of an energy-efficiency network: members, baselines, savings, measures, targets, since the year began.

    Without --moderator nobody can read another company's numbers in it, nor work them out from several reports.
    """
    registry = asked_registry(zone)
    one = asked_network(registry, network)
    reader = _reader(registry, one, moderator, company)
    formats, period, words, asked = _prepared(registry, paper, how)
    earlier = earlier_figures(records, one.id)
    with store() as ask:
        found = read_network(registry, one, period, asked, ask)
    if reader.company and reader.company not in {member.company for member in found.members}:
        raise BadInput(f"--company {company!r} was no member of {one.id} from {asked.first} to {period.end}; name one that was")
    shown = {} if reader.moderator else found.disclosed(earlier)
    keep_figures(records, one.id, period.text, reader.moderator or reader.company, shown)
    stem = "-".join(filter(None, (one.id, "moderator" if reader.moderator else reader.company, period.text)))
    made = network_report(found, reader, shown, words)
    written = _written(made, words, formats, paper.out, stem, is_private=bool(reader.moderator or reader.company))
    facts = {"zone": registry.zone.id, "version": registry.version, "network": one.id, "weather": asked.source}
    _say(facts | {"month": period.text, "settled": found.is_settled}, made, written, json)


def _reader(registry: Registry, network: EfficiencyNetwork, moderator: str, company: str) -> Reader:
    """Raises BadInput."""
    if moderator and company:
        raise BadInput("--moderator and --company are for different readers: name one of them")
    if moderator and moderator != network.moderator:
        remedy = "the `moderator` of a network in `efficiency_networks` of zone.yaml alone reads names"
        raise BadInput(f"--moderator {moderator!r} does not moderate {network.id}: {remedy}")
    if company:
        require_company(registry, company)
    return Reader(moderator, company)


def _write_month(registry: Registry, entity: Entity, paper: Paper, how: How, json: bool) -> None:
    formats, period, words, asked = _prepared(registry, paper, how)
    with store() as ask:
        found = read_month(registry, entity, period, asked, ask)
    made = month_report(found, words)
    written = _written(made, words, formats, paper.out, f"{entity.id}-{period.text}")
    facts = {"zone": registry.zone.id, "version": registry.version, "entity_kind": entity.kind, "entity": entity.id}
    _say(facts | {"month": period.text, "settled": found.is_settled}, made, written, json)


def _say(facts: Mapping[str, Any], made: Report, written: list[Path], json: bool) -> None:
    if json:
        print_json({**facts, "files": [str(path) for path in written], "tables": sheets.document(made.tables)})
    else:
        say(*map(str, written))


def _prepared(registry: Registry, paper: Paper, how: How) -> tuple[tuple[str, ...], Period, ReportWords, Asked]:
    """The formats that can be made here, the month, the words, and what savings are asked for. Raises BadInput, Stop."""
    if paper.language not in LANGUAGES:
        raise BadInput(f"--language {paper.language!r}: {nearest(paper.language, LANGUAGES, 'write en, de or zh')}")
    for one in paper.formats or ():
        if one not in FORMATS:
            raise BadInput(f"--format {one!r}: {nearest(one, FORMATS, 'write html, pdf, xlsx or csv')}")
    formats = tuple(paper.formats or FORMATS)
    if "pdf" in formats and (missing := what_is_missing()):
        if paper.formats:
            raise Stop(f"{missing[0]}; {missing[1]}")
        show_remark(f"no PDF: {missing[0]}; {missing[1]}")
        formats = tuple(one for one in FORMATS if one != "pdf")
    period = _period(paper.month, registry)
    asked = asked_savings(registry, date(period.first.year, 1, 1), period.end, how)
    return formats, period, ReportWords(paper.language, registry.zone.timezone), asked


def _written(
    made: Report, words: ReportWords, formats: tuple[str, ...], out: Path, name: str, *, is_private: bool = False
) -> list[Path]:  # fmt: skip
    """Writes what was asked for; the paths. `is_private`: for the eyes of their owner only."""
    files: dict[str, bytes] = {}
    stem = f"{_file_name(name)}-{words.language}"
    if "html" in formats or "pdf" in formats:
        text = page.html(made, words, int(datetime.now(UTC).timestamp() * 1000))
        files |= {f"{stem}.html": text.encode()} if "html" in formats else {}
        files |= {f"{stem}.pdf": _on_paper(text)} if "pdf" in formats else {}
    if "xlsx" in formats:
        about = [(made.title, made.name), (words("period"), made.period)]
        files[f"{stem}.xlsx"] = sheets.workbook(made.tables, words, about)
    if "csv" in formats:
        files |= {f"{stem}-{table.id}.csv": sheets.csv_text(table).encode() for table in made.tables}
    out.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        if is_private:
            (out / file).touch(mode=0o600)
        (out / file).write_bytes(content)
    return [out / file for file in files]


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
