"""Tasks without a worker, as one that is alive sees it: the ledger watches those that read what it writes, notification the ledger."""

import json
import time
from collections.abc import Collection, Iterable
from typing import Any, Final

from zonepulse.processors.detection.ops_alerts import TASK_GONE
from zonepulse.processors.detection.rules import Alert
from zonepulse.schemas.messages.tasks import TASKS, Task
from zonepulse.streams.kafka.consumer_groups import committed, coordinated
from zonepulse.streams.kafka.log_facts import admin_of

EVERY_S: Final = 30.0
GRACE_S: Final = 90.0
"""A worker that starts anew, and a broker that loses a session, need as long."""


def without_workers(broker: str, prefix: str, tasks: Collection[Task]) -> set[str]:
    """Names of those tasks that have begun here, and whose group has no member. Blocks. Raises kafka.errors.KafkaError."""
    with admin_of(broker) as admin:
        groups = {task.group(prefix): task.name for task in tasks}
        found = coordinated(lambda: admin.describe_groups(list(groups)))
        empty = [group for group, facts in found.items() if not facts["members"]]
        return {groups[group] for group in empty if committed(admin, group)}


class Absence:
    """`ops_task_gone`, label task: it has begun, and has had no worker for GRACE_S."""

    def __init__(self, zone: str, watcher: str, raised: Iterable[tuple[int, str]] = ()) -> None:
        """`raised`: starts_at and evidence of what another worker has raised."""
        self._zone, self.tasks = zone, [TASKS[name] for name in TASKS[watcher].watches]
        self._unseen_s: dict[str, float] = {}
        known = [(json.loads(evidence)["task"], starts_at) for starts_at, evidence in raised]
        self._since = {name: starts_at for name, starts_at in known if name in TASKS[watcher].watches}

    def judge(self, gone: Collection[str], now_ms: int, clock_s: float | None = None) -> list[dict[str, Any]]:
        """Transitions (rows of table `alerts`) at `now_ms`, epoch ms; `clock_s` is a clock that never goes back."""
        clock_s = time.monotonic() if clock_s is None else clock_s
        self._unseen_s = {name: self._unseen_s.get(name, clock_s) for name in gone}
        out = []
        for name, unseen_s in self._unseen_s.items():
            if name not in self._since and clock_s - unseen_s >= GRACE_S:
                self._since[name] = now_ms
                out.append(self._row(name, "raised", now_ms, None))
        for name in [name for name in self._since if name not in gone]:
            out.append(self._row(name, "resolved", now_ms, now_ms))
            del self._since[name]
        return out

    def _row(self, name: str, state: str, now_ms: int, ends_at: int | None) -> dict[str, Any]:
        labels = {"task": name}
        return Alert(self._zone, TASK_GONE, labels, "critical", state, self._since[name], now_ms, labels, ends_at).row()
