"""Subscribers: who is told of alerts, of which, how and when. Values; zone.yaml and the records of `zp.subscribers` are read into them.

A record of `zp.subscribers` has the subscriber's id as key and is either a whole Subscriber (self-registered), or under `id/wish` what a
subscriber of either kind asked for meanwhile (Wish). A tombstone forgets. Addresses are personal data: nothing but this topic holds them.

Whose facts: a subscriber with a `company` is told facts of that company alone, whatever its filters say. One without is told all.
"""

import re
from dataclasses import dataclass, replace
from typing import Any, Final, Literal
from zoneinfo import available_timezones

import msgspec

from zonepulse.schemas.languages import LANGUAGES, Language
from zonepulse.schemas.registry.section import Field, Section

SEVERITIES: Final = ("info", "warning", "critical")
"""Ascending."""
DIGESTS: Final = ("", "hourly", "daily")
WISH: Final = "/wish"
CHANNEL_KINDS: Final = ("mailto", "channel", "webhook")
DEFAULT_RATE: Final = 20
_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
_ID: Final = re.compile(r"[A-Za-z0-9][\w.:-]{0,79}")
_MINUTES_A_DAY: Final = 1_440


class BadSubscriber(ValueError):
    """A subscriber that cannot be used; the message says which field, its value, and the remedy."""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """One subscriber. `to`: where messages go, `mailto:a@b.example`, or `channel:NAME` and `webhook:NAME` of the installation."""

    id: str
    to: tuple[str, ...]
    company: str = ""
    """'' = told of the whole zone."""
    companies: tuple[str, ...] = ()
    """A filter, as the next three; empty: any."""
    sites: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    """Ids; `ops_*` and the like end with a wildcard."""
    severity: Literal["info", "warning", "critical"] = "info"
    """The least."""
    impact_kg: float | None = None
    """The least impact, kg CO2e; an alert whose impact is not known is told."""
    language: Language = "en"
    timezone: str = ""
    """IANA name; '' = the zone's."""
    quiet_from_min: int = 0
    """Quiet hours in minutes of the local day, [from, to) over midnight if need be; equal: none."""
    quiet_to_min: int = 0
    digest: Literal["", "hourly", "daily"] = ""
    digest_at_min: int = 480
    """When a daily digest comes, in minutes of the local day."""
    rate_per_hour: int = DEFAULT_RATE
    escalate_to: str = ""
    """Who is told next of a critical alert that nobody acknowledges."""
    escalate_after_ms: int = 900_000
    send_resolved: bool = True
    """Whether the end of an alert is told."""
    is_confirmed: bool = True
    """Whether the address' owner has agreed; until then only the question is sent."""

    def encode(self) -> bytes:
        """Its record's value."""
        return msgspec.json.encode(self)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a subscriber asked for: nothing until `paused_until_ms` (epoch ms), or nothing any more."""

    paused_until_ms: int = 0
    is_unsubscribed: bool = False
    test_at_ms: int = 0
    """When a test message was asked for."""

    def encode(self) -> bytes:
        """Its record's value."""
        return msgspec.json.encode(self)


def parse_subscriber(value: bytes) -> Subscriber:
    """A record's value. Raises BadSubscriber."""
    try:
        return checked(msgspec.json.decode(value, type=Subscriber))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as bad:
        raise BadSubscriber(f"no subscriber: {bad}") from None


def parse_wish(value: bytes) -> Wish:
    """A record's value. Raises BadSubscriber."""
    try:
        return msgspec.json.decode(value, type=Wish)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as bad:
        raise BadSubscriber(f"no wish: {bad}") from None


def of_plain(plain: dict[str, Any]) -> Subscriber:
    """A subscriber as the registry carries it. Raises BadSubscriber."""
    try:
        return checked(msgspec.convert(plain, Subscriber))
    except msgspec.ValidationError as bad:
        raise BadSubscriber(f"no subscriber: {bad}") from None


