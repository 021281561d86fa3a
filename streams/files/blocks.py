"""What readers of files of readings hand on, about 64 thousand rows at a time; and how they refuse a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import pyarrow as pa

BLOCK_ROWS: Final = 65_536
BLOCK_BYTES: Final = 4 << 20
MOST_LINE_BYTES: Final = 10 << 20
"""A line is a record, and no broker takes a larger one."""
LATEST_MS: Final = 253_402_300_799_999
"""The last millisecond of year 9999: later times have no date."""
MOST: Final = 10**18 - 1
"""Of partition, offset and item: offsets are counted on from here."""

Form = Literal["json", "text", "typed"]


class BadFile(ValueError):
    """The file is refused as a whole; the message names file, line or row, column and remedy."""


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive rows of one file, or rows of several merged ones; then `path` is one of them.

    `table` has the columns `ingest_ms`, `partition`, `offset`, `item` as far as the file has them (int64, no nulls). Form

    - `typed` (Parquet) or `text` (CSV, every cell is text or null): the columns of a reading as they were written;
    - `json`: `value` (large_binary), the bytes of the line, and `ts_ms` (int64, UNKNOWN_MS: none) where there is no `ingest_ms`.
    """

    path: Path
    form: Form
    table: pa.Table
