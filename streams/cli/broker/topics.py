"""`zonepulse topics`: a zone's topics as a cluster is to have them."""

from typing import Annotated, Final

import typer

from zonepulse.streams import servers
from zonepulse.streams.control.topic_plan import Plan, carry_out, compare, wanted
from zonepulse.streams.exit_codes import FAILED
from zonepulse.streams.screen import BadInput, JsonOption, print_json, say

CopiesOption = Annotated[int | None, typer.Option("--replication", help="copies of each topic; ZONEPULSE_REPLICATION", min=1)]
InsyncOption = Annotated[
    int | None, typer.Option("--min-insync", help="copies that must have a record before it counts; one less than all", min=1)
]
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
IN_ORDER: Final = "the topics are as they are to be"


@app.callback()
def topics() -> None:
    """Make a zone's topics, snapshots' included, and see where a cluster's differ: partitions, copies, retention, compaction."""


@app.command()
def check(replication: CopiesOption = None, min_insync: InsyncOption = None, json: JsonOption = False) -> None:
    """Say what differs; exit code 1 where something does."""
    _, plan = _compared(replication, min_insync)
    _show(plan, json, ("missing", "differs", "differs, and would delete records"))
    if not plan.is_empty:
        raise typer.Exit(FAILED)


@app.command()
def apply(
    replication: CopiesOption = None,
    min_insync: InsyncOption = None,
    shrink: Annotated[bool, typer.Option("--shrink", help="shorten retention too: records beyond it are deleted at once")] = False,
    json: JsonOption = False,
) -> None:
    """Make what is missing and change what can be changed; say the rest, with exit code 1."""
    broker, plan = _compared(replication, min_insync)
    carry_out(broker, plan, shrink=shrink)
    _show(plan, json, ("made", "changed", "changed" if shrink else "left as it is, since it deletes records (--shrink)"))
    if plan.remarks or (plan.shrinking and not shrink):
        raise typer.Exit(FAILED)


def _compared(replication: int | None, min_insync: int | None) -> tuple[str, Plan]:
    settings = servers.settings()
    copies = replication or settings.replication
    least = min_insync or max(1, copies - 1)
    if least > copies:
        raise BadInput(f"--min-insync is {least} and there are {copies} copies: no record could ever be written")
    broker = servers.require_broker(settings)
    topics = wanted(settings.topic_prefix, settings.partitions, copies, least, is_simulated=settings.is_simulated)
    return broker, compare(broker, topics)


def _show(plan: Plan, json: bool, words: tuple[str, str, str]) -> None:
    lines = [f"{words[0]}: {t.name}, {t.partitions} partitions, {t.copies} copies" for t in plan.missing]
    for word, part in zip(words[1:], (plan.changes, plan.shrinking), strict=True):
        lines += [f"{word}: {name} {key}={value}, was {now}" for name, of in part.items() for key, (now, value) in of.items()]
    if json:
        print_json({"done": lines, "remarks": plan.remarks})
    else:
        say(*(lines + plan.remarks or [IN_ORDER]))
