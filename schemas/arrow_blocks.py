"""The one reader of Arrow IPC streams: foreign bytes are bounded and validated here before anything looks into them.

Arrow trusts the layout that a stream describes; a length that lies reaches native code. So only the wanted columns are loaded, only of
types from a closed list, rows and uncompressed bytes are counted before they are made, and every array is validated in full.
Source: Arrow columnar format 1.5, "Encapsulated message format"; format/Message.fbs for the tables that `_Flat` walks.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pyarrow as pa
from pyarrow import types

MAX_INFLATED_BYTES: Final = 64_000_000
"""Of the compressed buffers of one stream together."""
_NOT_COMPRESSED: Final = -1


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


def read_table(value: bytes, wanted: Mapping[str, Any] | None, max_rows: int) -> pa.Table:
    """The columns of an IPC stream that are `wanted` (name -> predicate on its type), or all of plain types; validated in full.

    Raises BadArrow, TooManyRows.
    """
    try:
        return _read(value, wanted, max_rows)
    except BadArrow:
        raise
    except Exception as bad:  # Arrow raises of nearly every kind on damaged bytes, MemoryError and SystemError among them
        raise BadArrow(f"no readable Arrow stream: {type(bad).__name__}: {bad}"[:300]) from bad


def _read(value: bytes, wanted: Mapping[str, Any] | None, max_rows: int) -> pa.Table:
    _measure(value, max_rows)
    reader = pa.ipc.open_stream(value)
    schema = reader.schema
    included = [i for i, name in enumerate(schema.names) if wanted is None or name in wanted]
    names = [schema.names[i] for i in included]
    for i in included:
        name, kind = schema.names[i], schema.field(i).type
        if names.count(name) > 1:
            raise BadArrow(f"column {name} stands there twice")
        if not (is_plain(kind) if wanted is None else wanted[name](kind)):
            raise BadArrow(f"column {name} is of type {str(kind)[:60]}, which is not read")
    if not included:
        raise BadArrow("none of the wanted columns is there")
    if len(included) < len(schema):
        reader = pa.ipc.open_stream(value, options=pa.ipc.IpcReadOptions(included_fields=included))
    table = reader.read_all()
    if table.num_rows > max_rows:
        raise TooManyRows(f"{table.num_rows} rows, more than {max_rows}")
    table.validate(full=True)
    return table


# --- what the messages announce ---------------------------------------------------------------------------------------------------


def _measure(value: bytes, max_rows: int) -> None:
    """Counts rows and uncompressed bytes before anything is allocated for them."""
    reader = pa.ipc.MessageReader.open_stream(value)
    rows, inflated = 0, 0
    for message in _messages(reader):
        if message.type not in ("record batch", "dictionary"):
            continue
        batch = _Flat(message.metadata.to_pybytes()).root().table(2)
        if message.type == "dictionary":
            batch = batch.table(1)
        else:
            rows += batch.int64(0)
            if batch.int64(0) < 0 or rows > max_rows:
                raise TooManyRows(f"more than {max_rows} rows")
        inflated += sum(_inflated_sizes(batch, message.body))
        if inflated > MAX_INFLATED_BYTES:
            raise BadArrow(f"more than {MAX_INFLATED_BYTES} bytes uncompressed")


def _messages(reader: Any) -> Iterator[Any]:
    while True:
        try:
            yield reader.read_next_message()
        except StopIteration:
            return


def _inflated_sizes(batch: "_Flat", body: Any) -> Iterator[int]:
    """Bytes that each compressed buffer says to become; nothing for a batch that is not compressed."""
    if not batch.has(3):
        return
    size = 0 if body is None else body.size
    for offset, length in batch.buffers(2):
        if length < 0 or offset < 0 or offset + length > size:
            raise BadArrow("a buffer lies outside of its message")
        if length >= 8:
            (said,) = struct.unpack("<q", body.slice(offset, 8).to_pybytes())
            if said < _NOT_COMPRESSED:
                raise BadArrow("a buffer of a negative size")
            yield max(said, 0)


class _Flat:
    """A table of a flatbuffer. Arrow has verified the buffer's offsets when it made the message; struct refuses what is outside."""

    def __init__(self, buffer: bytes, at: int = 0) -> None:
        self._buffer, self._at = buffer, at

    def root(self) -> "_Flat":
        """The table that the buffer begins with."""
        return _Flat(self._buffer, self._number("<I", 0))

    def has(self, field: int) -> bool:
        """Whether the field is there."""
        return self._place(field) != 0

    def table(self, field: int) -> "_Flat":
        """A table below this one. Raises BadArrow if it is not there."""
        return _Flat(self._buffer, self._target(field))

    def int64(self, field: int) -> int:
        """A number, 0 if it is not there."""
        place = self._place(field)
        return self._number("<q", place) if place else 0

    def buffers(self, field: int) -> Iterator[tuple[int, int]]:
        """The pairs of a vector of Buffer."""
        if self.has(field):
            start = self._target(field)
            for i in range(self._number("<I", start)):
                yield self._number("<q", start + 4 + 16 * i), self._number("<q", start + 12 + 16 * i)

    def _place(self, field: int) -> int:
        vtable = self._at - self._number("<i", self._at)
        slot = 4 + 2 * field
        offset = self._number("<H", vtable + slot) if slot < self._number("<H", vtable) else 0
        return self._at + offset if offset else 0

    def _target(self, field: int) -> int:
        place = self._place(field)
        if not place:
            raise BadArrow("a message without what it must have")
        return place + self._number("<I", place)

    def _number(self, form: str, at: int) -> int:
        if at < 0:
            raise BadArrow("an offset before the message")
        return int(struct.unpack_from(form, self._buffer, at)[0])


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
