"""What is refused into dead letters: record by record, and how many of a sender in one tick."""

import json
from collections.abc import Iterator, Sequence
from typing import Final
from zlib import crc32

from zonepulse.oracle.metering.decode import Item

MOST: Final = 1_000
"""Letters of one sender in a tick."""
MAX_VALUE: Final = 1_000_000
MAX_KEY: Final = 16_384
"""A letter keeps so many bytes of a value and a key."""


class Letters:
    """A log's letters. Senders are told apart by a checksum of their key, 1,024 of them in a partition.

    Once a sender has had MOST letters in a tick of ingest time, each further record of it in that tick leaves one letter, which names the
    items. Records without bytes do not count.
    """

    def __init__(self) -> None:
        self._told: dict[tuple[int, int], tuple[int, int]] = {}

    def of(
        self, partition: int, key: bytes, tick: int, refused: Sequence[tuple[Item, str]], size: int
    ) -> Iterator[tuple[int, str, bytes]]:
        """(item, reason, bytes) of each letter of the next record."""
        sender = partition, crc32(key) % 1_024
        last_tick, told = self._told.get(sender, (tick, 0))
        told = told if last_tick == tick else 0
        if not refused or size == 0:
            yield from letters_of(refused, size)
        elif told >= MOST:
            yield -1, "capped", _named([(item.number, why) for item, why in refused])
        else:
            self._told[sender] = tick, told + len(refused)
            yield from letters_of(refused, size)


def letters_of(refused: Sequence[tuple[Item, str]], size: int) -> Iterator[tuple[int, str, bytes]]:
    """(item, reason, bytes) of each letter of a record of `size` bytes.

    Together they hold at most three times the record's bytes and 1,400 bytes a letter; one last letter names what does not fit.
    """
    room = 3 * size
    for n, (item, reason) in enumerate(refused):
        value = item.source()
        room += 1_400 - len(value)
        if room < 0:
            yield -1, "capped", _named([(i.number, why) for i, why in refused[n:]])
            return
        yield item.number, reason, value[:MAX_VALUE]


def _named(items: Sequence[tuple[int, str]]) -> bytes:
    """Reason -> the items, runs as first-last."""
    texts = {}
    for reason in {why for _, why in items}:
        numbers = [number for number, why in items if why == reason]
        known = set(numbers)
        edges = [n for n in numbers if n - 1 not in known], [n for n in numbers if n + 1 not in known]
        texts[reason] = ",".join(str(a) if a == b else f"{a}-{b}" for a, b in zip(*edges, strict=True))
    return json.dumps(texts, sort_keys=True, separators=(",", ":")).encode()
