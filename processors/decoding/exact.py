"""Records or file columns -> ReadingColumns for admission, exactly: the slow twin of the kernels."""

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from zonepulse.processors.channels.table import Channels
from zonepulse.processors.flow import NO_METER, NO_REGISTER, NO_UNIT, ReadingColumns
from zonepulse.schemas.messages.reading_columns import ColumnChunk
from zonepulse.schemas.messages.readings import decode
from zonepulse.schemas.messages.records import CONTENT_TYPE, HEARTBEAT, REGISTRY, RecordSpans

UNKNOWN_UNIT = -2
"""A unit that no register has."""
_MAX_DIGITS = 9
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Decoded:
    """ReadingColumns with their place: `record` = position of the record in the batch, `item` = index inside it."""

    items: ReadingColumns
    record: Ints
    item: Ints


def channel_of(channels: Channels, meter: str, register: str) -> int:
    """Channel number, or NO_METER / NO_REGISTER."""
    found = channels.index.get((meter, register))
    if found is not None:
        return found
    return NO_REGISTER if meter in channels.meters else NO_METER


def decode_records(records: RecordSpans, start: int, stop: int, ingest_ms: Ints, channels: Channels) -> Decoded:
    """Decode records [start, stop) exactly; `ingest_ms` belongs to all records of the batch."""
    channel: list[int] = []
    columns: tuple[list[Any], ...] = ([], [], [], [], [], [], [], [])
    for i in range(start, stop):
        found = decode(records.value(i), records.header(i, CONTENT_TYPE))
        channel += [channel_of(channels, m, r) for m, r in zip(found.meter, found.register, strict=True)]
        unit = [NO_UNIT if u is None else channels.units.get(u, UNKNOWN_UNIT) for u in found.unit]
        where_from = [i] * len(found.ts)
        rows: tuple[list[Any], ...] = (
            found.ts, found.value, unit, found.seq, found.quality, found.reason, found.item, where_from
        )  # fmt: skip
        for column, cells in zip(columns, rows, strict=True):
            column += cells
    ts, value, unit, seq, quality, reason, item, record = columns
    where = np.array(record, np.int64)
    items = ReadingColumns(
        np.array(channel, np.int64), np.array(ts, np.int64), np.array(value, np.float64), np.array(unit, np.int64),
        np.array(seq, np.int64), np.array(quality, np.int64), ingest_ms[where], np.array(reason, np.int64),
    )  # fmt: skip
    return Decoded(items, where, np.array(item, np.int64))


def _codes(column: pa.DictionaryArray, null: int) -> NDArray[np.int64]:
    return np.asarray(column.indices.fill_null(null), np.int64)


def decode_columns(chunk: ColumnChunk, rows: Ints, ingest_ms: Ints, channels: Channels) -> ReadingColumns:
    """The chosen rows of a file chunk as items."""
    meters, registers = chunk.meter.dictionary.to_pylist(), chunk.register.dictionary.to_pylist()
    width = max(1, len(registers))
    pairs = _codes(chunk.meter, 0)[rows] * width + _codes(chunk.register, 0)[rows]
    used, compact = np.unique(pairs, return_inverse=True)
    numbers = np.array(
        [
            channel_of(channels, meters[p // width], registers[p % width]) if meters and registers else NO_METER
            for p in used.tolist()
        ],
        np.int64,
    )
    units = np.array([channels.units.get(u, UNKNOWN_UNIT) for u in chunk.unit.dictionary.to_pylist()] + [NO_UNIT], np.int64)
    return ReadingColumns(
        numbers[compact], chunk.ts_ms[rows], chunk.value[rows], units[_codes(chunk.unit, -1)[rows]], chunk.seq[rows],
        chunk.quality[rows].astype(np.int64), ingest_ms, chunk.reason[rows].astype(np.int64),
    )  # fmt: skip


def registry_switches(records: RecordSpans, version: int, skipped: Container[int] = ()) -> tuple[list[tuple[int, int]], int]:
    """(position, version) of the heartbeats behind which a partition that uses `version` uses a later one; and how many are no switches.

    A switch is a heartbeat, and only goes forward. One that names a version that is in use already is a repetition; what else has the
    header `registry` is a record like any other. `skipped` are positions that a command names: they switch nothing.
    """
    found, bad = [], 0
    for i in sorted(records.headers):
        text = records.header(i, REGISTRY)
        if text is None or i in skipped:
            continue
        number = int(text) if text.isdigit() and len(text) <= _MAX_DIGITS else -1
        if number < version or records.value(i) != HEARTBEAT:
            bad += 1
        elif number > version:
            found.append((i, number))
            version = number
    return found, bad
