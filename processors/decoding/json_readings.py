"""Canonical JSON readings -> columns, parsed in place. What is not surely plain is refused, and decoded by schemas.readings instead.

Taken: an object, or an array of objects, with the keys meter, register, ts, value and optionally unit, seq, quality (null = absent), in any
order, each once; strings of printable ASCII without escapes; `ts` an integer below 2**53 or `YYYY-MM-DDTHH:MM:SS[.mmm[mmm]](Z|+HH:MM)`;
`value` a decimal without exponent, mantissa below 2**53 and at most 22 decimals, so that mantissa / 10**decimals, one division of two exact
float64, is the float64 nearest to it (Clinger 1990); 0 <= seq < 2**32.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zonepulse.processors.decoding.channel_hash import ABSENT, find, find_channel
from zonepulse.processors.decoding.exact import UNKNOWN_UNIT
from zonepulse.processors.decoding.json_times import parse_time
from zonepulse.processors.decoding.same_bytes import is_same
from zonepulse.processors.flow import NO_UNIT
from zonepulse.processors.kernel import byte_at, inlined, kernel
from zonepulse.schemas.messages.readings import EPOCH_MS_FROM, MAX_ITEMS, SEQ_LIMIT

REFUSED: Final = -1
SHORTEST: Final = len('{"meter":"","register":"","ts":0,"value":0}')
"""No reading has fewer bytes."""
_EXACT: Final = 1 << 53
_POWERS: Final = np.array([float(10**k) for k in range(23)])
_IS_PLAIN: Final = np.array([32 <= c < 127 and chr(c) not in '"\\' for c in range(256)])
_IS_BLANK: Final = np.array([chr(c) in " \t\n\r" for c in range(256)])
_QUOTE, _COMMA, _MINUS, _DOT, _ZERO, _COLON, _OPEN, _CLOSE = 34, 44, 45, 46, 48, 58, 91, 93
_OPEN_OBJECT, _CLOSE_OBJECT, _N = 123, 125, 110
_METER, _REGISTER, _TS, _VALUE, _UNIT, _SEQ, _QUALITY, _NULL, _MEASURED, _STIMATED, _ORRECTED = (
    int.from_bytes(text.encode(), "big")
    for text in ("meter", "register", "ts", "value", "unit", "seq", "quality", "null", "measured", "stimated", "orrected")
)
METER, REGISTER, TS, VALUE, UNIT, SEQ, QUALITY = (1 << k for k in range(7))
_SEEN_ALL: Final = METER | REGISTER | TS | VALUE


class Columns(NamedTuple):
    """Where readings are written, shape (room,): the columns of flow.ReadingColumns and exact.Decoded."""

    channel: Any
    ts: Any
    value: Any
    unit: Any
    seq: Any
    quality: Any
    ingest: Any
    record: Any
    item: Any


CELL: Final = np.dtype(
    [
        ("ts", "i8"),
        ("value", "f8"),
        ("seq", "i8"),
        ("quality", "i8"),
        ("meter_start", "i8"),
        ("meter_end", "i8"),
        ("register_start", "i8"),
        ("register_end", "i8"),
        ("unit_start", "i8"),  # REFUSED: absent
        ("unit_end", "i8"),
    ]
)
"""One reading as it is parsed; its texts are places."""

LAYOUT: Final = np.dtype([("start", "i8"), ("length", "i8"), ("field", "i8")])
"""What stood before the value of a field, in the reading that was parsed last: where and how many bytes; the row behind the last field
(`field` 0) closes it. Senders write one reading like another, so all of that is mostly compared and not parsed. `length` 0: no layout."""
MOST_PIECES: Final = 8


@inlined
def blank(text: NDArray[np.uint8], i: int, end: int) -> int:
    """The first place from `i` that is no JSON white space."""
    while i < end and byte_at(text, i) <= 32:
        if not _IS_BLANK[byte_at(text, i)]:
            break
        i += 1
    return i


@inlined
def plain_end(text: NDArray[np.uint8], i: int, end: int) -> int:
    """Where the string that begins at `i` has its closing quote, or REFUSED."""
    while i < end and _IS_PLAIN[byte_at(text, i)]:
        i += 1
    return i if i < end and byte_at(text, i) == _QUOTE else REFUSED


@inlined
def word(text: NDArray[np.uint8], i: int, end: int) -> int:
    """The last eight bytes of plain ASCII `text[i:end]` as one integer."""
    packed = np.int64(0)
    for k in range(i, end):
        packed = packed << 8 | byte_at(text, k)
    return packed


@kernel
def key_word(text: NDArray[np.uint8], i: int, end: int) -> tuple[int, int]:
    """(the key whose first letter stands at `i` as `word`, place behind its quote); the word is 0 unless it is one of 1 to 8 letters."""
    first, packed = i, np.int64(0)
    while i < end and byte_at(text, i) != _QUOTE:
        packed = packed << 8 | byte_at(text, i)
        i += 1
    is_short = i - first <= 8 and i < end and byte_at(text, first) != 0
    return (packed if is_short else np.int64(0)), i + 1


@inlined
def integer(text: NDArray[np.uint8], i: int, end: int) -> tuple[int, int]:
    """(mantissa, place behind) of the digits at `i`; place REFUSED unless JSON's form of an integer below 2**53."""
    first = i
    mantissa = np.int64(0)
    while i < end:
        digit = byte_at(text, i) - _ZERO
        if digit < 0 or digit > 9:
            break
        mantissa = mantissa * 10 + digit
        if mantissa >= _EXACT:
            return np.int64(0), REFUSED
        i += 1
    if i == first or (i > first + 1 and byte_at(text, first) == _ZERO):
        return np.int64(0), REFUSED
    return mantissa, i


