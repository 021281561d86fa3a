"""Where messages go: a target's kind decides how. Each attempt blocks, ends by itself, and says what became of it."""

from dataclasses import dataclass

from zonepulse.streams.notify.channels import mail, robots, webhook
from zonepulse.streams.notify.messages.pages import Message
from zonepulse.streams.notify.routing.results import Result
from zonepulse.streams.notify.settings import NotifySettings


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message with what its envelope needs. `payload` is what a webhook gets besides."""

    key: str
    target: str
    message: Message
    zone: str
    made_at_ms: int
    thread: str = ""
    unsubscribe_link: str = ""
    payload: bytes = b"{}"


def deliver(outgoing: Outgoing, settings: NotifySettings) -> Result:
    """One attempt; never raises."""
    kind, _, name = outgoing.target.partition(":")
    try:
        if kind == "mailto":
            return _mail(outgoing, name, settings)
        if kind == "channel" and name in settings.channels:
            return robots.send(settings.channels[name], outgoing.message.subject, outgoing.message.brief)
        if kind == "webhook" and name in settings.webhooks:
            return webhook.send(settings.webhooks[name], outgoing.key, outgoing.payload)
        variable = f"ZONEPULSE_{outgoing.target.upper().replace(':', '_').replace('-', '_')}"
        return Result("failed", f"{outgoing.target} is not there: set {variable} for the notify worker", is_asked=False)
    except Exception as error:  # a library's own mistake must not stop the other messages
        return Result("failed", f"{type(error).__name__}: {error}"[:300])


def _mail(outgoing: Outgoing, address: str, settings: NotifySettings) -> Result:
    built = mail.build(
        outgoing.message,
        address,
        settings.mail.sender or "zonepulse@localhost.localdomain",
        outgoing.zone,
        outgoing.key,
        outgoing.thread,
        outgoing.made_at_ms,
        outgoing.unsubscribe_link,
    )
    return mail.send(built, address, settings.mail)
