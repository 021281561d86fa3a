"""Files of readings for `produce` and `replay file`: Parquet, CSV and JSON lines, in bounded memory and in the order of arrival.

Columns (keys, in JSON lines): those of a reading, `ingest_ms`, and optional `partition`, `offset`, `item`. A CSV or JSON lines
file may be compressed (`.gz`, `.zst`, `.bz2` behind its name). JSON lines may have a sidecar: json_lines.py.

Order: rows of a file keep their order. Where every file has `ingest_ms`, several files are merged by its running maximum in each,
of equal ones the earlier file first; otherwise they follow each other. Without `ingest_ms` a row arrives at the running maximum
of `ts`, if the caller says that this is meant.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from zonepulse.schemas.columns import NO_PARTITION, POSITION, UNKNOWN_MS, ColumnChunk, columns_of, times_of
from zonepulse.schemas.records import RecordSpans
from zonepulse.streams.arrival_order import merged
from zonepulse.streams.column_files import csv_blocks, parquet_blocks
from zonepulse.streams.json_lines import json_blocks
from zonepulse.streams.reading_blocks import BadFile, Block

_READERS: Final = {
    ".parquet": parquet_blocks,
    ".pq": parquet_blocks,
    ".csv": csv_blocks,
    ".jsonl": json_blocks,
    ".ndjson": json_blocks,
    ".json": json_blocks,
}
_COMPRESSIONS: Final = (".gz", ".zst", ".bz2")
_Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RecordChunk:
    """Lines of a JSON lines file as records of one partition (NO_PARTITION where the file names none), in order of arrival.

    `records`: value = the line as it is, timestamp_ms = ingest time, no keys; offsets as given, else counted in each partition.
    `item`, shape (n,): position inside the record where the line is one item of a larger one, else 0.
    """

    records: RecordSpans
    item: _Ints


def read_files(paths: Sequence[Path], topic: str, *, arrival: bool = False) -> Iterator[RecordChunk | ColumnChunk]:
    """Every reading of the files, as chunks of about 64 thousand rows.

    Chunks follow each other in order of arrival. A block of JSON lines becomes one chunk for each of its partitions, since order
    between partitions means nothing. `arrival`: rows without `ingest_ms` arrive at the running maximum of `ts` so far.
    Raises BadFile.
    """
    log = _Log(topic, arrival)
    for block in merged([blocks_of(path) for path in paths]):
        yield from log.chunks(block)


def partition_count(paths: Sequence[Path], asked: int | None = None) -> int:
    """N: `asked`, else 1 + the largest partition in the files. Raises BadFile where that is unknown or too small."""
    tops = {path: _partitions(path) for path in paths}
    widest = max(tops, key=tops.__getitem__, default=None)
    if widest is None or (asked is None and not tops[widest]):
        raise BadFile(f"{', '.join(map(str, paths))}: no partition is named; say how many there are with --partitions")
    if asked is not None and asked < max(1, tops[widest]):
        raise BadFile(
            f"{widest}: names partition {tops[widest] - 1}, --partitions is {asked}; ask for {max(1, tops[widest])} or more"
        )
    return tops[widest] if asked is None else asked


def blocks_of(path: Path) -> Iterator[Block]:
    """The rows of one file as they are written. Raises BadFile, at the latest when the iterator reaches the place."""
    plain = path.with_suffix("") if path.suffix in _COMPRESSIONS else path
    if plain.suffix not in _READERS:
        raise BadFile(
            f"{path}: unknown kind of file {plain.suffix!r}; known: {', '.join(_READERS)}, and {', '.join(_COMPRESSIONS)} behind"
        )
    try:
        yield from _READERS[plain.suffix](path)
    except (OSError, pa.ArrowException, UnicodeDecodeError) as bad:
        raise BadFile(f"{path}: {bad}; is it a whole {plain.suffix} file?") from bad


def _partitions(path: Path) -> int:
    columns = (block.table["partition"] for block in blocks_of(path) if "partition" in block.table.column_names)
    return max((pc.max(column).as_py() + 1 for column in columns if len(column)), default=0)


class _Log:
    """Gives rows the place in a log that their file does not name. Remembers the newest ingest time and every partition's end."""

    def __init__(self, topic: str, arrival: bool) -> None:
        self._topic, self._arrival = topic, arrival
        self._latest_ms = UNKNOWN_MS
        self._ends: dict[int, int] = {}

    def chunks(self, block: Block) -> Iterator[RecordChunk | ColumnChunk]:
        """The block in its public form; JSON lines as one chunk for each partition."""
        position = self._position(block)
        if block.form == "json":
            values = block.table["value"].combine_chunks()
            yield from (self._records(values, position, int(p)) for p in np.unique(position["partition"]))
        else:
            source = block.table.select([name for name in block.table.column_names if name not in POSITION])
            yield columns_of(source, position, is_text=block.form == "text")

    def _position(self, block: Block) -> dict[str, _Ints]:
        table = block.table
        given = {name: table[name].to_numpy() for name in POSITION if name in table.column_names}
        given.setdefault("item", np.zeros(table.num_rows, np.int64))
        given.setdefault("partition", np.full(table.num_rows, NO_PARTITION))
        given["offset"] = self._offsets(given["partition"], given.get("offset"))
        if "ingest_ms" not in given:
            given["ingest_ms"] = self._arrivals(block)
        self._latest_ms = max(self._latest_ms, int(given["ingest_ms"].max(initial=UNKNOWN_MS)))
        return {name: given[name] for name in POSITION}

    def _arrivals(self, block: Block) -> _Ints:
        """Running maximum of ts; rows before the first time that can be read arrive with it."""
        if not self._arrival:
            raise BadFile(
                f"{block.path}: no ingest_ms; add it, or pass --arrival to let readings arrive at the running maximum of ts"
            )
        table = block.table
        ts_ms = table["ts_ms"].to_numpy() if block.form == "json" else times_of(table, is_text=block.form == "text")[0]
        ingest_ms = np.maximum.accumulate(np.maximum(ts_ms, self._latest_ms))
        known = ingest_ms[ingest_ms > UNKNOWN_MS]
        return np.where(ingest_ms > UNKNOWN_MS, ingest_ms, known[0] if len(known) else 0)

    def _offsets(self, partition: _Ints, given: _Ints | None) -> _Ints:
        offset = np.empty(len(partition), np.int64)
        for p in np.unique(partition).tolist():
            rows = partition == p
            start = self._ends.get(p, 0)
            offset[rows] = np.arange(start, start + rows.sum()) if given is None else given[rows]
            self._ends[p] = int(offset[rows][-1]) + 1
        return offset

    def _records(self, values: pa.LargeBinaryArray, position: dict[str, _Ints], partition: int) -> RecordChunk:
        rows = np.flatnonzero(position["partition"] == partition)
        lines = values.take(pa.array(rows))
        _, ends, data = lines.buffers()
        edges = np.frombuffer(ends, np.int64)[lines.offset : lines.offset + len(rows) + 1]
        buffer = np.frombuffer(data, np.uint8) if data else np.empty(0, np.uint8)
        offset = position["offset"][rows]
        no_key = np.full(len(rows), -1)
        times = position["ingest_ms"][rows]
        spans = (no_key, no_key, edges[:-1], edges[1:], offset, times, self._ends[partition])
        return RecordChunk(RecordSpans(self._topic, partition, buffer, *spans), position["item"][rows])
