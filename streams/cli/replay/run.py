"""`zonepulse replay run`: a plan through the whole core, beside the live tasks."""

import os
import signal
import threading
from dataclasses import replace
from typing import Annotated, Any

import typer
from clickhouse_connect.driver.client import Client

from zonepulse.streams import servers
from zonepulse.streams.cli.replay.shared import RunArgument, explained
from zonepulse.streams.cli.shared.kernels import tell_if_compiling
from zonepulse.streams.kernels.cache import mark_compiled
from zonepulse.streams.replay import runs
from zonepulse.streams.replay.checkpoint import EVERY_S, RunFolder, folder_of
from zonepulse.streams.replay.files_run import run_files
from zonepulse.streams.replay.hand_over import require_same_program, stands_open
from zonepulse.streams.replay.plan import CannotReplay, Plan
from zonepulse.streams.replay.promote import require_reverted
from zonepulse.streams.replay.run import PLAINLY, How, Progress, run_plan
from zonepulse.streams.replay.runs import instant
from zonepulse.streams.screen import BadInput, JsonOption, count, print_facts, print_json, print_table, stderr
from zonepulse.streams.settings import Settings


def run(
    run: RunArgument,
    processes: Annotated[
        int, typer.Option(min=1, max=1000, help="Share the partitions out to so many; the rows are the same.")
    ] = 1,
    checkpoint_s: Annotated[
        float, typer.Option(min=0, metavar="S", help="Seconds between checkpoints, from which a run that is cut off goes on.")
    ] = EVERY_S,
    most_per_s: Annotated[
        float, typer.Option("--rate", min=0, metavar="N", help="At most N records/s; 0 = as fast as it can.")
    ] = 0,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on with the log as a shadow of the live ledger, until Ctrl+C or SIGTERM.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Run a plan: the topic's readings through the whole core, beside the live tasks; one that was cut off goes on."""
    settings = servers.settings()
    servers.require_broker(settings)
    if follow and processes > 1:
        raise BadInput("--follow: one process follows the log; leave --processes out")
    with explained(), servers.store_client(settings) as client:
        found = runs.find(client, run)
        if found.plan is None:
            raise CannotReplay(f"run {run!r} is a run of files: `zonepulse replay file` makes it")
        if found.plan.files and (follow or processes > 1):
            raise BadInput(f"run {run!r} reads files, in one process to their end: leave --follow and --processes out")
        if follow and stands_open(client, found.plan):
            require_same_program(found.plan)
        else:
            require_reverted(client, found)
            if found.state != runs.PLANNED:
                runs.delete_rows(client, run)
        folder = RunFolder(folder_of(settings.data_dir, run), found.plan, checkpoint_s)
        how = How(processes=processes, folder=folder, follow_until=_stopped() if follow else None, most_per_s=most_per_s)
        result = run_shown(settings, found.plan, client, how)
    if json:
        print_json({"run": run} | result)
        return
    print_table(
        ("table", "rows", "digest"), [(n, count(t["rows"]), t["digest"]) for n, t in result["tables"].items()], right=("rows",)
    )
    speed = f"{result['seconds']:.1f} s, {count(result['records_per_s'])} records/s"
    print_facts([("records", count(result["records"])), ("took", speed), ("compare", f"zonepulse replay diff live {run}")])


def _stopped() -> threading.Event:
    """Set by Ctrl+C and SIGTERM from now on."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    return stopped


def run_shown(settings: Settings, plan: Plan, client: Client, how: How = PLAINLY) -> dict[str, Any]:
    """Runs a plan and shows how far it is; its result."""
    tell_if_compiling()
    with stderr().status(f"{plan.run}: reading") as status:

        def show(progress: Progress) -> None:
            done = progress.records / max(1, plan.records)
            rate = count(round(progress.records_per_s))
            status.update(
                f"{plan.run}: {done:.0%}, {rate} records/s, {progress.left_s:.0f} s left, at {instant(progress.ingest_ms)}"
            )

        if plan.files:
            result = run_files(settings.broker, settings.topic_prefix, plan, client)
        else:
            result = run_plan(settings.broker, settings.topic_prefix, plan, client, replace(how, say=show))
    mark_compiled(os.environ)
    return result
