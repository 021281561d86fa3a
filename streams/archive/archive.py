"""The archive of one log of readings: Parquet files of consecutive offsets on a disk or in an object store.

    <url>/zone=<id>/topic=<Kafka's id>/day=<UTC day of ingest>/partition=<n>/<first offset>-<next offset>.parquet

A file appears whole or not at all, and its name says which offsets it covers, so the files are the only record of how far the archive has
come: nobody has to agree with them. Two writers may cover the same offsets; readers take each offset once. A topic that was made anew
under its name has another id, and a folder of its own.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from zonepulse.schemas.messages.records import RecordSpans
from zonepulse.streams.archive.record_table import SCHEMA, digest_of, records_of
from zonepulse.streams.embedded.processes.private_files import write_whole

READ_ROWS: Final = 100_000
_PLACE: Final = re.compile(r"day=([^/]+)/partition=(\d+)/(\d{20})-(\d{20})\.parquet$")
_FACTS: Final = "zonepulse."


class BadArchive(ValueError):
    """The archive cannot be read, or is not what it should be; the message names the file and a remedy."""


class Kept(NamedTuple):
    """One file: the records of a partition with first <= offset < next."""

    partition: int
    first: int
    next: int
    day: str
    path: str
    bytes: int


class Archive:
    """The archive under `url` (a folder, or a URL that Arrow knows, such as s3://bucket/path) of one topic of a zone."""

    def __init__(self, url: str, zone: str, topic: str, topic_id: str) -> None:
        self.url, self.topic = url, topic
        try:
            self._fs, root = fs.FileSystem.from_uri(url if "://" in url else str(Path(url).resolve()))
        except (pa.ArrowException, OSError) as error:
            raise BadArchive(
                f"ZONEPULSE_ARCHIVE is {url!r}: {error}; expected a folder, or a URL such as s3://bucket/path"
            ) from error
        self._root = f"{root.rstrip('/')}/zone={quote(zone, safe='')}/topic={quote(topic_id, safe='')}"

    def files(self) -> dict[int, list[Kept]]:
        """Of each partition, in order of offsets. Raises BadArchive."""
        found: dict[int, list[Kept]] = {}
        try:
            listed = self._fs.get_file_info(fs.FileSelector(self._root, allow_not_found=True, recursive=True))
        except (pa.ArrowException, OSError) as error:
            raise BadArchive(f"{self._root} cannot be listed: {error}; look whether ZONEPULSE_ARCHIVE is reachable") from error
        for info in listed:
            if (place := _PLACE.search(info.path)) is not None:
                day, partition, first, next_ = place[1], int(place[2]), int(place[3]), int(place[4])
                found.setdefault(partition, []).append(Kept(partition, first, next_, day, info.path, info.size))
        return {partition: sorted(kept) for partition, kept in sorted(found.items())}

    def write(self, partition: int, first: int, next_: int, day: str, rows: pa.Table) -> Kept:
        """Keeps the records of [first, next_); durable when it returns. Raises OSError."""
        facts = {"topic": self.topic, "rows": str(len(rows)), "digest": digest_of(rows)}
        named = {f"{_FACTS}{name}": text for name, text in facts.items()}
        sink = pa.BufferOutputStream()
        pq.write_table(
            rows.replace_schema_metadata(named), sink, compression="zstd", write_page_checksum=True,
            sorting_columns=[pq.SortingColumn(0)], use_dictionary=["key", "refused_why"],
        )  # fmt: skip
        content = sink.getvalue()
        path = f"{self._root}/day={day}/partition={partition}/{first:020d}-{next_:020d}.parquet"
        self._put(path, content)
        return Kept(partition, first, next_, day, path, len(content))

    def _put(self, path: str, content: pa.Buffer) -> None:
        self._fs.create_dir(path.rpartition("/")[0], recursive=True)
        if isinstance(self._fs, fs.LocalFileSystem):
            write_whole(Path(path), content)
        else:  # an object appears when its stream is closed
            with self._fs.open_output_stream(path) as out:
                out.write(content)

    def read(self, files: Iterable[Kept], partition: int, first: int, end: int) -> Iterator[RecordSpans]:
        """The records of [first, end) in order, each once; `files` are the partition's, in order.

        Raises BadArchive where some are missing or a file is damaged.
        """
        at = first
        for kept in files:
            if kept.next <= at or at >= end:
                continue
            if kept.first > at:
                raise BadArchive(_missing(self._root, partition, at, min(kept.first, end)))
            for rows in self._rows(kept):
                offset = rows["offset"].to_numpy()
                low, high = offset.searchsorted(at), offset.searchsorted(end)
                if high > low:
                    yield records_of(self.topic, partition, rows.slice(low, high - low))
            at = kept.next
        if at < end:
            raise BadArchive(_missing(self._root, partition, at, end))

    def _rows(self, kept: Kept) -> Iterator[pa.RecordBatch]:
        try:
            with self._fs.open_input_file(kept.path) as source, pq.ParquetFile(source, page_checksum_verification=True) as file:
                for rows in file.iter_batches(READ_ROWS):
                    yield pa.RecordBatch.from_arrays(rows.columns, schema=SCHEMA)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise BadArchive(f"{kept.path} cannot be read: {error}; restore it from a copy") from error

    def check(self, kept: Kept) -> dict[str, Any]:
        """Rows and digest of a file, read whole. Raises BadArchive where it is not as written."""
        rows = pa.Table.from_batches(list(self._rows(kept)), SCHEMA)
        facts = self.facts(kept)
        if digest_of(rows) != facts["digest"] or len(rows) != facts["rows"]:
            raise BadArchive(f"{kept.path} holds other records than were written: restore it from a copy")
        return facts

    def facts(self, kept: Kept) -> dict[str, Any]:
        """Rows and digest as the file's end says. Raises BadArchive."""
        try:
            with self._fs.open_input_file(kept.path) as source, pq.ParquetFile(source) as file:
                found = file.schema_arrow.metadata
                return {"rows": int(found[f"{_FACTS}rows".encode()]), "digest": found[f"{_FACTS}digest".encode()].decode()}
        except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
            raise BadArchive(f"{kept.path} cannot be read: {error}; restore it from a copy") from error


def stretches(files: Iterable[Kept]) -> list[tuple[int, int]]:
    """The consecutive offsets [first, next) of an archive's partition, in order; what lies between two is missing. `files` in order."""
    found: list[tuple[int, int]] = []
    for kept in files:
        if found and kept.first <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], kept.next)
        else:
            found.append((kept.first, kept.next))
    return found


def covered(files: Iterable[Kept], at: int) -> tuple[int, int]:
    """The stretch that holds, or ends at, offset `at`; (at, at) where there is none."""
    return next((found for found in stretches(files) if found[0] <= at <= found[1]), (at, at))


def _missing(root: str, partition: int, first: int, end: int) -> str:
    return f"{root}: partition {partition} has no offsets {first} to {end - 1}; restore its files, or plan the run anew"
