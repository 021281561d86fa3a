"""`zonepulse benchmark`: companies compared, and nobody disclosed."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from zonepulse.processors.indicators.facts import facts_of
from zonepulse.schemas.indicators.model import Indicator
from zonepulse.schemas.indicators.periods import parse_asked
from zonepulse.schemas.problems import nearest
from zonepulse.schemas.registry.efficiency.networks import EFFICIENCY, Efficiency
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.sections import whole_of
from zonepulse.schemas.values import BadValue
from zonepulse.schemas.zone_file.indicator_sets import shipped_sets
from zonepulse.streams.cli.shared.asked_registry import asked_registry
from zonepulse.streams.efficiency.benchmark import (
    Benchmark,
    bands,
    company_document,
    earlier_reports,
    keep,
    members_of,
    moderator_document,
    public_document,
)
from zonepulse.streams.efficiency.benchmark import (
    benchmark as made_of,
)
from zonepulse.streams.indicators.store import store
from zonepulse.streams.indicators.stored_sums import stored_sums
from zonepulse.streams.screen import BadInput, JsonOption, print_facts, print_json, print_table, say

_RECORDS: Final = Path("benchmarks")


def benchmark(
    indicator: Annotated[str, typer.Argument(metavar="INDICATOR", help="One of companies, such as electricity_per_product.")],
    period: Annotated[str, typer.Option(metavar="PERIOD", help="2026, 2026-03, or P1Y/2026-03: the year to March.")],
    sector: Annotated[list[str] | None, typer.Option(metavar="CODE", help="Of these sectors only.")] = None,
    size: Annotated[list[str] | None, typer.Option(metavar="BAND", help="Of these size bands only, such as 1000-5000.")] = None,
    band_edges: Annotated[
        str, typer.Option("--bands", metavar="TCE,...", help="Edges of size bands. Default: 1000,5000,10000.")
    ] = "",
    company: Annotated[str, typer.Option(metavar="ID", help="Show this company's own position.")] = "",
    moderator: Annotated[str, typer.Option(metavar="NAME", help="Show names, to a network's moderator.")] = "",
    records: Annotated[Path, typer.Option(metavar="FOLDER", help="Where records of reports are kept.")] = _RECORDS,
    zone: Annotated[Path | None, typer.Option(metavar="ZONE.YAML", help="A file instead of the published registry.")] = None,
    json: JsonOption = False,
) -> None:
    """Compare companies by an indicator: quartiles of groups of five or more, of which none has most.

    Every report has pseudonyms of its own. Its record, with names, is kept for the moderator: later reports are made so that nobody is
    disclosed by several of them together.
    """
    registry = asked_registry(zone)
    one, edges, facts = _indicator(indicator), bands(band_edges), facts_of(registry)
    if company and company not in facts.companies:
        raise BadInput(f"--company {company!r}: {nearest(company, facts.companies, 'name a company of the zone')}")
    if moderator:
        _check_moderator(registry, moderator)
    try:
        asked = parse_asked(period)
    except BadValue as error:
        raise BadInput(f"--period: {error}") from error
    if asked.kind == "hour":
        raise BadInput(f"--period {period}: choose a day, month or year")
    earlier = earlier_reports(records, one.id)
    with store() as ask:
        sums = stored_sums(registry, *asked.span_ms(registry.zone.timezone), ask)
    made = made_of(one, asked, *members_of(registry, one, sums, facts, asked, edges), earlier)
    path = keep(made, records, moderator)
    document = public_document(made, sector or (), size or ())
    document |= {"own": company_document(made, company)} if company else {}
    document |= {"moderator": moderator_document(made)} if moderator else {}
    if json:
        print_json(document)
        return
    _print(made, document)
    say(f"record for the moderator: {path}")


def _indicator(named: str) -> Indicator:
    known = {one.id: one for found in shipped_sets().values() for one in found.indicators if one.of in ("company", "both")}
    if named not in known:
        raise BadInput(f"{named!r} is no indicator of companies: {nearest(named, known, 'there are ' + ', '.join(known))}")
    return known[named]


def _check_moderator(registry: Registry, moderator: str) -> None:
    efficiency: Efficiency = whole_of(registry, EFFICIENCY)
    if moderator not in {one.moderator for one in efficiency.networks}:
        remedy = "names are shown to the `moderator` of a network in `efficiency_networks` of zone.yaml only"
        raise BadInput(f"--moderator {moderator!r} moderates no network of zone {registry.zone.id}: {remedy}")


def _print(made: Benchmark, document: dict[str, Any]) -> None:
    figures, unit = document["figures"], made.indicator.unit
    title = f"{made.indicator.name['en']}, {made.period.text}, report {made.id}"
    if figures is None:
        say(f"{title}: no answer, the companies asked for are too few, too unequal, or would be told by what is left of others")
    else:
        columns = ("companies", "lower quartile", "median", "upper quartile", "unit")
        cells = [f"{figures[key]:,.10g}" for key in ("lower_quartile", "median", "upper_quartile")]
        print_table(columns, [[str(figures["members"]), *cells, unit]], title=title, right=columns[:4])
    names = document["moderator"]["names"] if "moderator" in document else None
    if document["positions"]:
        heads = ("pseudonym", "quarter of its group (1: lowest)", *(("company",) if names else ()))
        rows = ([row["pseudonym"], row["quarter"], *([names[row["pseudonym"]]] if names else [])] for row in document["positions"])
        print_table(heads, rows)
    if "moderator" in document and document["moderator"]["left_out"]:
        print_table(("left out", "why"), [(one["company"], one["why"]) for one in document["moderator"]["left_out"]])
    if "own" in document:
        _print_own(document["own"], unit)


def _print_own(own: dict[str, Any], unit: str) -> None:
    if own["quarter"] is None:
        say(f"{own['company']} is in no group: {own['left_out'] or 'there are too few like it'}")
        return
    print_facts(
        (
            ("company", own["company"]),
            ("pseudonym", own["pseudonym"]),
            ("value", f"{own['value']:.6g} {unit}"),
            ("quarter", f"{own['quarter']} of its group of {own['group']['members']} (1: lowest)"),
            (
                "group's quartiles",
                f"{own['group']['lower_quartile']:,.10g}, {own['group']['median']:,.10g}, {own['group']['upper_quartile']:,.10g}",
            ),
        )
    )
