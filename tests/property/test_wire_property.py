"""Fast and slow decoding agree on every input, and no bytes make the kernels crash, hang or read beyond their bounds."""

import json
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from fetches import CODECS, Message, RecordBatch, assert_same, channels, contents, ordinary, sealed
from hypothesis import example, given
from hypothesis import strategies as st

from zonepulse.processors.decoding.damaged_fetch import spans_of_damaged_fetch
from zonepulse.processors.decoding.exact import decode_records
from zonepulse.processors.decoding.fast import decode_fast
from zonepulse.processors.decoding.kafka_format import CorruptBatch, OldFormat, spans_of_fetch
from zonepulse.processors.metering.dead_letters import dead_letters
from zonepulse.schemas.messages.readings import ARROW_SCHEMA
from zonepulse.schemas.messages.records import RecordSpans

CHANNELS = channels([("M1", "kWh"), ("TC-0042-E1", "MWh"), ("水表", "kWh"), ("", "kWh")][:3])
METERS = ["M1", "TC-0042-E1", "水表", "nobody", "", 'q"uote']
NUMBERS = [
    "0", "-0", "0.0", "-0.0", "01", "1.", ".5", "+1", "1e5", "1E-3", "1.5e400", "9007199254740991", "9007199254740992",
    "9007199254740993",
    "0.1", "123.456", "900719925474099.1", "900719925474099.3", "0.0000000000000000000001",
    "0.00000000000000000000001", "5e-324",
    "1.7976931348623159e308", "NaN", "Infinity", "-", "", "true", '"1"', "null", "0x1", "1 2", "4294967295", "4294967296", "-1",
    "1" * 30, "0." + "3" * 17, "00", "-01", "1.0000000000000000000000",
]  # fmt: skip
TIMES = [
    "1790000000000", "-1", "1790000000000.5", '"2026-10-01T00:15:00+08:00"', '"2026-10-01T00:15:00Z"', '"2026-10-01T00:15:00"',
    '"2024-02-29T23:59:59.999-11:30"', '"2026-02-29T00:00:00Z"', '"2000-02-29T00:00:00Z"', '"1900-02-29T00:00:00Z"',
    '"0001-01-01T00:00:00+23:59"', '"9999-12-31T23:59:59.999999-23:59"', '"0000-01-01T00:00:00Z"', '"2026-13-01T00:00:00Z"',
    '"2026-10-01T24:00:00Z"', '"2026-10-01T23:60:00Z"', '"2026-10-01T23:59:60Z"', '"2026-10-01T00:15:00+24:00"',
    '"2026-10-01T00:15:00+08"', '"2026-10-01 00:15:00Z"', '"2026-10-01T00:15:00.12Z"', '"2026-10-01T00:15:00.123456Z"',
    '"2026-10-01T00:15:00.1234567Z"', '"2026-10-01T00:15Z"', '"2026-10-01T00:15:00z"', '"2026-10-01T00:15:00.Z"',
    '"1969-12-31T23:59:59.999Z"',
    '"2026-10-01T00:15:00-00:00"', '"20261001T001500Z"', '"2026-10-01T00:15:00.123+08:60"', '"2026-W40-4T00:15:00Z"',
    "12345678901234567890",
]  # fmt: skip
BLANKS = st.sampled_from(["", "", "", " ", "\n", "\t \r\n", "\v", "\u00a0", "\0"])
TEXTS = st.sampled_from([json.dumps(m, ensure_ascii=False) for m in METERS] + ['"M\\u0031"', '"M1\t"', '"M\x7f1"', "1", "null"])
MEMBERS = {
    "meter": TEXTS,
    "register": st.sampled_from(['"1.8.0"', '"2.8.0"', '"9.9"', '""', "1.8"]),
    "ts": st.sampled_from(TIMES) | st.integers(-(1 << 63), 1 << 63).map(str),
    "value": st.sampled_from(NUMBERS)
    | st.decimals(allow_nan=False, allow_infinity=False, places=6).map(str)
    | st.floats().map(repr),
    "unit": st.sampled_from(['"kWh"', '"MWh"', '"m3"', "null", '""', "7", '"k\\u0057h"', "nul"]),
    "seq": st.sampled_from(NUMBERS),
    "quality": st.sampled_from(['"measured"', '"estimated"', '"corrected"', '"xstimated"', '"guessed"', "null", '""', "0"]),
    "site": st.sampled_from(["{}", "[1]", '"x"']),
    "\0\0\0meter": TEXTS,
}
GOOD = {"meter": '"M1"', "register": '"1.8.0"', "ts": "1790000000000", "value": "123.456"}


