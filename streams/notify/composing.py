"""A parcel -> what is sent: the message in its subscriber's language, with links and an envelope."""

import msgspec

from zonepulse.streams.notify.channels.delivering import Outgoing
from zonepulse.streams.notify.messages.pages import Message, Reader, compose, compose_test
from zonepulse.streams.notify.routing.people import People
from zonepulse.streams.notify.routing.state import Parcel
from zonepulse.streams.notify.settings import NotifySettings


class Composer:
    """Of one installation."""

    def __init__(self, settings: NotifySettings) -> None:
        self._settings = settings

    def __call__(self, parcel: Parcel, people: People, now_ms: int) -> Outgoing | None:
        """None where the subscriber is gone."""
        subscriber = people.everyone().get(parcel.subscriber)
        if subscriber is None or parcel.target not in subscriber.to:
            return None
        reader = Reader(subscriber, people.known)
        message = compose_test(reader) if parcel.kind == "test" else compose(parcel, reader, now_ms)
        return self._outgoing(parcel, reader, message)

    def _outgoing(self, parcel: Parcel, reader: Reader, message: Message) -> Outgoing:
        return Outgoing(
            key=parcel.key,
            target=parcel.target,
            message=message,
            zone=reader.zone,
            made_at_ms=parcel.made_at_ms,
            thread=parcel.thread,
            payload=msgspec.json.encode({"key": parcel.key}),
        )
