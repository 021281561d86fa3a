"""Records -> readings, one record's fate its own: what cannot be decoded at all is one refused record, and the others are as if alone."""

from collections.abc import Collection, Iterator, Mapping

import numpy as np

from zonepulse.processors.channels.table import Channels
from zonepulse.processors.decoding.exact import Decoded, Ints, channel_of
from zonepulse.processors.decoding.fast import decode_fast, joined
from zonepulse.processors.flow import NO_UNIT, ReadingColumns
from zonepulse.schemas.messages.dead_letters import WHOLE_RECORD
from zonepulse.schemas.messages.readings import POISON
from zonepulse.schemas.messages.records import RecordSpans

SKIPPED = "skipped by a command"


def decode_contained(
    records: RecordSpans, start: int, stop: int, ingest_ms: Ints, channels: Channels, skipped: Collection[int] = ()
) -> tuple[Decoded, dict[int, str]]:
    """The readings of records [start, stop), as `decode_fast` gives them, and position -> why of each record that is poison.

    `skipped` are positions that a command names. These, what `records.refused` names and what makes the decoders raise have one item,
    the whole record, that is refused.
    """
    barred = {i: refusal for i, refusal in records.refused.items() if start <= i < stop}
    barred |= {i: (POISON, SKIPPED) for i in skipped if start <= i < stop}
    if not barred:
        try:
            return decode_fast(records, start, stop, ingest_ms, channels), {}
        except Exception:  # one of the records is at fault: they are halved until it is found
            pass
    parts: list[Decoded] = []
    done = start
    for i in [*sorted(barred), stop]:
        parts += _halved(records, done, i, ingest_ms, channels, barred)
        if i < stop:
            parts.append(_refused(i, barred[i][0], ingest_ms, channels))
        done = i + 1
    return joined(parts), _poison(barred)


def _poison(barred: Mapping[int, tuple[int, str]]) -> dict[int, str]:
    return {i: why for i, (reason, why) in sorted(barred.items()) if reason == POISON}


def _halved(
    records: RecordSpans, start: int, stop: int, ingest_ms: Ints, channels: Channels, barred: dict[int, tuple[int, str]]
) -> Iterator[Decoded]:
    """The readings of [start, stop) in pieces; a record that makes the decoders raise is added to `barred`."""
    if start >= stop:
        return
    try:
        yield decode_fast(records, start, stop, ingest_ms, channels)
        return
    except Exception as error:
        if stop - start == 1:
            barred[start] = POISON, f"{type(error).__name__}: {error}"
            yield _refused(start, POISON, ingest_ms, channels)
            return
    middle = (start + stop) // 2
    yield from _halved(records, start, middle, ingest_ms, channels, barred)
    yield from _halved(records, middle, stop, ingest_ms, channels, barred)


def _refused(i: int, reason: int, ingest_ms: Ints, channels: Channels) -> Decoded:
    """A record as one refused item."""

    def one(number: int) -> Ints:
        return np.array([number], np.int64)

    items = ReadingColumns(
        one(channel_of(channels, "", "")), one(0), np.zeros(1), one(NO_UNIT), one(-1), one(0), one(int(ingest_ms[i])), one(reason)
    )
    return Decoded(items, one(i), one(WHOLE_RECORD))
