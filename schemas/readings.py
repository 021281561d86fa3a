"""The reading as it travels: JSON object, JSON array or Arrow block, and the exact decoder of all three.

A reading is `{"meter", "register", "ts", "value"}` with optional `unit`, `seq`, `quality`. `ts` is an integer (epoch ms) or ISO 8601 with
offset, cut to milliseconds. `decode` is slow and exact: the fast parser of the core hands it everything it does not take.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

MAX_ITEMS: Final = 100_000
TS_LIMIT: Final = 1 << 61
"""Times beyond this are clamped; they end as `future` or `late`."""
SEQ_LIMIT: Final = 1 << 32
QUALITIES: Final = {"measured": 0, "estimated": 1, "corrected": 2}
WHOLE_RECORD: Final = -1
ARROW_MAGIC: Final = b"\xff\xff\xff\xff"

REASONS: Final = (
    "",
    "too_large",
    "malformed",
    "naive_time",
    "unknown_meter",
    "unknown_register",
    "wrong_partition",
    "unit_mismatch",
    "out_of_range",
    "off_grid",
    "future",
    "late",
    "poison",
)
"""Why a reading is a dead letter, in the order in which they are checked; the position is the code in arrays, 0 = accepted.

`poison` is what no check names: a record of any topic that could not be handled, or that a command skips."""
TOO_LARGE, MALFORMED, NAIVE_TIME = 1, 2, 3
POISON: Final = REASONS.index("poison")


@dataclass(slots=True)
class Decoded:
    """Readings of one record as columns of equal length; `reason` is 0 where the item is well formed.

    A record that is dead as a whole has one row with item -1. `raw[i]` is the exact slice of a bad item (b"" for good ones;
    good items are cut out again by `item_bytes` when a later check refuses them).
    """

    meter: list[str] = field(default_factory=list)
    register: list[str] = field(default_factory=list)
    ts: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    unit: list[str | None] = field(default_factory=list)
    seq: list[int] = field(default_factory=list)
    quality: list[int] = field(default_factory=list)
    item: list[int] = field(default_factory=list)
    reason: list[int] = field(default_factory=list)

    def _add(self, item: int, reading: "tuple[str, str, int, float, str | None, int, int] | int") -> None:
        row = ("", "", 0, 0.0, None, -1, 0) if isinstance(reading, int) else reading
        columns: tuple[list[Any], ...] = (self.meter, self.register, self.ts, self.value, self.unit, self.seq, self.quality)
        for column, cell in zip(columns, row, strict=True):
            column.append(cell)
        self.item.append(item)
        self.reason.append(reading if isinstance(reading, int) else 0)


class _Malformed(Exception):
    """Carries the reason code of one item."""


_NO_JSON: Final = object()
"""Stands for what strict JSON forbids and only spoils its own item: NaN, Infinity, an object with duplicate keys."""


def _is_spoilt(value: Any) -> bool:
    return value is _NO_JSON or (isinstance(value, list) and any(map(_is_spoilt, value)))


def _pairs(pairs: list[tuple[str, Any]]) -> Any:
    found = dict(pairs)
    return _NO_JSON if len(found) != len(pairs) or any(map(_is_spoilt, found.values())) else found


def _integer(text: str) -> Any:
    return int(text) if len(text) < 400 else math.inf


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=lambda _: _NO_JSON, parse_int=_integer)
_BLANK: Final = " \t\n\r"


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANK:
        at += 1
    return at


def _elements(text: str, at: int) -> Iterator[tuple[int, int, Any]]:
    """(start, end, element) of the JSON array that opens at `at`; raises ValueError unless it is the whole text."""
    at = _skip(text, at + 1)
    closed = at < len(text) and text[at] == "]"
    while not closed:
        element, end = _DECODER.raw_decode(text, at)
        yield at, end, element
        at = _skip(text, end)
        mark = text[at : at + 1]
        closed = mark == "]"
        if mark not in ("]", ","):
            raise ValueError("array not closed")
        if not closed:
            at = _skip(text, at + 1)
    if _skip(text, at + 1) != len(text):
        raise ValueError("text behind the array")


def _json_items(value: bytes) -> list[tuple[int, int, Any]]:
    """Spans (in characters of the decoded text) and parsed elements; a lone value is one item. Raises ValueError if it is no JSON."""
    text = value.decode("utf-8")
    at = _skip(text, 0)
    try:
        if text[at : at + 1] == "[":
            return list(_elements(text, at))
        element, end = _DECODER.raw_decode(text, at)
    except RecursionError as deep:
        raise ValueError("nested too deeply") from deep
    if _skip(text, end) != len(text):
        raise ValueError("text behind the value")
    return [(at, end, element)]


def _time(ts: Any) -> int:
    if isinstance(ts, bool) or not isinstance(ts, int | str):
        raise _Malformed(MALFORMED)
    if isinstance(ts, int):
        return max(-TS_LIMIT, min(TS_LIMIT, ts))
    try:
        at = datetime.fromisoformat(ts)
        if at.tzinfo is None:
            raise _Malformed(NAIVE_TIME)
        since = at - datetime(1970, 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError) as bad:
        raise _Malformed(MALFORMED) from bad
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


def _number(value: Any) -> float:
    """The nearest float64; beyond float64 is infinite, which the range check refuses."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Malformed(MALFORMED)
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _reading(found: Any) -> tuple[str, str, int, float, str | None, int, int]:
    """One parsed JSON object as a row; raises _Malformed."""
    if not isinstance(found, dict):
        raise _Malformed(MALFORMED)
    meter, register, unit = found.get("meter"), found.get("register"), found.get("unit")
    if not isinstance(meter, str) or not isinstance(register, str) or not (unit is None or isinstance(unit, str)):
        raise _Malformed(MALFORMED)
    seq = found.get("seq")
    if seq is None:
        seq = -1
    elif isinstance(seq, bool) or not isinstance(seq, int) or not 0 <= seq < SEQ_LIMIT:
        raise _Malformed(MALFORMED)
    quality = found.get("quality")
    if not (quality is None or (isinstance(quality, str) and quality in QUALITIES)):
        raise _Malformed(MALFORMED)
    value = _number(found.get("value"))
    ts = _time(found.get("ts"))
    return meter, register, ts, value, unit, seq, QUALITIES[quality or "measured"]


