"""Files of readings as records for `zp.readings`: what `produce` sends."""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from zonepulse.schemas.messages.reading_columns import ColumnChunk
from zonepulse.schemas.messages.readings import QUALITIES, REASONS, decode
from zonepulse.schemas.messages.records import ARROW, CONTENT_TYPE, JSON
from zonepulse.streams.files.arrival import Arrival
from zonepulse.streams.files.form import FileForm
from zonepulse.streams.files.reading_files import AS_IT_IS, RecordChunk, read_files
from zonepulse.streams.files.refusals import UNKNOWN_METER, Refusals, text_of
from zonepulse.streams.kafka.reading_keys import ReadingKeys

_QUALITIES = tuple(QUALITIES)
_JSON = ((CONTENT_TYPE, JSON),)
_ARROW = ((CONTENT_TYPE, ARROW),)


class Outgoing(NamedTuple):
    """One record. `key` is None for a meter that the registry does not know: it goes to partition 0 and ends as a dead letter."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    ingest_ms: int
    readings: int


def outgoing(
    paths: Sequence[Path],
    topic: str,
    keys: ReadingKeys,
    *,
    arrival: Arrival | None,
    form: FileForm = AS_IT_IS,
    refused: Refusals | None = None,
) -> Iterator[Outgoing]:
    """The records in order of arrival: a line of JSON as it is, a row of another file as one reading.

    `refused` gets what is no reading, or names no known meter; it is sent all the same, and becomes dead letters. Raises BadFile.
    """
    seen = Refusals() if refused is None else refused
    for chunk in read_files(paths, topic, arrival=arrival, form=form):
        yield from _lines(chunk, keys, seen) if isinstance(chunk, RecordChunk) else _rows(chunk, keys, seen)


def _lines(chunk: RecordChunk, keys: ReadingKeys, refused: Refusals) -> Iterator[Outgoing]:
    records = chunk.records
    for i in range(len(records)):
        value = records.value(i)
        key, items = keys.of_record(value)
        if key is None:
            found = decode(value)
            for reason in found.reason:
                refused.add(REASONS[reason] or UNKNOWN_METER, text_of(value))
        yield Outgoing(_bytes(key), value, _JSON, int(records.timestamp_ms[i]), items)


def _rows(chunk: ColumnChunk, keys: ReadingKeys, refused: Refusals) -> Iterator[Outgoing]:
    names, codes = keys.of_columns(chunk)
    encoded = [_bytes(name) for name in names]
    for i in range(len(chunk)):
        value, headers = _reading(chunk, i)
        if chunk.reason[i] or encoded[codes[i]] is None:
            refused.add(REASONS[chunk.reason[i]] or UNKNOWN_METER, text_of(value))
        yield Outgoing(encoded[codes[i]], value, headers, int(chunk.ingest_ms[i]), 1)


def _reading(chunk: ColumnChunk, i: int) -> tuple[bytes, Sequence[tuple[str, bytes]]]:
    """A well-formed row as a JSON reading; what JSON cannot say as a one-row Arrow block, as it was written."""
    value = float(chunk.value[i])
    if chunk.reason[i] or not math.isfinite(value):
        return chunk.row_bytes(i), _ARROW
    reading = {"meter": chunk.meter[i].as_py(), "register": chunk.register[i].as_py(), "ts": int(chunk.ts_ms[i]), "value": value}
    unit, seq, quality = chunk.unit[i].as_py(), int(chunk.seq[i]), int(chunk.quality[i])
    if unit is not None:
        reading["unit"] = unit
    if seq >= 0:
        reading["seq"] = seq
    if quality:
        reading["quality"] = _QUALITIES[quality]
    return json.dumps(reading, ensure_ascii=False, separators=(",", ":")).encode(), _JSON


def _bytes(key: str | None) -> bytes | None:
    return None if key is None else key.encode()
