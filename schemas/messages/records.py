"""Kafka records of one partition as arrays: what an agent is handed instead of a list of client objects."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

Headers = tuple[tuple[str, bytes], ...]

CONTENT_TYPE: Final = "content-type"
JSON: Final = b"application/json"
ARROW: Final = b"application/vnd.apache.arrow.stream"
REGISTRY: Final = "registry"
"""Header of the heartbeat behind which a partition uses the named registry version (decimal text)."""
MAX_HEADERS: Final = 1_000
"""A record with more is malformed."""
TOO_MANY_HEADERS: Final = f"more than {MAX_HEADERS} headers"
HEARTBEAT: Final = b"[]"
"""An empty JSON array: carries ingest time and nothing else."""


@dataclass(frozen=True, slots=True)
class RecordSpans:
    """Records in offset order; keys and values are spans `[start, end)` of `buffer`.

    All arrays have shape (n,), dtype int64. A null key or value has start = end = -1.
    `headers` holds only the records that have any, by position. `next_offset` is what to read after this batch;
    it may lie past `offset[-1] + 1` (control records, compacted tail).
    """

    topic: str
    partition: int
    buffer: NDArray[np.uint8]
    key_start: NDArray[np.int64]
    key_end: NDArray[np.int64]
    value_start: NDArray[np.int64]
    value_end: NDArray[np.int64]
    offset: NDArray[np.int64]
    timestamp_ms: NDArray[np.int64]
    next_offset: int
    headers: dict[int, Headers] = field(default_factory=dict)
    refused: dict[int, tuple[int, str]] = field(default_factory=dict)
    """Position -> (code in readings.REASONS, why) of records that are refused before anything looks at their value."""

    def __len__(self) -> int:
        return len(self.offset)

    def key(self, i: int) -> bytes | None:
        """The key of record `i`, copied out."""
        return self._span(self.key_start[i], self.key_end[i])

    def value(self, i: int) -> bytes | None:
        """The value of record `i`, copied out."""
        return self._span(self.value_start[i], self.value_end[i])

    def header(self, i: int, name: str) -> bytes | None:
        """The last header called `name` of record `i`."""
        found = [v for k, v in self.headers.get(i, ()) if k == name]
        return found[-1] if found else None

    def _span(self, start: np.int64, end: np.int64) -> bytes | None:
        return None if start < 0 else self.buffer[start:end].tobytes()
