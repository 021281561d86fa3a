"""Files of readings for `produce` and `replay file`, in bounded memory and in the order of arrival.

Parquet, CSV and JSON lines with the columns (keys) of a reading, `ingest_ms`, and optional `partition`, `offset`, `item` are read as they
are; other tables, workbooks and Green Button feeds as files/ makes them into those columns. A file of text may be compressed (`.gz`,
`.zst`, `.bz2` behind its name). JSON lines may have a sidecar: json_lines.py.

Order: rows of a file keep their order. Where every file has `ingest_ms`, several files are merged by its running maximum in each,
of equal ones the earlier file first; otherwise they follow each other. Without `ingest_ms` a row arrives as files/arrival.py says, if the
caller says that this is meant.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from zonepulse.schemas.messages.reading_columns import NO_PARTITION, POSITION, ColumnChunk, columns_of, times_of
from zonepulse.schemas.messages.records import RecordSpans
from zonepulse.streams.files.arrival import Arrival
from zonepulse.streams.files.arrival_order import merged
from zonepulse.streams.files.blocks import BadFile, Block
from zonepulse.streams.files.columns import csv_blocks, parquet_blocks
from zonepulse.streams.files.form import FileForm
from zonepulse.streams.files.green_button import green_button_blocks
from zonepulse.streams.files.json_lines import json_blocks
from zonepulse.streams.files.sheets import COMPRESSIONS, TEXT_FILES, WORKBOOKS, delimiter_of, encoding_of, kind_of
from zonepulse.streams.files.tables import table_blocks

_PARQUET: Final = (".parquet", ".pq")
_JSON: Final = (".jsonl", ".ndjson", ".json")
_XML: Final = (".xml",)
KINDS: Final = (*_PARQUET, *TEXT_FILES, *WORKBOOKS, *_JSON, *_XML)
AS_IT_IS: Final = FileForm()
_Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RecordChunk:
    """Lines of a JSON lines file as records of one partition (NO_PARTITION where the file names none), in order of arrival.

    `records`: value = the line as it is, timestamp_ms = ingest time, no keys; offsets as given, else counted in each partition.
    `item`, shape (n,): position inside the record where the line is one item of a larger one, else 0.
    """

    records: RecordSpans
    item: _Ints


def read_files(
    paths: Sequence[Path], topic: str, *, arrival: Arrival | None = None, form: FileForm = AS_IT_IS
) -> Iterator[RecordChunk | ColumnChunk]:
    """Every reading of the files, as chunks of about 64 thousand rows.

    Chunks follow each other in order of arrival. A block of JSON lines becomes one chunk for each of its partitions, since order
    between partitions means nothing. `arrival`: when rows without `ingest_ms` arrive. Raises BadFile.
    """
    log = _Log(topic)
    for block in _in_order(paths, arrival, form):
        yield from log.chunks(block)


def _in_order(paths: Sequence[Path], arrival: Arrival | None, form: FileForm) -> Iterator[Block]:
    files = [blocks_of(path, form) for path in paths]
    if arrival is None:
        yield from merged(files)
        return
    for blocks in files:
        head = next(blocks, None)
        if head is not None:
            whole = chain([head], blocks)
            has_times = "ingest_ms" in head.table.column_names
            yield from whole if has_times else arrival.timed((block, _times(block)) for block in whole)


def _times(block: Block) -> _Ints:
    """The time of each row, UNKNOWN_MS where there is none."""
    if block.form == "json":
        return np.asarray(block.table["ts_ms"].to_numpy())
    return times_of(block.table, is_text=block.form == "text")[0]


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a file says of its rows' places: 1 + the largest partition (0: none is named) and the earliest ingest_ms (None: none)."""

    path: Path
    partitions: int
    earliest_ms: int | None


def facts_of(path: Path, form: FileForm = AS_IT_IS) -> FileFacts:
    """Reads the file through only where it names places. Raises BadFile."""
    partitions, earliest = 0, list[int]()
    for block in blocks_of(path, form):
        named = block.table.column_names
        if "partition" not in named and "ingest_ms" not in named:
            break
        if "partition" in named:
            partitions = max(partitions, 1 + (pc.max(block.table["partition"]).as_py() or 0))
        if "ingest_ms" in named and block.table.num_rows:
            earliest.append(pc.min(block.table["ingest_ms"]).as_py())
    return FileFacts(path, partitions, min(earliest, default=None))


MOST_PARTITIONS: Final = 100_000


def partition_count(files: Sequence[FileFacts], asked: int | None = None) -> int:
    """N: `asked`, else 1 + the largest partition in the files, 1 where they name none.

    Raises BadFile where `asked` is too small, or a file names a partition that no topic has.
    """
    widest = max(files, key=lambda file: file.partitions)
    if asked is not None and asked < max(1, widest.partitions):
        named = f"{widest.path}: names partition {widest.partitions - 1}, --partitions is {asked}"
        raise BadFile(f"{named}; ask for {max(1, widest.partitions)} or more")
    if widest.partitions > MOST_PARTITIONS:
        raise BadFile(f"{widest.path}: names partition {widest.partitions - 1}, at most {MOST_PARTITIONS - 1} is allowed")
    return max(1, widest.partitions) if asked is None else asked


def blocks_of(path: Path, form: FileForm = AS_IT_IS) -> Iterator[Block]:
    """The rows of one file as they are written, or as `form` reads them. Raises BadFile, at the latest when the iterator reaches the
    place."""
    kind = kind_of(path)
    if kind not in KINDS:
        raise BadFile(f"{path}: unknown kind of file {kind!r}; known: {', '.join(KINDS)}, and {', '.join(COMPRESSIONS)} behind")
    try:
        yield from _reader(path, kind, form)
    except (OSError, pa.ArrowException, UnicodeError) as bad:
        raise BadFile(f"{path}: {bad}; is it a whole {kind} file?") from bad


def _reader(path: Path, kind: str, form: FileForm) -> Iterator[Block]:
    if kind in (*_JSON, *_XML):
        if not form.is_plain:
            raise BadFile(f"{path}: its keys and times are fixed; options that say how a table is written are for tables")
        return json_blocks(path) if kind in _JSON else green_button_blocks(path)
    if kind in _PARQUET and form.is_plain:
        return parquet_blocks(path)
    if kind in TEXT_FILES and form.is_plain and delimiter_of(path, form) == "," and encoding_of(path, form).startswith("utf-8"):
        return csv_blocks(path)
    return table_blocks(path, form)


class _Log:
    """Gives rows the place in a log that their file does not name. Remembers the newest ingest time and every partition's end."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
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
            raise BadFile(
                f"{block.path}: no ingest_ms; add it, or pass --arrival to let readings arrive at the running maximum of ts"
            )
        return {name: given[name] for name in POSITION}

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
