"""A parcel -> what is sent: the message in its subscriber's language, with links, a picture and an envelope."""

import logging
from collections.abc import Callable

import msgspec
from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from zonepulse.schemas.registry.subscribers import Subscriber
from zonepulse.streams.notify.channels.delivering import Outgoing
from zonepulse.streams.notify.messages.pages import Message, Reader, compose, compose_question, compose_test
from zonepulse.streams.notify.messages.payload import payload
from zonepulse.streams.notify.messages.picture import History, draw
from zonepulse.streams.notify.messages.views import Links, runbook_link
from zonepulse.streams.notify.routing.facts import Directory, Row
from zonepulse.streams.notify.routing.link_tokens import ALERT_LINK_MS, PATH, Action, Grant, token
from zonepulse.streams.notify.routing.people import People
from zonepulse.streams.notify.routing.state import Parcel
from zonepulse.streams.notify.settings import NotifySettings

log = logging.getLogger(__name__)
HistoryOf = Callable[[Row, Subscriber, Directory, int], History | None]


def _no_history(_: Row, __: Subscriber, ___: Directory, ____: int) -> History | None:
    return None


class Composer:
    """Of one installation. `history_of` finds the readings around an alert, for a picture; it may block."""

    def __init__(
        self, settings: NotifySettings, history_of: HistoryOf = _no_history, templates: ImmutableSandboxedEnvironment | None = None
    ) -> None:
        self._settings, self._history_of, self._templates = settings, history_of, templates

    def __call__(self, parcel: Parcel, people: People, now_ms: int) -> Outgoing | None:
        """None where the subscriber is gone, or does not have this target any more."""
        subscriber = people.everyone().get(parcel.subscriber)
        if subscriber is None or parcel.target not in subscriber.to:
            return None
        return self._outgoing(
            parcel, self.reader(subscriber, people.known, now_ms), self.message(parcel, subscriber, people.known, now_ms)
        )

    def message(self, parcel: Parcel, subscriber: Subscriber, known: Directory, now_ms: int) -> Message:
        """What a parcel says to a subscriber; by the shipped templates where own ones fail."""
        reader = self.reader(subscriber, known, now_ms)
        if parcel.kind == "test":
            return compose_test(reader)
        if parcel.kind == "confirm":
            return compose_question(reader, self._link("agree", subscriber), f"zonepulse subscribers confirm {subscriber.id}")
        picture = self.picture(parcel, reader, now_ms)
        try:
            return compose(parcel, reader, now_ms, picture, self._templates)
        except TemplateError as error:
            if self._templates is None:
                raise
            log.error("own templates cannot say %s, the shipped ones do: %s", parcel.key, error)
            return compose(parcel, reader, now_ms, picture)

    def reader(self, subscriber: Subscriber, known: Directory, now_ms: int) -> Reader:
        """A subscriber with the links that the installation can make."""
        return Reader(
            subscriber,
            known,
            lambda row: self._links(row, subscriber, now_ms),
            self._link("stop", subscriber),
            "" if subscriber.company else self._settings.board_url,
        )

    def picture(self, parcel: Parcel, reader: Reader, now_ms: int) -> bytes:
        """Of the one alert that a mail is about; empty for others."""
        if len(parcel.items) != 1 or not parcel.rows or not parcel.target.startswith(("mailto:", "preview")):
            return b""
        row = parcel.rows[0][1]
        found = self._history_of(row, reader.subscriber, reader.known, now_ms)
        return draw(found, row.starts_at, row.ends_at or now_ms, reader.words) if found is not None else b""

    def _links(self, row: Row, subscriber: Subscriber, now_ms: int) -> Links:
        """Board and Grafana show the whole zone: only who is told all of it is led there."""
        until_ms, is_told_all = now_ms + ALERT_LINK_MS, not subscriber.company
        grafana, board = (
            self._settings.grafana_url,
            "zp-alerts" if subscriber.language == "en" else f"zp-alerts-{subscriber.language}",
        )
        return Links(
            board=f"{self._settings.board_url}/alert/{row.fingerprint}" if self._settings.board_url and is_told_all else "",
            grafana=f"{grafana}/d/{board}?from={row.starts_at - 86_400_000}&to={now_ms}" if grafana and is_told_all else "",
            runbook=runbook_link(row.rule, self._settings.board_url if is_told_all else ""),
            acknowledge=self._link("acknowledge", subscriber, row.identity, until_ms),
            snooze=self._link("snooze", subscriber, row.identity, until_ms),
        )

    def _link(self, action: Action, subscriber: Subscriber, alert: str = "", until_ms: int = 0) -> str:
        if not self._settings.public_url:
            return ""
        grant = Grant(action, subscriber.id, alert, until_ms)
        return f"{self._settings.public_url}{PATH}{token(grant, self._settings.link_keys)}"

    def _outgoing(self, parcel: Parcel, reader: Reader, message: Message) -> Outgoing:
        return Outgoing(
            key=parcel.key,
            target=parcel.target,
            message=message,
            zone=reader.zone,
            made_at_ms=parcel.made_at_ms,
            thread=parcel.thread,
            unsubscribe_link=reader.stop_link,
            payload=msgspec.json.encode(payload(parcel, reader, message.subject, message.text)),
        )
