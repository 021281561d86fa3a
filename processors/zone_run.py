"""The whole functional core of one zone in one object: what live agents do in several processes, `replay file` and tests do here.

Feed it records or file columns in arrival order, then `finish`; every call returns the rows that it made.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from zonepulse.processors.channels.table import Channels, compile_registry
from zonepulse.processors.decoding.exact import decode_columns, registry_switches
from zonepulse.processors.flow import UNSET, ReadingColumns, Rows
from zonepulse.processors.ledger.ledger import Ledger
from zonepulse.processors.ledger.step import Offer, book
from zonepulse.processors.metering.dead_letters import expected_partition
from zonepulse.processors.metering.interval_rows import dead_letter_batch, expected_batch, interval_batch
from zonepulse.processors.metering.partition import Partition
from zonepulse.processors.metering.step import LateReadings, fold_records
from zonepulse.processors.metering.windows import new_out, new_work
from zonepulse.schemas.messages.commands import ABOUT_ALERTS, Told
from zonepulse.schemas.messages.dead_letters import DeadLetter
from zonepulse.schemas.messages.reading_columns import ColumnChunk
from zonepulse.schemas.messages.readings import POISON, REASONS
from zonepulse.schemas.messages.records import RecordSpans
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.tables.results import DEAD_LETTERS, EXPECTED, INTERVALS


class UnknownVersion(ValueError):
    """The log switches to a registry version that is not there; live partitions stand before it."""

    def __init__(self, topic: str, partition: int, offset: int, version: int) -> None:
        super().__init__(
            f"{topic} partition {partition} offset {offset} switches to registry version {version}, which is not on the registry's topic;"
            f" publish it, or skip the record: zonepulse skip {topic} {partition} {offset}"
        )


@dataclass(frozen=True, slots=True)
class Piece:
    """What a stretch of a partition's records made, before the ledger. It may be pickled."""

    partition: int
    rows: Rows
    """flow.ROW, sorted by revision."""
    alerts: list[dict[str, Any]]
    through: int
    """The last tick that the partition has closed."""
    version: int
    """Registry version that the rows were made with."""
    batches: dict[str, list[pa.RecordBatch]]
    """Rows of tables that are ready."""
    switch: int | None = None
    """Registry version that the partition uses behind the piece, if it is another."""


