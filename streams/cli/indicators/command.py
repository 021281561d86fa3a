"""`zonepulse indicators`: what the zone and its companies compare themselves by."""

from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer

from zonepulse.processors.indicators.evaluate import Result, evaluate
from zonepulse.processors.indicators.facts import facts_of
from zonepulse.schemas.indicators.model import IndicatorSet
from zonepulse.schemas.indicators.periods import Period, parse_asked
from zonepulse.schemas.languages import LANGUAGES
from zonepulse.schemas.problems import nearest
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.values import BadValue
from zonepulse.schemas.zone_file.indicator_sets import shipped_sets
from zonepulse.streams.cli.shared.asked_registry import asked_registry, today_in
from zonepulse.streams.indicators.report import document, rows
from zonepulse.streams.indicators.store import store
from zonepulse.streams.indicators.stored_sums import stored_sums
from zonepulse.streams.indicators.words import HEADS
from zonepulse.streams.screen import BadInput, JsonOption, print_json, print_table


def indicators(
    zone: Annotated[Path | None, typer.Option(metavar="ZONE.YAML", help="A file instead of the published registry.")] = None,
    chosen: Annotated[str, typer.Option("--set", metavar="ID", help="One set of indicators. Default: all of them.")] = "",
    period: Annotated[
        str,
        typer.Option(
            metavar="PERIOD",
            help="2026, 2026-03, 2026-03-04, 2026-03-04T08, or P1Y/2026-03: the year to March. Default: this month.",
        ),
    ] = "",
    of: Annotated[str, typer.Option(metavar="ID", help="The zone's or a company's id. Default: all.")] = "",
    language: Annotated[str, typer.Option(help="en, de or zh.")] = "en",
    unverified: Annotated[bool, typer.Option("--unverified", help="Judge also by what is unverified.")] = False,
    json: JsonOption = False,
) -> None:
    """Compute the indicators of the zone and its companies: values with thresholds, or what is missing and how to give it.

    Where electricity counts in tce, each value stands twice: at the equal and at the equivalent value.
    """
    if language not in LANGUAGES:
        raise BadInput(f"--language {language!r}: {nearest(language, LANGUAGES, 'write en, de or zh')}")
    sets = _sets(chosen)
    registry = asked_registry(zone)
    asked, facts = _period(period, registry), facts_of(registry)
    entities = [entity for entity in facts.entities() if of in ("", entity.id)]
    if not entities:
        known = [entity.id for entity in facts.entities()]
        raise BadInput(f"--of {of!r}: {nearest(of, known, 'there are ' + ', '.join(known))}")
    with store() as ask:
        sums = stored_sums(registry, *asked.span_ms(registry.zone.timezone), ask)
    found = [
        (one, evaluate(one.indicators, sums, facts, entity, asked, judge_unverified=unverified))
        for one in sets
        for entity in entities
    ]
    if json:
        print_json(_document(registry, asked, language, found))
        return
    for one, results in found:
        for entity, own in groupby(results, lambda result: result.entity):
            title = f"{one.name[language]}: {entity.id}, {asked.text}"
            print_table(HEADS[language], rows(list(own), asked, language), title=title, right=HEADS[language][1:2])


def _document(registry: Registry, period: Period, language: str, found: list[tuple[IndicatorSet, list[Result]]]) -> dict[str, Any]:
    """Everything that was asked for, for machines."""
    indicators = [
        {"set": one.id, "source": one.source} | document(result, period, language) for one, results in found for result in results
    ]
    return {"zone": registry.zone.id, "version": registry.version, "period": period.text, "indicators": indicators}


def _sets(chosen: str) -> list[IndicatorSet]:
    known = shipped_sets()
    if chosen and chosen not in known:
        raise BadInput(f"--set {chosen!r}: {nearest(chosen, known, 'there are ' + ', '.join(known))}")
    return [one for name, one in known.items() if chosen in ("", name)]


def _period(text: str, registry: Registry) -> Period:
    try:
        return parse_asked(text or f"{today_in(registry):%Y-%m}")
    except BadValue as error:
        raise BadInput(f"--period: {error}") from error
