"""One record of zp.intervals, one fate: offered whole or refused, and the next good one is offered as if nothing had been."""

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zones import zone

from zonepulse.processors.channels.table import compile_registry
from zonepulse.processors.detection.rules import Alert
from zonepulse.processors.flow import ROW, Rows, new_rows
from zonepulse.processors.live import PARTIAL
from zonepulse.processors.metering.interval_rows import interval_batch
from zonepulse.schemas.messages.records import RecordSpans
from zonepulse.streams.control import registry_store
from zonepulse.streams.control.registry_store import RegistryMissing, RegistryStore
from zonepulse.streams.kafka.interval_codec import (
    KIND,
    NO_PARTITION,
    PARTITION,
    REGISTRY,
    THROUGH,
    candidate_blocks,
    encode,
    interval_blocks,
    live_block,
)
from zonepulse.streams.kafka.origin import Origin
from zonepulse.streams.workers.interval_intake import Offered, take
from zonepulse.streams.workers.one_thread import OneThread

AT_MS = 1_790_784_900_000
REGISTRY_1 = replace(zone(), version=1)
CHANNELS = compile_registry(REGISTRY_1, 4)
TICK = AT_MS // REGISTRY_1.zone.tick_ms
THREAD = OneThread("test")
ORIGIN = Origin("z", 4, REGISTRY_1.zone.tick_ms, REGISTRY_1.zone.future_ms, tuple)


def rows(revision: int = TICK, start: int = AT_MS - 900_000) -> Rows:
    made = new_rows(ROW, 1)
    made["channel"], made["revision"], made["start"], made["val"], made["cov"] = 0, revision, start, 5, 900_000
    return made


def good() -> bytes:
    (block,) = interval_blocks(rows(), CHANNELS, 1, TICK)
    return block


def spans(value: bytes) -> RecordSpans:
    none, n = np.array([-1]), len(value)
    buffer = np.frombuffer(value or b"\0", np.uint8)
    return RecordSpans("zp.intervals", 0, buffer, none, none, np.array([0]), np.array([n]), np.array([7]), np.array([AT_MS]), 8)


def taken(value: bytes) -> Offered:
    found = asyncio.run(take(spans(value), (), lambda *_: True, ORIGIN, RegistryStore(lambda: {1: REGISTRY_1}, 4), 1, THREAD))[0]
    if isinstance(found, Exception):
        raise found
    return found


def with_metadata(**changes: bytes | None) -> bytes:
    table = pa.ipc.open_stream(good()).read_all()
    metadata = {
        k: v for k, v in ((table.schema.metadata or {}) | {k.encode(): v for k, v in changes.items()}).items() if v is not None
    }
    return encode(table.to_batches()[0].replace_schema_metadata(None), metadata)


def renamed_meter() -> bytes:
    table = pa.ipc.open_stream(good()).read_all()
    names = pa.DictionaryArray.from_arrays(pa.array([0], pa.int32()), pa.array(["nobody"]))
    table = table.set_column(table.schema.get_field_index("meter"), table.schema.field("meter"), pa.chunked_array([names]))
    return encode(table.to_batches()[0], table.schema.metadata)


def with_version(version: int) -> bytes:
    table = pa.ipc.open_stream(good()).read_all()
    at = table.schema.get_field_index("meter_version")
    table = table.set_column(at, table.schema.field(at), pa.chunked_array([pa.array([version], pa.int32())]))
    return encode(table.to_batches()[0], table.schema.metadata)


def candidate(rule: str = "stuck", **changes: Any) -> dict[str, Any]:
    return Alert("z", rule, {}, "warning", "raised", AT_MS, TICK, {}).row() | changes


def test_a_good_block_is_offered_with_its_rows() -> None:
    offered = taken(good())
    assert offered.rows is not None and offered.rows["val"].tolist() == [5]
    assert (offered.block.partition, offered.block.through) == (1, TICK)


