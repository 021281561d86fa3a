"""The reading as it travels: JSON object, JSON array or Arrow block, and the exact decoder of all three.

A reading is `{"meter", "register", "ts", "value"}` with optional `unit`, `seq`, `quality`. `ts` is an integer (epoch ms) or ISO 8601 with
offset, cut to milliseconds. `decode` is slow and exact: the fast parser of the core hands it everything it does not take.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from zonepulse.schemas.messages.arrow_blocks import TooManyRows, is_number, is_plain, is_text, plain_columns, read_table, row_stream
from zonepulse.schemas.values import check_brackets

MAX_ITEMS: Final = 100_000
TS_LIMIT: Final = 1 << 61
"""Times beyond this are clamped; they end as `future` or `late`."""
SEQ_LIMIT: Final = 1 << 32
QUALITIES: Final = {"measured": 0, "estimated": 1, "corrected": 2, "manual": 3}
"""`manual`: given by somebody in place of one that is missing or wrong; estimated. Its JSON says who, why and on which evidence."""
WHOLE_RECORD: Final = -1
ARROW_MAGIC: Final = b"\xff\xff\xff\xff"

REASONS: Final = (
    "",
    "too_large",
    "malformed",
    "naive_time",
    "epoch_seconds",
    "unknown_meter",
    "unknown_register",
    "future",
    "late",
    "not_valid",
    "wrong_partition",
    "unit_mismatch",
    "out_of_range",
    "off_grid",
    "poison",
    "capped",
)
"""Why a reading is a dead letter, in the order in which they are checked; the position is the code in arrays, 0 = accepted.

