"""What a worker of any task is given: its app, the zone's registry and commands, a watchdog, and a voice for alerts about the pipeline."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol

import faust

from zonepulse.schemas.messages.topics import REGISTRY
from zonepulse.schemas.registry.model import Registry, ZonePolicy
from zonepulse.streams.control.command_log import CommandLog
from zonepulse.streams.control.registry_store import RegistryStore
from zonepulse.streams.control.registry_topic import end_offset, load_versions
from zonepulse.streams.health import watchdog
from zonepulse.streams.health.ops_candidates import OpsAlerts
from zonepulse.streams.health.quarantine import Quarantine
from zonepulse.streams.kafka.app import Outbox
from zonepulse.streams.kafka.log_guard import Loss
from zonepulse.streams.metrics import Metrics
from zonepulse.streams.settings import Settings

POLL_S: Final = 1.0
log = logging.getLogger(__name__)


class Fitted(watchdog.Task, Protocol):
    """What a task lets be set before it runs."""

    commands: CommandLog | None
    quarantine: Quarantine


@dataclass(frozen=True)
class Outfit:
    """Of one worker process."""

    app: faust.App
    settings: Settings
    metrics: Metrics
    commands: CommandLog

    def load_versions(self) -> Mapping[int, Registry]:
        """Every version published by now. Raises KafkaError."""
        return load_versions(self.settings.broker, REGISTRY.full_name(self.settings.topic_prefix))

    def registry_end(self) -> int:
        """The end of the registry's topic. Raises KafkaError."""
        return end_offset(self.settings.broker, REGISTRY.full_name(self.settings.topic_prefix))

    @cached_property
    def versions(self) -> Mapping[int, Registry]:
        """As of the first time that this is asked. Waits until one is published."""
        with self.metrics.start_step("registry_read"):
            while not (found := self.load_versions()):
                log.warning("no registry is published yet; publish one with `zonepulse registry apply zone.yaml`")
                time.sleep(POLL_S)
        return found

    @property
    def newest(self) -> Registry:
        """The newest of `versions`."""
        return self.versions[max(self.versions)]

    @property
    def zone(self) -> ZonePolicy:
        """That of the newest version (its id never changes; a new `live` takes effect at the next start)."""
        return self.newest.zone

    def registries(self) -> RegistryStore:
        """The registry's versions, compiled as they are asked for."""
        return RegistryStore(self.load_versions, self.settings.partitions, self.versions, self.registry_end)

    def fit(self, task: Fitted, on_lost: Callable[[Loss], object] = lambda _: None) -> watchdog.Pulse:
        """Gives a task, whose batches are there, the commands, its voice and a watchdog, whose pulse is returned.

        `on_lost` hears of records that were deleted unread.
        """
        metrics, prefix = self.metrics, self.settings.topic_prefix
        task.commands = self.commands
        task.quarantine.ops = ops = OpsAlerts(Outbox(self.app), prefix, self.zone.id)

        async def lost(loss: Loss) -> None:
            metrics.records_lost.labels(loss.tp.topic.removeprefix(prefix)).inc(loss.next - loss.first)
            await ops.lost(loss)
            on_lost(loss)

        assert task.batches is not None
        task.batches.on_lost = lost
        return watchdog.watch(self.app, self.settings, task, metrics)