@inlined
def decimal(text: NDArray[np.uint8], i: int, end: int) -> tuple[float, int]:
    """(nearest float64, place behind) of the number at `i`, or place REFUSED."""
    is_negative = i < end and byte_at(text, i) == _MINUS
    if is_negative:
        i += 1
    mantissa, i = integer(text, i, end)
    if i == REFUSED or i >= end or byte_at(text, i) != _DOT:
        return (-1.0 if is_negative and mantissa != 0 else 1.0) * np.float64(mantissa), i  # the integer -0 is 0
    first = i + 1
    i = first
    while i < end:
        digit = byte_at(text, i) - _ZERO
        if digit < 0 or digit > 9:
            break
        mantissa = mantissa * 10 + digit
        if mantissa >= _EXACT:
            return 0.0, REFUSED
        i += 1
    if i == first or i - first > 22:
        return 0.0, REFUSED
    number = np.float64(mantissa) / _POWERS[i - first]
    return -number if is_negative else number, i


@inlined
def null_end(text: NDArray[np.uint8], i: int, end: int) -> int:
    """The place behind the `null` at `i`, or REFUSED."""
    return i + 4 if i + 4 <= end and word(text, i, i + 4) == _NULL else REFUSED


@inlined
def timestamp(text: NDArray[np.uint8], i: int, end: int) -> tuple[int, int]:
    """(epoch ms, place behind) of the integer or ISO 8601 string at `i`, or place REFUSED."""
    if byte_at(text, i) == _QUOTE:
        close = plain_end(text, i + 1, end)
        if close == REFUSED:
            return np.int64(0), REFUSED
        ts, is_good = parse_time(text, i + 1, close)
        return ts, close + 1 if is_good else REFUSED
    ts, i = integer(text, i, end)
    return ts, i if ts >= EPOCH_MS_FROM else REFUSED


@kernel
def quality_code(text: NDArray[np.uint8], i: int, end: int) -> int:
    """0 measured, 1 estimated, 2 corrected, or REFUSED."""
    packed = word(text, i, end)
    if end - i == 8 and packed == _MEASURED:
        return 0
    if end - i == 9 and byte_at(text, i) == 101 and packed == _STIMATED:
        return 1
    if end - i == 9 and byte_at(text, i) == 99 and packed == _ORRECTED:
        return 2
    return REFUSED


