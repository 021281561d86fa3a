"""Messages: subject, plain text and HTML of a parcel, for one reader. Pure.

Templates are jinja2 in a sandbox; HTML escapes everything. They see `Page` and Views: strings about alerts that the reader may know of.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from jinja2 import FunctionLoader, PackageLoader, StrictUndefined
from jinja2.loaders import BaseLoader
from jinja2.sandbox import ImmutableSandboxedEnvironment

from zonepulse.schemas.registry.subscribers import Subscriber
from zonepulse.streams.notify.messages.brief import Brief, brief
from zonepulse.streams.notify.messages.views import Links, View, named, view
from zonepulse.streams.notify.messages.words import Words, clean
from zonepulse.streams.notify.routing.facts import Directory, Row, is_visible
from zonepulse.streams.notify.routing.state import Kind, Parcel

MOST_SUBJECT: Final = 69
TEMPLATES: Final = ("mail.html.j2", "mail.txt.j2")
_LEADS: Final[Mapping[Kind, str]] = {
    "repeat": "This still holds; it was said before.",
    "escalation": "Nobody has acknowledged this alert, so it comes to you.",
    "flood": "Many alerts came at once; they are gathered here.",
    "digest": "What came in while you wanted quiet, or since the last digest.",
}


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent. `picture` is a PNG, empty without one."""

    subject: str
    text: str
    html: str
    brief: Brief
    picture: bytes = b""


@dataclass(frozen=True, slots=True)
class Page:
    """What a template sees besides the alerts."""

    language: str
    zone: str
    heading: str
    lead: str
    subscriber: str
    more: int
    stop_link: str
    board: str
    command: str = ""
    """To agree by, where a subscriber is asked."""
    agree_link: str = ""
    is_question: bool = False
    """Whether the reader has not agreed to anything yet."""
    has_picture: bool = False


@dataclass(frozen=True, slots=True)
class Reader:
    """Whom a message is for, and how links are made: of an alert, and to stop the messages."""

    subscriber: Subscriber
    known: Directory
    links_of: Callable[[Row], Links] = lambda _: Links()
    stop_link: str = ""
    board: str = ""

    @property
    def words(self) -> Words:
        """How the reader reads."""
        return Words(self.subscriber.language, self.subscriber.timezone or self.known.timezone)

    @property
    def zone(self) -> str:
        """The zone's name in the reader's language."""
        return named(dict(self.known.zone_name), self.known.zone, self.words)


def _source_of(own: Mapping[str, str]) -> Callable[[str], tuple[str, str, Callable[[], bool]] | None]:
    """Templates by name, which is their file's in what is said of a mistake."""
    return lambda name: (own[name], name, lambda: True) if name in own else None


