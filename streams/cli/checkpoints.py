"""`zonepulse checkpoints`: what tasks remember of their logs, and how to go on where a log is not what it was."""

from typing import Annotated, Any, Final, Literal

import typer
from faust.types import TP
from kafka.errors import KafkaError

from zonepulse.schemas.messages.topics import ALERTS, DEADLETTERS, INTERVALS, READINGS, REGISTRY, RESULTS, Topic
from zonepulse.streams import servers
from zonepulse.streams.kafka.log_facts import admin_of, partitions_of
from zonepulse.streams.kafka.log_guard import LogMoved, LogView, Note, begin_at, give_order, look
from zonepulse.streams.screen import BadInput, JsonOption, print_json, print_table, say
from zonepulse.streams.settings import Settings

TASKS: Final[dict[str, tuple[Topic, ...]]] = {
    "intervals": (READINGS,),
    "ledger": (INTERVALS,),
    "store": (INTERVALS, RESULTS, ALERTS, DEADLETTERS, REGISTRY),
}
"""Task -> the topics it reads; its group is the topic prefix and the task."""
TaskArgument = Annotated[str, typer.Argument(metavar="TASK", help="intervals, ledger or store")]
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
    rows = [row for task in TASKS for row in places(settings, task)]
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
    with admin_of(settings.broker) as admin:
        tps = partitions_of(admin, (topic.full_name(settings.topic_prefix) for topic in TASKS[task]))
    return look(settings.broker, settings.topic_prefix + task, tps)


def places(settings: Settings, task: str) -> list[dict[str, Any]]:
    """One object a partition. Raises KafkaError."""
    view = view_of(settings, task)
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
    if task not in TASKS:
        raise BadInput(f"there is no task {task!r}: {', '.join(TASKS)}")
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
