"""The links' server beside the notify worker: on loopback, behind whatever answers the public address."""

import asyncio
import logging
import time
from dataclasses import replace

from aiohttp import web

from zonepulse.schemas.messages.commands import Command
from zonepulse.schemas.registry.subscribers import Subscriber, Wish
from zonepulse.streams.control.command_log import tell
from zonepulse.streams.notify.link_server import Links
from zonepulse.streams.notify.notifier import Notifier
from zonepulse.streams.notify.routing.link_tokens import SNOOZE_MS, Grant
from zonepulse.streams.notify.settings import NotifySettings
from zonepulse.streams.notify.subscriber_log import agree, write_wish
from zonepulse.streams.settings import Settings

log = logging.getLogger(__name__)


class LinkService:
    """What links do is a record on a topic; the worker that owns the zone's notification acts on it, whoever answered."""

    def __init__(self, notifier: Notifier, settings: Settings, own: NotifySettings) -> None:
        self._notifier, self._settings, self._port = notifier, settings, own.links_port
        self.links = Links(own.link_keys, lambda: notifier.people, lambda: notifier.state, _now, self._act)
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listens. Another worker of this machine may have the port: then its links answer."""
        self._runner = web.AppRunner(self.links.app(), access_log=None)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        except OSError as error:
            log.warning("links are not answered here: port %d: %s", self._port, error.strerror)

    async def stop(self) -> None:
        """Listens no more."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _act(self, grant: Grant, subscriber: Subscriber) -> None:
        await asyncio.to_thread(self._write, grant, subscriber)

    def _write(self, grant: Grant, subscriber: Subscriber) -> None:
        broker, prefix, name = self._settings.broker, self._settings.topic_prefix, subscriber.id
        if grant.action == "stop":
            wish = self._notifier.people.wishes.get(name, Wish())
            write_wish(broker, prefix, name, replace(wish, is_unsubscribed=True, test_at_ms=0))
        elif grant.action == "agree":
            agree(broker, prefix, subscriber)
        else:
            now_ms = _now()
            until_ms = now_ms + SNOOZE_MS if grant.action == "snooze" else None
            tell(
                broker,
                prefix,
                Command(grant.action, grant.alert, f"subscriber {name}", "by the link in a message", until_ms, now_ms),
            )


def _now() -> int:
    return round(time.time() * 1000)
