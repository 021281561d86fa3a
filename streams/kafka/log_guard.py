"""Whether a log is still what a task remembers of it, and what an operator ordered where it is not.

With every commit goes a *note*: the topic's id, and the time of the last record handled. Where a task starts, the note (of its snapshot,
or of its group's commit) is held against the broker:

- Retention ate unread records: a `Loss`, counted and raised as an alert; the task goes on at what is left.
- The topic was deleted and made anew (another id), or ends before the place remembered: `LogMoved` stops the task with the commands.
- A task's snapshots are gone although its group has committed, or they are absent over a log without a beginning: `SnapshotsGone`.

An order (`zonepulse checkpoints`) is kept as a commit of a group that never has members, so that it can be given while a task dies and is
started again. It names the topic's id, and "begin" what was committed then: it holds for the case it was given for and for no other.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

import msgspec
from faust.types import TP
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from zonepulse.streams.kafka.consumer_groups import commit_offsets, coordinated
from zonepulse.streams.kafka.log_facts import Ends, admin_of, ends_of, topic_ids

S = TypeVar("S", bound=msgspec.Struct)
log = logging.getLogger(__name__)
NEVER: Final = -1
"""Committed: nothing."""


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """What goes with a commit and a snapshot."""

    topic_id: str = ""
    at_ms: int | None = None
    """Of the last record handled."""
    read_to: int | None = None
    """Where the log was read further than what is committed, since some of it has to be read again: up to where."""


class Order(msgspec.Struct, frozen=True):
    """accept: go on with the state over the topic that is there now. begin: drop the state and begin with the log."""

    do: Literal["accept", "begin"]
    topic_id: str
    committed: int


class LogMoved(RuntimeError):
    """A log is not the one that the task's state was made from."""


class SnapshotsGone(RuntimeError):
    """A task has no snapshot to go on from, and beginning anew might not give what it gave before."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Records [first, next) of a partition that were deleted unread. `before_ms`: of the last record handled, if known."""

    tp: TP
    first: int
    next: int
    before_ms: int | None


@dataclass(frozen=True, slots=True)
class LogView:
    """What the broker says of some partitions, for one group."""

    group: str
    ends: Mapping[TP, Ends]
    ids: Mapping[str, str]
    committed: Mapping[TP, int]
    notes: Mapping[TP, Note]
    orders: Mapping[TP, Order]

    def order(self, tp: TP) -> str:
        """What is ordered for this partition and holds now; '' = nothing."""
        order = self.orders.get(tp)
        if order is None or order.topic_id != self.ids.get(tp.topic):
            return ""
        return order.do if order.do == "accept" or order.committed == self.committed.get(tp, NEVER) else ""


NO_VIEW: Final = LogView("", {}, {}, {}, {}, {})


def look(broker: str, group: str, tps: Iterable[TP]) -> LogView:
    """Asks the broker; blocks. Raises kafka.errors.KafkaError."""
    tps = list(tps)
    with admin_of(broker) as admin:
        found = _commits(admin, group)
        orders = {tp: _read(text, Order) for tp, (_, text) in _commits(admin, orders_of(group)).items()}
        return LogView(
            group,
            ends_of(admin, tps),
            topic_ids(admin, {tp.topic for tp in tps}),
            {tp: offset for tp, (offset, _) in found.items()},
            _notes(found),
            {tp: order for tp, order in orders.items() if order is not None},
        )


def _notes(commits: Mapping[TP, tuple[int, str]]) -> dict[TP, Note]:
    notes = {tp: _read(text, Note) for tp, (_, text) in commits.items()}
    return {tp: note for tp, note in notes.items() if note is not None}


def topic_ids_now(broker: str, topics: Iterable[str]) -> dict[str, str]:
    """Kafka's ids of these topics; empty while the broker does not answer. Blocks."""
    try:
        with admin_of(broker) as admin:
            return topic_ids(admin, topics)
    except (KafkaError, OSError) as error:
        log.warning("the broker does not say which topics it has: %s", error)
        return {}


def check_ids(view: LogView, ids: Mapping[str, str], next_offsets: Mapping[TP, int]) -> None:
    """Whether the topics still are those of `view`, by their ids now. Raises LogMoved.

    It says nothing of orders: they are for the start that follows, whose snapshot still names the old topic.
    """
    for tp, at in sorted(next_offsets.items()):
        was, now = view.ids.get(tp.topic, ""), ids.get(tp.topic, "")
        if was and now and was != now:
            raise LogMoved(_moved(view, tp, at, None, is_other=True))


