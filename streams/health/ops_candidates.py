"""Alerts about the pipeline itself, from any task: sent as candidates on `zp.intervals`, for the ledger alone writes `zp.alerts`."""

import logging
import time
from collections.abc import Mapping
from typing import Any, Final

from zonepulse.processors.detection.rules import Alert
from zonepulse.schemas.messages.topics import INTERVALS
from zonepulse.streams.kafka.app import Outbox
from zonepulse.streams.kafka.interval_codec import NO_PARTITION, candidate_blocks
from zonepulse.streams.kafka.log_guard import Loss

log = logging.getLogger(__name__)
SEVERITIES: Final = {"ops_readings_lost": "critical", "ops_registry_missing": "critical", "ops_sum_refused": "critical"}
"""Of rules that are no mere warning."""


LOST: Final = "ops_readings_lost"
POISON: Final = "ops_poison"
REGISTRY_MISSING: Final = "ops_registry_missing"


class OpsAlerts:
    """Raises and resolves alerts of one zone, rule prefix `ops_`. Each is said once until it is resolved, or the worker starts anew."""

    def __init__(self, outbox: Outbox, prefix: str, zone: str) -> None:
        self._outbox, self._topic, self._zone = outbox, INTERVALS.full_name(prefix), zone
        self._raised: dict[tuple[str, tuple[tuple[str, str], ...]], int] = {}

    async def raised(self, rule: str, labels: Mapping[str, str], evidence: Mapping[str, Any], at_ms: int) -> None:
        """An alert from `at_ms` (epoch ms) on; one that is raised already with other evidence is updated."""
        key = (rule, tuple(sorted(labels.items())))
        state = "updated" if key in self._raised else "raised"
        since = self._raised.setdefault(key, at_ms)
        await self._send(rule, labels, evidence, state, since, at_ms, None)

    async def resolved(self, rule: str, labels: Mapping[str, str], at_ms: int) -> None:
        """Its end; nothing where this worker has not raised it."""
        since = self._raised.pop((rule, tuple(sorted(labels.items()))), None)
        if since is not None:
            await self._send(rule, labels, {}, "resolved", since, at_ms, at_ms)

    async def _send(
        self, rule: str, labels: Mapping[str, str], evidence: Mapping[str, Any], state: str, since: int, at_ms: int, end: int | None
    ) -> None:
        severity = SEVERITIES.get(rule, "warning")
        row = Alert(self._zone, rule, dict(labels), severity, state, since, at_ms, dict(evidence), end).row()
        for block in candidate_blocks([row], NO_PARTITION, 0):
            await self._outbox.send(self._topic, b"ops", block)

    async def lost(self, loss: Loss) -> None:
        """Records of a partition were deleted before they were read; `before_ms` is the time of the last one that was."""
        evidence = {
            "topic": loss.tp.topic,
            "partition": loss.tp.partition,
            "first_offset": loss.first,
            "last_offset": loss.next - 1,
        }
        log.error(
            "%s/%d: offsets %d to %d were deleted before they were read",
            loss.tp.topic,
            loss.tp.partition,
            loss.first,
            loss.next - 1,
        )
        labels = {"topic": loss.tp.topic, "partition": str(loss.tp.partition)}
        await self.raised(LOST, labels, evidence | {"before_ms": loss.before_ms}, round(time.time() * 1000))