class ZoneRun:
    """All partitions and the ledger of one zone, run in step. Results are rows by table name.

    With `versions`, the registry versions of a log by number, it begins with the lowest and switches where the log's heartbeats say so,
    as live tasks do; without, `registry` counts from the first record to the last, whatever the log says.
    """

    def __init__(
        self,
        registry: Registry,
        partitions: int,
        topic: str = "zp.readings",
        versions: Mapping[int, Channels] | None = None,
        late: LateReadings | None = None,
    ) -> None:
        self.registry = registry
        self.versions = versions or {}
        self.channels: Channels = versions[min(versions)] if versions else compile_registry(registry, partitions)
        work, out = new_work(), new_out()
        self.partitions = [Partition(self.channels, p, work, out) for p in range(partitions)]
        self.ledger = Ledger(self.channels)
        self.topic = topic
        self.late = late
        """Readings behind `lateness` that this run takes in all the same; records only."""
        self._latest_ingest = UNSET

    def tell(self, commands: Iterable[Told]) -> None:
        """What people say of alerts, in order; what is known it does not take again."""
        for told in commands:
            if told.command.kind in ABOUT_ALERTS:
                self.ledger.life.tell(told.offset, told.ingest_ms, told.command)

    def begin(self, ingest_ms: int) -> None:
        """The opening heartbeat of every partition."""
        for partition in self.partitions:
            partition.apply(no_items(), ingest_ms)

    def records(
        self, records: RecordSpans, item: NDArray[np.int64] | None = None, skipped: Collection[int] = ()
    ) -> dict[str, list[pa.RecordBatch]]:
        """Fold records of one partition; `item` names the place of a lone reading inside its former record, `skipped` the positions of
        those that a command steps over."""
        return _joined(self.book(piece) for piece in self.meter(records, item, skipped))

    def meter(self, records: RecordSpans, item: NDArray[np.int64] | None = None, skipped: Collection[int] = ()) -> Iterator[Piece]:
        """The partitions' part of `records`, which `book` takes, here or in the ZoneRun of another process."""
        partition, start = self.partitions[records.partition], 0
        for stop, channels in self._pieces(partition, records, skipped):
            yield self._metered(partition, records, start, stop, item, skipped, channels)
            if channels is not None:
                partition.use(channels)
            start = stop

    def book(self, piece: Piece) -> dict[str, list[pa.RecordBatch]]:
        """The ledger's part of `records`: pieces of a partition in order, those of different partitions in any."""
        channels = self.versions.get(piece.version, self.channels)
        switch = None if piece.switch is None else self.versions[piece.switch]
        results, _ = book(self.ledger, [Offer(piece.partition, channels, piece.rows, piece.through, piece.alerts, switch)])
        return piece.batches | {name: table.to_batches() for name, table in results.tables(self.registry.zone.id).items()}

    def _pieces(
        self, partition: Partition, records: RecordSpans, skipped: Collection[int]
    ) -> Iterator[tuple[int, Channels | None]]:
        """Where pieces end, and the registry version that counts behind them. Raises UnknownVersion."""
        stop = 0
        if self.versions:
            for at, number in registry_switches(records, partition.channels.registry.version, skipped)[0]:
                if number not in self.versions:
                    raise UnknownVersion(records.topic, records.partition, int(records.offset[at]), number)
                stop = at + 1
                yield stop, self.versions[number]
        if stop < len(records):
            yield len(records), None

    def _metered(
        self,
        partition: Partition,
        records: RecordSpans,
        start: int,
        stop: int,
        item: NDArray[np.int64] | None,
        skipped: Collection[int],
        switch: Channels | None,
    ) -> Piece:
        folded = fold_records(partition, records, start, stop, skipped, item, self.late)
        self._latest_ingest = max(self._latest_ingest, partition.ingest)
        piece = self._piece(partition, folded.rows, folded.alerts, folded.bands, folded.through, list(folded.letters))
        return piece if switch is None else replace(piece, switch=switch.registry.version)

    def columns(
        self, chunk: ColumnChunk, partition_of: NDArray[np.int64], skipped: NDArray[np.bool_] | None = None
    ) -> Iterator[dict[str, list[pa.RecordBatch]]]:
        """Fold a file chunk, partition by partition; `partition_of` gives each row's partition, `skipped` whether a command steps over
        it."""
        if skipped is not None:
            chunk = replace(chunk, reason=np.where(skipped, POISON, chunk.reason))
        for number in np.unique(partition_of).tolist():
            partition = self.partitions[number]
            rows = np.flatnonzero(partition_of == number)
            ingest = partition.ingest_times(chunk.ingest_ms[rows])
            items = decode_columns(chunk, rows, ingest, self.channels)
            step = partition.apply(items, int(ingest[-1]))
            self._latest_ingest = max(self._latest_ingest, partition.ingest)
            letters = [self._letter(chunk, int(rows[i]), number, items, i) for i in np.flatnonzero(items.reason).tolist()]
            yield self.book(self._piece(partition, step.rows, partition.alerts(step), step.bands, step.through, letters))

    def _letter(self, chunk: ColumnChunk, row: int, partition: int, items: ReadingColumns, i: int) -> DeadLetter:
        place = (int(chunk.offset[row]), int(chunk.item[row]), REASONS[int(items.reason[i])], int(chunk.ingest_ms[row]))
        return DeadLetter(self.topic, partition, *place, None, chunk.row_bytes(row), expected_partition(items, i, self.channels))

    def pass_to(self, ingest_ms: int, numbers: Collection[int]) -> Iterator[Piece]:
        """A heartbeat of these partitions at a time that all their records come before."""
        for partition in (self.partitions[number] for number in numbers):
            step = partition.apply(no_items(), ingest_ms)
            yield self._piece(partition, step.rows, partition.alerts(step), step.bands, step.through, [])

    def final_window_start(self) -> int:
        """Start of the window that holds the largest ingest time, or accepted ts if later."""
        length = self.registry.zone.window_ms
        return max(self._latest_ingest, *(p.latest_ts for p in self.partitions)) // length * length

    def finish(self) -> dict[str, list[pa.RecordBatch]]:
        """The closing heartbeat of every partition, past the final window + delay + tick; no later row is made."""
        zone = self.registry.zone
        last = self.final_window_start()
        self.ledger.final_start = last
        made = []
        for partition in self.partitions:
            step = partition.apply(no_items(), last + zone.window_ms + zone.delay_ms + zone.tick_ms)
            rows, alerts = step.rows[step.rows["start"] <= last], partition.alerts(step)
            made.append(self.book(self._piece(partition, rows, alerts, step.bands, step.through, [])))
        return _joined(made)

    def _piece(
        self, partition: Partition, rows: Rows, alerts: list[dict[str, Any]], bands: Rows, through: int, letters: list[DeadLetter]
    ) -> Piece:
        batches: dict[str, list[pa.RecordBatch]] = {}
        if len(rows):
            batches[INTERVALS.name] = [interval_batch(rows, partition.channels)]
        if len(bands):
            batches[EXPECTED.name] = [expected_batch(bands, partition.channels)]
        if letters:
            batches[DEAD_LETTERS.name] = [dead_letter_batch(letters, self.registry.zone.id)]
        return Piece(partition.partition, rows, alerts, through, partition.channels.registry.version, batches)


def _joined(made: Iterable[dict[str, list[pa.RecordBatch]]]) -> dict[str, list[pa.RecordBatch]]:
    out: dict[str, list[pa.RecordBatch]] = {}
    for batches in made:
        for name, found in batches.items():
            out.setdefault(name, []).extend(found)
    return out


def no_items() -> ReadingColumns:
    """No reading."""
    none: Any = np.empty(0, np.int64)
    return ReadingColumns(none, none, np.empty(0, np.float64), none, none, none, none, none)
