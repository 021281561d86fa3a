"""Alerts about the pipeline itself (prefix `ops_`): they follow the wall clock, which callers pass in, and are no part of the ledger."""

import json
from typing import Any, Final

from zonepulse.processors.detection.rules import Alert

NO_DATA: Final = "ops_no_data"
TASK_GONE: Final = "ops_task_gone"


class NoData:
    """`ops_no_data`: meters are expected and not one of them reports, or the tasks that read them say nothing at all. A quiet zone and a
    dead pipeline must not look the same."""

    def __init__(self, zone: str, raised: dict[str, Any] | None = None) -> None:
        """`raised`: its row, where another worker has raised it."""
        self._zone = zone
        self._since: int | None = raised["starts_at"] if raised else None
        self._evidence: dict[str, Any] = json.loads(raised["evidence"]) if raised else {}

    def judge(self, are_meters_silent: bool, are_tasks_silent: bool, now_ms: int) -> list[dict[str, Any]]:
        """Transitions (rows of table `alerts`) at `now_ms`; evidence {"silent": "meters" | "tasks"}, as it began."""
        is_silent = are_meters_silent or are_tasks_silent
        if is_silent == (self._since is not None):
            return []
        since = now_ms if self._since is None else self._since
        self._since = since if is_silent else None
        if is_silent:
            self._evidence = {"silent": "tasks" if are_tasks_silent else "meters"}
        state, ends_at = ("raised", None) if is_silent else ("resolved", now_ms)
        return [Alert(self._zone, NO_DATA, {}, "critical", state, since, now_ms, self._evidence, ends_at).row()]
