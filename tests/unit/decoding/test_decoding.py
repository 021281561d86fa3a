"""Records to items for admission, and refused items to dead letters with their bytes."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from core_runs import spans
from small_logs import IMPORT, at, meter, reading, zone_text

from zonepulse.oracle.metering.decode import Record
from zonepulse.processors.channels.table import compile_registry
from zonepulse.processors.decoding.exact import UNKNOWN_UNIT, Decoded, decode_records, registry_switches
from zonepulse.processors.decoding.fast import decode_fast
from zonepulse.processors.flow import NO_METER, NO_REGISTER, NO_UNIT
from zonepulse.processors.metering.dead_letters import dead_letters
from zonepulse.processors.metering.partition import Partition
from zonepulse.schemas.zone_file.read import parse_zone

CHANNELS = compile_registry(parse_zone(zone_text(meter(IMPORT))), 1)


def record(value: bytes | None, offset: int = 0, headers: tuple[tuple[str, bytes], ...] = ()) -> Record:
    """A record at 10:00."""
    return Record(0, offset, at("10:00"), b"k", value, headers)


def decoded(*records: Record) -> Decoded:
    """All items of these records."""
    return decode_records(spans(records), 0, len(records), np.full(len(records), at("10:00")), CHANNELS)


def raw(*readings: dict[str, Any]) -> bytes:
    """A JSON array."""
    return json.dumps(list(readings)).encode()


def test_items_keep_their_record_and_place() -> None:
    batch = decoded(
        record(raw(reading("10:00", 1), reading("10:15", 2))), record(b"[]", 1), record(json.dumps(reading("10:30", 3)).encode(), 2)
    )
    assert batch.record.tolist() == [0, 0, 2]
    assert batch.item.tolist() == [0, 1, 0]
    assert batch.items.value.tolist() == [1.0, 2.0, 3.0]
    assert batch.items.ts.tolist() == [at("10:00"), at("10:15"), at("10:30")]


def test_names_that_nobody_registered_get_numbers_of_their_own() -> None:
    batch = decoded(record(raw(reading("10:00", 1), reading("10:00", 1, "x"), reading("10:00", 1, register="x"))))
    assert batch.items.channel.tolist() == [0, NO_METER, NO_REGISTER]


def test_a_unit_may_be_absent_right_or_unknown() -> None:
    batch = decoded(record(raw(reading("10:00", 1), reading("10:00", 1, unit="kWh"), reading("10:00", 1, unit="furlong"))))
    assert batch.items.unit.tolist() == [NO_UNIT, CHANNELS.units["kWh"], UNKNOWN_UNIT]


def test_a_dead_letter_carries_exactly_the_bytes_of_its_item() -> None:
    odd = b'[ {"meter":"m"} , 7,{"meter":"m","register":"r","ts":"2026-03-04T10:00:00","value":1 }]'
    records = [record(odd), record(b"\xff", 1), record(None, 2)]
    letters = list(dead_letters(decoded(*records), spans(records), CHANNELS))
    assert [(x.offset, x.item, x.reason, x.value) for x in letters] == [
        (0, 0, "malformed", b'{"meter":"m"}'),
        (0, 1, "malformed", b"7"),
        (0, 2, "naive_time", b'{"meter":"m","register":"r","ts":"2026-03-04T10:00:00","value":1 }'),
        (1, -1, "malformed", b"\xff"),
        (2, -1, "malformed", None),
    ]
    assert {x.key for x in letters} == {b"k"}


@pytest.mark.parametrize("decode", [decode_records, decode_fast])
def test_a_dead_letter_of_the_wrong_partition_names_the_expected_one(decode: Callable[..., Decoded]) -> None:
    channels = compile_registry(parse_zone(zone_text(meter(IMPORT))), 8)
    expected = int(channels.versions["partition"][0])
    found = spans([record(raw(reading("10:00", 1), reading("10:00", 2, "x")))])
    batch = decode(found, 0, 1, found.timestamp_ms, channels)
    Partition(channels, (expected + 1) % 8).apply(batch.items)
    letters = list(dead_letters(batch, found, channels))
    assert [(x.reason, x.expected_partition) for x in letters] == [("wrong_partition", expected), ("unknown_meter", None)]


def switches(version: int, *sent: tuple[bytes | None, bytes]) -> tuple[list[tuple[int, int]], int]:
    """Of records with this value and header `registry`, behind one without."""
    records = [record(value, i + 1, (("registry", text),)) for i, (value, text) in enumerate(sent)]
    return registry_switches(spans([record(b"[]"), *records]), version)


def test_heartbeats_name_the_registry_version_behind_them() -> None:
    assert switches(1, (b"[]", b"7"), (b"[]", b"soon")) == ([(1, 7)], 1)


def test_a_switch_goes_forward_only_and_repeats_at_no_cost() -> None:
    assert switches(3, *[(b"[]", b"3")] * 1000) == ([], 0)
    assert switches(3, (b"[]", b"2"), (b"[]", b"4"), (b"[]", b"3"), (b"[]", b"4"), (b"[]", b"5")) == ([(2, 4), (5, 5)], 2)


@pytest.mark.parametrize("text", [b"", b"-1", b"9" * 5000, b"1e3", "\u0664".encode(), b"\xff", b"1234567890"])
def test_a_header_that_is_no_version_is_counted_and_ignored(text: bytes) -> None:
    assert switches(1, (b"[]", text)) == ([], 1)


@pytest.mark.parametrize("value", [None, b"", b"[ ]", b'{"meter":"m"}'])
def test_only_a_heartbeat_switches(value: bytes | None) -> None:
    assert switches(1, (value, b"2")) == ([], 1)
