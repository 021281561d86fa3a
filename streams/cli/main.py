"""`zonepulse`: its commands, each in a module of its own that is imported when it is asked for, so that help is quick."""

import gc
import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import Annotated, Any, Final, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from zonepulse.schemas.messages.tasks import TASKS
from zonepulse.streams.embedded.processes.ending import heed_interrupts
from zonepulse.streams.kafka.few_lines import bound_lines
from zonepulse.streams.kernels.cache import use_kernel_cache
from zonepulse.streams.screen import either, exit_code, explain, say, show_error


class Command(NamedTuple):
    """A module of this package, the function or Typer in it, and one line of help."""

    module: str
    attribute: str
    help: str


HELP_CHARACTERS: Final = 60
"""What a line of 80 columns has room for."""
COMMANDS: Final = {
    "demo": Command("demo", "demo", "Run a whole sample zone on this machine and show its ledger."),
    "up": Command("up", "up", "Start Kafka, ClickHouse and workers on this machine."),
    "worker": Command("worker", "run_task", shorten(f"Run a worker: {either(TASKS)}.", HELP_CHARACTERS, placeholder=" ...")),
    "top": Command("top", "top", "Show a running zone in the terminal."),
    "board": Command("board", "board", "Show the zone in a browser."),
    "produce": Command("produce", "produce", "Send the readings of files to Kafka."),
    "readings": Command("readings.command", "app", "Give values where a meter was out; see who gave which."),
    "convert": Command("convert", "convert", "Look at files of readings; write them in one form."),
    "replay": Command("replay.command", "app", "Run readings through the ledger again, from files or Kafka."),
    "sql": Command("sql", "sql", "Ask the store in SQL."),
    "explain": Command("explain", "explain", "Explain a company's CO2e, from the kilogram to the readings."),
    "indicators": Command("indicators.command", "indicators", "Compute what the zone and its companies compare by."),
    "inputs": Command("indicators.inputs", "app", "Give what no meter measures, such as products and waste."),
    "budgets": Command("indicators.budgets", "budgets", "Show what is used of each budget, and how fast."),
    "network": Command("efficiency.network", "app", "Savings of energy-efficiency networks."),
    "benchmark": Command("efficiency.benchmark", "benchmark", "Compare companies; nobody is disclosed."),
    "advice": Command("efficiency.advice", "advice", "Advise a company, with the calculation behind it."),
    "report": Command("indicators.report", "app", "Write a month's report: page, PDF, workbook, CSV."),
    "detect": Command("detect", "app", "Find what is unusual in a series, on its own history."),
    "registry": Command("registry.command", "app", "Write, publish and show a zone's registry."),
    "subscribe": Command("people.subscribe", "subscribe", "Send alerts to an address."),
    "subscribers": Command("people.subscribers", "app", "Who is told of alerts; tests, pauses, forgetting."),
    "notify": Command("people.notify", "app", "See what a message about an alert looks like."),
    "alerts": Command("people.alerts", "app", "List and answer alerts; see who was told."),
    "skip": Command("skip", "skip", "Step over a record that a task cannot handle."),
    "deadletters": Command("deadletters.command", "app", "List readings that were refused, and send them again."),
    "checkpoints": Command("checkpoints", "app", "Show where tasks stand; let them go on after a loss."),
    "backup": Command("broker.backup", "app", "Keep what must outlive Kafka; come back on an empty one."),
    "migrate": Command("migrate", "migrate", "Make the store's tables, or bring them up to date."),
    "acl": Command("broker.acl", "app", "Show, write and check who may do what at Kafka."),
    "topics": Command("broker.topics", "app", "Make a zone's topics; show where a cluster's differ."),
    "doctor": Command("doctor.command", "doctor", "Check this machine and its servers; say how to mend them."),
    "runbook": Command("doctor.runbook", "runbook", "What an alert about the machine means, and what to do."),
    "bench": Command("trials.bench", "bench", "Measure throughput and latency."),
    "chaos": Command("trials.chaos", "chaos", "Kill parts of a running zone; prove that nothing is lost."),
}


class LazyGroup(TyperGroup):
    """Lists commands without importing them, imports the one that runs, and turns expected errors into a line and an exit code."""

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order of COMMANDS; those that this installation has."""
        return [name for name, command in COMMANDS.items() if is_here(command)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """What help needs of a command; None where there is none of this name."""
        known = COMMANDS.get(cmd_name)
        return TyperCommand(cmd_name, help=known.help, rich_markup_mode="rich") if known and is_here(known) else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The real command. Kernels may be imported with it, so their cache is chosen first."""
        self.commands = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}  # for suggestions
        name, stub, rest = super().resolve_command(ctx, args)
        use_kernel_cache(os.environ)
        return name, stub if name is None else load(name), rest

    def invoke(self, ctx: Any) -> Any:
        """Runs the command; an error that explains itself ends it without a traceback."""
        heed_interrupts()
        try:
            return super().invoke(ctx)
        except Exception as error:
            code = exit_code(error)
            if code is None:
                raise
            show_error(explain(error))
            raise typer.Exit(code) from error


def is_here(command: Command) -> bool:
    """Whether the command's module is installed; it is not imported."""
    return Path(__file__).parent.joinpath(*command.module.split(".")).with_suffix(".py").exists()


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Nobody looks for garbage while modules are imported, which make none: that took a fifth of a worker's start."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def load(name: str) -> Any:
    """The command of this name as typer runs it. Raises ImportError where its module is missing."""
    command = COMMANDS[name]
    with collector_at_rest():
        found = getattr(importlib.import_module(f"zonepulse.streams.cli.{command.module}"), command.attribute)
    if not isinstance(found, typer.Typer):
        group = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        group.command(name)(found)
        found = group
    ready = typer.main.get_command(found)
    ready.name = name
    return ready


app = typer.Typer(
    cls=LazyGroup, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich"
)


def _version(wanted: bool) -> None:
    if wanted:
        say(f"zonepulse {importlib.import_module('importlib.metadata').version('zonepulse')}")
        raise typer.Exit


@app.callback()
def zonepulse(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """A live carbon ledger for industrial zones.

    Settings come from ZONEPULSE_* variables (ZONEPULSE_BROKER, ZONEPULSE_CLICKHOUSE_HOST, ...); `zonepulse doctor` checks them.
    """
    bound_lines()


if __name__ == "__main__":
    app()
