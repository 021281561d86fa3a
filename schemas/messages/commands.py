"""Commands: what people tell a running zone, as records of `zp.commands`. They are part of the log, of replays and of the oracle.

A command is a JSON object `{"kind", "target", "who", "why", "until_ms", "made_at_ms"}`; `until_ms` is null where it does not apply.

| kind | target | what it does |
|---|---|---|
| skip | `readings/3/217`: topic without prefix, partition, offset | the record there is not handled but quarantined (reason `poison`) |
| acknowledge, snooze, comment | `fingerprint/starts_at` of an alert | kept for the alert's life cycle |
| maintenance | `rule=...`, `meter=...` and the like, separated by blanks | kept for the alert's life cycle |
| hand_over | a hand-over as JSON (`hand_overs.py`) | the live tasks go on from other states; none of it is in a replay |
| keep | eight hexadecimal digits | the live tasks keep their states under this name, for runs to begin with |
| amend | `METER REGISTER FROM_MS COUNT` | nothing: it says who gave the readings of quality `manual` from then until `until_ms`, and why |

Place in time: the ingest time of a record of `zp.commands` is the largest timestamp up to it; a command applies at the tick k that
contains its ingest time, (k - 1) x tick <= t < k x tick. A skip names a place and holds whenever that place is read. An empty record
(HEARTBEAT) carries time and nothing else.
"""

import json
from dataclasses import asdict, dataclass
from typing import Final

from zonepulse.schemas.messages.hand_overs import is_name, parse_hand_over
from zonepulse.schemas.messages.topics import TOPICS
from zonepulse.schemas.values import canonical_json

SKIP: Final = "skip"
ON_AN_ALERT: Final = ("acknowledge", "snooze", "comment")
ABOUT_ALERTS: Final = (*ON_AN_ALERT, "maintenance")
HAND_OVER: Final = "hand_over"
KEEP: Final = "keep"
AMEND: Final = "amend"
KINDS: Final = (SKIP, *ABOUT_ALERTS, HAND_OVER, KEEP, AMEND)
NEEDS_UNTIL: Final = ("snooze", "maintenance", AMEND)
MAX_TEXT: Final = 2_000
"""Characters of `who`, `why` and `target`."""
MAX_BYTES: Final = 100_000
"""Of a record: the texts, all of them escaped, and some blanks."""
_INT64: Final = 1 << 63
_KEYS: Final = {"kind", "target", "who", "why", "until_ms", "made_at_ms"}


class BadCommand(ValueError):
    """A record that is no command; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands: `topic` without prefix."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class Command:
    """One command. Times are epoch ms; `made_at_ms` is the maker's clock and decides nothing."""

    kind: str
    target: str
    who: str
    why: str
    until_ms: int | None = None
    made_at_ms: int = 0

    @property
    def key(self) -> bytes:
        """Of its record: kind and target."""
        return f"{self.kind}/{self.target}".encode()

    def encode(self) -> bytes:
        """Its record's value, canonical JSON."""
        return canonical_json(asdict(self)).encode()

    @property
    def place(self) -> Place | None:
        """What a skip names; None for another kind."""
        return parse_place(self.target) if self.kind == SKIP else None


@dataclass(frozen=True, slots=True)
class Told:
    """A command and where it stands: `ingest_ms` is the largest timestamp up to it."""

    offset: int
    ingest_ms: int
    command: Command


def parse_place(text: str) -> Place:
    """`readings/3/217`. Raises BadCommand."""
    topic, _, rest = text.partition("/")
    partition, _, offset = rest.partition("/")
    if topic not in {t.name for t in TOPICS}:
        raise BadCommand(f"target {text!r}: no topic {topic!r}; there are {', '.join(t.name for t in TOPICS)}")
    if not (_is_count(partition, 1 << 31) and _is_count(offset, _INT64)):
        raise BadCommand(f"target {text!r}: partition and offset are whole numbers, such as {topic}/3/217")
    return Place(topic, int(partition), int(offset))


def parse_command(value: bytes) -> Command:
    """The command of a record's value. Raises BadCommand."""
    if len(value) > MAX_BYTES:
        raise BadCommand(f"{len(value)} bytes, more than {MAX_BYTES}")
    try:
        found = json.loads(value)
    except (ValueError, RecursionError) as bad:
        raise BadCommand(f"no JSON: {bad}") from None
    if not isinstance(found, dict) or not found.keys() <= _KEYS or not found.keys() >= _KEYS - {"until_ms", "made_at_ms"}:
        raise BadCommand(f"an object with the keys {', '.join(sorted(_KEYS))} is wanted")
    texts = [found[name] for name in ("kind", "target", "who", "why")]
    times = [found.get("until_ms"), found.get("made_at_ms", 0)]
    if not all(isinstance(text, str) and len(text) <= MAX_TEXT for text in texts):
        raise BadCommand(f"kind, target, who and why are texts of at most {MAX_TEXT} characters")
    if not all(at is None or (type(at) is int and 0 <= at < _INT64) for at in times) or times[1] is None:
        raise BadCommand("until_ms and made_at_ms are epoch milliseconds")
    kind, target, who, why = texts
    command = Command(kind, target, who, why, times[0], times[1])
    _check(command)
    return command


def _check(command: Command) -> None:
    if command.kind not in KINDS:
        raise BadCommand(f"kind {command.kind!r}: there are {', '.join(KINDS)}")
    if command.kind == SKIP:
        parse_place(command.target)
    elif command.kind in ON_AN_ALERT:
        fingerprint, _, starts_at = command.target.partition("/")
        if len(fingerprint) != 16 or not _is_count(starts_at.removeprefix("-"), _INT64):
            raise BadCommand(f"target {command.target!r}: write fingerprint/starts_at of an alert")
    elif command.kind == HAND_OVER:
        try:
            parse_hand_over(command.target)
        except ValueError as error:
            raise BadCommand(f"target {command.target[:80]!r}: {error}") from error
    elif command.kind == KEEP:
        if not is_name(command.target):
            raise BadCommand(f"target {command.target[:80]!r}: write eight hexadecimal digits")
    elif command.kind == AMEND:
        if len(parts := command.target.split(" ")) != 4 or not (_is_count(parts[2], _INT64) and _is_count(parts[3], _INT64)):
            raise BadCommand(f"target {command.target!r}: write METER REGISTER FROM_MS COUNT")
    elif not command.target.strip():
        raise BadCommand("a maintenance needs a target, such as meter=TC-0042-E1")
    if command.kind in NEEDS_UNTIL and command.until_ms is None:
        raise BadCommand(f"a command `{command.kind}` needs until_ms, when it ends")


def _is_count(text: str, limit: int) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 19 and int(text) < limit
