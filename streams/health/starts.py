"""When workers were started, kept at the broker as commits of a group that never has members: what dies every few seconds cannot tell
itself, and `zonepulse doctor` may run on another machine."""

import logging
import socket
import time
from collections.abc import Mapping
from typing import Final

import msgspec
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.structs import OffsetAndMetadata

from zonepulse.schemas.messages.tasks import TASKS
from zonepulse.streams.kafka.consumer_groups import coordinated
from zonepulse.streams.kafka.log_facts import admin_of

WINDOW_S: Final = 600.0
_KEPT: Final = 8
"""Of a worker; the broker keeps 4 kB."""
_MOST_WORKERS: Final = 20
log = logging.getLogger(__name__)

Starts = Mapping[str, list[int]]
"""Worker (`task-instance@host`) -> when it was started, epoch ms, the newest last; those of the last WINDOW_S."""


def note_start(broker: str, prefix: str, task: str, instance: str) -> None:
    """Adds this start. What goes wrong is logged: a worker runs without it."""
    try:
        with admin_of(broker) as admin:
            now_ms = round(time.time() * 1000)
            found = dict(_read(admin, prefix, task, now_ms))
            name = f"{task}-{instance}@{socket.gethostname()}"[:100]
            found[name] = [*found.get(name, []), now_ms][-_KEPT:]
            newest = dict(sorted(found.items(), key=lambda item: item[1][-1])[-_MOST_WORKERS:])
            commit = {_place(prefix, task): OffsetAndMetadata(0, msgspec.json.encode(newest).decode(), -1)}
            for failure in coordinated(lambda: admin.alter_group_offsets(TASKS[task].starts(prefix), commit)).values():
                if failure.errno:
                    raise failure
    except Exception as error:  # a broker that is away, or none of ours
        log.warning("this start is not noted: %s: %s", type(error).__name__, error)


def starts_of(broker: str, prefix: str, task: str) -> Starts:
    """Of a task's workers. Raises kafka.errors.KafkaError."""
    with admin_of(broker) as admin:
        return _read(admin, prefix, task, round(time.time() * 1000))


def _read(admin: KafkaAdminClient, prefix: str, task: str, now_ms: int) -> Starts:
    group = TASKS[task].starts(prefix)
    commit = coordinated(lambda: admin.list_group_offsets({group: None}))[group].get(_place(prefix, task))
    try:
        found = msgspec.json.decode(commit.metadata, type=dict[str, list[int]]) if commit and commit.metadata else {}
    except msgspec.MsgspecError:
        found = {}
    recent = {name: [at for at in times if now_ms - at < WINDOW_S * 1000] for name, times in found.items()}
    return {name: times for name, times in recent.items() if times}


def _place(prefix: str, task: str) -> TopicPartition:
    """Of a topic that the task reads: a broker with rules lets it commit for no other."""
    return TopicPartition(TASKS[task].topics(prefix)[0], 0)
