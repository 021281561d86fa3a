"""Dead letters cost what their record costs: time linear in its items, bytes bounded by it."""

import json
import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from fetches import Message, channels, ordinary

from zonepulse.oracle.metering.decode import ARROW_TYPE, Record
from zonepulse.oracle.metering.decode import decode as oracle_decode
from zonepulse.processors.decoding.fast import decode_fast
from zonepulse.processors.metering.dead_letters import dead_letters, item_ranges
from zonepulse.schemas.messages.dead_letters import DeadLetter
from zonepulse.schemas.messages.readings import ARROW_SCHEMA, REASONS, decode

CHANNELS = channels()


def json_record(n: int) -> bytes:
    """Readings of meters that nobody registered."""
    return json.dumps([{"meter": f"X{i}", "register": "1.8.0", "ts": i, "value": 1.0} for i in range(n)]).encode()


def arrow_record(n: int, text: str = "X") -> bytes:
    """The same as a block with dictionaries, and a column that nobody wants."""
    rows = [{"meter": f"{text}{i}", "register": "1.8.0", "ts": i, "value": 1.0} for i in range(n)]
    table = pa.Table.from_pylist(rows, ARROW_SCHEMA).append_column("note", pa.array(["z" * 50] * n))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def letters(value: bytes) -> list[DeadLetter]:
    """What a record that is refused as a whole leaves."""
    records = ordinary([Message(value)])
    batch = decode_fast(records, 0, 1, records.timestamp_ms, CHANNELS)
    reason = batch.items.reason
    reason[(reason == 0) & (batch.items.channel < 0)] = REASONS.index("unknown_meter")
    return list(dead_letters(batch, records, CHANNELS))


def seconds_an_item(make: Callable[[int], bytes], n: int) -> float:
    value = make(n)
    times = []
    for _ in range(3 if n < 50_000 else 1):
        begun = time.process_time()
        assert len(letters(value)) == n
        times.append(time.process_time() - begun)
    return min(times) / n


@pytest.mark.large
@pytest.mark.parametrize(("make", "most"), [(json_record, 100_000), (arrow_record, 100_000)])
def test_a_refused_item_costs_the_same_in_a_record_of_any_size(make: Callable[[int], bytes], most: int) -> None:
    letters(make(10))
    costs = [seconds_an_item(make, n) for n in (1_000, 2_000, 4_000, most)]
    assert max(costs) < 6 * min(costs), costs  # taken apart once an item it would be a hundred times


def test_a_letter_of_an_arrow_row_holds_that_row_alone() -> None:
    value = arrow_record(2_000)
    found = letters(value)
    assert [x.item for x in found] == list(range(2_000))
    assert sum(len(x.value or b"") for x in found) <= 3 * len(value) + 1_400 * len(found)
    row = pa.ipc.open_stream(found[1_234].value).read_all()
    assert row.column_names == ARROW_SCHEMA.names
    assert row["meter"].to_pylist() == ["X1234"]
    assert decode(found[1_234].value).meter == ["X1234"]


@pytest.mark.large
def test_rows_that_share_a_long_text_do_not_multiply_it() -> None:
    rows = [{"meter": "L" * 1_000_000, "register": "1.8.0", "ts": i, "value": 1.0} for i in range(50)]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, ARROW_SCHEMA) as writer:
        writer.write_table(pa.Table.from_pylist(rows, ARROW_SCHEMA))
    value = bytes(sink.getvalue())
    found = letters(value)
    assert sum(len(x.value or b"") for x in found) <= 3 * len(value) + 1_400 * len(found)
    assert (found[-1].reason, found[-1].item, found[-1].value) == ("capped", -1, b'{"unknown_meter":"3-49"}')
    assert [x.item for x in found[:-1]] == [0, 1, 2]


def test_items_are_named_in_runs() -> None:
    refused = [(0, "late"), (1, "late"), (2, "future"), (3, "late"), (5, "late")]
    assert item_ranges(refused) == b'{"future":"2","late":"0-1,3,5"}'
    assert item_ranges([(-1, "malformed")]) == b'{"malformed":"-1"}'


@pytest.mark.large
def test_a_record_of_more_items_than_are_taken_is_one_letter_and_cheap() -> None:
    value = b"[" + b"1," * 3_000_000 + b"1]"
    assert [(x.item, x.reason, x.size) for x in letters(value)] == [(-1, "too_large", len(value))]


@pytest.mark.parametrize("time_text", ["2026-10-01T00:15:00Z\\u0000", "\\u00002026-10-01T00:15:00Z"])
def test_a_nul_is_no_part_of_a_time(time_text: str) -> None:
    value = b'{"meter":"M1","register":"1.8.0","ts":"%s","value":1}' % time_text.encode()
    assert [x.reason for x in letters(value)] == ["malformed"]
    assert np.array(decode(value).reason).tolist() == [2]


@pytest.mark.parametrize("column", ["meter", "unit", "value"])
def test_a_block_whose_texts_are_gigabytes_once_each_row_has_its_own_is_malformed(column: str) -> None:
    rows = 20_000
    good = {"meter": pa.array(["M1"] * rows), "register": pa.array(["1.8.0"] * rows), "ts": np.arange(rows), "value": np.ones(rows)}
    long = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array(["9" * 1_000_000]))
    sink = pa.BufferOutputStream()
    table = pa.table(good | {column: long})
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    (letter,) = letters(bytes(sink.getvalue()))
    assert (letter.reason, letter.item) == ("malformed", -1)
    record = Record(0, 0, 1, None, bytes(sink.getvalue()), (("content-type", ARROW_TYPE),))
    assert [(item.number, item.content) for item in oracle_decode(record)] == [(-1, "malformed")]
