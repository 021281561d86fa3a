"""`zonepulse worker TASK`: one worker process, configured by the environment."""

import os
from typing import Annotated

import typer

from zonepulse.streams.cli.shared.kernels import tell_if_compiling
from zonepulse.streams.exit_codes import BAD_INPUT
from zonepulse.streams.screen import show_error
from zonepulse.streams.settings import BadSetting, Settings
from zonepulse.streams.workers import worker


def run_task(task: Annotated[str, typer.Argument(help="intervals, ledger, store, notify or archive")]) -> None:
    """Run one task of a zone until it is stopped; settings come from ZONEPULSE_* variables."""
    if task not in worker.TASKS:
        show_error(f"no task {task!r}; there are {', '.join(worker.TASKS)}")
        raise typer.Exit(BAD_INPUT)
    try:
        settings = Settings.from_env(os.environ)
    except BadSetting as bad:
        show_error(str(bad))
        raise typer.Exit(BAD_INPUT) from bad
    if task == "archive" and not settings.archive:
        show_error("ZONEPULSE_ARCHIVE is not set: name the folder, or a URL such as s3://bucket/path, that keeps the readings")
        raise typer.Exit(BAD_INPUT)
    if task not in worker.NO_KERNELS:
        tell_if_compiling()
    worker.run(task, settings)
