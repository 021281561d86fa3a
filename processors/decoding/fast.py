"""Records -> readings, fast: kernels take the canonical JSON and Arrow forms, the slow exact decoder everything else, with one result."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from zonepulse.processors.channels.table import Channels
from zonepulse.processors.decoding.arrow_readings import decode_block
from zonepulse.processors.decoding.channel_hash import tables_of
from zonepulse.processors.decoding.exact import Decoded, Ints, decode_records
from zonepulse.processors.decoding.json_readings import CELL, LAYOUT, MOST_PIECES, SHORTEST, Columns, parse_records
from zonepulse.processors.flow import ReadingColumns
from zonepulse.schemas.messages.readings import is_arrow
from zonepulse.schemas.messages.records import CONTENT_TYPE, RecordSpans
from zonepulse.schemas.values import MOST_BRACKETS, brackets


def decode_fast(records: RecordSpans, start: int, stop: int, ingest_ms: Ints, channels: Channels) -> Decoded:
    """What `decoding.decode_records` returns, bit for bit; `ingest_ms` belongs to all records of the batch."""
    starts, ends = _json_starts(records), records.value_end
    room = int(np.maximum(ends[start:stop] - starts[start:stop], 0).sum()) // SHORTEST + 1
    columns = Columns(*(np.empty(room, np.float64 if name == "value" else np.int64) for name in Columns._fields))
    refused, cells = np.empty((2, stop - start), np.int64), np.empty(1, CELL).view(np.recarray)
    layout = np.zeros(MOST_PIECES, LAYOUT).view(np.recarray)
    tables = tables_of(channels)
    rows, dropped = parse_records(records.buffer, starts, ends, start, stop, ingest_ms, tables, columns, refused, cells, layout)
    if not dropped:
        return _batch(columns, 0, rows)
    pieces, done = [], 0
    for first, last, before in _runs(refused[0, :dropped], refused[1, :dropped]):
        pieces += [_batch(columns, done, before), *_refused(records, first, last + 1, ingest_ms, channels)]
        done = before
    return joined([*pieces, _batch(columns, done, rows)])


def _json_starts(records: RecordSpans) -> Ints:
    """Where the values start; -1 for those whose header says that they are no JSON, and those with more brackets than are read."""
    verdicts = {id(headers): headers for headers in records.headers.values()}
    blocks = {i for i, headers in verdicts.items() if is_arrow(b"", _content_type(headers))}
    large = np.flatnonzero(records.value_end - records.value_start > MOST_BRACKETS).tolist()
    barred = [i for i in large if brackets(records.value(i) or b"") > MOST_BRACKETS]
    if not blocks and not barred:
        return records.value_start
    starts = records.value_start.copy()
    starts[barred + [i for i, headers in records.headers.items() if id(headers) in blocks]] = -1
    return starts


def _content_type(headers: tuple[tuple[str, bytes], ...]) -> bytes | None:
    found = [value for name, value in headers if name == CONTENT_TYPE]
    return found[-1] if found else None


def _runs(refused: Ints, rows_before: Ints) -> Iterator[tuple[int, int, int]]:
    """(first, last, rows before) of neighbouring refused records."""
    edges = np.flatnonzero(np.diff(refused) != 1) + 1
    firsts, lasts = np.concatenate([[0], edges]), np.concatenate([edges - 1, [len(refused) - 1]])
    yield from zip(refused[firsts].tolist(), refused[lasts].tolist(), rows_before[firsts].tolist(), strict=True)


def _refused(records: RecordSpans, first: int, stop: int, ingest_ms: Ints, channels: Channels) -> Iterator[Decoded]:
    """Records that the JSON kernel did not take: blocks one by one, the others in runs."""
    done = first
    for i in range(first, stop):
        head = records.buffer[max(0, records.value_start[i]) : records.value_end[i]][:4].tobytes()
        if records.value_start[i] >= 0 and is_arrow(head, records.header(i, CONTENT_TYPE)):
            if done < i:
                yield decode_records(records, done, i, ingest_ms, channels)
            yield decode_block(records, i, ingest_ms, channels) or decode_records(records, i, i + 1, ingest_ms, channels)
            done = i + 1
    if done < stop:
        yield decode_records(records, done, stop, ingest_ms, channels)


def _batch(columns: Columns, start: int, stop: int) -> Decoded:
    channel, ts, value, unit, seq, quality, ingest, record, item = (column[start:stop] for column in columns)
    return Decoded(ReadingColumns(channel, ts, value, unit, seq, quality, ingest, np.zeros(stop - start, np.int64)), record, item)


def joined(pieces: list[Decoded]) -> Decoded:
    """One or more batches as one."""
    pieces = [piece for piece in pieces if len(piece.record)] or pieces[:1]
    if len(pieces) == 1:
        return pieces[0]
    items = ReadingColumns(*(np.concatenate(column) for column in zip(*(piece.items for piece in pieces), strict=True)))
    return Decoded(items, _concatenated([p.record for p in pieces]), _concatenated([p.item for p in pieces]))


def _concatenated(parts: list[Ints]) -> NDArray[np.int64]:
    return np.concatenate(parts)