@st.composite
def readings(draw: Any) -> str:
    """A reading in which each part may be odd."""
    names = [*GOOD, *draw(st.lists(st.sampled_from(["unit", "seq", "quality"]), unique=True))]
    names = draw(st.permutations(names))
    if draw(st.integers(0, 9)) == 0:
        names = [*names, draw(st.sampled_from(list(MEMBERS)))]
    odd = draw(st.sets(st.sampled_from(list(MEMBERS)), max_size=2))
    members = [f"{draw(BLANKS) if 'ts' in odd else ''}{json.dumps(n) if n[0] else chr(34) + n + chr(34)}:"
               f"{draw(MEMBERS[n]) if n in odd or n not in GOOD else GOOD[n]}" for n in names]  # fmt: skip
    return "{" + draw(st.sampled_from([",", ", ", " ,\n"])).join(members) + draw(st.sampled_from(["}"] * 9 + [",}"]))


@st.composite
def values(draw: Any) -> bytes | None:
    """A record's value: one reading, several, or anything."""
    kind = draw(st.integers(0, 12))
    if kind == 0:
        return None
    if kind == 1:
        return bytes(draw(st.binary(max_size=60)))
    if kind < 6:
        inside = draw(st.lists(readings(), max_size=4))
        return (draw(BLANKS) + "[" + draw(st.sampled_from([",", " , "])).join(inside) + "]" + draw(BLANKS)).encode()
    return (draw(BLANKS) + draw(readings()) + draw(BLANKS)).encode()


@st.composite
def alike(draw: Any) -> list[bytes]:
    """Readings of one sender: what stands between their values is the same, but for a slip here and there, and values are any."""
    names = draw(st.permutations([*GOOD, *draw(st.lists(st.sampled_from(["unit", "seq", "quality"]), unique=True))]))
    gaps = [draw(st.sampled_from(["", "", " ", "\n"])) for _ in range(2)]
    pieces = [("," if k else "{") + gaps[0] + json.dumps(name) + gaps[1] + ":" for k, name in enumerate(names)] + [gaps[0] + "}"]
    found = []
    for _ in range(draw(st.integers(2, 6))):
        values = [draw(st.sampled_from([GOOD.get(name, "null")]) | MEMBERS[name]) for name in names]
        text = "".join(piece + value for piece, value in zip(pieces, [*values, ""], strict=True))
        slip = draw(st.none() | st.integers(0, len(text) - 1))
        found.append((text if slip is None else text[:slip] + draw(st.sampled_from('",:{}x ')) + text[slip + 1 :]).encode())
    return found


@st.composite
def mutated(draw: Any) -> bytes:
    """A good record with bytes changed, removed or doubled."""
    text = bytearray(draw(st.sampled_from([b"%s", b"[%s,%s]", b"[%s]"])).replace(b"%s", draw(readings()).encode()))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, max(0, len(text) - 1)))
        change = draw(st.integers(0, 3))
        if change == 0 and text:
            text[at] = draw(st.integers(0, 255))
        elif change == 1:
            del text[at : at + draw(st.integers(1, 5))]
        elif change == 2:
            text[at:at] = text[at : at + draw(st.integers(1, 9))]
        else:
            del text[at:]
    return bytes(text)


