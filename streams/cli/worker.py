"""`zonepulse worker TASK`: one worker process, configured by the environment."""

import os
from typing import Annotated

import typer

from zonepulse.schemas.messages.tasks import TASKS
from zonepulse.streams.cli.shared.kernels import tell_if_compiling
from zonepulse.streams.exit_codes import BAD_INPUT
from zonepulse.streams.screen import either, show_error
from zonepulse.streams.settings import PREFIX, BadSetting, Settings
from zonepulse.streams.workers import worker


def run_task(name: Annotated[str, typer.Argument(metavar="TASK", help=either(TASKS))]) -> None:
    """Run one task of a zone until it is stopped; settings come from ZONEPULSE_* variables."""
    task = TASKS.get(name)
    if task is None:
        show_error(f"no task {name!r}; there are {', '.join(TASKS)}")
        raise typer.Exit(BAD_INPUT)
    try:
        settings = Settings.from_env(os.environ)
    except BadSetting as bad:
        show_error(str(bad))
        raise typer.Exit(BAD_INPUT) from bad
    if not task.is_set_up(settings):
        show_error(f"{PREFIX}{task.setting.upper()} is not set: {task.remedy}")
        raise typer.Exit(BAD_INPUT)
    if task.has_kernels:
        tell_if_compiling()
    worker.run(task, settings)
