"""`zonepulse replay promote` and `revert`: which rows stand as the live ones."""

from typing import Annotated

import typer

from zonepulse.schemas.tables.ddl import LIVE_RUN
from zonepulse.streams import servers
from zonepulse.streams.cli.replay.shared import RunArgument, explained, last_registry
from zonepulse.streams.replay import runs
from zonepulse.streams.replay.hand_over import hand_over
from zonepulse.streams.replay.promote import promote, revert
from zonepulse.streams.screen import say


def promote_(
    run: RunArgument,
    why: Annotated[str, typer.Option(metavar="TEXT", help="Kept with the decision.")] = "",
) -> None:
    """Let a run's rows of its stretch stand as the live ones, in every view at once; those of a run that follows the log from its
    stretch's begin on, with an open end. `revert` takes it back."""
    settings = servers.settings()
    with explained(), servers.store_client(settings) as client:
        registry, found = last_registry(settings), runs.find(client, run)
        if found.state == runs.FOLLOWING:
            hand_over(client, found, registry.zone, why)
            until = " as far as it has followed the log, and goes on to"
        else:
            promote(client, found, registry, runs.applied_ms(client, registry.zone, LIVE_RUN), why)
            until = ""
    say(f"{run}: its rows stand as the live ones{until}; take it back: zonepulse replay revert {run}")


def revert_(
    run: RunArgument,
    why: Annotated[str, typer.Option(metavar="TEXT", help="Kept with the decision.")] = "",
) -> None:
    """Let the live tasks' own rows stand again where a run was promoted."""
    with explained(), servers.store_client(servers.settings()) as client:
        revert(client, runs.find(client, run), why)
    say(f"{run}: the live tasks' own rows stand again")
