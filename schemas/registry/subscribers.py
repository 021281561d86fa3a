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

LANGUAGES: Final = ("en", "de", "zh")
SEVERITIES: Final = ("info", "warning", "critical")
"""Ascending."""
DIGESTS: Final = ("", "hourly", "daily")
SUBSCRIBERS: Final = "subscribers"
"""Their section of zone.yaml, and their name among the registry's extras."""
WISH: Final = "/wish"
CHANNEL_KINDS: Final = ("mailto", "channel", "webhook")
DEFAULT_RATE: Final = 20
_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*")
_CLOCK_TIME: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
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
    language: Literal["en", "de", "zh"] = "en"
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


NOBODY: Final = Subscriber("unread", ("channel:unread",))
"""Stands for one of zone.yaml that could not be read."""


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


def to_plain(subscriber: Subscriber) -> dict[str, Any]:
    """The same as JSON has it."""
    plain: dict[str, Any] = msgspec.json.decode(subscriber.encode())
    return plain


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


def clock_minute(text: str) -> int | None:
    """A time of day such as 22:00 in minutes; None where it is none."""
    match = _CLOCK_TIME.fullmatch(text)
    return None if match is None else int(match[1]) * 60 + int(match[2])


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
