"""Readings that nobody should send and that never did harm: each has the fate written here, by kernels and slow decoder alike."""

import json
import struct
import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from fetches import START_MS, Message, assert_same, channels, ordinary

from zonepulse.oracle.compare import differences
from zonepulse.oracle.metering.decode import Record
from zonepulse.oracle.metering.decode import decode as oracle_decode
from zonepulse.processors.decoding.exact import decode_records
from zonepulse.processors.decoding.fast import decode_fast
from zonepulse.processors.metering.dead_letters import dead_letters
from zonepulse.processors.metering.partition import Partition
from zonepulse.schemas.messages.readings import REASONS
from zonepulse.schemas.tables.results import DEAD_LETTERS
from zonepulse.schemas.values import MOST_BRACKETS, brackets

CHANNELS = channels()
ARROW = (("content-type", b"application/vnd.apache.arrow.stream"),)


def fates(value: bytes | None, *, is_arrow: bool = False) -> set[str]:
    """Reasons of a record's items; '' = accepted."""
    records = ordinary([Message(value, headers=ARROW if is_arrow else ())])
    fast = decode_fast(records, 0, 1, records.timestamp_ms, CHANNELS)
    assert_same(fast, decode_records(records, 0, 1, records.timestamp_ms, CHANNELS))
    home = int(CHANNELS.versions["partition"][0])
    Partition(CHANNELS, home).apply(fast.items, START_MS)
    assert len(list(dead_letters(fast, records, CHANNELS))) == np.count_nonzero(fast.items.reason)
    return {REASONS[code] for code in fast.items.reason.tolist()}


def text(**changes: str) -> bytes:
    """A reading of which some members are written as given."""
    members = {"meter": '"M1"', "register": '"1.8.0"', "ts": str(START_MS), "value": "1.5"} | changes
    return ("{" + ",".join(f'"{name}":{written}' for name, written in members.items()) + "}").encode()


VALUES = {
    "1e300": "out_of_range", "1e400": "out_of_range", "NaN": "malformed", "Infinity": "malformed", '"1.5"': "malformed", "-0": "", "0": "",
    str(2**63): "out_of_range", str(10**18): "out_of_range", "5e-324": "", "9" * 400: "out_of_range", "9" * 5_000: "out_of_range",
    "9" * 1_000_000: "out_of_range",
}  # fmt: skip
TIMES = {
    '"0001-01-01T00:00:00Z"': {"late"}, '"9999-12-31T23:59:59Z"': {"future"}, "-1": {"epoch_seconds"},
    str(START_MS // 1000): {"epoch_seconds"}, str(START_MS * 1000): {"future"}, "9" * 5_000: {"malformed", "future"},
    '"2026-W10-1T00:00:00Z"': {"malformed", "late"}, '"\uff12026-01-01T00:00:00Z"': {"malformed"},
    '"2026-09-21T14:13:20Z\\u0000"': {"malformed"},
}  # fmt: skip
IDS = {
    "10 kB": "x" * 10_000, "7 MB": "x" * 7_000_000,
    "NUL": "M1\\u0000", "ESC": "\\u001b[2J", "zero width": "M\u200b1", "combining": "M1\u0301",
    "path": "../../etc/passwd", "SQL": "' OR 1=1 --", "HTML": "<script>",
}  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda text: text[:20])
def test_values(value: str) -> None:
    assert fates(text(value=value)) == {VALUES[value]}


@pytest.mark.parametrize("ts", TIMES, ids=lambda text: text[:30])
def test_times(ts: str) -> None:
    assert fates(text(ts=ts)) <= TIMES[ts]


@pytest.mark.large
@pytest.mark.parametrize("name", IDS)
def test_ids(name: str) -> None:
    assert fates(text(meter=f'"{IDS[name]}"')) == {"unknown_meter"}


@pytest.mark.parametrize(
    "value",
    [
        b"[" * 100_000,
        b"[" * 4_000_000,
        b'{"a":' * 100_000,
        b'[{"a":' * 20_000,
        b"",
        b"\xff\xfe",
        b"\x1b[2J",
        b"null",
        b"17",
        b'"text"',
    ],
    ids=lambda v: repr(v[:8]),
)
def test_nesting_and_what_is_no_reading(value: bytes) -> None:
    assert fates(value) == {"malformed"}


