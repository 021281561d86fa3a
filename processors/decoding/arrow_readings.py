"""Arrow blocks -> readings without a loop over rows in Python; blocks of unusual types are left to the slow exact decoder."""

from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from zonepulse.processors.channels.table import Channels
from zonepulse.processors.decoding.channel_hash import ABSENT, KeyTable, Tables, find, find_channel, key_table, tables_of
from zonepulse.processors.decoding.exact import UNKNOWN_UNIT, Decoded, Ints
from zonepulse.processors.flow import NO_METER, NO_UNIT, ReadingColumns
from zonepulse.processors.kernel import kernel
from zonepulse.schemas.messages.readings import EPOCH_MS_FROM, MALFORMED, QUALITIES, SEQ_LIMIT, TS_LIMIT, read_block
from zonepulse.schemas.messages.records import RecordSpans

_QUALITIES: Final = key_table((name, "") for name in QUALITIES)
_NULL: Final = -1
_UNSEEN: Final = -9
_PER_MS: Final = {"s": (1000, 1), "ms": (1, 1), "us": (1, 1000), "ns": (1, 1_000_000)}
_EXACT: Final = 1 << 53
_MAX_BLOCKS: Final = 100
"""A stream of many small record batches costs more here than row by row."""
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Texts(NamedTuple):
    """A text column: row i is `text[ends[code[i]]:ends[code[i] + 1]]`, or null (code _NULL)."""

    code: Any
    text: Any
    ends: Any


class Unusual(Exception):
    """The block is none that these functions are sure about."""


