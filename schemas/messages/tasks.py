"""Who is on a zone's topics, each declared once: the kinds of workers, and the commands and devices beside them.

What starts, asks, watches or kills workers goes by `TASKS`; the AsyncAPI document by all of it. A task is this declaration and the function
`start(outfit)` of its module (`streams/control/outfit.py`), which makes a Faust app a worker of it. The group of its workers, their names
in logs and metrics, and `zonepulse worker NAME` follow from the name.
"""

from dataclasses import dataclass
from typing import Final

from zonepulse.schemas.messages.topics import (
    ALERTS,
    COMMANDS,
    DEADLETTERS,
    FACTORS,
    INPUTS,
    INTERVALS,
    NOTIFY,
    READINGS,
    REGISTRY,
    RESULTS,
    SUBSCRIBERS,
    Topic,
)
from zonepulse.schemas.tables.results import DELIVERIES, EXPECTED


@dataclass(frozen=True, slots=True)
class Sends:
    """What somebody sends to a topic."""

    topic: Topic
    messages: tuple[str, ...] = ()
    """Of the topic's; empty: each."""
    about: str = ""


EVERY_FOLLOWS: Final = (REGISTRY, COMMANDS)
"""What each worker of any task reads as a whole."""
EVERY_SENDS: Final = (
    Sends(INTERVALS, ("alertCandidates",), "Alerts about the pipeline."),
    Sends(DEADLETTERS, ("deadLetter",), "Nothing is dropped silently."),
)
"""What a worker of any task may send."""


@dataclass(frozen=True, slots=True)
class Task:
    """What the shell has to know of a kind of worker without importing it."""

    name: str
    module: str
    """Of its `start`: below `streams`, imported by the worker alone."""
    reads: tuple[Topic, ...]
    """What its group's workers share."""
    sends: tuple[Sends, ...] = ()
    """Beside `EVERY_SENDS`."""
    follows: tuple[Topic, ...] = ()
    """What each of its workers reads as a whole, beside `EVERY_FOLLOWS`."""
    waits_for_readers_of: tuple[Topic, ...] = ()
    """It looks how far the groups are that read these."""
    watches: tuple[str, ...] = ()
    """The tasks of which it tells when they have no worker."""
    has_transactions: bool = False
    """It writes in transactions under the name of its group."""
    is_optional: bool = False
    """A zone is whole without it: it is asked about where it has begun, or where it is set up."""
    has_kernels: bool = False
    """They are loaded, and at a first start compiled, before it begins."""
    has_snapshots: bool = False
    """It keeps a state, which another worker of it takes over."""
    commits: bool = True
    """Its group's commits say how far it is; else it finds its place in what it has written."""
    setting: str = ""
    """The field of `Settings` without which it cannot run; '' = none."""
    remedy: str = ""
    """How to fill in `setting`."""

    def topics(self, prefix: str) -> list[str]:
        """What it reads, as the broker names it."""
        return [topic.full_name(prefix) for topic in self.reads]

    def group(self, prefix: str) -> str:
        """The consumer group of its workers."""
        return prefix + self.name

    def snapshots(self, prefix: str) -> str:
        """The topic of its snapshots."""
        return f"{self.group(prefix)}-checkpoints-changelog"

    def orders(self, prefix: str) -> str:
        """The group whose commits are orders to its workers: how to go on where a log has moved."""
        return f"{self.group(prefix)}-orders"

    def starts(self, prefix: str) -> str:
        """The group whose commits say when its workers were started."""
        return f"{self.group(prefix)}-starts"

    def is_set_up(self, settings: object) -> bool:
        """Whether these Settings let it run."""
        return not self.setting or bool(getattr(settings, self.setting))


_DECLARED: Final = (
    Task(
        "intervals",
        "workers.intervals",
        (READINGS,),
        (
            Sends(READINGS, ("heartbeat",), "Into partitions that are caught up and silent."),
            Sends(INTERVALS, about="One task a partition of readings."),
            Sends(RESULTS, (EXPECTED.name,), "What detectors expected, in zones that keep it."),
        ),
        has_kernels=True,
        has_snapshots=True,
    ),
    Task(
        "ledger",
        "workers.ledger",
        (INTERVALS,),
        (
            Sends(RESULTS, tuple(n for n in RESULTS.messages if n not in (DELIVERIES.name, EXPECTED.name)), "One task a zone."),
            Sends(ALERTS, about="The ledger alone; take them from here to tell people."),
            Sends(COMMANDS, ("commandTime",), "Where nobody says anything."),
        ),
        follows=(ALERTS,),
        waits_for_readers_of=(ALERTS,),
        watches=("store", "notify"),
        has_kernels=True,
        has_snapshots=True,
    ),
    Task("store", "workers.store", (INTERVALS, RESULTS, ALERTS, DEADLETTERS, REGISTRY), follows=(INPUTS,)),
    Task(
        "notify",
        "notify.agent",
        (ALERTS, COMMANDS, SUBSCRIBERS),
        (
            Sends(NOTIFY, about="Its own memory; nobody else reads it."),
            Sends(RESULTS, (DELIVERIES.name,), "What was told to whom."),
            Sends(COMMANDS, ("command",), "Links in messages."),
            Sends(SUBSCRIBERS, about="Links in messages."),
        ),
        follows=(NOTIFY,),
        watches=("ledger",),
        has_transactions=True,
        is_optional=True,
    ),
    Task(
        "archive",
        "archive.agent",
        (READINGS,),
        is_optional=True,
        commits=False,
        setting="archive",
        remedy="name the folder, or a URL such as s3://bucket/path, that keeps the readings",
    ),
)
TASKS: Final = {task.name: task for task in _DECLARED}
WHOLE: Final = tuple(task.name for task in _DECLARED if not task.is_optional)
"""Those that every zone has."""


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody beside the workers. `is_outside`: no part of zonepulse."""

    name: str
    sends: tuple[Sends, ...]
    is_outside: bool = False


_READINGS: Final = ("reading", "readings", "readingBlock")
PARTIES: Final = (
    Party("gateways", (Sends(READINGS, _READINGS, "Gateways send readings."),), is_outside=True),
    Party("commands", (
        Sends(READINGS, (*_READINGS, "heartbeat"), "`zonepulse produce`, `deadletters redrive`; `registry apply` marks its switch."),
        Sends(REGISTRY, about="`zonepulse registry apply` publishes a version."),
        Sends(FACTORS, about="`zonepulse registry factors publish`; replays use them."),
        Sends(INPUTS, about="`zonepulse inputs apply`; indicators and reports use them."),
        Sends(COMMANDS, ("command",), "`zonepulse skip` and whoever acts on alerts."),
        Sends(SUBSCRIBERS, about="`zonepulse subscribe`, and the form of the board."),
    )),
)  # fmt: skip