def test_a_block_of_an_earlier_program_says_by_its_windows_which_versions_it_has() -> None:
    metadata = {PARTITION: b"1", REGISTRY: b"1", THROUGH: b"%d" % TICK}
    before, now = taken(encode(interval_batch(rows(), CHANNELS), metadata)), taken(good())
    assert before.rows is not None and now.rows is not None
    assert before.rows.tolist() == now.rows.tolist()


def test_live_sums_and_candidates_are_offered() -> None:
    live = taken(live_block(pa.RecordBatch.from_pylist([], PARTIAL), 3, AT_MS, 1))
    assert live.block.live_at_ms == AT_MS
    (meters,) = candidate_blocks([candidate()], 2, 1)
    (pipeline,) = candidate_blocks([candidate("ops_poison")], NO_PARTITION, 0)
    assert taken(meters).block.candidates == [candidate()]
    assert taken(pipeline).block.candidates == [candidate("ops_poison")]


FORGED = {
    "random": b"\x8f\x01random bytes that mean nothing" * 9,
    "empty": b"",
    "truncated": good()[:-90],
    "json": b'{"meter": "M"}',
    "magic only": b"\xff\xff\xff\xff",
    "magic and a long length": b"\xff\xff\xff\xff\xff\xff\xff\x7f",
    "a megabyte of zeros": bytes(1 << 20),
    "no metadata": encode(pa.ipc.open_stream(good()).read_all().to_batches()[0].replace_schema_metadata(None)),
    "partition x": with_metadata(partition=b"x"),
    "partition 77": with_metadata(partition=b"77"),
    "partition -1": with_metadata(partition=b"-1"),
    "digits in through": with_metadata(through=b"9" * 5_000),
    "through 2^70": with_metadata(through=b"%d" % 2**70),
    "through far ahead": with_metadata(through=b"%d" % 10**12),
    "through negative": with_metadata(through=b"-5"),
    "digits in registry": with_metadata(registry=b"9" * 5_000),
    "another schema": encode(pa.RecordBatch.from_pylist([{"a": 1}]), {PARTITION: b"1", REGISTRY: b"1", THROUGH: b"5"}),
    "live of another schema": encode(pa.RecordBatch.from_pylist([{"a": 1}]), {PARTITION: b"1", REGISTRY: b"1", KIND: b"live_partial",
                                                                          b"at": b"5"}),
    "revision 2^62": next(interval_blocks(rows(1 << 62), CHANNELS, 1, TICK)),
    "an unknown meter": renamed_meter(),
    "a version that the meter does not have": with_version(1),
    "a version before the first": with_version(-1),
    "a candidate that is none": next(candidate_blocks([{"a": 1}], 1, 1)),
    "a candidate far ahead": next(candidate_blocks([candidate(revision=1 << 60)], 1, 1)),
    "a meter's alert from nowhere": next(candidate_blocks([candidate()], NO_PARTITION, 0)),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_what_no_task_of_this_zone_made_is_refused(name: str) -> None:
    with pytest.raises(Exception) as error:
        taken(FORGED[name])
    assert not isinstance(error.value, (AssertionError, MemoryError))


def test_a_registry_version_that_was_never_published_is_refused_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_store, "PATIENCE_S", 0.02)
    monkeypatch.setattr(registry_store, "POLL_S", 0.01)
    with pytest.raises(RegistryMissing):
        taken(with_metadata(registry=b"999"))


@given(st.data())
def test_a_mutated_block_is_offered_or_refused(data: st.DataObject) -> None:
    value = bytearray(good())
    for _ in range(data.draw(st.integers(1, 4))):
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    registry_store.PATIENCE_S, before = 0.0, registry_store.PATIENCE_S
    try:
        taken(bytes(value))
    except Exception as error:
        assert not isinstance(error, AssertionError)
    finally:
        registry_store.PATIENCE_S = before
