"""What notification remembers: alerts and whom it told of them, groups that wait, parcels on their way. Plain values, changed in place;
what changed is named, so that the worker can write it to its log before it acts on it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

import msgspec

from zonepulse.streams.notify.routing.facts import Row

ALERT: Final = "alert/"
GROUP: Final = "group/"
PARCEL: Final = "parcel/"
HOLD: Final = "hold/"
RATE: Final = "rate/"
Kind = Literal["alert", "group", "repeat", "digest", "flood", "escalation", "test", "confirm"]


class Known(msgspec.Struct):
    """An alert. `told`: subscriber -> the severity last told; `told_at_ms`: when first."""

    row: Row
    seen_at_ms: int
    group: str
    """Name of the groups that it is told in: what it was at first, whatever the registry says later."""
    told: dict[str, str] = {}
    told_at_ms: dict[str, int] = {}
    is_acknowledged: bool = False
    snoozed_until_ms: int = 0


class Group(msgspec.Struct):
    """Alerts of one subscriber that are told together. `items`: identity -> what is to be said of it (raised, resolved, escalated)."""

    subscriber: str
    name: str
    items: dict[str, str] = {}
    since_ms: int = 0
    """When the first of the items came."""
    last_sent_ms: int = 0
    firing: set[str] = set()
    """Told, and not over."""
    episode_ms: int = 0
    """Names the thread of messages: when the group last had nothing to tell."""

    @property
    def key(self) -> str:
        """Of its record."""
        return f"{GROUP}{self.subscriber}/{self.name}"


class Hold(msgspec.Struct):
    """A maintenance: alerts that match are not told before its end."""

    match: dict[str, str]
    until_ms: int


class Rate(msgspec.Struct):
    """When a subscriber's last messages were made (epoch ms, ascending)."""

    at_ms: list[int] = []


class Parcel(msgspec.Struct):
    """A message to one target, on its way until it is delivered or given up. `key` is its idempotency key."""

    key: str
    subscriber: str
    target: str
    kind: Kind
    made_at_ms: int
    items: list[tuple[str, str]] = []
    """Every alert that it is about, and what it says of it."""
    rows: list[tuple[str, Row]] = []
    """Those that it shows, first things first, with what it says of each."""
    severities: dict[str, int] = {}
    """How many alerts of each severity it is about."""
    thread: str = ""
    attempts: int = 0
    next_try_ms: int = 0
    sending: str = ""
    """Which worker sends it at this moment."""
    error: str = ""
    outcome: str = ""
    """sent or dead; then only its row in the delivery log is to be written."""
    ended_at_ms: int = 0


Entry = Known | Group | Hold | Rate | Parcel
_TYPES: Final[Mapping[str, type[Entry]]] = {ALERT: Known, GROUP: Group, PARCEL: Parcel, HOLD: Hold, RATE: Rate}


class BadEntry(ValueError):
    """A record of the state's log that is none of ours."""


class State:
    """All of it. `changed` collects keys; `take_changes` gives their records (None = forgotten)."""

    def __init__(self) -> None:
        self.alerts: dict[str, Known] = {}
        self.groups: dict[str, Group] = {}
        self.parcels: dict[str, Parcel] = {}
        self.holds: dict[str, Hold] = {}
        self.rates: dict[str, Rate] = {}
        self._changed: dict[str, None] = {}

    def put(self, key: str, value: bytes | None) -> None:
        """One record of the log, in its order. Raises BadEntry."""
        prefix = key[: key.find("/") + 1]
        if prefix not in _TYPES:
            raise BadEntry(f"key {key[:80]!r}")
        table = self._table(prefix)
        if value is None:
            table.pop(key[len(prefix) :], None)
            return
        try:
            table[key[len(prefix) :]] = msgspec.json.decode(value, type=_TYPES[prefix])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as bad:
            raise BadEntry(f"{key[:80]}: {bad}") from None

    def changed(self, key: str) -> None:
        """Says that the entry of a key was changed, made or removed."""
        self._changed[key] = None

    def take_changes(self) -> Iterator[tuple[str, bytes | None]]:
        """Records of what changed since the last time, in the order in which it did."""
        names, self._changed = self._changed, {}
        for key in names:
            prefix = key[: key.find("/") + 1]
            entry = self._table(prefix).get(key[len(prefix) :])
            yield key, None if entry is None else msgspec.json.encode(entry)

    def group(self, subscriber: str, name: str) -> Group:
        """That group, made where it is not there."""
        return self.groups.setdefault(f"{subscriber}/{name}", Group(subscriber, name))

    def forget(self, subscriber: str) -> None:
        """All that is kept of a subscriber."""
        for key in [k for k, g in self.groups.items() if g.subscriber == subscriber]:
            del self.groups[key]
            self.changed(GROUP + key)
        for key in [k for k, p in self.parcels.items() if p.subscriber == subscriber]:
            del self.parcels[key]
            self.changed(PARCEL + key)
        if self.rates.pop(subscriber, None) is not None:
            self.changed(RATE + subscriber)
        for identity, known in self.alerts.items():
            if known.told.pop(subscriber, None) is not None:
                known.told_at_ms.pop(subscriber, None)
                self.changed(ALERT + identity)

    def _table(self, prefix: str) -> dict[str, Any]:
        tables: dict[str, dict[str, Any]] = {
            ALERT: self.alerts, GROUP: self.groups, PARCEL: self.parcels, HOLD: self.holds, RATE: self.rates,
        }  # fmt: skip
        return tables[prefix]
