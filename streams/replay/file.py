"""Files of readings through the whole functional core in one process: no Kafka, no Faust, no server.

Rows of a file that names no partition go where the registry's key of their meter sends them, with offsets that count up in each
partition. Only the newest revision of every row is kept, so memory grows with the result, not with the revisions.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from zonepulse.processors.final_rows import final_rows
from zonepulse.processors.zone_run import ZoneRun
from zonepulse.schemas.messages.commands import Place, Told
from zonepulse.schemas.messages.partitioner import partition_of
from zonepulse.schemas.messages.reading_columns import NO_PARTITION, ColumnChunk
from zonepulse.schemas.messages.readings import decode
from zonepulse.schemas.messages.records import RecordSpans
from zonepulse.schemas.messages.topics import READINGS
from zonepulse.schemas.registry.model import FOREVER, Registry
from zonepulse.schemas.tables.results import FINAL_TABLES, TABLES
from zonepulse.streams.clickhouse.stored_rows import stored
from zonepulse.streams.files.arrival import Arrival
from zonepulse.streams.files.blocks import BadFile
from zonepulse.streams.files.form import FileForm
from zonepulse.streams.files.reading_files import AS_IT_IS, RecordChunk, facts_of, partition_count, read_files
from zonepulse.streams.files.refusals import Refusals, refused_letters
from zonepulse.streams.kafka.reading_keys import ReadingKeys

COMPACT_ROWS: Final = 500_000
"""Rows that may wait before superseded revisions are dropped."""
LETTERS: Final = "dead_letters"
LETTER_BYTES: Final = 1 << 28
"""Dead letters of a run beyond that are counted; their bytes stay where they are, in the file."""
Batches = Mapping[str, Sequence[pa.RecordBatch]]
_Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of the files. `tables` are final rows of FINAL_TABLES, sorted by key, as they are stored, with `run`."""

    tables: dict[str, pa.Table]
    readings: int
    refused: Refusals
    letters_left_out: int
    """Of the refused, those that are counted and have no row: there is no end to what a file may hold."""
    partitions: int
    first_ingest_ms: int | None
    last_ingest_ms: int | None
    seconds: float

    @property
    def dead_letters(self) -> dict[str, int]:
        """Refused readings by reason."""
        return dict(sorted(self.refused.counts.items()))

    @property
    def accepted(self) -> int:
        """Readings that were not refused."""
        return max(0, self.readings - self.refused.total)


def replay_files(
    registry: Registry,
    paths: Sequence[Path],
    run: str,
    partitions: int | None = None,
    *,
    arrival: bool = False,
    form: FileForm = AS_IT_IS,
    commands: Sequence[Told] = (),
    letter_bytes: int = LETTER_BYTES,
    topic: str = READINGS.full_name(),
) -> Replayed:
    """Folds the files into final rows under `run`. `arrival`: readings without ingest_ms arrive as files/arrival.py says; `commands`: what
    people skip and say of alerts; `letter_bytes`: the most that dead letters may take, which name `topic`. Raises BadFile."""
    started = time.monotonic()
    facts = [facts_of(path, form) for path in paths]
    n, skips = partition_count(facts, partitions), {place for told in commands if (place := told.command.place) is not None}
    zone, rows, log, letters = ZoneRun(registry, n, topic), FinalRows(), _Log(registry, n, skips), _Letters(letter_bytes)
    zone.tell(commands)
    earliest_ms = min((file.earliest_ms for file in facts if file.earliest_ms is not None), default=FOREVER)
    for chunk in read_files(paths, topic, arrival=Arrival(registry.zone) if arrival else None, form=form):
        times = chunk.records.timestamp_ms if isinstance(chunk, RecordChunk) else chunk.ingest_ms
        if log.first_ms is None and len(times):
            log.first_ms = min(earliest_ms, int(times[0]))
            zone.begin(log.first_ms)
        for batches in log.fold(chunk, zone):
            rows.add(letters.bounded(batches))
    if log.first_ms is not None:
        rows.add(zone.finish())
    tables = {name: with_run(stored(TABLES[name], rows.table(name)), run) for name in FINAL_TABLES}
    refused = refused_letters(tables[LETTERS])
    for reason, count in letters.left_out.items():
        refused.add(reason, letters.examples[reason], count)
    return Replayed(
        tables, log.readings, refused, letters.left_out.total(), n, log.first_ms, log.last_ms, time.monotonic() - started
    )


