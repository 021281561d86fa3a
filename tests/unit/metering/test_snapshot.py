"""Snapshots: what is written again, what is refused."""

import json

import numpy as np
import pytest
from snapshots import Shelf
from zones import zone

from zonepulse.processors.channels.table import Channels, compile_registry
from zonepulse.processors.flow import NO_UNIT, ReadingColumns
from zonepulse.processors.ledger.ledger import Ledger
from zonepulse.processors.ledger.snapshot import freeze_ledger, restore_ledger
from zonepulse.processors.metering.partition import Partition
from zonepulse.processors.metering.snapshot import SCHEMA, BadSnapshot, decode, encode, freeze_partition, restore_partition
from zonepulse.processors.metering.state import CHUNK_CHANNELS

METERS = 2 * CHUNK_CHANNELS + 10
START_MS = 1_790_812_800_000
MINUTE_MS = 60_000


@pytest.fixture(scope="module")
def channels() -> Channels:
    many = "".join(
        f"  - {{id: M{i}, site: s, role: main, valid_from: 2024-01-01, registers:"
        ' {"1.8.0": {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 1000000}}}\n'
        for i in range(METERS - 1)
    )
    return compile_registry(zone(more=many), 1)


def readings(channels: list[int], minute: int) -> ReadingColumns:
    """One reading of each of these channels, sent at its minute."""
    n = len(channels)
    at = START_MS + minute * MINUTE_MS
    whole = (np.array(channels), np.full(n, at), np.full(n, 1.0 + minute))
    rest = (np.full(n, NO_UNIT), np.full(n, -1), np.zeros(n), np.full(n, at), np.zeros(n))
    return ReadingColumns(*(np.asarray(c, np.float64 if i == 2 else np.int64) for i, c in enumerate((*whole, *rest))))


@pytest.mark.large
def test_only_chunks_with_a_channel_that_changed_are_written_again(channels: Channels) -> None:
    partition, shelf = Partition(channels, 0), Shelf()
    partition.apply(readings(list(range(METERS)), 0))
    shelf.put(freeze_partition(partition))
    assert shelf.written == [0, 1, 2, 3, 4, 5]
    partition.apply(readings([CHUNK_CHANNELS, CHUNK_CHANNELS + 5], 1))
    shelf.put(freeze_partition(partition))
    assert shelf.written == [1]
    shelf.put(freeze_partition(partition))
    assert shelf.written == []
    restored = shelf.partition(channels)
    for minute, which in ((2, [3, METERS - 1]), (40, list(range(METERS)))):
        expected, got = (p.apply(readings(which, minute)) for p in (partition, restored))
        assert (got.rows == expected.rows).all()
        assert len(got.rows) == len(expected.rows)


def test_a_restored_partition_writes_everything_anew(channels: Channels) -> None:
    partition, shelf = Partition(channels, 0), Shelf()
    shelf.put(freeze_partition(partition))
    shelf.put(freeze_partition(partition))
    shelf.put(freeze_partition(shelf.partition(channels)))
    assert shelf.written == [0, 1, 2, 3, 4, 5]


def test_arrays_survive_as_they_are() -> None:
    arrays = {"a": np.arange(6).reshape(2, 3), "b": np.zeros(3, [("x", "i8"), ("y", "i4")]), "c": np.empty(0, np.int8)}
    found = decode(encode(arrays))
    assert list(found) == list(arrays)
    assert all((found[name] == array).all() and found[name].dtype == array.dtype for name, array in arrays.items())


@pytest.mark.parametrize("place", [4, 8, -1])
def test_damage_is_noticed(place: int) -> None:
    data = bytearray(encode({"a": np.arange(100)}))
    data[place] ^= 1
    with pytest.raises(BadSnapshot, match="damaged"):
        decode(bytes(data))


def test_another_schema_version_is_refused_with_a_remedy() -> None:
    data = encode({"a": np.arange(1)})
    with pytest.raises(BadSnapshot, match=rf"schema version {SCHEMA + 1}, this program reads {SCHEMA}: run the version that wrote"):
        decode(data[:3] + bytes([SCHEMA + 1]) + data[4:])


def test_another_partition_count_is_refused_with_a_remedy() -> None:
    one, two = compile_registry(zone(), 1), compile_registry(zone(), 2)
    frozen = freeze_partition(Partition(one, 0))
    with pytest.raises(BadSnapshot, match=r"made for 1 partitions, this worker has 2: set ZONEPULSE_PARTITIONS=1"):
        restore_partition(two, frozen.facts, list(frozen.chunks.values()), 0)
    sums = freeze_ledger(Ledger(one), 0)
    with pytest.raises(BadSnapshot, match="made for 1 partitions"):
        restore_ledger({two.registry.version: two}, sums.facts, list(sums.chunks.values()))


def test_a_registry_that_was_changed_afterwards_is_refused() -> None:
    frozen = freeze_partition(Partition(compile_registry(zone(), 1), 0))
    other = compile_registry(zone(("id: M", "id: N")), 1)
    with pytest.raises(BadSnapshot, match="the registry topic was changed"):
        restore_partition(other, frozen.facts, list(frozen.chunks.values()), 0)


def test_a_missing_chunk_is_noticed(channels: Channels) -> None:
    partition = Partition(channels, 0)
    partition.apply(readings([0], 0))
    frozen = freeze_partition(partition)
    with pytest.raises(BadSnapshot, match="incomplete"):
        restore_partition(channels, frozen.facts, [frozen.chunks[0], frozen.chunks[1]], 0)


def test_facts_are_plain_json(channels: Channels) -> None:
    for frozen in (freeze_partition(Partition(channels, 0)), freeze_ledger(Ledger(channels), 5)):
        assert json.loads(json.dumps(frozen.facts)) == frozen.facts


def test_a_known_change_that_no_tick_has_seen_yet_survives() -> None:
    first = compile_registry(zone(), 1)
    change = 'meter_changes: [{meter: M, register: "1.8.0", at: "2026-10-01T00:07:00Z", old_final: 7.5, new_initial: 7.4}]\n'
    second = compile_registry(zone(more=change), 1, first.names)
    partition = Partition(first, 0)
    partition.apply(readings([0], 0))
    partition.apply(readings([0], 20))
    partition.apply(readings([0], 40))
    partition.use(second)
    frozen = freeze_partition(partition)
    restored = restore_partition(second, json.loads(json.dumps(frozen.facts)), list(frozen.chunks.values()), 0)
    expected, got = (p.apply(readings([0], 41)) for p in (partition, restored))
    assert len(expected.rows) > 0
    assert got.rows.tolist() == expected.rows.tolist()
