"""Who may do what at the broker, by role: taken from what the tasks of a zone read and send (`schemas/messages/tasks.py`).

A role is the user's name. Reading or writing a topic includes asking for its offsets; reading a group includes committing for it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from zonepulse.schemas.messages.hand_overs import TOPICS as HAND_OVERS
from zonepulse.schemas.messages.tasks import EVERY_FOLLOWS, EVERY_SENDS, TASKS, Task
from zonepulse.schemas.messages.topics import COMMANDS, FACTORS, INTERVALS, READINGS, REGISTRY, SUBSCRIBERS, Topic

Kind = Literal["topic", "group", "transactional_id", "cluster"]
Operation = Literal["read", "write", "create", "describe", "describe_configs", "all"]
CLUSTER: Final = "kafka-cluster"
"""The broker's own name for it."""


class Grant(NamedTuple):
    """One thing that is allowed. `is_prefix`: of everything whose name begins with `name`."""

    kind: Kind
    name: str
    operation: Operation
    is_prefix: bool = False


@dataclass(frozen=True, slots=True)
class Role:
    """One user. What is not granted is refused."""

    name: str
    about: str
    grants: frozenset[Grant]


def roles(prefix: str) -> dict[str, Role]:
    """Every role of a zone, by name."""
    made = [
        _role("gateway", "sends readings, and reads nothing", _topics(prefix, "write", [READINGS])),
        *(_role(task.name, f"workers of the task {task.name}", _of_task(prefix, task)) for task in TASKS.values()),
        _role("replay", "replays: reads the log, writes only to the store", _topics(prefix, "read", _REPLAYED)),
        _role(
            "verify", "`replay verify`: as replay, and raises an alert where a settled hour differs",
            [*_topics(prefix, "read", _REPLAYED), *_topics(prefix, "write", [INTERVALS])],
        ),
        _role(
            "board", "the board in a browser, with its form for subscribers",
            [*_topics(prefix, "read", [REGISTRY, SUBSCRIBERS]), *_topics(prefix, "write", [SUBSCRIBERS])],
        ),
        _role(
            "monitor", "sees lag and settings, and no record",
            [Grant("topic", prefix, "describe", True), Grant("topic", prefix, "describe_configs", True),
             Grant("group", prefix, "describe", True)],
        ),
        _role(
            "operator", "every command of zonepulse, on this zone; gives nobody rights",
            [Grant("topic", prefix, "all", True), Grant("group", prefix, "all", True),
             Grant("transactional_id", prefix, "all", True), Grant("cluster", CLUSTER, "describe")],
        ),
    ]  # fmt: skip
    return {role.name: role for role in made}


_REPLAYED: Final = (READINGS, REGISTRY, COMMANDS, FACTORS)


def _role(name: str, about: str, grants: Iterable[Grant]) -> Role:
    return Role(name, about, frozenset(grants))


def _topics(prefix: str, operation: Operation, topics: Iterable[Topic]) -> list[Grant]:
    return [Grant("topic", topic.full_name(prefix), operation) for topic in topics]


def _of_task(prefix: str, task: Task) -> list[Grant]:
    asked = {other.group(prefix) for other in TASKS.values() if {*other.reads} & {*task.waits_for_readers_of}}
    asked |= {TASKS[name].group(prefix) for name in task.watches}
    snapshots: tuple[Operation, ...] = ("create", "read", "write") if task.has_snapshots else ()
    return [
        *_topics(prefix, "read", {*task.reads, *task.follows, *EVERY_FOLLOWS}),
        *_topics(prefix, "write", {sent.topic for sent in (*task.sends, *EVERY_SENDS)}),
        *(Grant("topic", task.snapshots(prefix), operation) for operation in snapshots),
        *(Grant("topic", f"{prefix}{HAND_OVERS}", operation, True) for operation in snapshots if operation != "create"),
        Grant("group", task.group(prefix), "read"),
        Grant("group", task.starts(prefix), "read"),
        Grant("group", task.orders(prefix), "describe"),
        *(Grant("group", group, "describe") for group in sorted(asked)),
        *([Grant("transactional_id", task.group(prefix), "write")] if task.has_transactions else []),
    ]
