"""The readings of any file in one form: columns with UTC times and float64 values, and what of the file is no reading."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from zonepulse.schemas.messages.reading_columns import NO_PARTITION, POSITION, columns_of
from zonepulse.schemas.messages.readings import QUALITIES, REASONS, decode
from zonepulse.streams.files.blocks import Block
from zonepulse.streams.files.form import FileForm
from zonepulse.streams.files.reading_files import AS_IT_IS, blocks_of
from zonepulse.streams.files.refusals import Refusals, row_text, text_of

_QUALITIES: Final = pa.array(list(QUALITIES))
_KEYS: Final = {
    "meter": pa.string(), "register": pa.string(), "ts": pa.int64(), "value": pa.float64(), "unit": pa.string(), "seq": pa.int64(),
    "quality": pa.string(),
}  # fmt: skip
SCHEMA: Final = pa.schema([*_KEYS.items(), *((name, pa.int64()) for name in POSITION)])


@dataclass(frozen=True, slots=True)
class Readings:
    """Some of a file's readings in its order. `table` has SCHEMA: ts in epoch ms; what the file does not say is null."""

    path: Path
    table: pa.Table


def readings_of(paths: Sequence[Path], refused: Refusals, form: FileForm = AS_IT_IS) -> Iterator[Readings]:
    """File after file, about 64 thousand rows at a time; what is no reading is counted in `refused`. Raises BadFile."""
    for path in paths:
        for block in blocks_of(path, form):
            if block.table.num_rows:
                yield Readings(path, _of_lines(block, refused) if block.form == "json" else _of_columns(block, refused))


def _of_lines(block: Block, refused: Refusals) -> pa.Table:
    made: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
    places = {name: block.table[name].to_pylist() for name in POSITION if name in block.table.column_names}
    qualities = list(QUALITIES)
    for i, line in enumerate(block.table["value"].to_pylist()):
        found = decode(line)
        for row in range(len(found.meter)):
            if found.reason[row]:
                refused.add(REASONS[found.reason[row]], text_of(line))
                continue
            cells = (found.meter[row], found.register[row], found.ts[row], found.value[row], found.unit[row])
            seq, quality = found.seq[row], found.quality[row]
            for key, cell in zip(_KEYS, (*cells, None if seq < 0 else seq, qualities[quality] if quality else None), strict=True):
                made[key].append(cell)
            for name in POSITION:
                made[name].append(places[name][i] if name in places and (name != "item" or "partition" in places) else None)
    return pa.table(made, SCHEMA)


def _of_columns(block: Block, refused: Refusals) -> pa.Table:
    n = block.table.num_rows
    names = block.table.column_names
    instead = {name: np.full(n, NO_PARTITION, np.int64) for name in POSITION}
    position = {name: block.table[name].to_numpy() if name in names else instead[name] for name in POSITION}
    source = block.table.select([name for name in names if name not in POSITION])
    chunk = columns_of(source, position, is_text=block.form == "text")
    for code in np.unique(chunk.reason[chunk.reason > 0]).tolist():
        rows = np.flatnonzero(chunk.reason == code)
        refused.add(REASONS[code], row_text(source.slice(int(rows[0]), 1).to_pylist()[0].items()), len(rows))
    seq = pa.array(chunk.seq, mask=chunk.seq < 0)
    quality = _QUALITIES.take(pa.array(chunk.quality, mask=chunk.quality == 0))
    cells = [chunk.meter, chunk.register, chunk.ts_ms, chunk.value, chunk.unit, seq, quality]
    places = [block.table[name].combine_chunks() if name in names else pa.nulls(n, pa.int64()) for name in POSITION]
    columns = [_cast(column, kind) for column, kind in zip([*cells, *places], SCHEMA.types, strict=True)]
    return pa.table(columns, SCHEMA).filter(pa.array(chunk.reason == 0))


def _cast(column: Any, kind: pa.DataType) -> pa.Array:
    column = column if isinstance(column, (pa.Array, pa.ChunkedArray)) else pa.array(column)
    return pc.cast(column, kind)