def environment(own: Mapping[str, str] | None = None) -> ImmutableSandboxedEnvironment:
    """Of the shipped templates, or of `own` ones (name -> text) where they are given. No template reaches Python through it."""
    loader: BaseLoader = (
        PackageLoader("zonepulse.streams.notify.messages") if own is None else FunctionLoader(_source_of(dict(own)))
    )
    return ImmutableSandboxedEnvironment(
        loader=loader,
        autoescape=lambda name: bool(name and ".html" in name),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def shipped() -> ImmutableSandboxedEnvironment:
    """The environment of the shipped templates."""
    return environment()


def compose(
    parcel: Parcel, reader: Reader, now_ms: int, picture: bytes = b"", templates: ImmutableSandboxedEnvironment | None = None
) -> Message:
    """The message of a parcel. Alerts that the reader may no longer know of are left out, and counted nowhere."""
    words = reader.words
    allowed = [(what, row) for what, row in parcel.rows if is_visible(row, reader.subscriber, reader.known)]
    said = "repeated" if parcel.kind == "repeat" else ""
    views = [view(r, said or w, reader.subscriber, reader.known, words, now_ms, reader.links_of(r)) for w, r in allowed]
    hidden = len(parcel.rows) - len(allowed)
    total = max(len(views), len(parcel.items) - hidden) if not hidden else len(views)
    heading = _heading(parcel, views, total, reader)
    page = Page(
        language=_tag(words),
        zone=reader.zone,
        heading=heading,
        lead=words(_LEADS[parcel.kind]) if parcel.kind in _LEADS else "",
        subscriber=reader.subscriber.id,
        more=total - len(views),
        stop_link=reader.stop_link,
        board=reader.board,
        has_picture=bool(picture),
    )
    return _rendered(subject_of(parcel, views, total, reader), page, views, words, picture, templates)


def compose_test(reader: Reader) -> Message:
    """A message that says that nothing happened, and how to stop what will come."""
    words, zone = reader.words, reader.zone
    lead = words("Alerts of {zone} will reach you like this one. Nothing has happened.", zone=zone)
    page = Page(_tag(words), zone, words("Test message"), lead, reader.subscriber.id, 0, reader.stop_link, reader.board)
    return _rendered(f"{words('Test message')} · {zone}", page, [], words, b"", None)


def compose_question(reader: Reader, agree_link: str, command: str) -> Message:
    """Asks the owner of an address whether alerts are wanted."""
    words, zone = reader.words, reader.zone
    heading = words("Do you want alerts of {zone}?", zone=zone)
    lead = words("Somebody asked that alerts of {zone} be sent to this address. Nothing comes unless you agree.", zone=zone)
    page = Page(
        _tag(words), zone, heading, lead, reader.subscriber.id, 0, "", "", command=command, agree_link=agree_link, is_question=True
    )
    return _rendered(heading, page, [], words, b"", None)


def _tag(words: Words) -> str:
    """BCP 47."""
    return {"zh": "zh-Hans"}.get(words.language, words.language)


def _heading(parcel: Parcel, views: list[View], total: int, reader: Reader) -> str:
    words = reader.words
    if total == 1 and views:
        return " · ".join(part for part in (views[0].state, views[0].title) if part)
    title = words("{count} alerts", count=words.count(total))
    critical = parcel.severities.get("critical", 0) if total == len(parcel.items) else 0
    return words.comma.join([title, words("{count} of them critical", count=words.count(critical))]) if critical else title


def subject_of(parcel: Parcel, views: list[View], total: int, reader: Reader) -> str:
    """What, where, how much, since when, in fewer than 70 characters."""
    words = reader.words
    if total == 1 and views:
        one = views[0]
        head = f"{one.mark} {one.state or one.severity}{words.colon}{one.title}"
        amounts = [one.impact, one.short_cost] if one.impact or one.short_cost else [one.seen]
        parts = [one.short_where, *amounts, one.short_since]
    else:
        head = _heading(parcel, views, total, reader)
        head = f"{words('Digest')}{words.colon}{head}" if parcel.kind == "digest" else head
        parts = [f"{views[0].title}{words.comma}{views[0].short_where}" if views else "", reader.zone]
    while len(clean(" · ".join([head, *filter(None, parts)]), 500)) > MOST_SUBJECT and parts:
        parts.pop(-2 if len(parts) > 2 else -1)
    return clean(" · ".join([head, *filter(None, parts)]), MOST_SUBJECT)


def context(page: Page, views: list[View], words: Words) -> dict[str, Any]:
    """Everything that a template sees."""
    return {"page": page, "alerts": views, "_": words}


def _rendered(
    subject: str,
    page: Page,
    views: list[View],
    words: Words,
    picture: bytes,
    templates: ImmutableSandboxedEnvironment | None,
) -> Message:
    jinja, seen = templates or shipped(), context(page, views, words)
    html, text = (jinja.get_template(name).render(seen) for name in TEMPLATES)
    stop = words("To stop it: {link}", link=page.stop_link) if page.stop_link else ""
    heading = page.heading if len(views) != 1 or page.more else ""
    says = "\n".join(t for t in (heading, page.lead, page.agree_link) if t)
    pieces = brief(says, views, page.more, page.zone, stop, words, page.board)
    return Message(clean(subject, MOST_SUBJECT), text.strip() + "\n", html, pieces, picture)
