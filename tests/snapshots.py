"""Keeps snapshots as a checkpoint topic does, in bytes, and goes on from them."""

from collections.abc import Sequence
from typing import Any

import msgspec
from core_runs import fetches, spans

from zonepulse.oracle.metering.decode import Record
from zonepulse.processors.channels.table import Channels
from zonepulse.processors.ledger.ledger import Ledger
from zonepulse.processors.ledger.snapshot import freeze_ledger, restore_ledger
from zonepulse.processors.metering.partition import Partition
from zonepulse.processors.metering.snapshot import Arrays, Frozen, decode, encode, freeze_partition, restore_partition
from zonepulse.processors.zone_run import ZoneRun
from zonepulse.schemas.zone_file.read import parse_zone


class Shelf:
    """The newest snapshot of one state: chunks that did not change are those of an earlier one."""

    def __init__(self) -> None:
        self._facts = b""
        self._chunks: dict[int, bytes] = {}
        self.next_offset = 0
        self.written: list[int] = []
        """Chunks of the newest snapshot that were written with it."""

    def put(self, frozen: Frozen) -> None:
        self._facts, self.next_offset = msgspec.json.encode(frozen.facts), frozen.next_offset
        self._chunks |= {number: encode(arrays) for number, arrays in frozen.chunks.items()}
        self._chunks = {number: self._chunks[number] for number in sorted(self._chunks) if number < frozen.count}
        self.written = sorted(frozen.chunks)
        assert sorted(self._chunks) == list(range(frozen.count))

    def kept(self) -> tuple[bytes, dict[int, bytes], int]:
        """All of it, as bytes."""
        return self._facts, self._chunks, self.next_offset

    def keep(self, facts: bytes, chunks: dict[int, bytes], next_offset: int) -> None:
        """What another shelf had."""
        self._facts, self._chunks, self.next_offset = facts, chunks, next_offset

    @property
    def facts(self) -> dict[str, Any]:
        return dict(msgspec.json.decode(self._facts))

    def chunks(self) -> list[Arrays]:
        return [decode(self._chunks[number]) for number in sorted(self._chunks)]

    def partition(self, channels: Channels) -> Partition:
        return restore_partition(channels, self.facts, self.chunks(), self.next_offset)

    def ledger(self, versions: dict[int, Channels]) -> Ledger:
        return restore_ledger(versions, self.facts, self.chunks())


class Shelves:
    """Snapshots of all parts of a zone's core."""

    def __init__(self, partitions: int) -> None:
        self.partitions = [Shelf() for _ in range(partitions)]
        self.ledger = Shelf()

    def put(self, core: ZoneRun) -> None:
        for shelf, partition in zip(self.partitions, core.partitions, strict=True):
            shelf.put(freeze_partition(partition))
        self.ledger.put(freeze_ledger(core.ledger, 0))

    def restore(self, core: ZoneRun) -> None:
        """Replaces every part of `core` by what is on the shelves."""
        core.partitions = [shelf.partition(core.channels) for shelf in self.partitions]
        core.ledger = self.ledger.ledger({core.registry.version: core.channels})


def interrupted_alerts(zone: str, records: Sequence[Record], sizes: Sequence[int]) -> list[dict[str, Any]]:
    """Every row of table `alerts` that the core makes of a log of one partition in fetches of these sizes, frozen and restored before every
    second one."""
    core, shelves, alerts = ZoneRun(parse_zone(zone), 1), Shelves(1), list[Any]()
    for i, fetch in enumerate(fetches(records, sizes)):
        if i % 2:
            shelves.put(core)
            shelves.restore(core)
        alerts += core.records(spans(fetch)).get("alerts", [])
    alerts += core.finish().get("alerts", [])
    return [row for batch in alerts for row in batch.to_pylist()]
