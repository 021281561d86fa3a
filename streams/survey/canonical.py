"""Readings written in the canonical form: JSON lines or CSV with a reading's own keys, times in UTC, numbers that read back the same."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from zonepulse.schemas.messages.reading_columns import POSITION
from zonepulse.streams.files.blocks import LATEST_MS, BadFile
from zonepulse.streams.files.refusals import Refusals, row_text
from zonepulse.streams.survey.readings import SCHEMA, Readings

Written = Literal["jsonl", "csv"]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def sorted_by_time(readings: Iterable[Readings]) -> Iterator[Readings]:
    """All of them by ts, equal ones as they came; holds them all at once."""
    held = list(readings)
    if held:
        table = pa.concat_tables(found.table for found in held)
        order = np.argsort(table["ts"].to_numpy(), kind="stable")
        yield Readings(held[0].path, table.take(pa.array(order)))


def finite(readings: Iterable[Readings], refused: Refusals) -> Iterator[Readings]:
    """Without numbers beyond float64, which neither form can hold."""
    for found in readings:
        is_finite = pc.is_finite(found.table["value"])
        odd = pc.index(is_finite, False).as_py()
        if odd >= 0:
            example = row_text(found.table.slice(odd, 1).to_pylist()[0].items())
            refused.add("out_of_range", example, found.table.num_rows - pc.sum(is_finite).as_py())
            found = Readings(found.path, found.table.filter(is_finite))
        yield found


def json_lines(readings: Iterable[Readings]) -> Iterator[str]:
    """A line each, without what is not known."""
    for found in readings:
        for row in found.table.to_pylist():
            row["ts"] = time_text(row["ts"])
            yield json.dumps({k: v for k, v in row.items() if v is not None}, ensure_ascii=False, separators=(",", ":")) + "\n"


def csv_lines(readings: Iterable[Readings]) -> Iterator[str]:
    """A header of the reading's keys and of the places that the first rows name, and a line each. Raises BadFile where others name
    fewer or more."""
    names: list[str] = []
    for found in readings:
        named = [name for name in SCHEMA.names if name not in POSITION or not found.table[name].null_count]
        if not names:
            yield ",".join(named) + "\n"
        elif named != names and found.table.num_rows:
            raise BadFile(f"{found.path}: has {_places(named)}, and the rows before have {_places(names)}; convert them one by one")
        names = names or named
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        for row in found.table.to_pylist():
            row["ts"] = time_text(row["ts"])
            writer.writerow([_cell(row[name]) for name in names])
        yield text.getvalue()


def _places(names: list[str]) -> str:
    return ", ".join(name for name in names if name in POSITION) or "no ingest_ms"


def time_text(ms: int) -> str | int:
    """ISO 8601 in UTC; epoch ms where the year has no four digits."""
    if not 0 <= ms <= LATEST_MS:
        return ms
    at = _EPOCH + timedelta(milliseconds=ms)
    return at.isoformat(timespec="milliseconds" if ms % 1000 else "seconds").replace("+00:00", "Z")


def _cell(cell: Any) -> str:
    return "" if cell is None else repr(cell) if isinstance(cell, float) else str(cell)