`poison` is what no check names: a record of any topic that could not be handled, or that a command skips. `capped` is the one letter of
a record that had more refused readings than letters are sent for; its value names them, their bytes are where they were."""
TOO_LARGE, MALFORMED, NAIVE_TIME, EPOCH_SECONDS = 1, 2, 3, 4
EPOCH_MS_FROM: Final = 100_000_000_000
"""A whole number of milliseconds since 1970 is at least this (1973); below, seconds are meant. Times in words are never seconds."""
POISON: Final = REASONS.index("poison")
CAPPED: Final = "capped"


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


def _json_items(text: str) -> Iterator[tuple[int, int, Any]]:
    """Spans and parsed elements; a lone value is one item. Raises ValueError, RecursionError, in the end too, if it is no JSON."""
    at = _skip(text, 0)
    if text[at : at + 1] == "[":
        yield from _elements(text, at)
        return
    element, end = _DECODER.raw_decode(text, at)
    if _skip(text, end) != len(text):
        raise ValueError("text behind the value")
    yield at, end, element


class _Instant(int):
    """Milliseconds of a column of times: never seconds."""


_DAY_END: Final = re.compile(r"(.{8,10}[T ])24((?::?00){0,2}(?:[.,]0+)?)((?:[+-]|Z).*)?", re.IGNORECASE)
"""24:00 is the end of the day."""


def _parsed(text: str) -> datetime:
    """ISO 8601 as a time. Raises ValueError, OverflowError."""
    if found := _DAY_END.fullmatch(text):
        return datetime.fromisoformat(f"{found[1]}00{found[2]}{found[3] or ''}") + timedelta(days=1)
    return datetime.fromisoformat(text)


def _time(ts: Any) -> int:
    if isinstance(ts, bool) or not isinstance(ts, int | str):
        raise _Malformed(MALFORMED)
    if isinstance(ts, int):
        if ts < EPOCH_MS_FROM and not isinstance(ts, _Instant):
            raise _Malformed(EPOCH_SECONDS)
        return max(-TS_LIMIT, min(TS_LIMIT, ts))
    try:
        if "\0" in ts:  # Python takes one at the end for the text's end
            raise ValueError("a NUL is no part of a time")
        at = _parsed(ts)
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
        rows = _rows_of(value, content_type)
    except TooManyRows:
        out._add(WHOLE_RECORD, TOO_LARGE)
        return out
    except Exception:  # whatever the bytes are, they are a dead letter
        out._add(WHOLE_RECORD, MALFORMED)
        return out
    for item, row in enumerate(rows):
        out._add(item, row)
    return out


def _rows_of(value: bytes | None, content_type: bytes | None) -> list[tuple[str, str, int, float, str | None, int, int] | int]:
    """Raises TooManyRows, and anything for what is malformed."""
    if value is None:
        raise ValueError("null record")
    if is_arrow(value, content_type):
        return _arrow_rows(value)
    check_brackets(value)
    rows, items = [], 0
    for _, _, element in _json_items(value.decode("utf-8")):
        items += 1
        if items <= MAX_ITEMS:
            rows.append(_row_or_reason(element))
    if items > MAX_ITEMS:
        raise TooManyRows(f"{items} readings")
    return rows


class ItemBytes:
    """What dead letters keep of the items of one record; the record is taken apart once."""

    def __init__(self, value: bytes, content_type: bytes | None = None) -> None:
        self._value, self._is_arrow = value, is_arrow(value, content_type)
        self._table: pa.Table | None = None
        self._text, self._spans = "", [(0, 0)][:0]

    def of(self, item: int) -> bytes:
        """The exact JSON slice, a one-row Arrow stream, or (item -1) the whole record. The record is one that `decode` could read."""
        if item == WHOLE_RECORD:
            return self._value
        if self._is_arrow:
            if self._table is None:
                table = read_block(self._value)
                self._table = plain_columns(table.select([c for c in COLUMNS if c in table.column_names]))
            return row_stream(self._table, item)
        if not self._spans:
            self._text = self._value.decode("utf-8")
            self._spans = [(start, end) for start, end, _ in _json_items(self._text)]
        start, end = self._spans[item]
        return self._text[start:end].encode("utf-8")


def item_bytes(value: bytes, item: int, content_type: bytes | None = None) -> bytes:
    """What a dead letter keeps of one item; for several of a record make one ItemBytes."""
    return ItemBytes(value, content_type).of(item)


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


COLUMNS: Final = ("meter", "register", "ts", "value", "unit", "seq", "quality")
REQUIRED: Final = COLUMNS[:4]


def _is_time(kind: pa.DataType) -> bool:
    return is_plain(kind)


def _is_amount(kind: pa.DataType) -> bool:
    return is_number(kind) or is_text(kind)


_KINDS: Final = {name: _is_time if name == "ts" else _is_amount if name in ("value", "seq") else is_text for name in COLUMNS}
"""Column -> which types are looked at; of another type the block is malformed. Columns of other names are not loaded."""


def read_block(value: bytes) -> pa.Table:
    """The reading's columns of an Arrow IPC stream; raises ValueError when a required one is absent.

    TooManyRows where it has more than MAX_ITEMS rows.
    """
    table = read_table(value, _KINDS, MAX_ITEMS)
    names = table.column_names
    absent = [c for c in REQUIRED if c not in names]
    if absent:
        raise ValueError(f"block without column {', '.join(absent)}")
    return table


def one_row_stream(table: pa.Table, row: int) -> bytes:
    """Row `row` as an Arrow IPC stream of its own: dictionaries are decoded."""
    return row_stream(plain_columns(table.slice(row, 1)), 0)


def _arrow_ts(column: pa.ChunkedArray) -> list[Any]:
    """Epoch ms as int, None for null; naive times become an ISO text without offset, so that they are judged as such."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        if kind.tz is None:
            return [None if v is None else "2000-01-01T00:00:00" for v in column.cast(pa.int64()).to_pylist()]
        per_ms = {"s": (1000, 1), "ms": (1, 1), "us": (1, 1000), "ns": (1, 1_000_000)}[kind.unit]
        return [None if v is None else _Instant(v * per_ms[0] // per_ms[1]) for v in column.cast(pa.int64()).to_pylist()]
    return list(column.to_pylist())


def _arrow_value(column: pa.ChunkedArray) -> list[Any]:
    return [
        float(v) if isinstance(v, Decimal) else (None if isinstance(v, float) and math.isnan(v) else v) for v in column.to_pylist()
    ]


def _arrow_rows(value: bytes) -> list[tuple[str, str, int, float, str | None, int, int] | int]:
    table = read_block(value)
    columns: dict[str, list[Any]] = {}
    for name in COLUMNS:
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
