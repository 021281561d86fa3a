"""Answers the links in messages. GET shows a page and changes nothing, for mail gateways open every link; POST acts.

A mail reader's one-click POST (RFC 8058) acts without a page. Whoever holds a link may do what it grants and nothing else, and of an alert
only what passes the same gate as a message: one that is another company's by now is neither shown nor acted on.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from jinja2 import PackageLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from zonepulse.schemas.registry.subscribers import Subscriber
from zonepulse.streams.notify.messages.views import view
from zonepulse.streams.notify.messages.words import Words
from zonepulse.streams.notify.routing.facts import is_visible
from zonepulse.streams.notify.routing.link_tokens import PATH, BadToken, Grant, read
from zonepulse.streams.notify.routing.people import People
from zonepulse.streams.notify.routing.state import State

TITLES: Final = {
    "acknowledge": "Acknowledge",
    "snooze": "Snooze for 4 hours",
    "stop": "Unsubscribe",
    "agree": "I agree",
}
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
}
Act = Callable[[Grant, Subscriber], Awaitable[None]]
log = logging.getLogger(__name__)


class Links:
    """The pages. `act` does what a grant allows."""

    def __init__(
        self, keys: tuple[str, ...], people: Callable[[], People], state: Callable[[], State], now: Callable[[], int], act: Act
    ):
        self._keys, self._people, self._state, self._now, self._act = keys, people, state, now, act
        self._pages = ImmutableSandboxedEnvironment(
            loader=PackageLoader("zonepulse.streams.notify.messages"), autoescape=True, undefined=StrictUndefined
        )

    def app(self) -> web.Application:
        """To be run, or mounted below another application."""
        app = web.Application(client_max_size=4_096)
        app.router.add_get(PATH + "{token}", self._show)
        app.router.add_post(PATH + "{token}", self._do)
        return app

    async def _show(self, request: web.Request) -> web.Response:
        """HEAD comes here as well; nothing changes."""
        found = self._grant(request)
        return found if isinstance(found, web.Response) else self._page(*found, done=False)

    async def _do(self, request: web.Request) -> web.Response:
        found = self._grant(request)
        if isinstance(found, web.Response):
            return found
        grant, subscriber = found
        await self._act(grant, subscriber)
        log.info("%s by link of subscriber %s", grant.action, subscriber.id)
        return self._page(grant, subscriber, done=True)

    def _grant(self, request: web.Request) -> tuple[Grant, Subscriber] | web.Response:
        try:
            grant = read(request.match_info["token"], self._keys, self._now())
        except BadToken as bad:
            return self._html("", "", str(bad), "", 403, "en")
        subscriber = self._people().everyone().get(grant.subscriber)
        if subscriber is None:
            return self._html("", "", "this subscriber is forgotten: nothing is sent any more", "", 404, "en")
        if grant.alert:
            entry = self._state().alerts.get(grant.alert)
            if entry is None:
                return self._html("", "", "this alert is over, or not known here yet: nothing is left to do", "", 404, "en")
            if not is_visible(entry.row, subscriber, self._people().known):
                return self._html("", "", "this alert is not yours to see", "", 403, "en")
        return grant, subscriber

    def _page(self, grant: Grant, subscriber: Subscriber, *, done: bool) -> web.Response:
        people = self._people()
        words = Words(subscriber.language, subscriber.timezone or people.known.timezone)
        entry, about = self._state().alerts.get(grant.alert), ""
        if entry is not None:
            one = view(entry.row, "raised", subscriber, people.known, words, self._now())
            about = f"{one.title}: {one.where}, {one.since}"
        title = words(TITLES[grant.action])
        return self._html(title, about, words("Done.") if done else "", "" if done else title, 200, words.language)

    def _html(self, title: str, about: str, said: str, button: str, status: int, language: str) -> web.Response:
        text = self._pages.get_template("link.html.j2").render(
            title=title, about=about, said=said, button=button, language=language
        )
        return web.Response(text=text, content_type="text/html", status=status, headers=_HEADERS)
