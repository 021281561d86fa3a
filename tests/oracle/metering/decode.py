"""Records into items: what was sent, or why it cannot be read. JSON objects and arrays, Arrow IPC streams, rows of files."""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

import pyarrow as pa

MAX_ITEMS: Final = 100_000
MAX_HEADERS: Final = 1_000
MAX_BRACKETS: Final = 250_000
"""Of a record that is no Arrow stream, wherever they stand in it."""
MAX_TEXT_BYTES: Final = 64_000_000
"""Of the texts of an Arrow stream that rows share."""
ARROW_TYPE: Final = b"application/vnd.apache.arrow.stream"
JSON_TYPE: Final = b"application/json"
QUALITIES: Final = ("measured", "estimated", "corrected", "manual")
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
FIRST_MS: Final = 10**11
"""Milliseconds since 1970 below it are taken for seconds."""
_CLAMP: Final = 1 << 61
_BLANK: Final = " \t\n\r"
_END_OF_DAY: Final = re.compile(r"(\d{4}-?(?:\d\d-?\d\d|W\d\d-?\d).)24((?::?00){0,2}(?:[.,]0+)?(?:Z|[+-].*)?)", re.DOTALL)


class Instant(int):
    """Epoch milliseconds that were sent as a time, not as a number."""


@dataclass(frozen=True, slots=True)
class Record:
    """One Kafka record of `zp.readings`."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class Sent(NamedTuple):
    """A reading as sent. `value` may be infinite; `seq` is -1 where absent."""

    meter: str
    register: str
    ts_ms: int
    value: float
    unit: str | None
    seq: int
    quality: str


class Item(NamedTuple):
    """An item of a record: its index, the reading or the reason why there is none, and what makes its original bytes."""

    number: int
    content: Sent | str
    source: Callable[[], bytes]


def decode(record: Record) -> Iterator[Item]:
    """The items of a record in order; a record that cannot be read at all is one item with index -1."""
    value = record.value or b""
    if len(record.headers) > MAX_HEADERS:
        yield Item(-1, "malformed", lambda: value)
        return
    try:
        items = _arrow_items(value) if _is_arrow(record) else _json_items(value)
    except Exception:
        yield Item(-1, "malformed", lambda: value)
        return
    if len(items) > MAX_ITEMS:
        yield Item(-1, "too_large", lambda: value)
    else:
        yield from items


def _is_arrow(record: Record) -> bool:
    """What the last content type says; sniffed where there is none, or one that nobody knows."""
    declared = [v for k, v in record.headers if k == "content-type"][-1:]
    if declared in ([ARROW_TYPE], [JSON_TYPE]):
        return declared == [ARROW_TYPE]
    return (record.value or b"").startswith(b"\xff\xff\xff\xff")


def read_fields(fields: Mapping[str, Any]) -> Sent | str:
    """The reading in a mapping of plain values, or `malformed`, `naive_time` or `epoch_seconds`."""
    meter, register, value = fields.get("meter"), fields.get("register"), fields.get("value")
    unit, seq, quality = fields.get("unit"), fields.get("seq"), fields.get("quality")
    if not (isinstance(meter, str) and isinstance(register, str) and isinstance(unit, str | None)):
        return "malformed"
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or value != value:
        return "malformed"
    if seq is not None and (isinstance(seq, bool) or not isinstance(seq, int) or not 0 <= seq < 1 << 32):
        return "malformed"
    if quality is not None and quality not in QUALITIES:
        return "malformed"
    ts_ms = read_time(fields.get("ts"))
    if isinstance(ts_ms, str):
        return ts_ms
    return Sent(meter, register, ts_ms, _nearest(value), unit, -1 if seq is None else seq, quality or "measured")


def read_time(ts: object) -> int | str:
    """Epoch milliseconds, cut; or `malformed`, `naive_time` or, of a number too small to be milliseconds, `epoch_seconds`."""
    if isinstance(ts, bool):
        return "malformed"
    if isinstance(ts, int):
        if ts < FIRST_MS and not isinstance(ts, Instant):
            return "epoch_seconds"
        return max(-_CLAMP, min(_CLAMP, int(ts)))
    if isinstance(ts, str):
        if "\0" in ts:
            return "malformed"
        try:
            ts = _iso(ts)
        except (ValueError, OverflowError):
            return "malformed"
    if not isinstance(ts, datetime):
        return "malformed"
    return "naive_time" if ts.tzinfo is None else (ts - _EPOCH) // timedelta(milliseconds=1)


def _iso(text: str) -> datetime:
    """ISO 8601; 24:00 is 00:00 of the next day. Raises ValueError or OverflowError."""
    end = _END_OF_DAY.fullmatch(text)
    return datetime.fromisoformat(text) if end is None else datetime.fromisoformat(f"{end[1]}00{end[2]}") + timedelta(days=1)


def _nearest(value: int | float | Decimal) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


class _Flaws:
    """Remembers whether the value being parsed held a duplicate key or a literal NaN or Infinity."""

    def __init__(self) -> None:
        self.found = False

    def pairs(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        self.found = self.found or len(fields) < len(pairs)
        return fields

    def constant(self, _: str) -> None:
        self.found = True


def _integer(text: str) -> int:
    """Any integer literal; one of hundreds of digits is beyond float64 and int64 whatever it says."""
    if len(text) < 400:
        return int(text)
    return -(10**400) if text.startswith("-") else 10**400


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANK:
        at += 1
    return at


def _json_items(value: bytes) -> list[Item]:
    """Raises ValueError unless the whole record is one JSON value."""
    text = value.decode("utf-8")
    if sum(map(text.count, "[{")) > MAX_BRACKETS:
        raise ValueError("more brackets than any record has")
    flaws = _Flaws()
    decoder = json.JSONDecoder(object_pairs_hook=flaws.pairs, parse_constant=flaws.constant, parse_int=_integer)

    def item(index: int, start: int) -> tuple[Item, int]:
        flaws.found = False
        element, end = decoder.raw_decode(text, start)
        content = "malformed" if flaws.found or not isinstance(element, dict) else read_fields(element)
        return Item(index, content, lambda: text[start:end].encode()), end

    items: list[Item] = []
    at = _skip(text, 0)
    if text[at : at + 1] != "[":
        lone, at = item(0, at)
        items.append(lone)
    else:
        at = _skip(text, at + 1)
        is_open = text[at : at + 1] != "]"
        while is_open:
            element, at = item(len(items), _skip(text, at))
            items.append(element)
            at = _skip(text, at)
            is_open = text[at : at + 1] == ","
            at += is_open
        if text[at : at + 1] != "]":
            raise ValueError("an array of readings does not end")
        at += 1
    if _skip(text, at) != len(text):
        raise ValueError("something follows the JSON value")
    return items


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _times(column: pa.ChunkedArray) -> list[object]:
    """Epoch milliseconds; a column without time zone gives naive datetimes, whatever they say."""
    kind = column.type
    if not pa.types.is_timestamp(kind):
        return list(column.to_pylist())
    if kind.tz is None:
        return [None if v is None else datetime.min for v in column.cast(pa.int64()).to_pylist()]
    per_ms = {"ms": 1, "us": 1000, "ns": 1_000_000}
    raw = column.cast(pa.int64()).to_pylist()
    return [None if v is None else Instant(v * 1000 if kind.unit == "s" else v // per_ms[kind.unit]) for v in raw]


def _is_number(kind: pa.DataType) -> bool:
    if pa.types.is_decimal128(kind):
        return 0 <= int(kind.scale) <= 38
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _may_hold(name: str, kind: pa.DataType) -> bool:
    """Whether a column of a reading may be of this type at all."""
    if name in ("meter", "register", "unit", "quality"):
        return _is_text(kind) or pa.types.is_null(kind)
    if name == "ts" and pa.types.is_timestamp(kind):
        return True
    return _is_number(kind) or _is_text(kind) or pa.types.is_null(kind)


def _one_row(columns: Mapping[str, pa.ChunkedArray], row: int) -> bytes:
    """One row with the reading's columns only, texts written out."""
    cells = {}
    for name, column in columns.items():
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        cells[name] = column.slice(row, 1).cast(kind)
    table = pa.table(cells)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _written_out(column: pa.ChunkedArray) -> int:
    """Bytes of the texts that rows share, counted for every row."""
    total = 0
    for chunk in column.chunks if pa.types.is_dictionary(column.type) else ():
        sizes = [len((text or "").encode()) for text in chunk.dictionary.to_pylist()]
        total += sum(sizes[index] for index in chunk.indices.to_pylist() if index is not None)
    return total


def _arrow_items(value: bytes) -> list[Item]:
    """Raises an Arrow error, KeyError or ValueError where the block or one of its columns cannot be read."""
    table = pa.ipc.open_stream(value).read_all()
    if table.num_rows > MAX_ITEMS:
        return [Item(-1, "too_large", lambda: value)] * (MAX_ITEMS + 1)
    table.validate(full=True)
    columns: dict[str, list[object]] = {}
    sent: dict[str, pa.ChunkedArray] = {}
    room = MAX_TEXT_BYTES
    for name in ("meter", "register", "ts", "value", "unit", "seq", "quality"):
        if name in ("unit", "seq", "quality") and name not in table.column_names:
            continue
        column = sent[name] = table.column(name)
        if not _may_hold(name, column.type):
            raise ValueError(f"column {name} is of type {column.type}")
        room -= _written_out(column)
        if room < 0:
            raise ValueError("its texts are too many bytes once every row has its own")
        columns[name] = _times(column) if name == "ts" else column.to_pylist()
    return [
        Item(i, read_fields({name: values[i] for name, values in columns.items()}), lambda i=i: _one_row(sent, i))  # type: ignore[misc]
        for i in range(table.num_rows)
    ]
