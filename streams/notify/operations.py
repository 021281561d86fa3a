"""What operations get each minute, beside messages: every alert for Alertmanager, and a sign of life for whoever watches notification."""

import logging
from collections.abc import Callable

from zonepulse.streams.notify.channels.alertmanager import ask, post, postable, watchdog
from zonepulse.streams.notify.notifier import Notifier
from zonepulse.streams.notify.settings import NotifySettings

log = logging.getLogger(__name__)


class Operations:
    """Of one zone. Only the worker that owns the zone's notification speaks, so that its silence says that nobody does."""

    def __init__(self, notifier: Notifier, settings: NotifySettings, now: Callable[[], int]) -> None:
        self._notifier, self._settings, self._now = notifier, settings, now

    async def speak(self) -> None:
        """Never raises: operations see the silence."""
        if not self._notifier.is_owner:
            return
        if self._settings.alertmanager_url:
            now_ms, known = self._now(), self._notifier.people.known
            alerts = list(postable(list(self._notifier.state.alerts.values()), known, now_ms, self._settings.board_url))
            if problem := await post(self._settings.alertmanager_url, [*alerts, watchdog(known.zone, now_ms)]):
                log.error("Alertmanager took not all of %d alerts: %s; they are sent again in a minute", len(alerts), problem)
        if self._settings.watchdog_url and (problem := await ask(self._settings.watchdog_url)):
            log.error("the watchdog's address does not answer: %s", problem)
