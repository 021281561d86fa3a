"""Arrow IPC blocks on the wire: what agents send each other in `zp.intervals` and `zp.results`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import pyarrow as pa

from zonepulse.processors.channels.table import Channels
from zonepulse.processors.flow import Rows
from zonepulse.processors.metering.interval_rows import interval_block
from zonepulse.schemas.messages.arrow_blocks import BadArrow, is_plain, read_table
from zonepulse.schemas.values import check_brackets

ROWS_A_BLOCK: Final = 6_000
"""About 120 bytes a row: a block stays below 900 kB."""
PARTITION: Final = b"partition"
THROUGH: Final = b"through"
REGISTRY: Final = b"registry"
KIND: Final = b"kind"
LIVE_PARTIAL: Final = b"live_partial"
CANDIDATES: Final = b"candidates"
AT: Final = b"at"
_CANDIDATES_A_BLOCK: Final = 1_000
_CANDIDATE: Final = pa.schema([pa.field("transition", pa.binary())])
MAX_BLOCK_ROWS: Final = 100_000
NO_PARTITION: Final = -1
"""Of a block that no partition of readings made."""


@dataclass(frozen=True, slots=True)
class IntervalBlock:
    """One record of `zp.intervals`. `through` is the last tick its partition has closed, None in all but the last block of a fetch."""

    batch: pa.RecordBatch
    partition: int
    through: int | None
    registry: int
    live_at_ms: int | None
    """Ingest time of a block of live sums; None for other blocks."""
    candidates: list[dict[str, Any]] | None = None
    """Transitions of alerts (rows of table `alerts` less zone), for the ledger to write; None for other blocks."""


def encode(batch: pa.RecordBatch, metadata: Mapping[bytes, bytes] | None = None) -> bytes:
    """A record batch as an Arrow IPC stream; `metadata` becomes the schema's."""
    schema = batch.schema.with_metadata(dict(metadata)) if metadata else batch.schema
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(batch.replace_schema_metadata(schema.metadata))
    return bytes(sink.getvalue())


def interval_blocks(rows: Rows, channels: Channels, partition: int, through: int) -> Iterator[bytes]:
    """The rows of a fetch (sorted by revision) as blocks; the last, possibly empty, carries `through`."""
    metadata = {PARTITION: b"%d" % partition, REGISTRY: b"%d" % channels.registry.version}
    starts = range(0, max(1, len(rows)), ROWS_A_BLOCK)
    for start in starts:
        last = {THROUGH: b"%d" % through} if start == starts[-1] else {}
        yield encode(interval_block(rows[start : start + ROWS_A_BLOCK], channels), metadata | last)


def live_block(sums: pa.RecordBatch, partition: int, at_ms: int, registry: int) -> bytes:
    """Sums for the live view (processors.live.PARTIAL) of one partition at its ingest time."""
    return encode(sums, {PARTITION: b"%d" % partition, REGISTRY: b"%d" % registry, KIND: LIVE_PARTIAL, AT: b"%d" % at_ms})


def candidate_blocks(alerts: Sequence[Mapping[str, Any]], partition: int, registry: int) -> Iterator[bytes]:
    """Transitions of alerts that a task proposes; those of a partition belong to the tick that is their revision."""
    metadata = {PARTITION: b"%d" % partition, REGISTRY: b"%d" % registry, KIND: CANDIDATES}
    for start in range(0, len(alerts), _CANDIDATES_A_BLOCK):
        column = pa.array([msgspec.json.encode(row) for row in alerts[start : start + _CANDIDATES_A_BLOCK]], pa.binary())
        yield encode(pa.RecordBatch.from_arrays([column], schema=_CANDIDATE), metadata)


def block_metadata(value: bytes) -> Mapping[bytes, bytes]:
    """What a block says of itself. Raises BadArrow."""
    try:
        return pa.ipc.open_stream(pa.py_buffer(value)).schema.metadata or {}
    except Exception as bad:  # Arrow raises of nearly every kind on damaged bytes
        raise BadArrow(f"no readable Arrow stream: {type(bad).__name__}: {bad}"[:300]) from bad


def only_batch(table: pa.Table) -> pa.RecordBatch:
    """The one record batch of a block; an empty one where there is none. Raises BadArrow."""
    batches = table.to_batches()
    if len(batches) > 1:
        raise BadArrow(f"{len(batches)} record batches, expected one")
    return batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)


def _is_sent(kind: pa.DataType) -> bool:
    return is_plain(kind) or bool(pa.types.is_binary(kind))


def decode_block(value: bytes) -> IntervalBlock:
    """A record of `zp.intervals`, validated in full. Raises BadArrow, and what damaged metadata raise."""
    metadata = block_metadata(value)
    through = metadata.get(THROUGH)
    batch = only_batch(read_table(value, None, MAX_BLOCK_ROWS, _is_sent))
    kind = metadata.get(KIND)
    candidates = None
    if kind == CANDIDATES:
        texts = batch["transition"].to_pylist()
        check_brackets(*texts)
        candidates = [msgspec.json.decode(text) for text in texts]
    return IntervalBlock(
        batch, int(metadata[PARTITION]), None if through is None else int(through), int(metadata[REGISTRY]),
        int(metadata[AT]) if kind == LIVE_PARTIAL else None, candidates,
    )  # fmt: skip
