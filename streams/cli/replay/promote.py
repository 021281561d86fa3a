"""`zonepulse replay promote` and `revert`: which rows stand as the live ones."""

from typing import Annotated

import typer
from clickhouse_connect.driver.client import Client

from zonepulse.schemas.registry.model import ZonePolicy
from zonepulse.schemas.tables.ddl import LIVE_RUN
from zonepulse.streams import servers
from zonepulse.streams.cli.replay.shared import RunArgument, explained, last_registry
from zonepulse.streams.replay import runs
from zonepulse.streams.replay.promote import promote, revert
from zonepulse.streams.screen import say


def promote_(
    run: RunArgument,
    why: Annotated[str, typer.Option(metavar="TEXT", help="Kept with the decision.")] = "",
) -> None:
    """Let a run's rows of its stretch stand as the live ones, in every view at once; `revert` takes it back."""
    settings = servers.settings()
    with explained(), servers.store_client(settings) as client:
        registry = last_registry(settings)
        found = runs.find(client, run)
        followed_ms = _applied_ms(client, registry.zone, run) if found.state == runs.FOLLOWING else 0
        promote(client, found, registry, _applied_ms(client, registry.zone, LIVE_RUN), why, followed_ms)
        say(f"{run}: its rows stand as the live ones; take it back: zonepulse replay revert {run}")


def _applied_ms(client: Client, zone: ZonePolicy, run: str) -> int:
    """How far a run's ledger has come, at the least: the tick of its newest row in the store."""
    sql = "SELECT max(revision) FROM totals WHERE run = {run:String} AND zone = {zone:String}"
    return int(client.query(sql, parameters={"run": run, "zone": zone.id}).result_rows[0][0]) * zone.tick_ms


def revert_(
    run: RunArgument,
    why: Annotated[str, typer.Option(metavar="TEXT", help="Kept with the decision.")] = "",
) -> None:
    """Let the live tasks' own rows stand again where a run was promoted."""
    with explained(), servers.store_client(servers.settings()) as client:
        revert(client, runs.find(client, run), why)
    say(f"{run}: the live tasks' own rows stand again")
