"""`zonepulse explain`: from a company's kilogram back to the readings."""

from collections.abc import Mapping
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from clickhouse_connect.driver.exceptions import ClickHouseError

from zonepulse.schemas.messages.topics import READINGS
from zonepulse.schemas.values import BadValue, parse_instant_ms
from zonepulse.streams import servers
from zonepulse.streams.cli.registry.factors import newest_version
from zonepulse.streams.control.factor_topic import published_factors
from zonepulse.streams.explain.explain import Explainer, Row, question
from zonepulse.streams.explain.readings import Log
from zonepulse.streams.explain.text import Page
from zonepulse.streams.screen import BadInput, JsonOption, Stop, print_json, say


def explain(
    company: Annotated[str, typer.Argument(metavar="COMPANY", help="A company's id.")],
    at: Annotated[
        str, typer.Option(metavar="INSTANT", help="ISO 8601 with offset, or a date of the zone: the window that holds it.")
    ],
    basis: Annotated[str, typer.Option(help="Of scope 2: location, market or nodal.")] = "location",
    json: JsonOption = False,
) -> None:
    """Explain a company's CO2e in one window: totals, emissions rows, factors, contracts or network, intervals, readings.

    Every product is written out. Readings are those of the log itself, with partition and offset.
    """
    settings = servers.settings()
    registry = newest_version()
    local = ZoneInfo(registry.zone.timezone)
    try:
        at_ms = parse_instant_ms(at, local)
    except BadValue as error:
        raise BadInput(f"--at {at!r}: {error}") from error
    asked = question(registry, company, basis, at_ms)
    log = Log(settings.broker, READINGS.full_name(settings.topic_prefix), registry.zone)
    with servers.store_client(settings) as client:

        def ask(query: str, parameters: Mapping[str, Any]) -> list[Row]:
            found = client.query(query, parameters=dict(parameters))
            return [dict(zip(found.column_names, row, strict=True)) for row in found.result_rows]

        try:
            published = published_factors(servers.require_broker(settings), settings.topic_prefix)
            answer = Explainer(registry, ask, log, published).answer(asked)
        except ClickHouseError as error:
            raise Stop(f"the store does not answer: {servers.first_line(error)}; `zonepulse doctor` looks at it") from error
    if json:
        print_json(answer)
    else:
        say(*Page(answer, local).lines())