MANY: dict[str, Callable[[int], bytes]] = {
    "duplicate keys": lambda n: text(more="1").replace(b'"more":1', b",".join([b'"more":1'] * n)),
    "unknown fields": lambda n: text(**{f"f{i}": "1" for i in range(n)}),
    "a long string": lambda n: text(more=f'"{"x" * 40 * n}"'),
    "escapes": lambda n: text(more='"' + "\\u0041" * 6 * n + '"'),
    "blanks": lambda n: text(value=" " * 40 * n + "1.5"),
    "digits": lambda n: text(value="1" * 20 * n),
}


@pytest.mark.large
@pytest.mark.parametrize("name", MANY)
def test_twice_as_much_takes_at_most_four_times_as_long(name: str) -> None:
    def cost(n: int) -> float:
        value, times = MANY[name](n), []
        for _ in range(3):
            begun = time.process_time()
            fates(value)
            times.append(time.process_time() - begun)
        return min(times)

    fates(MANY[name](100))
    assert cost(20_000) < 4 * cost(10_000) + 0.05


def block(**columns: pa.Array) -> bytes:
    """A block of two rows with other columns."""
    good = {
        "meter": pa.array(["M1"] * 2),
        "register": pa.array(["1.8.0"] * 2),
        "ts": pa.array([START_MS] * 2),
        "value": pa.array([1.0, 2.0]),
    }
    table = pa.table(good | columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


BLOCKS = {
    "naive times": {"ts": pa.array([START_MS] * 2, pa.timestamp("ms"))},
    "a zone that does not exist": {"ts": pa.array([START_MS] * 2, pa.timestamp("ms", "No/Where"))},
    "null meters": {"meter": pa.nulls(2, pa.string())},
    "structs": {"value": pa.array([{"a": 1}] * 2)},
    "booleans": {"value": pa.array([True, False])},
    "binary": {"meter": pa.array([b"M1", b"M1"])},
    "uint64": {"ts": pa.array([2**64 - 1, START_MS], pa.uint64())},
    "half floats": {"value": pa.array(np.array([1, 2], np.float16))},
    "not a number": {"value": pa.array([np.nan, np.inf])},
    "run ends": {"meter": pa.RunEndEncodedArray.from_arrays(pa.array([1, 2], pa.int32()), pa.array(["M1", "M1"]))},
    "unions": {"value": pa.UnionArray.from_sparse(pa.array([0, 0], pa.int8()), [pa.array([1, 2])])},
}


@pytest.mark.parametrize("name", BLOCKS)
def test_arrow_columns_of_other_kinds(name: str) -> None:
    assert fates(block(**BLOCKS[name]), is_arrow=True) <= {"", "malformed", "naive_time", "out_of_range", "future", "late"}


def test_a_good_reading_is_accepted() -> None:
    assert fates(text()) == fates(block(), is_arrow=True) == {""}
    assert fates(json.dumps([json.loads(text())] * 3).encode()) == {""}


def test_letters_of_blocks_that_lie_are_compared_by_their_bytes() -> None:
    block = BLOCK_OF_TWO.replace(struct.pack("<3i", 0, 2, 7), struct.pack("<3i", 0, 2, 2**30))
    row = {column.name: 1 if column.kind in ("i32", "i64") else "x" for column in DEAD_LETTERS.stored} | {"received_at": 0}
    mine, other = row | {"value": block}, row | {"value": block + b"x"}
    assert differences([mine], [mine], "dead_letters") == []
    assert len(differences([mine], [other], "dead_letters")) == 1


BLOCK_OF_TWO = block(meter=pa.array(["ab", "cdefg"]))


@pytest.mark.parametrize("spare", [0, 1])
@pytest.mark.parametrize("shape", ["in a meter's name", "in a field that nobody reads", "in a field beside another reading"])
def test_a_record_with_more_brackets_than_are_read_is_malformed_as_a_whole(shape: str, spare: int) -> None:
    around = shape.startswith("in a field beside")
    inside = MOST_BRACKETS - 1 - (2 if around else 0) + spare
    if shape.startswith("in a meter"):
        value, expected = text(meter='"' + "[" * inside + '"'), "unknown_meter"
    else:
        lists = "[" + ",".join(["{}"] * (inside - 1)) + "]"
        value, expected = text(more=lists), ""
        value = b"[%s,%s]" % (value, text()) if around else value
    assert brackets(value) == MOST_BRACKETS + spare
    assert fates(value) == {"malformed" if spare else expected}
    said = [item.content for item in oracle_decode(Record(0, 0, START_MS, b"gw-1", value))]
    assert [one == "malformed" for one in said] == ([True] if spare else [False] * (1 + around))
