"""Files of readings through the whole functional core in one process: no Kafka, no Faust, no server.

Rows of a file that names no partition go where the registry's key of their meter sends them, with offsets that count up in each
partition. Only the newest revision of every row is kept, so memory grows with the result, not with the revisions.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from zonepulse.processors.final_rows import final_rows
from zonepulse.processors.zone_run import ZoneRun
from zonepulse.schemas.columns import NO_PARTITION, ColumnChunk
from zonepulse.schemas.partitioner import partition_key, partition_of
from zonepulse.schemas.readings import decode
from zonepulse.schemas.records import RecordSpans
from zonepulse.schemas.registry import Registry
from zonepulse.schemas.registry_lookup import RegistryIndex
from zonepulse.schemas.results import FINAL_TABLES, TABLES
from zonepulse.schemas.topics import READINGS
from zonepulse.streams.reading_blocks import BadFile
from zonepulse.streams.reading_files import RecordChunk, blocks_of, partition_count, read_files
from zonepulse.streams.stored_rows import stored

COMPACT_ROWS: Final = 500_000
"""Rows that may wait before superseded revisions are dropped."""
Batches = Mapping[str, Sequence[pa.RecordBatch]]
_Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of the files. `tables` are final rows of FINAL_TABLES, sorted by key, as they are stored, with `run`."""

    tables: dict[str, pa.Table]
    readings: int
    dead_letters: dict[str, int]
    partitions: int
    first_ingest_ms: int | None
    last_ingest_ms: int | None
    seconds: float


def replay_files(
    registry: Registry, paths: Sequence[Path], run: str, partitions: int | None = None, *, arrival: bool = False
) -> Replayed:
    """Folds the files into final rows under `run`. `arrival`: see reading_files; then `future` is not checked. Raises BadFile."""
    started = time.monotonic()
    n = partition_count(paths, partitions)
    zone, rows, log = ZoneRun(registry, n, check_future=not arrival), FinalRows(), _Log(registry, n)
    earliest = _earliest_named(paths)
    for chunk in read_files(paths, READINGS.full_name(), arrival=arrival):
        if log.first_ms is None:
            zone.begin(min(earliest, *chunk_times(chunk)) if len(chunk_times(chunk)) else earliest)
        for batches in log.fold(zone, chunk):
            rows.add(batches)
    if log.first_ms is not None:
        rows.add(zone.finish())
    tables = {name: with_run(name, rows.table(name), run) for name in FINAL_TABLES}
    reasons = Counter(tables["dead_letters"]["reason"].to_pylist())
    return Replayed(tables, log.readings, dict(sorted(reasons.items())), n, log.first_ms, log.last_ms, time.monotonic() - started)