def give_order(broker: str, view: LogView, do: Literal["accept", "begin"], tps: Iterable[TP]) -> None:
    """Writes it down for each partition. Raises kafka.errors.KafkaError."""
    orders = {tp: Order(do, view.ids[tp.topic], view.committed.get(tp, NEVER)) for tp in tps}
    commits = {
        TopicPartition(tp.topic, tp.partition): OffsetAndMetadata(0, msgspec.json.encode(o).decode(), -1)
        for tp, o in orders.items()
    }
    with admin_of(broker) as admin:
        coordinated(lambda: commit_offsets(admin, orders_of(view.group), commits))


def orders_of(group: str) -> str:
    """The group whose commits are the orders for `group`."""
    return f"{group}-orders"


def task_of(group: str) -> str:
    """The task whose group this is, as commands name it."""
    return group.rsplit(".", 1)[-1]


def begin_at(view: LogView, tp: TP, start: int, note: Note) -> tuple[int, Loss | None]:
    """Where to read on if the state stands at `start`, and what is lost in between. Raises LogMoved."""
    ends = view.ends[tp]
    if is_moved(view, tp, start, note):
        is_other = _is_other(view, tp, note)
        if view.order(tp) == "accept":
            return (ends.start if is_other or not note.topic_id else min(start, ends.end)), None
        raise LogMoved(_moved(view, tp, _furthest(start, note), ends.end, is_other=is_other))
    if 0 < start < ends.start:
        return ends.start, Loss(tp, start, ends.start, note.at_ms if note.read_to is None else None)
    return max(start, ends.start), None


def is_moved(view: LogView, tp: TP, start: int, note: Note) -> bool:
    """Whether the log is not the one that the state at `start` was made from, or has lost its end."""
    return _is_other(view, tp, note) or _furthest(start, note) > view.ends[tp].end


def _is_other(view: LogView, tp: TP, note: Note) -> bool:
    now = view.ids.get(tp.topic, "")
    return bool(note.topic_id and now) and note.topic_id != now


def _furthest(start: int, note: Note) -> int:
    return start if note.read_to is None else max(start, note.read_to)


def _moved(view: LogView, tp: TP, start: int, end: int | None, *, is_other: bool) -> str:
    """`end` of the topic that is there now, if known."""
    name, task = f"{tp.topic}/{tp.partition}", task_of(view.group)
    ends = "" if end is None else f", the topic ends at {end}"
    found = (
        f"{name} was deleted and made anew: other records stand at the offsets that {task} remembers (it goes on at {start}{ends})"
        if is_other
        else f"{name} ends at offset {end}, but the state of {task} goes on at {start}: the topic was made anew, or lost its end"
    )
    return (
        f"{found}. To keep the state and read the topic that is there now: `zonepulse checkpoints accept {task}`;"
        f" to drop the state and begin with what is there: `zonepulse checkpoints begin {task}`; or use another topic prefix"
    )


def check_absence(view: LogView, tp: TP, unreadable: int) -> None:
    """Whether a task without a snapshot may begin: raises SnapshotsGone with the commands if it would lose what it had."""
    if view.order(tp) == "begin":
        return
    committed, ends = view.committed.get(tp, NEVER), view.ends[tp]
    name, task = f"{tp.topic}/{tp.partition}", task_of(view.group)
    if unreadable:
        why = f"none of the {unreadable} snapshots of {task} for {name} can be read (see the log)"
    elif committed > 0:
        why = f"{task} has handled {name} up to offset {committed}, but its snapshots are gone: their topic was emptied or deleted"
    elif ends.start > 0:
        why = f"{task} has no snapshot for {name}, and its first {ends.start} records are deleted"
    else:
        return
    cost = (
        f"what is left begins at offset {ends.start}: windows that earlier records touch would be written anew without them"
        if ends.start
        else "the log is whole: beginning with it makes every row as it was"
    )
    raise SnapshotsGone(
        f"{why}. To begin with the log: `zonepulse checkpoints begin {task}` ({cost}); to go on from a backup, restore the topic of the"
        " snapshots and start the worker again"
    )


def _commits(admin: KafkaAdminClient, group: str) -> dict[TP, tuple[int, str]]:
    found = coordinated(lambda: admin.list_group_offsets({group: None}))[group]
    return {TP(tp.topic, tp.partition): (at.offset, at.metadata or "") for tp, at in found.items() if at.offset >= 0}


def _read(text: str, kind: type[S]) -> S | None:
    """None: there is none, or not of ours."""
    try:
        return msgspec.json.decode(text, type=kind) if text else None
    except msgspec.MsgspecError:
        return None