@inlined
def optional(text: NDArray[np.uint8], i: int, end: int, field: int, cell: Any) -> int:
    """Unit, seq or quality at `i` into the cell; returns the place behind, or REFUSED."""
    if byte_at(text, i) == _N:
        return null_end(text, i, end)
    if field == SEQ:
        seq, i = integer(text, i, end)
        cell.seq = seq
        return i if seq < SEQ_LIMIT else REFUSED
    close = plain_end(text, i + 1, end) if byte_at(text, i) == _QUOTE else REFUSED
    if close == REFUSED:
        return REFUSED
    if field == UNIT:
        cell.unit_start, cell.unit_end = i + 1, close
        return close + 1
    quality = quality_code(text, i + 1, close)
    cell.quality = quality
    return close + 1 if quality != REFUSED else REFUSED


@kernel
def field_of(key: int) -> int:
    """The bit of a key, 0 if it is none of ours."""
    if key == _METER:
        return METER
    if key == _REGISTER:
        return REGISTER
    if key == _TS:
        return TS
    if key == _VALUE:
        return VALUE
    if key == _UNIT:
        return UNIT
    if key == _SEQ:
        return SEQ
    return QUALITY if key == _QUALITY else 0


@inlined
def read_value(text: NDArray[np.uint8], i: int, end: int, field: int, cell: Any) -> int:
    """The value of a field at `i` into the cell; returns the place behind, or REFUSED."""
    if field == TS:
        cell.ts, i = timestamp(text, i, end)
        return i
    if field == VALUE:
        cell.value, i = decimal(text, i, end)
        return i
    if field != METER and field != REGISTER:
        return optional(text, i, end, field, cell)
    close = plain_end(text, i + 1, end) if byte_at(text, i) == _QUOTE else REFUSED
    if close == REFUSED:
        return REFUSED
    if field == METER:
        cell.meter_start, cell.meter_end = i + 1, close
    else:
        cell.register_start, cell.register_end = i + 1, close
    return close + 1


@inlined
def parse_alike(text: NDArray[np.uint8], i: int, end: int, cell: Any, layout: Any) -> int:
    """The reading at `i` into the cell if all that stands between its values is as the layout has it; the place behind it, or REFUSED."""
    cell.unit_start, cell.seq, cell.quality = REFUSED, -1, 0
    k, size = 0, layout[0].length
    while size > 0 and i + size <= end and is_same(text, layout[k].start, text, i, size):
        i += size
        if layout[k].field == 0:
            return i
        i = read_value(text, i, end, layout[k].field, cell) if i < end else REFUSED
        if i == REFUSED:
            return REFUSED
        k += 1
        size = layout[k].length
    return REFUSED


@kernel
def parse_reading(text: NDArray[np.uint8], i: int, end: int, cell: Any, layout: Any) -> int:
    """The reading whose brace stands at `i` into the cell, and its layout; returns the place behind it, or REFUSED."""
    seen, k, start = 0, 0, i
    cell.unit_start, cell.seq, cell.quality = REFUSED, -1, 0
    while True:
        i = blank(text, i + 1, end)
        if i >= end or byte_at(text, i) != _QUOTE:
            return REFUSED
        key, i = key_word(text, i + 1, end)
        i = blank(text, i, end)
        if i >= end or byte_at(text, i) != _COLON:
            return REFUSED
        i = blank(text, i + 1, end)
        field = field_of(key)
        if i >= end or field == 0 or seen & field:
            return REFUSED
        seen |= field
        layout[k].start, layout[k].length, layout[k].field = start, i - start, field
        i = read_value(text, i, end, field, cell)
        if i == REFUSED:
            return REFUSED
        k, start, i = k + 1, i, blank(text, i, end)
        if i >= end:
            return REFUSED
        if byte_at(text, i) == _CLOSE_OBJECT:
            break
        if byte_at(text, i) != _COMMA:
            return REFUSED
    layout[k].start, layout[k].length, layout[k].field = start, i + 1 - start, 0
    return i + 1 if seen & _SEEN_ALL == _SEEN_ALL else REFUSED