def problem_of_target(target: str) -> str:
    """What is wrong with one of `to`, and the remedy; '' = nothing."""
    kind, _, rest = target.partition(":")
    if kind not in CHANNEL_KINDS:
        return f"{target!r} is no channel: write mailto:name@company.example, channel:NAME or webhook:NAME"
    if kind == "mailto":
        fits = _ADDRESS.fullmatch(rest) and len(rest) <= 254
        return "" if fits else f"{rest!r} is no e-mail address: write mailto:name@company.example"
    return "" if _NAME.fullmatch(rest) else f"{rest!r} is no channel's name: use a-z, 0-9 and -, such as {kind}:ops"


def checked(subscriber: Subscriber) -> Subscriber:
    """The same, if it can be used. Raises BadSubscriber."""
    if not _ID.fullmatch(subscriber.id):
        raise BadSubscriber(f"id {subscriber.id[:80]!r}: use letters, digits and any of _ . : -")
    if not subscriber.to:
        raise BadSubscriber(f"{subscriber.id}: `to` is empty: write where messages go, such as mailto:name@company.example")
    for target in subscriber.to:
        if problem := problem_of_target(target):
            raise BadSubscriber(f"{subscriber.id}: {problem}")
    if subscriber.timezone and subscriber.timezone not in available_timezones():
        raise BadSubscriber(f"{subscriber.id}: {subscriber.timezone[:80]!r} is no time zone: write one such as Europe/Berlin")
    for name in ("quiet_from_min", "quiet_to_min", "digest_at_min"):
        if not 0 <= getattr(subscriber, name) < _MINUTES_A_DAY:
            raise BadSubscriber(f"{subscriber.id}: {name} is {getattr(subscriber, name)}: write minutes of the day, 0 to 1439")
    if subscriber.rate_per_hour < 1 or subscriber.escalate_after_ms < 60_000:
        raise BadSubscriber(f"{subscriber.id}: at least one message an hour, and at least one minute before an alert escalates")
    return subscriber


def masked(target: str) -> str:
    """A target for logs and tables: of an address the first letter and the domain's end."""
    kind, _, rest = target.partition(":")
    if kind != "mailto":
        return target
    local, _, domain = rest.partition("@")
    return f"mailto:{local[:1]}***@***.{domain.rpartition('.')[2]}"


def with_consent(subscriber: Subscriber) -> Subscriber:
    """The same, confirmed by the address' owner."""
    return replace(subscriber, is_confirmed=True)


def _wrong(subscriber: Subscriber) -> tuple[str, str] | None:
    try:
        checked(subscriber)
    except BadSubscriber as bad:
        what, _, remedy = str(bad).partition(": ")[2].partition(": ")
        return what, remedy or "mend it"
    return None


SUBSCRIBERS: Final = Section(
    "subscribers",
    "subscriber",
    Subscriber,
    (
        Field("id", "id", need=True),
        Field("to", "targets", "mailto:name@company.example; channel:NAME and webhook:NAME are the installation's", need=True),
        Field("company", "id", "is told facts of this company alone; absent: of the whole zone", default="", of="companies"),
        Field("companies", "ids", default=(), of="companies", inside="only"),
        Field("sites", "ids", default=(), of="sites", inside="only"),
        Field("rules", "texts", default=(), inside="only"),
        Field("impact_kg", "float", "the least impact, kg CO2e", inside="only"),
        Field("severity", "word", "the least", default="info", words=SEVERITIES),
        Field("language", "word", default="en", words=LANGUAGES),
        Field("timezone", "timezone", "IANA name; absent: the zone's", default=""),
        Field("quiet", "minutes", "from and to on the local clock", default=(0, 0), called=("quiet_from_min", "quiet_to_min")),
        Field("digest", "word", "gathers what is not critical; absent: at once", default="", words=DIGESTS[1:]),
        Field("digest_at", "minute", "of a daily digest", default=480),
        Field("rate_per_hour", "count", "messages, beyond which only critical alerts come", default=DEFAULT_RATE, least=1),
        Field("send_resolved", "truth", "whether the end of an alert is told", default=True),
        Field("to", "id", need=True, default="", of="subscribers", inside="escalate", called=("escalate_to",)),
        Field("after", "duration", default=900_000, inside="escalate", called=("escalate_after_ms",)),
    ),
    about={
        "only": "filters; rules may end with *",
        "escalate": "who is told next of a critical alert that nobody acknowledges",
    },
    check=_wrong,
    is_plain=True,
)
"""Their section of zone.yaml."""
