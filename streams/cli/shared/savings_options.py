"""What commands that count savings are asked: a network, a period, and how baselines are made."""

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from zonepulse.schemas.indicators.periods import Period, parse_period
from zonepulse.schemas.problems import nearest
from zonepulse.schemas.registry.efficiency.networks import EFFICIENCY, Efficiency, EfficiencyNetwork
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.sections import whole_of
from zonepulse.schemas.values import BadValue
from zonepulse.streams.cli.shared.asked_registry import today_in
from zonepulse.streams.cli.shared.zone_files import read_text
from zonepulse.streams.efficiency.network import Asked
from zonepulse.streams.efficiency.weather import weather_series
from zonepulse.streams.screen import BadInput

NetworkArgument = Annotated[str, typer.Argument(metavar="[NETWORK]", help="Its id. Default: the only one.")]
PeriodOption = Annotated[str, typer.Option("--period", metavar="PERIOD", help="2026 or 2026-03. Default: this year.")]


class How(NamedTuple):
    """How baselines are made: an option each."""

    base_year: Annotated[
        int, typer.Option("--base-year", metavar="YEAR", help="Of companies without a target. Default: the year before.")
    ] = 0
    weather: Annotated[
        str, typer.Option("--weather", metavar="FILE|ID", help="A CSV with start and temperature_c, or a station of zone.yaml.")
    ] = ""
    monthly: Annotated[bool, typer.Option("--monthly", help="Model months instead of days.")] = False
    unverified: Annotated[bool, typer.Option("--unverified", help="Judge models also by unverified bounds.")] = False


def asked_network(registry: Registry, named: str) -> EfficiencyNetwork:
    """The network of this id, or the only one. Raises BadInput."""
    efficiency: Efficiency = whole_of(registry, EFFICIENCY)
    found = {one.id: one for one in efficiency.networks}
    if not found:
        raise BadInput(
            f"zone {registry.zone.id} has no networks: add one to `efficiency_networks` of zone.yaml (docs/efficiency.md)"
        )
    if not named and len(found) == 1:
        return next(iter(found.values()))
    if named not in found:
        raise BadInput(f"network {named!r}: {nearest(named, found, 'there are ' + ', '.join(found))}")
    return found[named]


def asked_period(registry: Registry, period: str) -> Period:
    """A month or year that has begun. Raises BadInput."""
    today = today_in(registry)
    try:
        one = parse_period(period or str(today.year))
    except BadValue as error:
        raise BadInput(f"--period: {error}") from error
    if one.kind == "day" or one.first >= today:
        raise BadInput(f"--period {one.text}: choose a month or year that has begun")
    return one


def asked_savings(registry: Registry, first: date, end: date, how: How) -> Asked:
    """Of the days [first, end), as far as they have passed. Raises BadInput."""
    text = read_text(Path(how.weather)) if how.weather and Path(how.weather).is_file() else None
    source, series = weather_series(registry, how.weather, text) or ("", None)
    source = source if text is None else Path(source).name
    passed = max(first + timedelta(days=1), min(end, today_in(registry)))
    return Asked(
        first, passed, how.base_year or first.year - 1, "month" if how.monthly else "day", how.unverified, series, source
    )  # fmt: skip
