"""Partitions that stand before a switch to a registry version that is not there: each by itself, named, until it comes or is skipped."""

import logging
import time
from dataclasses import dataclass, field
from typing import Final

from zonepulse.streams.health.ops_candidates import REGISTRY_MISSING, OpsAlerts
from zonepulse.streams.metrics import Metrics

LOOK_S: Final = 2.0
"""How often it is looked for."""
LINE_EVERY_S: Final = 60.0
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Hold:
    """Version `version` is named by the record at `offset`, which is not handled yet."""

    version: int
    offset: int
    since_ms: int = field(default_factory=lambda: round(time.time() * 1000))
    said_s: float = float("-inf")


class Holds:
    """The partitions of `topic` (full name) that wait, by number."""

    def __init__(self, topic: str, metrics: Metrics) -> None:
        self._topic, self._metrics = topic, metrics
        self._holds: dict[int, Hold] = {}

    def __contains__(self, partition: int) -> bool:
        return partition in self._holds

    def waiting(self) -> list[tuple[int, Hold]]:
        """Those of now."""
        return list(self._holds.items())

    async def begin(self, partition: int, version: int, offset: int, ops: OpsAlerts | None) -> None:
        """The partition stands from now on."""
        self._holds[partition] = hold = Hold(version, offset)
        self._metrics.registry_missing.labels(str(partition)).set(version)
        self.say(partition)
        if ops is not None:
            evidence = {"topic": self._topic, "partition": partition, "offset": offset, "version": version}
            await ops.raised(REGISTRY_MISSING, {"partition": str(partition)}, evidence, hold.since_ms)

    async def end(self, partition: int, ops: OpsAlerts | None) -> None:
        """It goes on."""
        hold = self._holds.pop(partition)
        self._metrics.registry_missing.labels(str(partition)).set(0)
        log.warning("%s/%d goes on: it waited for registry version %d", self._topic, partition, hold.version)
        if ops is not None:
            await ops.resolved(REGISTRY_MISSING, {"partition": str(partition)}, round(time.time() * 1000))

    def forget(self, partitions: set[int]) -> None:
        """Somebody else has them now."""
        for partition in partitions & self._holds.keys():
            del self._holds[partition]
            self._metrics.registry_missing.labels(str(partition)).set(0)

    def say(self, partition: int) -> None:
        """What it waits for, in the log, once a minute."""
        hold = self._holds[partition]
        if (now := time.monotonic()) - hold.said_s >= LINE_EVERY_S:
            hold.said_s = now
            log.error("%s", standing_text(self._topic, partition, hold.offset, hold.version))


def standing_text(topic: str, partition: int, offset: int, version: int) -> str:
    """Why the partition stands, and what lets it go on."""
    return (
        f"{topic}/{partition} stands before offset {offset}: that record switches to registry version {version}, which is not, or not"
        f" whole, on the registry's topic. Publish it (`zonepulse registry apply` mends a version of its own zone.yaml), or step over the"
        f" switch: zonepulse skip {topic} {partition} {offset} --why TEXT"
    )
