"""Readings that came behind `lateness`, taken back in by a run that knows them before: each at its own time, as if it had come at once.

Nothing else moves: the ticks close when they closed, the records keep their times, and what was refused as late is still refused where it
stands in the log.
"""

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zonepulse.processors.flow import LATE, ReadingColumns
from zonepulse.processors.metering.partition import Partition, Step


class LateReadings:
    """The late readings of a stretch [from, to) of epoch ms: first noted in one pass over the log, then taken in another."""

    def __init__(self, from_ms: int, to_ms: int) -> None:
        self._from_ms, self._to_ms = from_ms, to_ms
        self._noted: defaultdict[int, list[ReadingColumns]] = defaultdict(list)
        self._waiting: dict[int, ReadingColumns] = {}
        self._is_noting = True
        self.count = 0

    def note(self, partition: int, items: ReadingColumns) -> None:
        """Keeps what was refused as late, until `begin`; `items` are judged."""
        if not self._is_noting:
            return
        chosen = (items.reason == LATE) & (items.ts >= self._from_ms) & (items.ts < self._to_ms)
        if chosen.any():
            self._noted[partition].append(_rows(items, chosen))
            self.count += int(chosen.sum())

    def begin(self) -> None:
        """All are noted: from now on they are taken, in order of their time."""
        for partition, found in self._noted.items():
            whole = ReadingColumns(*(np.concatenate(columns) for columns in zip(*found, strict=True)))
            self._waiting[partition] = _rows(whole, np.argsort(whole.ts, kind="stable"))
        self._noted.clear()
        self._is_noting = False

    def apply(self, partition: Partition, items: ReadingColumns, ingest_ms: int) -> Step:
        """As Partition.apply, with the late readings that belong among `items`, whose reasons are filled in place."""
        both, place = self._among(partition, items, ingest_ms)
        step = partition.apply(both, ingest_ms)
        items.reason[:] = both.reason[place]
        self.note(partition.partition, items)
        return step

    def _among(self, partition: Partition, items: ReadingColumns, until_ms: int) -> tuple[ReadingColumns, NDArray[np.int64]]:
        """`items` with the late readings stamped up to `until_ms` between them, and where each of `items` stands now.

        Those of registers that the partition's registry version does not know wait until it does, and are refused behind their time.
        """
        waiting = self._waiting.get(partition.partition)
        if waiting is None:
            return items, np.arange(len(items.ts))
        due = (waiting.ts <= until_ms) & (waiting.channel < len(partition.channels.names))
        self._waiting[partition.partition] = _rows(waiting, ~due)
        late = _rows(waiting, due)
        ingest = np.maximum(late.ts, partition.ingest)
        late = late._replace(ingest=ingest, reason=np.zeros_like(late.reason))
        both = ReadingColumns(*(np.concatenate(pair) for pair in zip(late, items, strict=True)))
        order = np.argsort(both.ingest, kind="stable")
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        return _rows(both, order), place[len(late.ts) :]


def _rows(items: ReadingColumns, chosen: Any) -> ReadingColumns:
    return ReadingColumns(*(column[chosen] for column in items))
