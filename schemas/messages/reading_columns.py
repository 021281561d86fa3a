"""Readings as columns: a block of a Parquet or CSV file, judged by the same rules as a JSON reading.

`columns_of` turns the columns as they were written into arrays. It refuses nothing: a row that is no reading keeps its place and
carries its reason.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from zonepulse.schemas.messages.readings import (
    ARROW_SCHEMA,
    MALFORMED,
    MAX_ITEMS,
    QUALITIES,
    SEQ_LIMIT,
    TS_LIMIT,
    decode,
    one_row_stream,
)

REQUIRED: Final = ("meter", "register", "ts", "value")
OPTIONAL: Final = ("unit", "seq", "quality")
POSITION: Final = ("ingest_ms", "partition", "offset", "item")
"""Where a reading stood in its log."""
UNKNOWN_MS: Final = -(1 << 62)
"""Time of a reading whose `ts` is naive or no time at all."""
NO_PARTITION: Final = -1

_NAME: Final = pa.dictionary(pa.int32(), pa.string())
_NUMBER: Final = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_WHOLE: Final = re.compile(r"-?[0-9]{1,30}")
"""A longer one is no time, and no number that Python reads at once."""
_PER_MS: Final = {"s": (1000, 1), "ms": (1, 1), "us": (1, 1000), "ns": (1, 1_000_000)}

Mask = NDArray[np.bool_]
Times = tuple[NDArray[np.int64], NDArray[np.int8]]


@dataclass(frozen=True, slots=True)
class ColumnChunk:
    """Consecutive readings in the order of their file. Every column has shape (n,).

    `meter`, `register`, `unit` are int32-string dictionary arrays; a null unit was not sent, a null meter or register is malformed.
    `ts_ms`, `ingest_ms`: epoch ms. `value`: the nearest float64 of what was written, as transmitted; infinite beyond
    float64. `seq`: -1 where absent. `quality`: position in QUALITIES. `partition`: NO_PARTITION where the file names none; then
    `offset` counts such rows from 0. `item`: position inside the record.

    `reason` is the mask: 0 for a well-formed reading, else MALFORMED or NAIVE_TIME of schemas/messages/readings.py. Where not 0,
    columns that could not be read hold null, UNKNOWN_MS, 0.0, -1 or 0, the others what was written. `source`: the columns as
    written.
    """

    meter: pa.DictionaryArray
    register: pa.DictionaryArray
    ts_ms: NDArray[np.int64]
    value: NDArray[np.float64]
    unit: pa.DictionaryArray
    seq: NDArray[np.int64]
    quality: NDArray[np.int8]
    reason: NDArray[np.int8]
    ingest_ms: NDArray[np.int64]
    partition: NDArray[np.int64]
    offset: NDArray[np.int64]
    item: NDArray[np.int64]
    source: pa.Table

    def __len__(self) -> int:
        return len(self.ts_ms)

    def row_bytes(self, i: int) -> bytes:
        """What a dead letter keeps of row `i`: a one-row Arrow stream, canonical where the row is well formed, else as written."""
        if self.reason[i]:
            return one_row_stream(self.source, i)
        quality = tuple(QUALITIES)[self.quality[i]]
        seq = None if self.seq[i] < 0 else int(self.seq[i])
        names = (self.meter[i].as_py(), self.register[i].as_py(), int(self.ts_ms[i]), float(self.value[i]), self.unit[i].as_py())
        row = dict(zip(ARROW_SCHEMA.names, (*names, seq, quality), strict=True))
        return one_row_stream(pa.Table.from_pylist([row], ARROW_SCHEMA), 0)


def columns_of(source: pa.Table, position: Mapping[str, NDArray[np.int64]], *, is_text: bool) -> ColumnChunk:
    """`source`: the reading's columns, those of REQUIRED and any of OPTIONAL. `position`: the columns of POSITION.

    `is_text`: cells are text as in CSV, numbers included; otherwise a number written as text is malformed, as it is in JSON.
    """
    cells = {name: _cells(source, name) for name in REQUIRED + OPTIONAL if name != "ts"}
    (meter, no_meter), (register, no_register) = _names(cells["meter"]), _names(cells["register"])
    unit, _ = _names(cells["unit"])
    ts_ms, reason = times_of(source, is_text=is_text)
    value, no_value = _values(cells["value"], is_text)
    seq, bad_seq = _seqs(cells["seq"], is_text)
    quality, bad_quality = _qualities(cells["quality"])
    bad_unit = np.logical_and(_valid(cells["unit"]), ~_valid(unit))
    reason[no_meter | no_register | bad_unit | no_value | bad_seq | bad_quality] = MALFORMED
    return ColumnChunk(meter, register, ts_ms, value, unit, seq, quality, reason, **position, source=source)


def times_of(source: pa.Table, *, is_text: bool) -> Times:
    """Epoch ms (UNKNOWN_MS where there is none) and reason of every `ts`: a timestamp, whole epoch ms, or ISO 8601 text.

    Finer units are cut to ms. The decoder of JSON readings judges texts, so that a file and a topic cannot differ.
    """
    column = _cells(source, "ts")
    kind = column.type
    ms, reason = np.full(len(column), UNKNOWN_MS), np.full(len(column), MALFORMED, np.int8)
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        known, (times, per) = _valid(column), _PER_MS[kind.unit]
        ms = _clipped(_filled(column.cast(pa.int64()), 0), TS_LIMIT // times) * times // per
        return np.where(known, ms, UNKNOWN_MS), np.where(known, 0, MALFORMED).astype(np.int8)
    if pa.types.is_timestamp(kind):
        return ms, np.where(_valid(column), judge_times(["2000-01-01T00:00:00"])[1], MALFORMED).astype(np.int8)
    if pa.types.is_integer(kind):
        known = _valid(column)
        return np.where(known, _clipped(_filled(column, 0), TS_LIMIT), UNKNOWN_MS), np.where(known, 0, MALFORMED).astype(np.int8)
    if _is_name(kind):
        codes = _dictionary(column)
        texts = codes.dictionary.to_pylist()
        known = _valid(codes)
        judged = judge_times([int(t) if is_text and _WHOLE.fullmatch(t) else t for t in texts])
        places = _filled(codes.indices, 0)[known]
        ms[known], reason[known] = judged[0][places], judged[1][places]
    return ms, reason


def judge_times(times: Sequence[str | int | None]) -> Times:
    """What the JSON decoder makes of each `ts`: epoch ms (UNKNOWN_MS where there is none) and reason."""
    ms, reasons = [], []
    for start in range(0, len(times), MAX_ITEMS):
        readings = [{"meter": "", "register": "", "ts": ts, "value": 0} for ts in times[start : start + MAX_ITEMS]]
        decoded = decode(json.dumps(readings).encode())
        ms += [UNKNOWN_MS if reason else ts for ts, reason in zip(decoded.ts, decoded.reason, strict=True)]
        reasons += decoded.reason
    return np.array(ms, np.int64), np.array(reasons, np.int8)


def _cells(source: pa.Table, name: str) -> pa.Array:
    if name not in source.column_names:
        return pa.nulls(source.num_rows)
    column = source[name].combine_chunks()
    return column if isinstance(column, pa.Array) else pa.concat_arrays(column.chunks)


def _valid(column: pa.Array) -> Mask:
    return np.asarray(column.is_valid().to_numpy(zero_copy_only=False), np.bool_)


def _filled(column: pa.Array, instead: float) -> NDArray[Any]:
    return np.asarray(column.fill_null(instead).to_numpy(zero_copy_only=False))


def _clipped(numbers: NDArray[Any], limit: int) -> NDArray[np.int64]:
    span = np.iinfo(numbers.dtype)
    return np.asarray(np.clip(numbers, max(-limit, span.min), min(limit, span.max)), np.int64)


def _is_name(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _dictionary(column: pa.Array) -> pa.DictionaryArray:
    """Text as an int32-string dictionary array without nulls among its values."""
    if column.type == _NAME and column.dictionary.null_count == 0:
        return column
    return column.cast(pa.string()).dictionary_encode()


def _names(column: pa.Array) -> tuple[pa.DictionaryArray, Mask]:
    """Names, null where there is none; and where that is."""
    names = _dictionary(column) if _is_name(column.type) else pa.nulls(len(column), pa.string()).dictionary_encode()
    return names, ~_valid(names)


def _values(column: pa.Array, is_text: bool) -> tuple[NDArray[np.float64], Mask]:
    kind = column.type
    if is_text and _is_name(kind):
        number = pc.match_substring_regex(column, _NUMBER)
        column = pc.if_else(number, column, pa.scalar(None, column.type)).cast(pa.float64())
    elif pa.types.is_decimal(kind):
        column = column.cast(pa.string()).cast(pa.float64())  # through text: it alone rounds to the nearest float64
    elif not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
        column = pa.nulls(len(column), pa.float64())
    known = _valid(column)
    value = _filled(column, 0).astype(np.float64)
    known &= ~np.isnan(value)
    return np.where(known, value, 0.0), ~known


def _seqs(column: pa.Array, is_text: bool) -> tuple[NDArray[np.int64], Mask]:
    kind, sent = column.type, _valid(column)
    if is_text and _is_name(kind):
        whole = pc.match_substring_regex(column, r"^\d{1,10}$")
        column = pc.if_else(whole, column, pa.scalar(None, column.type)).cast(pa.int64())
    elif not pa.types.is_integer(kind):
        return np.full(len(column), -1), sent
    seq = _clipped(_filled(column, 0), SEQ_LIMIT)
    good = _valid(column) & (seq >= 0) & (seq < SEQ_LIMIT)
    return np.where(good, seq, -1), sent & ~good


def _qualities(column: pa.Array) -> tuple[NDArray[np.int8], Mask]:
    sent = _valid(column)
    if not _is_name(column.type):
        return np.zeros(len(column), np.int8), sent
    found = pc.index_in(column.cast(pa.string()), pa.array(list(QUALITIES)))
    known = _valid(found)
    return np.where(known, _filled(found, 0), 0).astype(np.int8), sent & ~known
