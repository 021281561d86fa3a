"""Records of the readings topic as an Arrow table, and back: every byte as it came.

Besides key, value, headers, offset and time a row keeps why a record is refused before anything looks at its value, so that a
damaged batch stays the dead letter that it was.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from zonepulse.schemas.messages.records import Headers, RecordSpans

HEADER: Final = pa.struct([pa.field("name", pa.string(), False), pa.field("value", pa.binary(), False)])
SCHEMA: Final = pa.schema(
    [
        pa.field("offset", pa.int64(), False),
        pa.field("ingest_time", pa.timestamp("ms", tz="UTC"), False),
        pa.field("key", pa.large_binary()),
        pa.field("value", pa.large_binary()),
        pa.field("headers", pa.list_(HEADER)),
        pa.field("refused_code", pa.int16()),
        pa.field("refused_why", pa.string()),
    ]
)
"""One row a record. `refused_code` is a position in readings.REASONS."""


def table_of(records: RecordSpans) -> pa.Table:
    """The records as rows, in their order. Spans of keys, and of values, follow one another in the records' buffer."""
    n = len(records)
    headers = {
        i: [{"name": name, "value": value} for name, value in found] for i, found in sorted(records.headers.items()) if i < n
    }
    refused = {i: found for i, found in sorted(records.refused.items()) if i < n}
    columns = [
        pa.array(records.offset, pa.int64()),
        pa.array(records.timestamp_ms, pa.int64()).cast(SCHEMA.field("ingest_time").type),
        _spanned(records.buffer, records.key_start, records.key_end),
        _spanned(records.buffer, records.value_start, records.value_end),
        _sparse(headers, n, SCHEMA.field("headers").type),
        _sparse({i: code for i, (code, _) in refused.items()}, n, pa.int16()),
        _sparse({i: why for i, (_, why) in refused.items()}, n, pa.string()),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _spanned(buffer: NDArray[np.uint8], start: NDArray[np.int64], end: NDArray[np.int64]) -> pa.Array:
    """Ascending spans of a buffer copied out as large_binary; null where a span begins before it."""
    if not len(start):
        return pa.array([], pa.large_binary())
    bounds = np.stack([start, end], axis=1).ravel()
    bounds = np.where(bounds < 0, np.maximum.accumulate(np.maximum(bounds, 0)), bounds)
    assert (np.diff(bounds) >= 0).all(), "spans that overlap or go back"
    spans_and_gaps = pa.Array.from_buffers(
        pa.large_binary(), len(bounds) - 1, [None, pa.py_buffer(bounds), pa.py_buffer(np.ascontiguousarray(buffer))]
    )
    return spans_and_gaps.take(pa.array(np.arange(0, len(bounds), 2), mask=start < 0))


def _sparse(found: Mapping[int, Any], n: int, kind: pa.DataType) -> pa.Array:
    """`n` values, null but for those found by position."""
    at = np.full(n, -1)
    at[list(found)] = np.arange(len(found))
    return pa.array(list(found.values()), kind).take(pa.array(at, mask=at < 0))


def records_of(topic: str, partition: int, rows: pa.RecordBatch) -> RecordSpans:
    """Rows as the records they were. `next_offset` is behind the last one."""
    offset = rows["offset"].to_numpy()
    keys, values = _binary(rows["key"]), _binary(rows["value"])
    buffer = np.concatenate([keys[0], values[0]])
    key_start, key_end = _spans(rows["key"], keys[1], 0)
    value_start, value_end = _spans(rows["value"], values[1], len(keys[0]))
    return RecordSpans(
        topic, partition, buffer, key_start, key_end, value_start, value_end, offset,
        rows["ingest_time"].cast(pa.int64()).to_numpy(), int(offset[-1]) + 1 if len(offset) else 0,
        _headers(rows["headers"]), _refused(rows),
    )  # fmt: skip


def digest_of(rows: pa.Table) -> str:
    """SHA-256 of what the records hold, whatever wrote the file."""
    digest = hashlib.sha256()
    for name in ("offset", "ingest_time"):
        digest.update(_whole(rows[name].cast(pa.int64())).to_numpy(zero_copy_only=False).astype("<i8").tobytes())
    for name in ("key", "value"):
        column = _whole(rows[name])
        bytes_of, bounds = _binary(column)
        lengths = np.where(_is_null(column), -1, np.diff(bounds))
        digest.update(lengths.astype("<i8").tobytes())
        digest.update(bytes_of.tobytes())
    for name in ("headers", "refused_code", "refused_why"):
        column = _whole(rows[name])
        here = pc.indices_nonzero(column.is_valid())
        digest.update(repr(list(zip(here.to_pylist(), column.take(here).to_pylist(), strict=True))).encode())
    return digest.hexdigest()


def _whole(column: pa.ChunkedArray) -> pa.Array:
    found = column.combine_chunks()
    return found.chunk(0) if isinstance(found, pa.ChunkedArray) and found.num_chunks == 1 else found


def _binary(column: pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The bytes of a large_binary column and the bounds of its rows in them, the first at 0."""
    _, offsets, data = column.buffers()
    if not len(column):
        return np.empty(0, np.uint8), np.zeros(1, np.int64)
    bounds = np.frombuffer(offsets, np.int64)[column.offset : column.offset + len(column) + 1]
    whole = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    return whole[bounds[0] : bounds[-1]], bounds - bounds[0]


def _is_null(column: pa.Array) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = column.is_null().to_numpy(zero_copy_only=False)
    return found


def _spans(column: pa.Array, bounds: NDArray[np.int64], base: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    null = _is_null(column)
    return np.where(null, -1, base + bounds[:-1]), np.where(null, -1, base + bounds[1:])


def _headers(column: pa.Array) -> dict[int, Headers]:
    here = pc.indices_nonzero(column.is_valid())
    found: list[list[dict[str, Any]]] = column.take(here).to_pylist()
    return {
        int(i): tuple((header["name"], header["value"]) for header in headers)
        for i, headers in zip(here.to_pylist(), found, strict=True)
    }


def _refused(rows: pa.RecordBatch) -> dict[int, tuple[int, str]]:
    here = pc.indices_nonzero(rows["refused_code"].is_valid())
    codes, whys = (rows[name].take(here).to_pylist() for name in ("refused_code", "refused_why"))
    return {int(i): (code, why) for i, code, why in zip(here.to_pylist(), codes, whys, strict=True)}
