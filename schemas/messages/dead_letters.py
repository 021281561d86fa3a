"""Dead letters on the wire: value = the original bytes, key = the original key, and headers that say where from and why.

Numbers in headers are decimal text. `item` is the index inside the record (0 for a lone object), -1 = the whole record. Header
`expected_partition` is there where the reason is `wrong_partition`: it names the partition to which the reading belongs. What is too long
to be sent on is cut; then `size` and `sha256` say what the whole value was, which still lies where it came from.

A letter `undelivered` is of a message to people that was given up, not of a record: `topic` is that of notification's log, the key is the
message's idempotency key, `offset` is made of it, and the value says what it was about. Whom it was for, table `deliveries` knows, where it
can be forgotten.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from zonepulse.schemas.messages.records import Headers

WHOLE_RECORD: Final = -1
MAX_VALUE_BYTES: Final = 1_000_000
"""A letter keeps so much of a value; with its key and headers it stays below what any broker takes by default."""
MAX_KEY_BYTES: Final = 16_384
"""And so much of a key."""
UNDELIVERED: Final = "undelivered"
"""Reason of a message that was given up; those of readings are `readings.REASONS`."""
_EXPECTED: Final = "expected_partition"
_SIZE, _SHA256 = "size", "sha256"
_NAMES: Final = ("topic", "partition", "offset", "item", "reason", "received_at")


class BadDeadLetter(ValueError):
    """The headers are not those of a dead letter; the message names the header."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What could not be booked. `received_at_ms` is the Kafka timestamp of the record (epoch ms)."""

    topic: str
    partition: int
    offset: int
    item: int
    reason: str
    received_at_ms: int
    key: bytes | None
    value: bytes | None
    expected_partition: int | None = None
    """Of a reading in the wrong partition."""
    size: int | None = None
    """Bytes of the whole value, where it was cut."""
    sha256: str | None = None
    """Of the whole value, hexadecimal, where it was cut."""

    def cut(self) -> "DeadLetter":
        """The same, with a value and a key that are short enough to be sent."""
        key = None if self.key is None else self.key[:MAX_KEY_BYTES]
        if self.value is None or len(self.value) <= MAX_VALUE_BYTES:
            return self if key == self.key else replace(self, key=key)
        digest = hashlib.sha256(self.value).hexdigest()
        return replace(self, key=key, value=self.value[:MAX_VALUE_BYTES], size=len(self.value), sha256=digest)

    def headers(self) -> Headers:
        """The headers to send; `key` and `value` travel as the record's own."""
        fields = (self.topic, self.partition, self.offset, self.item, self.reason, self.received_at_ms)
        headers = tuple((name, str(field).encode()) for name, field in zip(_NAMES, fields, strict=True))
        if self.expected_partition is not None:
            headers = (*headers, (_EXPECTED, b"%d" % self.expected_partition))
        if self.size is not None and self.sha256 is not None:
            headers = (*headers, (_SIZE, b"%d" % self.size), (_SHA256, self.sha256.encode()))
        return headers


def decode_dead_letter(headers: Iterable[tuple[str, bytes]], key: bytes | None, value: bytes | None) -> DeadLetter:
    """The inverse of `DeadLetter.headers`; of equal headers the last counts, others are ignored. Raises BadDeadLetter."""
    found = {name: text.decode("utf-8", "replace") for name, text in headers}
    missing = [name for name in _NAMES if name not in found]
    if missing:
        raise BadDeadLetter(f"dead letter without header {', '.join(missing)}; only zonepulse's own agents write this topic")
    return DeadLetter(
        found["topic"],
        _number(found, "partition"),
        _number(found, "offset"),
        _number(found, "item"),
        found["reason"],
        _number(found, "received_at"),
        key,
        value,
        _number(found, _EXPECTED) if _EXPECTED in found else None,
        _number(found, _SIZE) if _SIZE in found else None,
        found.get(_SHA256),
    )


def _number(found: dict[str, str], name: str) -> int:
    try:
        return int(found[name])
    except ValueError:
        raise BadDeadLetter(f"dead letter header {name} is {found[name]!r}, expected decimal text") from None