def check(records: RecordSpans) -> None:
    """Fast equals slow, in whole and in parts, and what is refused becomes dead letters."""
    ingest = np.maximum.accumulate(records.timestamp_ms) if len(records) else records.timestamp_ms
    slow = decode_records(records, 0, len(records), ingest, CHANNELS)
    fast = decode_fast(records, 0, len(records), ingest, CHANNELS)
    assert_same(fast, slow)
    letters = list(dead_letters(fast, records, CHANNELS))
    assert len(letters) == np.count_nonzero(fast.items.reason)
    part = len(records) // 2
    assert_same(
        decode_fast(records, part, len(records), ingest, CHANNELS), decode_records(records, part, len(records), ingest, CHANNELS)
    )


@given(st.lists(values() | mutated(), min_size=1, max_size=6))
@example([json.dumps({"meter": "M1", "register": "1.8.0", "ts": 1, "value": 2}).encode()] * 3 + [None] * 2 + [b"[]", b" [ ] "])
@example([b'{"meter":"","register":"","ts":0,"value":0}'] * 3)
@example([b"[" + b",".join([b'{"meter":"","register":"","ts":0,"value":0}'] * 50) + b"]x"])
def test_fast_json_equals_slow_json(found: Sequence[bytes | None]) -> None:
    check(ordinary([Message(v) for v in found]))


@given(alike())
@example(
    [b'{"meter":"M1","register":"1.8.0","ts":1,"value":2}', b'{"meter":"M1","register":"1.8.0","ts":1,"value":2', b'{"meter":']
)
@example([b'{"ts":1,"meter":"M1","ts":1}', b'{"meter":"M1","register":"1.8.0","ts":1,"value":2}', b'{"ts":1,"meter":"M1","ts":1}'])
def test_readings_of_one_layout_are_read_one_by_one(found: list[bytes]) -> None:
    check(ordinary([Message(v) for v in found]))
    check(ordinary([Message(b"[" + b",".join(found) + b"]"), *map(Message, reversed(found))]))


@given(st.sampled_from(NUMBERS) | st.floats(allow_nan=False).map(repr) | st.decimals(-(10**16), 10**16, places=7).map(str))
def test_numbers_are_the_nearest_floats(number: str) -> None:
    check(ordinary([Message(b'{"meter":"M1","register":"1.8.0","ts":1,"value":%s}' % number.encode())]))


@given(
    st.sampled_from(TIMES)
    | st.datetimes().map(lambda t: f'"{t.isoformat()}+05:30"')
    | st.datetimes().map(lambda t: f'"{t.isoformat()}Z"')
)
def test_times_are_those_of_the_slow_decoder(time: str) -> None:
    check(ordinary([Message(b'{"meter":"M1","register":"1.8.0","ts":%s,"value":1}' % time.encode())]))


@given(st.lists(values(), min_size=1, max_size=5), st.sampled_from(list(CODECS.values())), st.integers(0, 3), st.data())
def test_both_paths_find_the_same(found: Sequence[bytes | None], codec: int, skipped: int, data: Any) -> None:
    kinds = [(), (("content-type", b"application/json"),), (("content-type", b"application/vnd.apache.arrow.stream"), ("x", b""))]
    messages = [Message(v, data.draw(st.sampled_from([None, b"", b"k"])), data.draw(st.sampled_from(kinds))) for v in found]
    raw = spans_of_fetch(RecordBatch(messages, base=10, codec=codec).raw, "t", 0, 10 + skipped)
    plain = ordinary(messages, 10)
    assert contents(raw) == contents(plain)[skipped:]
    assert raw.next_offset == max(plain.next_offset, 10 + skipped)
    check(raw)
    check(plain)


