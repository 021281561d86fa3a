"""The composition root of a worker process: settings -> clients -> agents -> run."""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NoReturn

import faust
from prometheus_client import CollectorRegistry

from zonepulse.schemas.messages.topics import REGISTRY
from zonepulse.schemas.registry.model import Registry, ZonePolicy
from zonepulse.streams.clickhouse.known_registers import KnownRegisters
from zonepulse.streams.control.command_log import CommandLog
from zonepulse.streams.control.registry_store import RegistryStore
from zonepulse.streams.control.registry_topic import end_offset, load_versions
from zonepulse.streams.health.ops_candidates import OpsAlerts
from zonepulse.streams.health.starts import note_start
from zonepulse.streams.health.watchdog import watch
from zonepulse.streams.kafka.app import Outbox, build_app, run_worker
from zonepulse.streams.kafka.log_guard import Loss
from zonepulse.streams.kafka.origin import Origin
from zonepulse.streams.metrics import Metrics
from zonepulse.streams.settings import Settings
from zonepulse.streams.workers.intervals import IntervalsTask, add_intervals_agent
from zonepulse.streams.workers.ledger import LedgerTask, add_ledger_agent
from zonepulse.streams.workers.memory import keep_freed_memory
from zonepulse.streams.workers.warm_up import warm_up

if TYPE_CHECKING:
    from zonepulse.streams.archive.agent import ArchiveTask
    from zonepulse.streams.notify.notifier import Notifier
    from zonepulse.streams.workers.store import Store

POLL_S: Final = 1.0
NO_KERNELS: Final = ("store", "notify", "archive")
"""Tasks that need none of them."""
log = logging.getLogger(__name__)


def _registries(settings: Settings, versions: Mapping[int, Registry]) -> RegistryStore:
    def load() -> Mapping[int, Registry]:
        return load_versions(settings.broker, REGISTRY.full_name(settings.topic_prefix))

    topic = REGISTRY.full_name(settings.topic_prefix)
    return RegistryStore(load, settings.partitions, versions, lambda: end_offset(settings.broker, topic))


def _versions(settings: Settings, metrics: Metrics) -> Mapping[int, Registry]:
    """The registry as of now. Waits until one is published."""
    with metrics.start_step("registry_read"):
        while not (versions := load_versions(settings.broker, REGISTRY.full_name(settings.topic_prefix))):
            log.warning("no registry is published yet; publish one with `zonepulse registry apply zone.yaml`")
            time.sleep(POLL_S)
    return versions


def _zone(versions: Mapping[int, Registry]) -> ZonePolicy:
    """The zone of the newest version (its id never changes; a new `live` takes effect at the next start)."""
    return versions[max(versions)].zone


def _outfit(
    app: faust.App,
    settings: Settings,
    metrics: Metrics,
    commands: CommandLog,
    zone: str,
    task: "IntervalsTask | LedgerTask | Store | Notifier | ArchiveTask",
    on_lost: Callable[[Loss], object] = lambda _: None,
) -> None:
    """What every task has: the commands, and a voice for alerts about the pipeline."""
    task.commands = commands
    task.quarantine.ops = ops = OpsAlerts(Outbox(app), settings.topic_prefix, zone)

    async def lost(loss: Loss) -> None:
        metrics.records_lost.labels(loss.tp.topic.removeprefix(settings.topic_prefix)).inc(loss.next - loss.first)
        await ops.lost(loss)
        on_lost(loss)

    assert task.batches is not None
    task.batches.on_lost = lost


def _intervals(app: faust.App, settings: Settings, metrics: Metrics, commands: CommandLog) -> None:
    versions = _versions(settings, metrics)
    registries = _registries(settings, versions)
    with metrics.start_step("registry_compile"):
        registries.compile()
    task = add_intervals_agent(app, settings, registries, metrics, _zone(versions).live_ms / 1000)
    _outfit(app, settings, metrics, commands, _zone(versions).id, task)
    task.pulse = registries.pulse = watch(app, settings, task, metrics)


def _ledger(app: faust.App, settings: Settings, metrics: Metrics, commands: CommandLog) -> None:
    versions = _versions(settings, metrics)
    registries = _registries(settings, versions)
    task = add_ledger_agent(app, settings, registries, metrics, _zone(versions).live_ms / 1000)
    _outfit(app, settings, metrics, commands, _zone(versions).id, task)
    registries.pulse = pulse = watch(app, settings, task, metrics)
    task.thread.on_beat = pulse.beat


def _store(app: faust.App, settings: Settings, metrics: Metrics, commands: CommandLog) -> None:
    from zonepulse.streams.clickhouse.sink import ClickHouseSink
    from zonepulse.streams.workers.store import add_store_agent

    versions, topic = _versions(settings, metrics), REGISTRY.full_name(settings.topic_prefix)
    known = KnownRegisters(
        lambda: load_versions(settings.broker, topic), lambda: end_offset(settings.broker, topic), versions.values()
    )
    zone = _zone(versions)
    origin = Origin(zone.id, settings.partitions, zone.tick_ms, zone.future_ms, known.names, settings.is_simulated)
    store = add_store_agent(app, ClickHouseSink(settings), origin, known, settings.topic_prefix, metrics)
    _outfit(app, settings, metrics, commands, zone.id, store)
    watch(app, settings, store, metrics)


def _notify(app: faust.App, settings: Settings, metrics: Metrics, commands: CommandLog) -> None:
    from zonepulse.streams.notify.agent import (
        add_notify_agent,  # its libraries take a second of a start, and only this task needs them
    )
    from zonepulse.streams.notify.settings import NotifySettings

    versions = _versions(settings, metrics)
    newest = versions[max(versions)]
    notifier = add_notify_agent(app, settings, NotifySettings.from_env(os.environ), metrics, newest)
    _outfit(app, settings, metrics, commands, newest.zone.id, notifier)
    watch(app, settings, notifier, metrics)


def _archive(app: faust.App, settings: Settings, metrics: Metrics, commands: CommandLog) -> None:
    from zonepulse.streams.archive.agent import add_archive_agent

    zone = _zone(_versions(settings, metrics)).id
    task = add_archive_agent(app, settings, zone, metrics)
    _outfit(app, settings, metrics, commands, zone, task, task.lost)
    watch(app, settings, task, metrics)


TASKS: Final[dict[str, Callable[[faust.App, Settings, Metrics, CommandLog], None]]] = {
    "intervals": _intervals,
    "ledger": _ledger,
    "store": _store,
    "notify": _notify,
    "archive": _archive,
}


def run(task: str, settings: Settings) -> NoReturn:
    """Run one task until a signal. Workers of equal task and topic prefix share the work."""
    keep_freed_memory()
    app = build_app(settings, task)
    started = (settings.broker, settings.topic_prefix, task, settings.instance)
    threading.Thread(target=note_start, args=started, name="starts", daemon=True).start()
    metrics = Metrics(CollectorRegistry())
    metrics.process_step("process")
    if task not in NO_KERNELS:
        with metrics.start_step("kernels"):
            warm_up()
    commands = CommandLog.of(settings.broker, settings.topic_prefix)
    commands.follow(app, settings.broker)
    TASKS[task](app, settings, metrics, commands)
    metrics.serve(settings.metrics_port)
    metrics.process_step("ready")
    run_worker(app, settings.log_level)
