"""`zonepulse replay promote` and `revert`: which rows stand as the live ones."""

from typing import Annotated

import typer

from zonepulse.schemas.tables.ddl import LIVE_RUN
from zonepulse.streams import servers
from zonepulse.streams.cli.replay.shared import RunArgument, explained, last_registry
from zonepulse.streams.replay import runs
from zonepulse.streams.replay.checkpoint import RunFolder, folder_of
from zonepulse.streams.replay.hand_over import LiveTasks, hand_back, hand_over, hand_state_over
from zonepulse.streams.replay.promote import promote
from zonepulse.streams.screen import BadInput, say
from zonepulse.streams.settings import Settings


def promote_(
    run: RunArgument,
    why: Annotated[str, typer.Option(metavar="TEXT", help="Kept with the decision.")] = "",
    beside: Annotated[
        bool, typer.Option("--beside", help="Of a run that follows the log: it goes on, and live tasks do not take its state over.")
    ] = False,
    send_alerts: Annotated[
        bool,
        typer.Option("--send-alerts", help="Tell subscribers of alerts that last and that only a run knows that follows the log."),
    ] = False,
) -> None:
    """Let a run's rows of its stretch stand as the live ones, in every view at once. From a run that follows the log, the live tasks
    go on. `revert` takes it back."""
    settings = servers.settings()
    with explained(), servers.store_client(settings) as client:
        registry, found = last_registry(settings), runs.find(client, run)
        until = ""
        if send_alerts and (beside or found.state != runs.FOLLOWING):
            raise BadInput(
                "--send-alerts: live tasks say alerts that last, so they have to go on from the state of a run that follows"
            )
        if found.state == runs.FOLLOWING and beside:
            hand_over(client, found, registry.zone, why)
            until = " as far as it has followed the log, and goes on to"
        elif found.state == runs.FOLLOWING and found.plan is not None:
            folder = RunFolder(folder_of(settings.data_dir, run), found.plan)
            hand_state_over(client, found, registry.zone, folder.followed, _live_tasks(settings), why, sends_alerts=send_alerts)
            until = ", and the live tasks go on from its state: stop the run"
        else:
            promote(client, found, registry, runs.applied_ms(client, registry.zone, LIVE_RUN), why)
    say(f"{run}: its rows stand as the live ones{until}; take it back: zonepulse replay revert {run}")


def _live_tasks(settings: Settings) -> LiveTasks:
    return LiveTasks(servers.require_broker(settings), settings.topic_prefix, settings.replication)


def revert_(
    run: RunArgument,
    why: Annotated[str, typer.Option(metavar="TEXT", help="Kept with the decision.")] = "",
) -> None:
    """Let the live tasks' own rows stand again where a run was promoted."""
    settings = servers.settings()
    with explained(), servers.store_client(settings) as client:
        hand_back(client, runs.find(client, run), last_registry(settings).zone, _live_tasks(settings), why)
    say(f"{run}: the live tasks' own rows stand again")
