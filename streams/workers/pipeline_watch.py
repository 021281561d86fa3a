"""What the ledger says of the pipeline itself: that nothing comes any more, and that a task that reads what it writes has no worker."""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from kafka.errors import KafkaError

from zonepulse.processors.detection.ops_alerts import NO_DATA, TASK_GONE, NoData
from zonepulse.streams.health.absent import Absence, without_workers

UNHEARD_S, UNHEARD_TICKS = 60.0, 3
"""So long nothing at all comes of the tasks that read meters, which close each tick even where no meter reports: they are gone."""
log: Final = logging.getLogger(__name__)


class PipelineWatch:
    """`ops_no_data` and `ops_task_gone`, as transitions for the life cycle. On a simulated topic time does not show who is gone."""

    def __init__(self, broker: str, prefix: str, watcher: str, is_simulated: bool) -> None:
        self._broker, self._prefix, self._watcher, self._is_simulated = broker, prefix, watcher, is_simulated
        self.begin("", ())

    def begin(self, zone: str, raised: Iterable[Mapping[str, Any]]) -> None:
        """The books are this worker's; `raised` are the rows of open alerts, whoever raised them."""
        rows = list(raised)
        self._no_data = NoData(zone, next((dict(row) for row in rows if row["rule"] == NO_DATA), None))
        gone = [(row["starts_at"], row["evidence"]) for row in rows if row["rule"] == TASK_GONE]
        self._absence = Absence(zone, self._watcher, gone)
        self.heard()

    def heard(self) -> None:
        """A task that reads meters said something."""
        self._heard_s = time.monotonic()

    def silence(self, are_meters_silent: bool, tick_ms: int) -> list[dict[str, Any]]:
        """Transitions of `ops_no_data`, now."""
        unheard_s = time.monotonic() - self._heard_s
        are_tasks_silent = not self._is_simulated and unheard_s > UNHEARD_S + UNHEARD_TICKS * tick_ms / 1000
        return self._no_data.judge(are_meters_silent, are_tasks_silent, int(time.time() * 1000))

    async def absent(self) -> set[str] | None:
        """Names of the tasks without a worker; None where that is not known."""
        if self._is_simulated:
            return None
        try:
            return await asyncio.to_thread(without_workers, self._broker, self._prefix, self._absence.tasks)
        except KafkaError as error:
            log.warning("whether other tasks have workers is not known for now: %s", error)
            return None

    def absence(self, names: set[str]) -> list[dict[str, Any]]:
        """Transitions of `ops_task_gone` for those without a worker, now."""
        return self._absence.judge(names, round(time.time() * 1000))