def write_parquet(tables: Mapping[str, pa.Table], folder: Path) -> None:
    """`<table>.parquet` for each table into `folder`, which is made if missing; each appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        work = folder / f".{name}.parquet.part"
        pq.write_table(rows, work)
        work.replace(folder / f"{name}.parquet")


def with_run(rows: pa.Table, run: str) -> pa.Table:
    """Stored rows under another run."""
    return rows.set_column(0, rows.schema.field("run"), pa.array([run], pa.string()).take(pa.array(np.zeros(len(rows), np.int32))))


class FinalRows:
    """Rows as they come, of each key the newest revision."""

    def __init__(self, compact_rows: int = COMPACT_ROWS) -> None:
        self._compact_rows = compact_rows
        self._rows: defaultdict[str, list[pa.RecordBatch]] = defaultdict(list)
        self._waiting: Counter[str] = Counter()
        self._kept: Counter[str] = Counter()

    def add(self, batches: Batches) -> None:
        """Takes rows in, by table name. Superseded ones go when more wait than were left the last time."""
        for name, found in batches.items():
            self._rows[name] += found
            self._waiting[name] += sum(b.num_rows for b in found)
            if self._waiting[name] > max(self._compact_rows, self._kept[name]):
                self._rows[name] = self.table(name).to_batches()
                self._kept[name] = sum(b.num_rows for b in self._rows[name])
                self._waiting[name] = 0

    def table(self, name: str, before: Sequence[pa.RecordBatch] = ()) -> pa.Table:
        """The final rows of a table so far, and of those `before`, sorted by key; empty with its schema where there are none."""
        table = pa.Table.from_batches([*before, *self._rows[name]], TABLES[name].arrow_schema)
        return final_rows(table.unify_dictionaries(), TABLES[name])


class _Letters:
    """Lets dead letters by until they are too many bytes, and counts those behind."""

    def __init__(self, room: int) -> None:
        self._room = room
        self.left_out: Counter[str] = Counter()
        self.examples: dict[str, str] = {}

    def bounded(self, batches: Batches) -> Batches:
        """The batches without the letters that there is no room for."""
        kept = []
        for batch in batches.get(LETTERS, ()):
            self._room -= batch.nbytes
            if self._room >= 0:
                kept.append(batch)
                continue
            found = refused_letters(pa.Table.from_batches([batch]))
            self.left_out.update(found.counts)
            self.examples = found.examples | self.examples
        return {**batches, LETTERS: kept} if LETTERS in batches else batches


class _Log:
    """Sends every row to its partition, numbers those that have no place yet, and counts."""

    def __init__(self, registry: Registry, partitions: int, skips: Collection[Place] = ()) -> None:
        self._keys, self._n = ReadingKeys(registry), partitions
        self._skips: defaultdict[int, list[int]] = defaultdict(list)
        """By partition: offsets to step over."""
        for place in skips:
            if place.topic == READINGS.name:
                self._skips[place.partition].append(place.offset)
        self._ends = np.zeros(partitions, np.int64)
        self._names_partitions: bool | None = None
        self.readings = 0
        self.first_ms: int | None = None
        self.last_ms: int | None = None

    def fold(self, chunk: RecordChunk | ColumnChunk, zone: ZoneRun) -> Iterator[Batches]:
        """The rows that the core makes of a chunk."""
        if isinstance(chunk, RecordChunk):
            yield from self._fold_records(chunk, zone)
        elif len(chunk):
            self._seen(len(chunk), chunk.ingest_ms)
            if self._is_placed(int(chunk.partition[0])):
                partition = chunk.partition
            else:
                keys, rows = self._keys.of_columns(chunk)
                partition = np.array([self._partition(key) for key in keys], np.int64)[rows]
                chunk = replace(chunk, offset=self._offsets(partition))
            skipped = np.zeros(len(chunk), bool)
            for p, offsets in self._skips.items():
                skipped |= (partition == p) & np.isin(chunk.offset, offsets)
            yield from zone.columns(chunk, partition, skipped)

    def _fold_records(self, chunk: RecordChunk, zone: ZoneRun) -> Iterator[Batches]:
        records = chunk.records
        if not len(records):
            return
        if self._is_placed(records.partition):
            self._seen(sum(map(_items, map(records.value, range(len(records))))), records.timestamp_ms)
            yield zone.records(records, chunk.item, self._skipped(records))
            return
        found = [self._keys.of_record(records.value(i)) for i in range(len(records))]
        self._seen(sum(items for _, items in found), records.timestamp_ms)
        partition = np.array([self._partition(key) for key, _ in found], np.int64)
        offset = self._offsets(partition)
        for p in np.unique(partition).tolist():
            rows = np.flatnonzero(partition == p)
            chosen = _chosen(records, rows, p, offset[rows])
            yield zone.records(chosen, chunk.item[rows], self._skipped(chosen))

    def _skipped(self, records: RecordSpans) -> list[int]:
        offsets = self._skips.get(records.partition)
        return np.flatnonzero(np.isin(records.offset, offsets)).tolist() if offsets else []

    def _seen(self, readings: int, ingest_ms: _Ints) -> None:
        self.readings += readings
        self.last_ms = max(int(ingest_ms.max()), int(ingest_ms[0]) if self.last_ms is None else self.last_ms)

    def _is_placed(self, partition: int) -> bool:
        """Whether the file names partitions. Raises BadFile where another one did otherwise: offsets would collide."""
        names = partition != NO_PARTITION
        if self._names_partitions not in (None, names):
            raise BadFile("some of the files name partitions and others do not: give all rows a partition and an offset, or none")
        self._names_partitions = names
        return names

    def _partition(self, key: str | None) -> int:
        return 0 if key is None else partition_of(key, self._n)

    def _offsets(self, partition: _Ints) -> _Ints:
        offset = np.empty(len(partition), np.int64)
        for p in np.unique(partition).tolist():
            rows = np.flatnonzero(partition == p)
            offset[rows] = self._ends[p] + np.arange(len(rows))
            self._ends[p] += len(rows)
        return offset


def _items(value: bytes | None) -> int:
    """How many readings, good or bad, a record holds."""
    return 1 if value is None or value[:1] == b"{" else len(decode(value).meter)


def _chosen(records: RecordSpans, rows: _Ints, partition: int, offset: _Ints) -> RecordSpans:
    """Some of the records, under a partition and offsets of their own."""
    return replace(
        records,
        partition=partition,
        key_start=records.key_start[rows],
        key_end=records.key_end[rows],
        value_start=records.value_start[rows],
        value_end=records.value_end[rows],
        offset=offset,
        timestamp_ms=records.timestamp_ms[rows],
        next_offset=int(offset[-1]) + 1,
    )