def _row_or_reason(found: Any) -> tuple[str, str, int, float, str | None, int, int] | int:
    try:
        return _reading(found)
    except _Malformed as bad:
        return int(bad.args[0])


def is_arrow(value: bytes | None, content_type: bytes | None) -> bool:
    """Whether a record is an Arrow block: its header says so, or it begins like one."""
    if content_type is not None and value is not None:
        return content_type.startswith(b"application/vnd.apache.arrow")
    return value is not None and value[:4] == ARROW_MAGIC


def decode(value: bytes | None, content_type: bytes | None = None) -> Decoded:
    """Every reading of one record. Never raises: what is wrong is a row with its reason."""
    out = Decoded()
    try:
        if value is None:
            raise ValueError("null record")
        rows = _arrow_rows(value) if is_arrow(value, content_type) else [_row_or_reason(e) for _, _, e in _json_items(value)]
    except (ValueError, pa.ArrowException):
        out._add(WHOLE_RECORD, MALFORMED)
        return out
    if len(rows) > MAX_ITEMS:
        out._add(WHOLE_RECORD, TOO_LARGE)
        return out
    for item, row in enumerate(rows):
        out._add(item, row)
    return out


def item_bytes(value: bytes, item: int, content_type: bytes | None = None) -> bytes:
    """What a dead letter keeps: the exact JSON slice, a one-row Arrow stream, or (item -1) the whole record."""
    if item == WHOLE_RECORD:
        return value
    if is_arrow(value, content_type):
        return one_row_stream(read_block(value), item)
    start, end, _ = _json_items(value)[item]
    return value.decode("utf-8")[start:end].encode("utf-8")


# --- Arrow blocks -----------------------------------------------------------------------------------------------------------------

ARROW_SCHEMA: Final = pa.schema(
    [
        pa.field("meter", pa.dictionary(pa.int32(), pa.string())),
        pa.field("register", pa.dictionary(pa.int32(), pa.string())),
        pa.field("ts", pa.timestamp("ms", tz="UTC")),
        pa.field("value", pa.float64()),
        pa.field("unit", pa.dictionary(pa.int32(), pa.string())),
        pa.field("seq", pa.int64()),
        pa.field("quality", pa.dictionary(pa.int32(), pa.string())),
    ]
)
"""The canonical block; unit, seq and quality may be absent, value may be a decimal, ts any unit with a zone or int64 epoch ms."""


_TEXTS: Final = ("meter", "register", "unit", "quality")


def read_block(value: bytes) -> pa.Table:
    """The Arrow IPC stream as a table; raises ValueError when a required column is absent."""
    try:
        table = pa.ipc.open_stream(value).read_all()
    except (OSError, KeyError, IndexError) as bad:
        raise ValueError(str(bad)) from bad
    absent = [c for c in ("meter", "register", "ts", "value") if c not in table.column_names]
    if absent:
        raise ValueError(f"block without column {', '.join(absent)}")
    for name in table.column_names:
        if table.column_names.count(name) > 1 or (name in _TEXTS and not _is_text(table.schema.field(name).type)):
            raise ValueError(f"column {name} is doubled or no text")
    return table


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind))


def one_row_stream(table: pa.Table, row: int) -> bytes:
    """Row `row` as an Arrow IPC stream of the same schema."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.slice(row, 1))
    return bytes(sink.getvalue())


def _arrow_ts(column: pa.ChunkedArray) -> list[Any]:
    """Epoch ms as int, None for null; naive times become an ISO text without offset, so that they are judged as such."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        if kind.tz is None:
            return [None if v is None else "2000-01-01T00:00:00" for v in column.cast(pa.int64()).to_pylist()]
        per_ms = {"s": (1000, 1), "ms": (1, 1), "us": (1, 1000), "ns": (1, 1_000_000)}[kind.unit]
        return [None if v is None else v * per_ms[0] // per_ms[1] for v in column.cast(pa.int64()).to_pylist()]
    return list(column.to_pylist())


def _arrow_value(column: pa.ChunkedArray) -> list[Any]:
    return [
        float(v) if isinstance(v, Decimal) else (None if isinstance(v, float) and math.isnan(v) else v) for v in column.to_pylist()
    ]


def _arrow_rows(value: bytes) -> list[tuple[str, str, int, float, str | None, int, int] | int]:
    table = read_block(value)
    columns: dict[str, list[Any]] = {}
    for name in ("meter", "register", "ts", "value", "unit", "seq", "quality"):
        if name not in table.column_names:
            columns[name] = [None] * table.num_rows
        elif name == "ts":
            columns[name] = _arrow_ts(table[name])
        elif name == "value":
            columns[name] = _arrow_value(table[name])
        else:
            columns[name] = table[name].to_pylist()
    names = list(columns)
    return [_row_or_reason(dict(zip(names, cells, strict=True))) for cells in zip(*columns.values(), strict=True)]
