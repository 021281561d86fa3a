"""`zonepulse inputs`: quantities that no meter measures, given in files, with who, when and evidence."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from zonepulse.schemas.checks.inputs import accepted, current_of
from zonepulse.schemas.registry.inputs import INPUTS as SECTION
from zonepulse.schemas.registry.inputs import Input
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.sections import entities_of
from zonepulse.schemas.values import rounded
from zonepulse.streams import servers
from zonepulse.streams.cli.registry.factors import newest_version
from zonepulse.streams.cli.shared.asked_registry import today_in
from zonepulse.streams.cli.shared.zone_files import require_files
from zonepulse.streams.control.input_topic import publish_inputs, published_inputs
from zonepulse.streams.files.form import file_form
from zonepulse.streams.indicators.input_file import Defaults, read_given
from zonepulse.streams.kafka.topics_admin import ensure_topics
from zonepulse.streams.screen import JsonOption, print_json, print_table, say, show_remark

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
_COLUMNS: Final = ("quantity", "of", "period", "value", "by", "given", "evidence", "from", "reason", "state")


@app.callback()
def inputs() -> None:
    """Give quantities that no meter measures (products, revenue, waste, water, employees), and see what was given."""


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV or Excel: quantity, period, value; company, by, given, ...")],
    company: Annotated[str, typer.Option(metavar="ID", help="Of rows that name none; otherwise they are the zone's own.")] = "",
    by: Annotated[str, typer.Option(help="Who gives them, where rows do not say.")] = "",
    evidence: Annotated[str, typer.Option(help="Where they can be looked up, where rows do not say.")] = "",
    given: Annotated[str, typer.Option(metavar="DATE", help="When, where rows do not say. Default: today.")] = "",
    decimal: Annotated[str | None, typer.Option(metavar=".|,", help="Decimal sign of the values.")] = None,
    delimiter: Annotated[str | None, typer.Option(metavar=",|;|tab", help="Between cells; seen otherwise.")] = None,
    encoding: Annotated[str | None, typer.Option(help="Such as cp1252 or gb18030; a byte order mark is seen.")] = None,
    sheet: Annotated[str | None, typer.Option(help="Of a workbook; the first otherwise.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be given, and give nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Give what stands in a file: all of it, or nothing where a row is wrong. What was given before just so is passed over.

    A row that gives something else than before is a correction: its `reason` says why, and what it corrects stays to be read.
    """
    require_files([file])
    form = file_form(decimal=decimal, delimiter=delimiter, encoding=encoding, sheet=sheet)
    settings = servers.settings()
    broker, registry = servers.require_broker(settings), newest_version()
    earlier, _ = accepted(entities_of(registry, SECTION), published_inputs(broker, settings.topic_prefix))
    companies = [one.id for one in registry.companies]
    found = read_given(file, form, Defaults(company, by, given or today_in(registry).isoformat(), evidence), companies, earlier)
    if found.new and not dry_run:
        ensure_topics(broker, settings.topic_prefix, settings.partitions, is_simulated=settings.is_simulated)
        publish_inputs(broker, settings.topic_prefix, found.new)
    corrections = sum(1 for one in found.new if one.replaces)
    if json:
        rows = [_row(one, "inputs apply", "counts") for one in found.new]
        print_json({"published": not dry_run, "unchanged": found.unchanged, "corrections": corrections, "inputs": rows})
        return
    did = "would be given" if dry_run else "given"
    say(f"{file}: {len(found.new)} {did}, {corrections} of them corrections; {found.unchanged} unchanged")


@app.command("list")
def list_all(
    history: Annotated[bool, typer.Option("--all", help="Also what was corrected since.")] = False,
    of: Annotated[str, typer.Option(metavar="ID", help="The zone's or a company's id. Default: all.")] = "",
    quantity: Annotated[str, typer.Option(metavar="NAME", help="Such as product_units. Default: all.")] = "",
    json: JsonOption = False,
) -> None:
    """Show what was given, by whom, when and on which evidence: in zone.yaml, and with `inputs apply`."""
    settings, registry = servers.settings(), newest_version()
    published = published_inputs(servers.require_broker(settings), settings.topic_prefix)
    rows = [
        row
        for row in _rows(registry, published)
        if (history or row["state"] == "counts") and of in ("", row["of"]) and quantity in ("", row["quantity"])
    ]
    if json:
        print_json({"zone": registry.zone.id, "inputs": rows})
        return
    if rows:
        print_table(_COLUMNS, [[row[name] for name in _COLUMNS] for row in rows], title=registry.zone.id, right=("value",))
    else:
        say("nothing was given by hand: zonepulse inputs apply FILE.csv (docs/indicators.md)")
    if not history and any(row["state"] != "counts" for row in _rows(registry, published)):
        show_remark("--all also shows what was corrected")


def _rows(registry: Registry, published: Iterable[Input]) -> list[dict[str, Any]]:
    own: tuple[Input, ...] = entities_of(registry, SECTION)
    given, refused = accepted(own, published)
    counting = {one.id for one in current_of(given).values()}
    in_file = {one.id for one in own}
    rows = [
        _row(one, "zone.yaml" if one.id in in_file else "inputs apply", "counts" if one.id in counting else "corrected")
        for one in given
    ] + [_row(one, "inputs apply", f"does not count: {why}") for one, why in refused]
    for row in rows:
        row["of"] = row["company"] or registry.zone.id
    return sorted(rows, key=lambda row: (row["quantity"], row["company"], row["period"]))


def _row(one: Input, origin: str, state: str) -> dict[str, Any]:
    return {
        "id": one.id, "quantity": one.quantity, "company": one.company, "period": one.period, "value": rounded(one.value),
        "exact": str(one.value), "by": one.by, "given": one.given, "evidence": one.evidence, "from": origin,
        "replaces": one.replaces or None, "reason": one.reason, "state": state,
    }  # fmt: skip
