"""Arrow streams whose layout lies, run by tests in a process of its own: `python hostile_blocks.py SEED ROUNDS`.

Every block goes through all that reads foreign blocks. The process must end with status 0: no signal, no exception.
"""

import random
import struct
import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
from fetches import Message, assert_same, channels, ordinary

from zonepulse.processors.decoding.exact import decode_records
from zonepulse.processors.decoding.fast import decode_fast
from zonepulse.processors.metering.dead_letters import dead_letters
from zonepulse.schemas.messages.readings import ARROW_SCHEMA, REASONS
from zonepulse.streams.cli.deadletters.command import preview

CHANNELS = channels()
GOOD = {"meter": ["M1", "M1"], "register": ["1.8.0", "1.8.0"], "ts": [1, 2], "value": [1.0, 2.0]}
INTS = (-(2**31), -1, 2**20, 2**30, 2**31 - 1)
LONGS = (-(2**63), -1, 2**30, 2**40, 2**62)
HEADER = (("content-type", b"application/vnd.apache.arrow.stream"),)


def stream(columns: dict[str, Any], compression: str | None = None) -> bytes:
    """Columns as an IPC stream."""
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def replaced(block: bytes, old: bytes, new: bytes) -> Iterator[bytes]:
    """The block with `new` at each place of `old`."""
    at = block.find(old)
    while at >= 0:
        yield block[:at] + new + block[at + len(old) :]
        at = block.find(old, at + 1)


def arrays() -> Iterator[tuple[str, pa.Array]]:
    """Columns of every kind that Arrow has, two rows each."""
    texts, longer = pa.array(["ab", "cdefg"]), pa.array(["a string that does not fit inline", "another one of those, longer"])
    yield "string", texts
    yield "large_string", texts.cast(pa.large_string())
    yield "binary", texts.cast(pa.binary())
    yield "string_view", longer.cast(pa.string_view())
    yield "dictionary", texts.dictionary_encode()
    yield "list", pa.array([[1], [2, 3]])
    yield "large_list", pa.array([[1], [2, 3]], pa.large_list(pa.int64()))
    yield "struct", pa.array([{"a": 1}, {"a": 2}])
    yield "map", pa.array([[("a", 1)], [("b", 2)]], pa.map_(pa.string(), pa.int64()))
    yield "run_end", pa.RunEndEncodedArray.from_arrays(pa.array([1, 2], pa.int32()), pa.array(["x", "y"]))
    yield "union", pa.UnionArray.from_sparse(pa.array([0, 0], pa.int8()), [pa.array([1, 2])])
    yield "null", pa.nulls(2)
    for kind in (pa.bool_(), pa.int8(), pa.uint64(), pa.float32(), pa.float16()):
        yield str(kind), pa.array(np.array([0, 1])).cast(kind) if kind != pa.float16() else pa.array(np.array([0, 1], np.float16))
    for kind in (pa.date32(), pa.date64(), pa.time32("s"), pa.time64("us"), pa.duration("s")):
        yield (
            str(kind),
            pa.array([2**31 - 1, -(2**31)], pa.int32() if kind in (pa.date32(), pa.time32("s")) else pa.int64()).view(kind),
        )
    for unit in ("s", "ms", "us", "ns"):
        for zone in (None, "UTC", "No/Where"):
            yield f"timestamp {unit} {zone}", pa.array([2**63 - 1, -(2**63) + 1], pa.int64()).view(pa.timestamp(unit, zone))
    yield "month_day_nano", pa.array([pa.MonthDayNano([1, 2, 3])] * 2)
    for precision, scale in ((38, 0), (38, 38), (38, -400), (38, 400)):
        yield f"decimal128 {scale}", pa.array([1, 2]).cast(pa.decimal128(38, 0)).view(pa.decimal128(precision, scale))
    yield "decimal256", pa.array([1, 2]).cast(pa.decimal256(76, 0)).view(pa.decimal256(76, 400))


def layouts(names: Iterable[str]) -> Iterator[bytes]:
    """Blocks in which offsets, indices, lengths and run ends of these columns point where nothing is."""
    for name in names:
        for _, array in arrays():
            block = stream({**GOOD, name: array})
            yield block
            for old, changes in OFFSETS.items():
                for new in changes:
                    yield from replaced(block, old, new)
    whole = stream({**GOOD, "value": np.zeros(2000)[:2]})
    yield from replaced(whole, struct.pack("<q", 2), struct.pack("<q", 2**40))
    for compression in ("lz4", "zstd"):
        packed = stream({"meter": ["M1"] * 500, "register": ["1.8.0"] * 500, "ts": range(500), "value": [1.0] * 500}, compression)
        for size in (4000, 2004, 1000):
            for new in LONGS:
                yield from replaced(packed, struct.pack("<q", size), struct.pack("<q", new))