@kernel
def array_end(text: NDArray[np.uint8], i: int, end: int) -> int:
    """`end` if the bracket at `i` closes the record, else REFUSED."""
    return end if blank(text, i + 1, end) == end else REFUSED


@inlined
def first_reading(text: NDArray[np.uint8], i: int, end: int) -> int:
    """Where the first reading of the record `text[i:end]` has its brace; `end`: an empty array; or REFUSED."""
    i = blank(text, i, end)
    if i < end and byte_at(text, i) == _OPEN:
        i = blank(text, i + 1, end)
        if i < end and byte_at(text, i) == _CLOSE:
            return array_end(text, i, end)
    return i if i < end and byte_at(text, i) == _OPEN_OBJECT else REFUSED


@inlined
def next_reading(text: NDArray[np.uint8], i: int, end: int, is_array: bool) -> int:
    """Where the reading after the one that ends before `i` has its brace; `end`: there is none; or REFUSED."""
    i = blank(text, i, end)
    if not is_array or i >= end:
        return end if i == end and not is_array else REFUSED
    if byte_at(text, i) == _CLOSE:
        return array_end(text, i, end)
    i = blank(text, i + 1, end) if byte_at(text, i) == _COMMA else end
    return i if i < end and byte_at(text, i) == _OPEN_OBJECT else REFUSED


@kernel
def parse_records(
    text: NDArray[np.uint8],
    starts: Any,
    ends: Any,
    start: int,
    stop: int,
    ingest_ms: Any,
    tables: Any,
    columns: Any,
    refused: Any,
    cells: Any,
    layout: Any,
) -> tuple[int, int]:
    """All readings of records [start, stop) into `columns`; a null record starts at -1.

    Returns how many rows were written and how many records were refused: `refused[0]` names these, `refused[1]` says how many
    rows lie before each. A reading goes through `cells[0]` (CELL), which kernels take as one word, where each array takes seven; `layout`
    (LAYOUT) has room for MOST_PIECES.
    """
    row, dropped, cell = 0, 0, cells[0]
    last_unit, last_start, last_size = NO_UNIT, 0, REFUSED
    for k in range(start, stop):
        end, first = ends[k], row
        i = first_reading(text, starts[k], end) if starts[k] >= 0 else REFUSED
        is_array = i > starts[k] and byte_at(text, blank(text, starts[k], end)) == _OPEN
        while REFUSED < i < end:
            begin = i
            i = parse_alike(text, begin, end, cell, layout)
            if i == REFUSED:
                i = parse_reading(text, begin, end, cell, layout)
            if i == REFUSED or row - first == MAX_ITEMS:
                i = REFUSED
                break
            unit = NO_UNIT
            if cell.unit_start != REFUSED:
                size = cell.unit_end - cell.unit_start
                if size != last_size or not is_same(text, last_start, text, cell.unit_start, size):
                    last_start, last_size = cell.unit_start, size
                    last_unit = find(tables.units, text, last_start, cell.unit_end, text, 0, 0)
                    last_unit = UNKNOWN_UNIT if last_unit == ABSENT else last_unit
                unit = last_unit
            columns.channel[row] = find_channel(
                tables, text, cell.meter_start, cell.meter_end, text, cell.register_start, cell.register_end
            )
            columns.ts[row], columns.value[row], columns.unit[row] = cell.ts, cell.value, unit
            columns.seq[row], columns.quality[row] = cell.seq, cell.quality
            columns.ingest[row], columns.record[row], columns.item[row] = ingest_ms[k], k, row - first
            row += 1
            i = next_reading(text, i, end, is_array)
        if i == REFUSED:
            layout[0].length = 0  # half of it may be another's
            row = first
            refused[0, dropped], refused[1, dropped] = k, row
            dropped += 1
    return row, dropped
