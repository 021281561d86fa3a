"""How many dead letters the records of a key have had in a tick: one that sends nonsense without end fills no disk.

Keys share a bounded number of buckets, so that inventing keys does not help. What counts is the log alone: the bytes of the key and ingest
time; so a worker that starts anew, and the oracle, cap the same records.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zonepulse.schemas.messages.records import RecordSpans

MOST_A_TICK: Final = 1_000
"""Letters of a bucket's records in one tick; a record behind them is capped: one letter names its items."""
BUCKETS: Final = 1_024


@dataclass(slots=True)
class LetterCounts:
    """Of one partition, in the tick of its last refused record."""

    tick: int = -1
    counts: dict[int, int] = field(default_factory=dict)
    """Bucket -> letters."""

    def capped(
        self, refused: NDArray[np.int64], records: RecordSpans, ingest_ms: NDArray[np.int64], tick_ms: int
    ) -> frozenset[int]:
        """Which records get one letter. `refused`: the record of each refused item, ascending; `ingest_ms` of every record.

        A record without bytes costs next to nothing, and is neither counted nor capped.
        """
        found = []
        for r, items in zip(*map(np.ndarray.tolist, np.unique(refused, return_counts=True)), strict=True):
            if records.value_end[r] <= records.value_start[r]:
                continue
            tick, bucket = int(ingest_ms[r]) // tick_ms, zlib.crc32(records.key(r) or b"") % BUCKETS
            if tick != self.tick:
                self.tick = tick
                self.counts.clear()
            told = self.counts.get(bucket, 0)
            if told >= MOST_A_TICK:
                found.append(r)
            else:
                self.counts[bucket] = told + items
        return frozenset(found)

    def facts(self) -> dict[str, Any]:
        """For a snapshot."""
        return {"tick": self.tick, "counts": sorted(self.counts.items())}

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "LetterCounts":
        """From `facts`; {} = none yet."""
        pairs: Sequence[Sequence[int]] = facts.get("counts", ())
        return cls(facts.get("tick", -1), {bucket: count for bucket, count in pairs})
