"""Kinds of workers, each declared once: what starts, asks, watches or kills workers goes by `TASKS`.

A task is this declaration and the function `start(outfit)` of its module (`control/outfit.py`), which makes a Faust app a worker of it.
The group of its workers, their names in logs and metrics, and `zonepulse worker NAME` follow from the name.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from zonepulse.schemas.messages.topics import (
    ALERTS,
    COMMANDS,
    DEADLETTERS,
    INTERVALS,
    READINGS,
    REGISTRY,
    RESULTS,
    SUBSCRIBERS,
    Topic,
)


@dataclass(frozen=True, slots=True)
class Task:
    """What the shell has to know of a kind of worker without importing it."""

    name: str
    module: str
    """Below `zonepulse.streams`; imported by the worker alone."""
    reads: tuple[Topic, ...]
    """What its group's workers share."""
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

    def is_set_up(self, settings: object) -> bool:
        """Whether these Settings let it run."""
        return not self.setting or bool(getattr(settings, self.setting))

    def load(self) -> Callable[[Any], None]:
        """Its `start`, imported now."""
        start: Callable[[Any], None] = importlib.import_module(f"zonepulse.streams.{self.module}").start
        return start


_DECLARED: Final = (
    Task("intervals", "workers.intervals", (READINGS,), has_kernels=True, has_snapshots=True),
    Task("ledger", "workers.ledger", (INTERVALS,), has_kernels=True, has_snapshots=True),
    Task("store", "workers.store", (INTERVALS, RESULTS, ALERTS, DEADLETTERS, REGISTRY)),
    Task("notify", "notify.agent", (ALERTS, COMMANDS, SUBSCRIBERS), is_optional=True),
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
