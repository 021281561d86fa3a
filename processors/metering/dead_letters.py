"""What admission refused -> dead letters with their original bytes, in time and bytes linear in the record."""

import json
from collections.abc import Container, Iterator, Sequence
from itertools import groupby
from typing import Final

import numpy as np

from zonepulse.processors.channels.table import Channels
from zonepulse.processors.channels.versions import sent_version
from zonepulse.processors.decoding.exact import Decoded, Ints
from zonepulse.processors.flow import WRONG_PARTITION, ReadingColumns
from zonepulse.schemas.messages.dead_letters import WHOLE_RECORD, DeadLetter
from zonepulse.schemas.messages.readings import CAPPED, REASONS, ItemBytes
from zonepulse.schemas.messages.records import CONTENT_TYPE, RecordSpans

ROOM_A_BYTE: Final = 3
ROOM_A_LETTER: Final = 1_400
"""The letters of a record hold at most so many bytes for each byte of it, and for each letter: a one-row Arrow stream names its columns."""


def expected_partition(items: ReadingColumns, i: int, channels: Channels) -> int | None:
    """Of an item in the wrong partition, the one where its reading belongs; None for others."""
    if items.reason[i] != WRONG_PARTITION:
        return None
    channel = int(items.channel[i])
    first = int(channels.first[channel])
    versions = channels.versions[first : first + int(channels.count[channel])].view(np.recarray)
    return int(versions[sent_version(versions, int(items.ts[i]))].partition)


def dead_letters(
    batch: Decoded, records: RecordSpans, channels: Channels, place: Ints | None = None, capped: Container[int] = ()
) -> Iterator[DeadLetter]:
    """What of a decoded batch was refused, with its bytes, cut to what can be sent; made as they are asked for.

    `place[r]` is where record r stood inside a larger one. Records in `capped` get one letter that names their items.
    """
    refused = np.flatnonzero(batch.items.reason).tolist()
    for r, run in groupby(refused, lambda i: int(batch.record[i])):
        yield from _letters_of(batch, records, channels, r, list(run), place, r in capped)


def _letters_of(
    batch: Decoded, records: RecordSpans, channels: Channels, r: int, refused: Sequence[int], place: Ints | None, is_capped: bool
) -> Iterator[DeadLetter]:
    value = records.value(r)
    where = records.topic, records.partition, int(records.offset[r])
    at, key = int(records.timestamp_ms[r]), records.key(r)
    pieces = None if value is None else ItemBytes(value, records.header(r, CONTENT_TYPE))
    room = -1 if is_capped else ROOM_A_BYTE * len(value or b"")
    for n, i in enumerate(refused):
        item, reason = int(batch.item[i]), REASONS[int(batch.items.reason[i])]
        kept = None if pieces is None or is_capped else pieces.of(item)
        room += 0 if is_capped else ROOM_A_LETTER - len(kept or b"")
        if room < 0:
            rest = [(int(batch.item[j]), REASONS[int(batch.items.reason[j])]) for j in refused[n:]]
            yield DeadLetter(*where, WHOLE_RECORD, CAPPED, at, key, item_ranges(rest)).cut()
            return
        shown = item if place is None or item < 0 else int(place[r]) + item
        yield DeadLetter(*where, shown, reason, at, key, kept, expected_partition(batch.items, i, channels)).cut()


def item_ranges(refused: Sequence[tuple[int, str]]) -> bytes:
    """(item, reason) in order of items -> JSON that names the items of each reason: {"late": "0-99,107"}; -1 is the whole record."""
    found: dict[str, list[tuple[int, int]]] = {}
    for item, reason in refused:
        spans = found.setdefault(reason, [])
        if spans and spans[-1][1] == item - 1:
            spans[-1] = spans[-1][0], item
        else:
            spans.append((item, item))
    texts = {reason: ",".join(str(a) if a == b else f"{a}-{b}" for a, b in spans) for reason, spans in found.items()}
    return json.dumps(texts, sort_keys=True, separators=(",", ":")).encode()
