"""`zonepulse advice`: what a company could do, with the calculation behind it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from zonepulse.processors.advice.grid import PowerFactorRule
from zonepulse.processors.advice.solar import Prices
from zonepulse.schemas.indicators.periods import parse_period
from zonepulse.schemas.languages import LANGUAGES
from zonepulse.schemas.problems import nearest
from zonepulse.schemas.values import BadValue
from zonepulse.streams.cli.shared.asked_registry import asked_registry, require_company
from zonepulse.streams.cli.shared.zone_files import read_text
from zonepulse.streams.efficiency.advice import Wanted, document
from zonepulse.streams.efficiency.advice import advice as advice_for
from zonepulse.streams.efficiency.advice_words import AdviceWords
from zonepulse.streams.efficiency.weather import read_series
from zonepulse.streams.indicators.store import store
from zonepulse.streams.screen import BadInput, JsonOption, print_json, print_table, say


def advice(
    company: Annotated[str, typer.Argument(metavar="COMPANY", help="Its id.")],
    until: Annotated[str, typer.Option(metavar="DAY", help="The twelve months before this day. Default: today.")] = "",
    pv: Annotated[Path | None, typer.Option(metavar="FILE", help="Yield of PV: a CSV with start and kwh_per_kw.")] = None,
    longitude: Annotated[float | None, typer.Option(help="Of the place of PV, degrees east.")] = None,
    pv_cny_per_kw: Annotated[float | None, typer.Option(help="What a kW of PV costs.")] = None,
    battery_cny_per_kwh: Annotated[float | None, typer.Option(help="What a kWh of battery costs.")] = None,
    feed_in_cny_per_kwh: Annotated[float | None, typer.Option(help="What is paid for a kWh that is exported.")] = None,
    rule: Annotated[
        str, typer.Option("--power-factor", metavar="LEAST:PERCENT", help="The contract's: what each hundredth below costs.")
    ] = "",
    zone: Annotated[Path | None, typer.Option(metavar="ZONE.YAML", help="A file instead of the published registry.")] = None,
    language: Annotated[str, typer.Option(help="en, de or zh.")] = "en",
    explain: Annotated[bool, typer.Option("--explain", help="Show the calculations and the hours that show it.")] = False,
    json: JsonOption = False,
) -> None:
    """Advise a company on its last twelve months: base load, load that could move, PV and battery, power factor, contracts.

    Each amount comes with the calculation that it is the result of. What is not known is said, and nothing is assumed in its place.
    """
    registry = asked_registry(zone)
    require_company(registry, company)
    local = ZoneInfo(registry.zone.timezone)
    end = _day(until, local)
    series = read_series(read_text(pv), pv, registry.zone.timezone, "kwh_per_kw") if pv else None
    if language not in LANGUAGES:
        raise BadInput(f"--language {language!r}: {nearest(language, LANGUAGES, 'write en, de or zh')}")
    wanted, words = (
        Wanted(series, longitude, Prices(pv_cny_per_kw, battery_cny_per_kwh, feed_in_cny_per_kwh), _rule(rule)),
        AdviceWords(language),
    )
    with store() as ask:
        found = advice_for(registry, company, end, wanted, ask)
    documents = [document(one, local, words) for one in found]
    if json:
        print_json({"zone": registry.zone.id, "company": company, "until": end.isoformat(), "advice": documents})
        return
    given = sorted((one for one in documents if "missing" not in one), key=lambda one: -one["kwh_a"])
    absent = [one for one in documents if "missing" in one]
    if given:
        columns = tuple(map(words, ("advice_word", "kwh_a", "kg_a", "cny_a", "confidence", "because")))
        rows = [_cells(one, words) for one in given]
        print_table(columns, rows, title=words("title", company, end), right=columns[1:4])
    if absent:
        print_table((words("no_advice"), words("because")), [(one["name"], one["missing"]) for one in absent])
    for one in given if explain else []:
        _print_calculation(one, words)


def _day(text: str, zone: ZoneInfo) -> Any:
    if not text:
        return datetime.now(UTC).astimezone(zone).date()
    try:
        period = parse_period(text)
    except BadValue as error:
        raise BadInput(f"--until: {error}") from error
    if period.kind != "day":
        raise BadInput(f"--until {text!r} is no day: write one such as 2026-03-04")
    return period.first


def _rule(text: str) -> PowerFactorRule | None:
    if not text:
        return None
    try:
        least, percent = map(float, text.split(":"))
    except ValueError:
        least = percent = -1.0
    if not (0 < least <= 1 and percent >= 0):
        raise BadInput(
            f"--power-factor {text!r}: write the least power factor and the percent for each hundredth below, such as 0.9:0.5"
        )
    return PowerFactorRule(least, percent)


def _cells(one: Any, words: AdviceWords) -> list[str]:
    amounts = ("-" if one[key] is None else f"{one[key]:,.0f}" for key in ("kwh_a", "kg_a", "cny_a"))
    return [one["name"], *amounts, words(one["confidence"]), one["because"]]


def _print_calculation(one: Any, words: AdviceWords) -> None:
    calculation = one["calculation"]
    say(f"{one['name']}: {calculation['formula']}")
    plain = {key: value for key, value in calculation.items() if key != "formula" and not isinstance(value, list)}
    if plain:
        print_table(tuple(plain), [[_text(value) for value in plain.values()]])
    for key, rows in calculation.items():
        if isinstance(rows, list):
            print_table(tuple(rows[0]), [[_text(value) for value in row.values()] for row in rows], title=key)
    if one["windows"]:
        print_table(
            (words("from"), words("to"), "kWh"), [(w["from"], w["to"], _text(w["kwh"])) for w in one["windows"]], right=("kWh",)
        )


def _text(value: Any) -> str:
    return "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
