"""What is refused of one record into its dead letters."""

import json
from collections.abc import Iterator, Sequence
from typing import Final

from zonepulse.oracle.decode import Item

MAX_VALUE: Final = 1_000_000
MAX_KEY: Final = 16_384
"""A letter keeps so many bytes of a value and a key."""


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