def _words(column: pa.Array) -> Texts:
    """A plain string array, its rows as codes."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise Unusual
    _, ends, text = column.buffers()
    width = np.int64 if pa.types.is_large_string(column.type) else np.int32
    bounds = np.frombuffer(ends, width)[column.offset : column.offset + len(column) + 1] if len(column) else np.zeros(1, width)
    code = np.arange(len(column))
    if column.null_count:
        code[_is_null(column)] = _NULL
    return Texts(code, np.frombuffer(text or b"\0", np.uint8), bounds.astype(np.int64))


def _texts(column: pa.Array) -> Texts:
    if not pa.types.is_dictionary(column.type):
        return _words(column)
    words = _words(column.dictionary)
    code = _ints(column.indices, _NULL)
    if len(words.code) == 0:
        return words._replace(code=np.full(len(column), _NULL))
    if column.dictionary.null_count:
        code = np.where(code == _NULL, _NULL, words.code[code])
    return words._replace(code=code)


def _is_null(column: pa.Array) -> Flags:
    return np.asarray(column.is_null().to_numpy(zero_copy_only=False))


def _ints(column: pa.Array, null: int) -> Ints:
    """Integers of any width that fits int64, nulls replaced."""
    if not pa.types.is_integer(column.type) or pa.types.is_uint64(column.type):
        raise Unusual
    filled = column.cast(pa.int64()).fill_null(null) if column.null_count else column
    return filled.to_numpy(zero_copy_only=False).astype(np.int64)


def _times(column: pa.Array) -> Ints:
    """Epoch ms, clamped; nulls are any number."""
    kind = column.type
    if not pa.types.is_timestamp(kind):
        found = np.clip(_ints(column, EPOCH_MS_FROM), -TS_LIMIT, TS_LIMIT)
        if (found < EPOCH_MS_FROM).any():
            raise Unusual
        return found
    if kind.tz is None:
        raise Unusual
    up, down = _PER_MS[kind.unit]
    limit = TS_LIMIT // up + 1
    ticks = _ints(column.cast(pa.int64()), 0)
    return np.clip(np.clip(ticks, -limit, limit) * up // down if (up, down) != (1, 1) else ticks, -TS_LIMIT, TS_LIMIT)


def _values(column: pa.Array) -> Floats:
    """The nearest float64; NaN for null."""
    kind = column.type
    if pa.types.is_decimal128(kind):
        return _decimals(column)
    if not (pa.types.is_float64(kind) or pa.types.is_float32(kind) or pa.types.is_integer(kind)):
        raise Unusual
    values = column.to_numpy(zero_copy_only=False).astype(np.float64) if not column.null_count else None
    if values is None:
        values = column.fill_null(0).to_numpy(zero_copy_only=False).astype(np.float64)
        values[_is_null(column)] = np.nan
    return values


def _decimals(column: pa.Array) -> Floats:
    """mantissa / 10**scale, exact where the mantissa is below 2**53 and the scale at most 22 (as in json_readings)."""
    scale = column.type.scale
    halves = np.frombuffer(column.buffers()[1] or b"", np.int64)[2 * column.offset : 2 * (column.offset + len(column))]
    low, high = halves[0::2], halves[1::2]
    nulls = _is_null(column)
    is_exact = (high == low >> 63) & (np.abs(low) < _EXACT) & (low != np.iinfo(np.int64).min)
    if not (0 <= scale <= 22 and (is_exact | nulls).all()):
        raise Unusual
    return np.where(nulls, np.nan, low / 10.0**scale)


@kernel
def _numbers(table: KeyTable, texts: Texts, absent: int, numbers: NDArray[np.int64]) -> None:
    """The number of each word; shape (words,)."""
    for i in range(len(numbers)):
        found = find(table, texts.text, texts.ends[i], texts.ends[i + 1], texts.text, 0, 0)
        numbers[i] = absent if found == ABSENT else found


@kernel
def _channels(tables: Tables, meters: Texts, registers: Texts, known: NDArray[np.int64], channel: NDArray[np.int64]) -> None:
    """`known` remembers the channel of each pair of words, _UNSEEN at first; of length 0 it remembers nothing."""
    width = len(registers.ends) - 1
    for i in range(len(channel)):
        m, r = meters.code[i], registers.code[i]
        if m < 0 or r < 0:
            continue
        pair = m * width + r
        if pair < len(known) and known[pair] != _UNSEEN:
            channel[i] = known[pair]
            continue
        channel[i] = find_channel(
            tables, meters.text, meters.ends[m], meters.ends[m + 1], registers.text, registers.ends[r], registers.ends[r + 1]
        )
        if pair < len(known):
            known[pair] = channel[i]


def _coded(block: pa.RecordBatch, name: str, table: KeyTable, absent: int, null: int) -> Ints:
    """Numbers of an optional text column; `null` where it is null or missing."""
    if name not in block.schema.names:
        return np.full(block.num_rows, null)
    texts = _texts(block.column(name))
    numbers = np.full(len(texts.ends), null)  # code _NULL reads the last, which is no word
    _numbers(table, texts, absent, numbers[:-1])
    return numbers[texts.code]


def _items(block: pa.RecordBatch, ingest_ms: int, tables: Tables) -> ReadingColumns:
    n = block.num_rows
    meters, registers = _texts(block.column("meter")), _texts(block.column("register"))
    channel = np.full(n, NO_METER)
    pairs = (len(meters.ends) - 1) * (len(registers.ends) - 1)
    _channels(tables, meters, registers, np.full(pairs if pairs <= n else 0, _UNSEEN), channel)
    unit = _coded(block, "unit", tables.units, UNKNOWN_UNIT, NO_UNIT)
    quality = _coded(block, "quality", _QUALITIES, -1, 0)
    has_seq = "seq" in block.schema.names
    seq = _ints(block.column("seq"), _NULL) if has_seq else np.full(n, -1)
    ts, value = _times(block.column("ts")), _values(block.column("value"))
    is_bad = np.isnan(value) | (quality < 0) | (seq >= SEQ_LIMIT) | (meters.code < 0) | (registers.code < 0)
    if has_seq:
        is_bad |= (seq < 0) & ~_is_null(block.column("seq"))
    if block.column("ts").null_count:
        is_bad |= _is_null(block.column("ts"))
    reason = np.zeros(n, np.int64)
    items = ReadingColumns(channel, ts, value, unit, seq, quality, np.full(n, ingest_ms), reason)
    if is_bad.any():
        _blank(items, is_bad, tables)
    return items


def _blank(items: ReadingColumns, is_bad: Flags, tables: Tables) -> None:
    """Malformed rows carry nothing but their reason, as in the slow decoder."""
    nothing = np.zeros(1, np.uint8)
    items.channel[is_bad] = find_channel(tables, nothing, 0, 0, nothing, 0, 0)
    items.ts[is_bad], items.value[is_bad], items.unit[is_bad] = 0, 0.0, NO_UNIT
    items.seq[is_bad], items.quality[is_bad], items.reason[is_bad] = -1, 0, MALFORMED


def decode_block(records: RecordSpans, i: int, ingest_ms: Ints, channels: Channels) -> Decoded | None:
    """The readings of record `i`, an Arrow block; None: the slow decoder has to judge it."""
    try:
        table = read_block(records.value(i) or b"")
        blocks = [block for block in table.to_batches() if block.num_rows]
        if not 0 < len(blocks) <= _MAX_BLOCKS:
            return None
        tables = tables_of(channels)
        parts = [_items(block, int(ingest_ms[i]), tables) for block in blocks]
    except Exception:  # the slow decoder has the last word about whatever the bytes are
        return None
    items = parts[0] if len(parts) == 1 else ReadingColumns(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    return Decoded(items, np.full(table.num_rows, i), np.arange(table.num_rows))
