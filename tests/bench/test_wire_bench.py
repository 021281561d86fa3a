"""Readings a second of the ingest's kernels on one core: 2,000 meters, one reading a message unless said otherwise."""

import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import pyarrow as pa
import pytest
from fetches import CODECS, START_MS, Message, RecordBatch, channels

from zonepulse.processors.channels.table import Channels
from zonepulse.processors.decoding.fast import decode_fast
from zonepulse.processors.decoding.kafka_format import spans_of_fetch

READINGS = 100_000
METERS = 2_000
A_BATCH = 2_000


def reading(i: int) -> dict[str, Any]:
    return {
        "meter": f"TC-{i % METERS:04d}-E1", "register": "1.8.0", "ts": START_MS + i // METERS * 10_000,
        "value": round(1000 + i * 0.123, 3), "unit": "kWh", "seq": i,
    }  # fmt: skip


@cache
def zone() -> Channels:
    return channels([(f"TC-{i:04d}-E1", "kWh") for i in range(METERS)])


def fetch(values: Sequence[bytes], codec: int = 0) -> bytes:
    batches = (RecordBatch([Message(v) for v in values[i : i + A_BATCH]], i, codec) for i in range(0, len(values), A_BATCH))
    return b"".join(batch.raw for batch in batches)


@cache
def messages() -> list[bytes]:
    return [json.dumps(reading(i)).encode() for i in range(READINGS)]


def block(start: int, stop: int) -> bytes:
    table = pa.Table.from_pylist([reading(i) for i in range(start, stop)])
    for at, name in enumerate(table.column_names):
        if pa.types.is_string(table[name].type):
            table = table.set_column(at, name, table[name].dictionary_encode())
    table = table.set_column(2, "ts", table["ts"].cast(pa.timestamp("ms", tz="UTC")))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def measure(benchmark: Any, job: Callable[[], int]) -> None:
    assert benchmark.pedantic(job, warmup_rounds=1, rounds=10) == READINGS
    if benchmark.stats:
        benchmark.extra_info["readings_per_s"] = round(READINGS / benchmark.stats.stats.min)


def items_of(raw: bytes) -> int:
    records = spans_of_fetch(raw, "t", 0, 0)
    found = decode_fast(records, 0, len(records), records.timestamp_ms, zone())
    assert not found.items.reason.any()
    return len(found.record)


@pytest.mark.parametrize("codec", CODECS)
def test_walk_and_checksum_and_decompression(benchmark: Any, codec: str) -> None:
    raw = fetch(messages(), CODECS[codec])
    measure(benchmark, lambda: len(spans_of_fetch(raw, "t", 0, 0)))


def test_parse_and_look_up(benchmark: Any) -> None:
    records = spans_of_fetch(fetch(messages()), "t", 0, 0)
    measure(benchmark, lambda: len(decode_fast(records, 0, len(records), records.timestamp_ms, zone()).record))


@pytest.mark.parametrize("codec", CODECS)
def test_fetch_to_items(benchmark: Any, codec: str) -> None:
    raw = fetch(messages(), CODECS[codec])
    measure(benchmark, lambda: items_of(raw))


def test_fetch_of_arrays_to_items(benchmark: Any) -> None:
    frames = [b"[" + b",".join(messages()[i : i + 100]) + b"]" for i in range(0, READINGS, 100)]
    measure(benchmark, lambda: items_of(fetch_once(tuple(frames))))


@cache
def fetch_once(values: tuple[bytes, ...]) -> bytes:
    return fetch(values)


@pytest.mark.parametrize("rows", [1_000, 20_000])
def test_fetch_of_arrow_blocks_to_items(benchmark: Any, rows: int) -> None:
    raw = fetch([block(i, i + rows) for i in range(0, READINGS, rows)])
    measure(benchmark, lambda: items_of(raw))