@given(st.lists(values(), min_size=1, max_size=4), st.sampled_from(list(CODECS.values())), st.booleans(), st.data())
def test_damaged_batches_are_refused_or_read_but_never_crash(
    found: Sequence[bytes | None], codec: int, is_sealed: bool, data: Any
) -> None:
    whole = bytearray(RecordBatch([Message(v, headers=(("h", b"1"),)) for v in found], codec=codec).raw)
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    if is_sealed:
        struct.pack_into(">i", whole, 8, len(whole) - 12)
        whole = bytearray(sealed(whole))
    cut = data.draw(st.none() | st.integers(0, len(whole)))
    raw = bytes(whole[:cut])
    try:
        parts = [spans_of_fetch(raw, "t", 0, 0)]
    except (CorruptBatch, OldFormat):
        parts = list(spans_of_damaged_fetch(raw, "t", 0, 0, ()))
        assert parts
    for records in parts:
        assert records.next_offset > 0 or not len(records)
        check(records)


ROWS = st.fixed_dictionaries({
    "meter": st.none() | st.sampled_from(METERS),
    "register": st.sampled_from([None, "1.8.0", "2.8.0", "9.9", ""]),
    "ts": st.none() | st.integers(-(1 << 52), 1 << 52),
    "value": st.sampled_from([None, 0.0, -0.0, 1.5, float("nan"), float("inf"), 1e300]) | st.floats(width=32),
    "unit": st.sampled_from([None, "kWh", "MWh", "m3"]),
    "seq": st.sampled_from([None, 0, 1, (1 << 32) - 1, 1 << 32, -1]),
    "quality": st.sampled_from([None, "measured", "estimated", "corrected", "guessed"]),
})  # fmt: skip
TS_TYPES = [pa.int64(), *(pa.timestamp(unit, tz="UTC") for unit in ("s", "ms", "us", "ns")), pa.timestamp("ms")]
TEXT_TYPES = [pa.string(), pa.large_string(), *(pa.dictionary(k, pa.string()) for k in (pa.int8(), pa.int32()))]


def block(rows: Sequence[dict[str, Any]], types: dict[str, pa.DataType], pieces: int = 1) -> bytes:
    """Rows as an Arrow IPC stream of one or more record batches."""
    columns = {}
    for name, kind in types.items():
        cells = pa.array([row[name] for row in rows], kind.value_type if pa.types.is_dictionary(kind) else kind)
        columns[name] = cells.dictionary_encode().cast(kind) if pa.types.is_dictionary(kind) else cells
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=max(1, -(-len(rows) // pieces)))
    return bytes(sink.getvalue())


@given(st.lists(ROWS, max_size=8), st.data())
def test_fast_blocks_equal_slow_blocks(rows: list[dict[str, Any]], data: Any) -> None:
    types = {name: data.draw(st.sampled_from(TEXT_TYPES)) for name in ("meter", "register")}
    types |= {"ts": data.draw(st.sampled_from(TS_TYPES)), "value": data.draw(st.sampled_from([pa.float64(), pa.float32()]))}
    optional = data.draw(st.lists(st.sampled_from(["unit", "seq", "quality"]), unique=True))
    types |= {n: data.draw(st.sampled_from([pa.int64(), pa.float64()] if n == "seq" else TEXT_TYPES)) for n in optional}
    whole = block(rows, types, data.draw(st.integers(1, 3)))
    header = data.draw(st.sampled_from([(), (("content-type", b"application/vnd.apache.arrow.stream"),)]))
    good = b'{"meter":"M1","register":"1.8.0","ts":1,"value":1}'
    check(ordinary([Message(good), Message(whole, headers=header), Message(b"[%s,%s]" % (good, good)), Message(b"x")]))


@given(st.lists(ROWS, min_size=1, max_size=4), st.decimals(-(10**20), 10**20, places=6), st.integers(0, 22))
def test_decimal_columns_are_the_nearest_floats(rows: list[dict[str, Any]], value: Any, scale: int) -> None:
    kind = pa.decimal128(38, scale)
    digits = [(value * k).to_integral_value() for k in range(len(rows))]
    filled = [row | {"value": d.scaleb(-scale) if abs(d) < 10**15 else None} for row, d in zip(rows, digits, strict=True)]
    types = {f.name: f.type for f in ARROW_SCHEMA} | {"value": kind}
    check(ordinary([Message(block(filled, types))]))