OFFSETS = {
    struct.pack("<3i", 0, 2, 7): [struct.pack("<3i", *o) for n in INTS for o in ((0, 2, n), (0, n, 7), (n, 2, 7), (7, 2, 0))],
    struct.pack("<3q", 0, 2, 7): [struct.pack("<3q", *o) for n in LONGS for o in ((0, 2, n), (0, n, 7), (n, 2, 7))],
    struct.pack("<3i", 0, 1, 3): [struct.pack("<3i", *o) for n in INTS for o in ((0, 1, n), (0, n, 3), (n, 1, 3))],
    struct.pack("<3q", 0, 1, 3): [struct.pack("<3q", *o) for n in LONGS for o in ((0, 1, n), (0, n, 3))],
    struct.pack("<2i", 0, 1): [struct.pack("<2i", *o) for n in INTS for o in ((0, n), (n, 1))],
    struct.pack("<2i", 1, 2): [struct.pack("<2i", *o) for n in INTS for o in ((1, n), (n, 2))],
    b"\x21\0\0\0a st": [struct.pack("<i", n) + b"a st" for n in INTS],
}


def bombs() -> Iterator[bytes]:
    """Streams that are short and say that they are long."""
    zeros = np.zeros(3_000_000)
    yield stream({"meter": pa.nulls(3_000_000), "register": pa.nulls(3_000_000), "ts": zeros, "value": zeros}, "zstd")
    yield stream({**GOOD, "meter": ["\0" * 80_000_000, "M1"]}, "zstd")
    yield from replaced(stream({name: pa.nulls(77_777) for name in GOOD}), struct.pack("<q", 77_777), struct.pack("<q", 1 << 40))


def mutations(rng: random.Random) -> Iterator[bytes]:
    """Good blocks with bytes or words changed, without end."""
    kinds = dict(arrays())
    while True:
        columns: dict[str, Any] = dict(GOOD)
        for name in rng.sample([*GOOD, "unit", "seq", "quality", "x"], rng.randint(0, 3)):
            columns[name] = rng.choice([*kinds.values()])
        if rng.random() < 0.5:
            columns |= {n: pa.array(columns[n]).dictionary_encode() for n in ("meter", "register") if isinstance(columns[n], list)}
        block = bytearray(stream(columns, rng.choice([None, None, "lz4", "zstd"])))
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(block) // 4) * 4
            change = rng.randrange(4)
            if change == 0:
                block[at] ^= 1 << rng.randrange(8)
            elif change == 1:
                block[at : at + 4] = struct.pack("<i", rng.choice(INTS))
            elif change == 2:
                block[at : at + 8] = struct.pack("<q", rng.choice(LONGS))
            else:
                del block[rng.randrange(len(block)) :]
                break
        yield bytes(block)


def judge(block: bytes) -> None:
    """All that reads foreign blocks; what does not return ends the process."""
    records = ordinary([Message(b"[]"), Message(block, headers=HEADER), Message(b"{}")])
    slow = decode_records(records, 0, 3, records.timestamp_ms, CHANNELS)
    fast = decode_fast(records, 0, 3, records.timestamp_ms, CHANNELS)
    assert_same(fast, slow)
    fast.items.reason[fast.items.reason == 0] = REASONS.index("late")
    letters = list(dead_letters(fast, records, CHANNELS))
    assert letters
    assert sum(len(x.value or b"") for x in letters) <= 3 * (len(block) + 2) + 1_400 * len(letters)
    for letter in letters:
        preview(letter.value or b"")


def main(seed: int, rounds: int) -> None:
    """The handmade ones (seed 0; of every column if there are many rounds), then so many random ones."""
    if seed == 0:
        judge(stream({f.name: pa.array([], f.type) for f in ARROW_SCHEMA}))
        for block in chain(bombs(), layouts(["meter", "value", "x"] if rounds < 1_000 else [*ARROW_SCHEMA.names, "x"])):
            judge(block)
    made = mutations(random.Random(seed))
    for _ in range(rounds):
        judge(next(made))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
