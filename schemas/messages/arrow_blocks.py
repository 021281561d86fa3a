"""The one reader of Arrow IPC streams: foreign bytes are bounded and validated here before anything looks into them.

Arrow trusts the layout that a stream describes; a length that lies reaches native code. So only the wanted columns are loaded, only of
types from a closed list, uncompressed bytes are counted before they are made, and every array is validated in full.
Source: Arrow columnar format 1.5, "Encapsulated message format"; format/Message.fbs for the tables that `_Table` walks.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

MAX_INFLATED_BYTES: Final = 64_000_000
"""Of the compressed buffers of one stream together, and of its texts."""


class BadArrow(ValueError):
    """The bytes are no stream that may be read; the message says why."""


class TooManyRows(BadArrow):
    """The stream has more rows than the caller takes."""


def is_text(kind: pa.DataType) -> bool:
    """Text, plain or by a dictionary, or nothing but nulls."""
    if types.is_dictionary(kind):
        return bool(types.is_string(kind.value_type) or types.is_large_string(kind.value_type))
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_null(kind))


def is_number(kind: pa.DataType) -> bool:
    """Integers, floats, booleans and decimals of 128 bits with a scale between 0 and 38."""
    is_decimal = types.is_decimal128(kind) and 0 <= kind.scale <= 38
    return bool(is_decimal or types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))


def is_plain(kind: pa.DataType) -> bool:
    """A type of the closed list: number, text or timestamp."""
    return is_number(kind) or is_text(kind) or bool(types.is_timestamp(kind))


def read_table(
    value: bytes, wanted: Mapping[str, Any] | None, max_rows: int, allowed: Callable[[pa.DataType], bool] = is_plain
) -> pa.Table:
    """The columns of an IPC stream that are `wanted` (name -> predicate on its type), or all, of `allowed` types; validated in full.

    Raises BadArrow, TooManyRows.
    """
    try:
        return _read(value, wanted, max_rows, allowed)
    except BadArrow:
        raise
    except Exception as bad:  # Arrow raises of nearly every kind on damaged bytes, MemoryError and SystemError among them
        raise BadArrow(f"no readable Arrow stream: {type(bad).__name__}: {bad}"[:300]) from bad


def _read(value: bytes, wanted: Mapping[str, Any] | None, max_rows: int, allowed: Callable[[pa.DataType], bool]) -> pa.Table:
    if _inflated_bytes(value) > MAX_INFLATED_BYTES:
        raise BadArrow(f"more than {MAX_INFLATED_BYTES} bytes uncompressed")
    reader = pa.ipc.open_stream(value)
    schema = reader.schema
    names = schema.names
    included = [i for i, name in enumerate(names) if wanted is None or name in wanted]
    for i in included:
        name, kind = names[i], schema.field(i).type
        if names.count(name) > 1:
            raise BadArrow(f"column {name} stands there twice")
        if not (allowed(kind) if wanted is None else wanted[name](kind)):
            raise BadArrow(f"column {name} is of type {str(kind)[:60]}, which is not read")
    if not included:
        raise BadArrow("none of the wanted columns is there")
    if len(included) < len(names):
        reader = pa.ipc.open_stream(value, options=pa.ipc.IpcReadOptions(included_fields=included))
    table = reader.read_all()
    if table.num_rows > max_rows:
        raise TooManyRows(f"{table.num_rows} rows, more than {max_rows}")
    table.validate(full=True)
    if sum(map(_decoded_bytes, table.columns)) > MAX_INFLATED_BYTES:
        raise BadArrow(f"its texts are more than {MAX_INFLATED_BYTES} bytes once every row has its own")
    return table


def _decoded_bytes(column: pa.ChunkedArray) -> int:
    """Bytes of the texts of a column by dictionary, each row its own; 0 where it cannot be many."""
    total = 0
    for chunk in column.chunks if types.is_dictionary(column.type) else ():
        if len(chunk) * chunk.dictionary.nbytes > MAX_INFLATED_BYTES:
            lengths = pc.cast(pc.binary_length(chunk.dictionary), pa.int64())
            total += pc.sum(lengths.take(chunk.indices)).as_py() or 0
    return total


# --- what the messages announce ---------------------------------------------------------------------------------------------------


def _inflated_bytes(value: bytes) -> int:
    """What the compressed buffers of all messages say to become, together; struct refuses what is outside of the stream."""
    at, inflated = 0, 0
    while at + 4 <= len(value):
        (size,) = _INT.unpack_from(value, at)
        at += 4
        if size == _CONTINUES and at + 4 <= len(value):
            (size,) = _INT.unpack_from(value, at)
            at += 4
        if size <= 0:  # the end of the stream
            break
        message = _Table(value, at + _INT.unpack_from(value, at)[0])
        at += size
        (kind,) = _BYTE.unpack_from(value, message.place(1))
        if kind in (_DICTIONARY, _BATCH):
            batch = message.table(2)
            inflated += _inflated_of(batch.table(1) if kind == _DICTIONARY else batch, value, at)
        if body := message.place(3):
            (length,) = _LONG.unpack_from(value, body)
            if length < 0:
                raise BadArrow("a message of negative length")
            at += length
    return inflated


def _inflated_of(batch: "_Table", value: bytes, body: int) -> int:
    """The same of one RecordBatch whose body begins at `body`; 0 if it is not compressed."""
    if not batch.place(3):
        return 0
    inflated, start = 0, batch.target(2)
    (count,) = _INT.unpack_from(value, start)
    for i in range(count):
        offset, length = _BUFFER.unpack_from(value, start + 4 + 16 * i)
        if length >= 8:
            (said,) = _LONG.unpack_from(value, body + offset)
            inflated += max(said, 0)
    return inflated


_INT, _LONG, _SHORT, _BYTE, _BUFFER = (struct.Struct(form) for form in ("<i", "<q", "<H", "<B", "<2q"))
_CONTINUES: Final = -1
_DICTIONARY, _BATCH = 2, 3
"""Kinds of a message's header."""


class _Table:
    """A table of a flatbuffer."""

    def __init__(self, value: bytes, at: int) -> None:
        self._value, self._at = value, at

    def place(self, field: int) -> int:
        """Where a field lies, 0 if it is not there."""
        vtable, slot = self._at - int(_INT.unpack_from(self._value, self._at)[0]), 4 + 2 * field
        if vtable < 0 or slot >= _SHORT.unpack_from(self._value, vtable)[0]:
            return 0
        (offset,) = _SHORT.unpack_from(self._value, vtable + slot)
        return self._at + int(offset) if offset else 0

    def target(self, field: int) -> int:
        """Where what a field points to lies. Raises BadArrow if the field is not there."""
        place = self.place(field)
        if not place:
            raise BadArrow("a message without what it must have")
        return place + int(_INT.unpack_from(self._value, place)[0])

    def table(self, field: int) -> "_Table":
        """The table that a field points to."""
        return _Table(self._value, self.target(field))


# --- one row ----------------------------------------------------------------------------------------------------------------------


def plain_columns(table: pa.Table) -> pa.Table:
    """The same rows with dictionaries decoded, and without metadata: what a row alone needs."""
    columns = [c.cast(c.type.value_type) if types.is_dictionary(c.type) else c for c in table.columns]
    return pa.table(columns, pa.schema([pa.field(n, c.type) for n, c in zip(table.column_names, columns, strict=True)]))


def row_stream(table: pa.Table, row: int) -> bytes:
    """Row `row` of a table of plain columns as an IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.slice(row, 1))
    return bytes(sink.getvalue())
