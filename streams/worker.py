"""The composition root of a worker process: settings -> clients -> agents -> run."""

import logging
from collections.abc import Callable, Mapping
from typing import Final, NoReturn

import faust
from prometheus_client import CollectorRegistry

from zonepulse.schemas.registry import Registry
from zonepulse.schemas.topics import REGISTRY
from zonepulse.streams.app import build_app, run_worker
from zonepulse.streams.clickhouse_sink import ClickHouseSink
from zonepulse.streams.intervals_agent import add_intervals_agent
from zonepulse.streams.ledger_agent import add_ledger_agent
from zonepulse.streams.metrics import Metrics
from zonepulse.streams.registry_store import RegistryStore
from zonepulse.streams.registry_topic import load_versions
from zonepulse.streams.settings import Settings
from zonepulse.streams.store_agent import add_store_agent
from zonepulse.streams.warm_up import warm_up
from zonepulse.streams.watchdog import watch

DEFAULT_LIVE_S: Final = 5.0
log = logging.getLogger(__name__)


def _registries(settings: Settings) -> RegistryStore:
    def load() -> Mapping[int, Registry]:
        return load_versions(settings.broker, REGISTRY.full_name(settings.topic_prefix))

    return RegistryStore(load, settings.partitions)


def _live_s(settings: Settings) -> float:
    """The zone's `live` as of now; a change takes effect at the next start."""
    versions = load_versions(settings.broker, REGISTRY.full_name(settings.topic_prefix))
    return versions[max(versions)].zone.live_ms / 1000 if versions else DEFAULT_LIVE_S


def _intervals(app: faust.App, settings: Settings, metrics: Metrics) -> None:
    watch(app, settings, add_intervals_agent(app, settings, _registries(settings), metrics, _live_s(settings)))


def _ledger(app: faust.App, settings: Settings, metrics: Metrics) -> None:
    watch(app, settings, add_ledger_agent(app, settings, _registries(settings), metrics, _live_s(settings)))


def _store(app: faust.App, settings: Settings, metrics: Metrics) -> None:
    versions = load_versions(settings.broker, REGISTRY.full_name(settings.topic_prefix))
    zone = versions[max(versions)].zone.id if versions else ""
    store = add_store_agent(app, ClickHouseSink(settings), zone, settings.topic_prefix, metrics)
    store.pulse = watch(app, settings, store)


TASKS: Final[dict[str, Callable[[faust.App, Settings, Metrics], None]]] = {
    "intervals": _intervals,
    "ledger": _ledger,
    "store": _store,
}


def run(task: str, settings: Settings) -> NoReturn:
    """Run one task until a signal. Workers of equal task and topic prefix share the work."""
    app = build_app(settings, task)
    metrics = Metrics(CollectorRegistry())
    TASKS[task](app, settings, metrics)
    if task != "store":
        warm_up()
    metrics.serve(settings.metrics_port)
    run_worker(app, settings.log_level)
