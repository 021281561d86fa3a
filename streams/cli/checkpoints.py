"""`zonepulse checkpoints`: what tasks remember of their logs, and how to go on where a log is not what it was."""

from typing import Annotated, Any, Final, Literal

import typer
from faust.types import TP
from kafka.errors import KafkaError

from zonepulse.schemas.messages.tasks import TASKS
from zonepulse.streams import servers
from zonepulse.streams.kafka.log_facts import admin_of, partitions_of
from zonepulse.streams.kafka.log_guard import LogMoved, LogView, Note, begin_at, give_order, look
from zonepulse.streams.screen import BadInput, JsonOption, either, print_json, print_table, say
from zonepulse.streams.settings import Settings

COMMITTING: Final = {name: task for name, task in TASKS.items() if task.commits}
"""Those whose places the broker keeps."""
TaskArgument = Annotated[str, typer.Argument(metavar="TASK", help=either(COMMITTING))]
PartitionOption = Annotated[list[int] | None, typer.Option(help="only these; may be given several times")]
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def checkpoints() -> None:
    """Show where each task stands in its logs. Let a task go on whose topic was made anew, or whose snapshots are gone."""


@app.command("list")
def list_places(json: JsonOption = False) -> None:
    """Of every task and partition: the offset to go on at, where the log begins and ends, and what is wrong."""
    settings = servers.settings()
    servers.require_broker(settings)
    rows = [row for task, view in views(settings).items() for row in places(task, view)]
    if json:
        print_json({"checkpoints": rows})
    else:
        columns = ("task", "topic", "partition", "committed", "log_start", "log_end", "found", "ordered")
        print_table(columns, [[str(row[name]) for name in columns] for row in rows])


@app.command()
def accept(task: TaskArgument, partition: PartitionOption = None) -> None:
    """A topic was deleted and made anew, or lost its end: the task keeps its state and reads what is there now, from its beginning."""
    _order("accept", task, partition)


@app.command()
def begin(task: TaskArgument, partition: PartitionOption = None) -> None:
    """The task drops its state and begins with its log, as a new one would. Rows that the log no longer explains are not written again."""
    _order("begin", task, partition)


def view_of(settings: Settings, task: str) -> LogView:
    """What the broker says of a task's partitions; topics that do not exist are left out. Raises KafkaError."""
    declared = TASKS[task]
    with admin_of(settings.broker) as admin:
        tps = partitions_of(admin, declared.topics(settings.topic_prefix))
    return look(settings.broker, declared.group(settings.topic_prefix), tps)


def views(settings: Settings) -> dict[str, LogView]:
    """Of every task whose places the broker keeps; of an optional one where it has begun. Raises KafkaError."""
    found = {name: view_of(settings, name) for name in COMMITTING}
    return {name: view for name, view in found.items() if view.committed or not TASKS[name].is_optional}


def places(task: str, view: LogView) -> list[dict[str, Any]]:
    """One object a partition."""
    return [
        {
            "task": task,
            "topic": tp.topic,
            "partition": tp.partition,
            "committed": view.committed.get(tp),
            "log_start": ends.start,
            "log_end": ends.end,
            "found": _found(view, tp),
            "ordered": view.order(tp),
        }
        for tp, ends in sorted(view.ends.items())
    ]


def _found(view: LogView, tp: TP) -> str:
    if tp not in view.committed:
        return "never begun"
    try:
        _, loss = begin_at(view, tp, view.committed[tp], view.notes.get(tp, Note()))
    except LogMoved as moved:
        return str(moved)
    return f"offsets {loss.first} to {loss.next - 1} were deleted unread" if loss else "ok"


def _order(do: Literal["accept", "begin"], task: str, partitions: list[int] | None) -> None:
    if task not in COMMITTING:
        raise BadInput(f"there is no task {task!r} with checkpoints: {', '.join(COMMITTING)}")
    settings = servers.settings()
    servers.require_broker(settings)
    view = view_of(settings, task)
    tps = [tp for tp in sorted(view.ends) if not partitions or tp.partition in partitions]
    if not tps:
        raise BadInput(f"{task} reads no such partition: {', '.join(f'{tp.topic}/{tp.partition}' for tp in sorted(view.ends))}")
    try:
        give_order(settings.broker, view, do, tps)
    except KafkaError as error:
        raise BadInput(f"the broker does not take the order: {error}") from error
    what = "keep its state and read on in the topics that are there now" if do == "accept" else "begin with its log"
    say(f"{task} will {what} where it stopped for that reason ({len(tps)} partitions); workers that run are not disturbed")
