"""`zonepulse worker TASK`: one worker process, configured by the environment."""

import os
from typing import Annotated

import typer

from zonepulse.streams import worker
from zonepulse.streams.settings import BadSetting, Settings


def run_task(task: Annotated[str, typer.Argument(help="intervals, ledger or store")]) -> None:
    """Run one task of a zone until it is stopped; settings come from ZONEPULSE_* variables."""
    if task not in worker.TASKS:
        typer.echo(f"no task {task!r}; there are {', '.join(worker.TASKS)}", err=True)
        raise typer.Exit(2)
    try:
        settings = Settings.from_env(os.environ)
    except BadSetting as bad:
        typer.echo(str(bad), err=True)
        raise typer.Exit(2) from bad
    worker.run(task, settings)
