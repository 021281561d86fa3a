"""Notification as a Faust worker: batches of its topics in, a tick a second."""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from typing import Any, Final

import faust
from faust.types import TP, StreamT

from zonepulse.processors.detection.ops_alerts import TASK_GONE
from zonepulse.schemas.messages.tasks import TASKS
from zonepulse.schemas.messages.topics import ALERTS, REGISTRY, SUBSCRIBERS
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.subscribers import BadSubscriber
from zonepulse.streams.control.outfit import Outfit
from zonepulse.streams.control.registry_topic import end_offset, load_versions, read_to_end
from zonepulse.streams.health.absent import EVERY_S, Absence, without_workers
from zonepulse.streams.kafka.app import Outbox
from zonepulse.streams.kafka.batch_channel import Hooks, batch_channel
from zonepulse.streams.metrics import Metrics
from zonepulse.streams.notify.channels.delivering import deliver
from zonepulse.streams.notify.composing import Composer
from zonepulse.streams.notify.history import history_of
from zonepulse.streams.notify.link_service import LinkService
from zonepulse.streams.notify.notifier import Notifier, now
from zonepulse.streams.notify.operations import Operations
from zonepulse.streams.notify.own_templates import own_templates
from zonepulse.streams.notify.retention import keep_deliveries
from zonepulse.streams.notify.routing.planning import Pace
from zonepulse.streams.notify.settings import NotifySettings
from zonepulse.streams.notify.state_log import StateLog
from zonepulse.streams.settings import Settings

NAME: Final = "notify"
TICK_S: Final = 1.0
REGISTRY_EVERY_S: Final = 5.0
RETENTION_EVERY_S: Final = 3_600.0
log = logging.getLogger(__name__)


def start(outfit: Outfit) -> None:
    """Make a worker one of this task."""
    own = NotifySettings.from_env(os.environ)
    logging.getLogger("kafka").setLevel(logging.WARNING)  # a look at the registry's end every few seconds is no news
    outfit.fit(add_notify_agent(outfit.app, outfit.settings, own, outfit.metrics, outfit.newest))


def add_notify_agent(app: faust.App, settings: Settings, own: NotifySettings, metrics: Metrics, newest: Registry) -> Notifier:
    """Makes `app` the notify worker of a zone whose registry is `newest` now."""
    prefix, broker = settings.topic_prefix, settings.broker
    notifier = Notifier(
        StateLog(broker, prefix),
        Outbox(app),
        prefix,
        metrics,
        Composer(own, lambda row, reader, known, at_ms: history_of(row, reader, known, settings, at_ms), own_templates(own)),
        lambda outgoing: deliver(outgoing, own),
        settings.session_timeout_s / 2,
        Pace(*(1_000 * seconds for seconds in own.pace_s)),
    )
    notifier.use(newest)

    absence = Absence(newest.zone.id, NAME)

    async def assigned(tps: set[TP]) -> None:
        """Subscribers are known before the first alert is routed."""
        nonlocal absence
        if any(tp.topic == ALERTS.full_name(prefix) for tp in tps):
            await asyncio.to_thread(_read_subscribers, notifier, broker, prefix)
            await notifier.begin()
            absence = Absence(newest.zone.id, NAME, notifier.heard_of(TASK_GONE))

    async def revoked(tps: set[TP]) -> None:
        if any(tp.topic == ALERTS.full_name(prefix) for tp in tps):
            await notifier.end()

    hooks = Hooks(on_assigned=assigned, on_revoked=revoked)
    notifier.batches = batches = batch_channel(app, TASKS[NAME].topics(prefix), hooks, max_bytes=4_000_000)
    look = registry_watch(broker, prefix, newest)

    async def take(stream: StreamT[Any]) -> None:
        async for batch in batches.receive(stream):
            await notifier.take(batch)

    async def tick() -> None:
        await notifier.tick()
        if notifier.pulse is not None:
            notifier.pulse.beat()

    async def follow_registry() -> None:
        try:
            found = await asyncio.to_thread(look)
        except Exception as error:  # the broker is away: what is known stays
            log.warning("the registry cannot be read: %s; trying again in %g s", error, REGISTRY_EVERY_S)
            return
        if found is not None:
            notifier.use(found)

    async def watch_tasks() -> None:
        if not notifier.is_owner or settings.is_simulated:
            return
        try:
            gone = await asyncio.to_thread(without_workers, broker, prefix, absence.tasks)
        except Exception as error:  # the broker is away
            log.warning("whether other tasks have workers is not known for now: %s", error)
            return
        await notifier.hear_of(absence.judge(gone, now()))

    app.agent(batches.channel, name=NAME)(take)
    app.timer(EVERY_S, name="absent_tasks")(watch_tasks)
    app.timer(TICK_S, name="notify_tick")(tick)
    operations = Operations(notifier, own, now)
    links = LinkService(notifier, settings, own)

    async def serve_links() -> None:
        await links.start()

    async def keep() -> None:
        await asyncio.to_thread(keep_deliveries, settings, own.deliveries_days)

    async def end_links(*_: Any, **__: Any) -> None:
        await links.stop()

    if own.links_port:
        app.task(serve_links)
        app.on_before_shutdown.connect(end_links, weak=False)
    app.timer(own.operations_s, name="notify_operations")(operations.speak)
    app.timer(REGISTRY_EVERY_S, name="notify_registry")(follow_registry)
    app.timer(RETENTION_EVERY_S, name="notify_retention")(keep)
    app.task(keep)
    return notifier


def registry_watch(broker: str, prefix: str, newest: Registry) -> Callable[[], Registry | None]:
    """What answers with a newer version of the registry, None where there is none. Blocks."""
    topic, read_to, version = REGISTRY.full_name(prefix), -1, newest.version

    def look() -> Registry | None:
        nonlocal read_to, version
        end = end_offset(broker, topic)
        if end == read_to:
            return None
        versions: Mapping[int, Registry] = load_versions(broker, topic)
        read_to = end
        if not versions or max(versions) <= version:
            return None
        version = max(versions)
        return versions[version]

    return look


def _read_subscribers(notifier: Notifier, broker: str, prefix: str) -> None:
    for record in read_to_end(broker, SUBSCRIBERS.full_name(prefix)):
        try:
            notifier.people.put((record.key or b"").decode("utf-8", "replace"), record.value or None)
        except BadSubscriber as bad:
            log.error("%s offset %d is no subscriber: %s", SUBSCRIBERS.full_name(prefix), record.offset, bad)
