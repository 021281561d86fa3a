"""One stretch of a partition's records through the core: what live workers and file replay do alike."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zonepulse.processors.decoding.contained import decode_contained
from zonepulse.processors.flow import LATE, ReadingColumns, Rows
from zonepulse.processors.metering.dead_letters import dead_letters
from zonepulse.processors.metering.partition import Partition, Step
from zonepulse.schemas.messages.dead_letters import DeadLetter
from zonepulse.schemas.messages.records import RecordSpans


class LateReadings:
    """Readings of a stretch [from, to) of epoch ms that came behind `lateness`: noted in one pass over the log, taken in another, each at
    its own time, as if it had come at once.

    Nothing else moves: ticks close when they closed, and what was refused as late is still refused where it stands in the log.
    """

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

    def waiting(self, partition: int) -> ReadingColumns | None:
        """What the partition still has to take in."""
        return self._waiting.get(partition)

    def take(self, partition: int, waiting: ReadingColumns) -> None:
        """Another run's partition goes on from there: what it still has to take in."""
        self._waiting[partition], self._is_noting = waiting, False

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


class ApplyFailed(RuntimeError):
    """The arithmetic raised: a fault of this program, which may have left half a piece in the state. The message names the offsets."""


@dataclass(frozen=True, slots=True)
class Folded:
    """What a stretch of records made."""

    rows: Rows
    """flow.ROW, sorted by revision."""
    alerts: list[dict[str, Any]]
    """Proposed rows of table `alerts`."""
    bands: Rows
    """detection.watch.state.BAND."""
    letters: Iterator[DeadLetter]
    """Made as they are taken: they may be many times as large as their records."""
    poison: dict[int, str]
    """Position -> why of records that could not be handled; they are among the letters."""
    readings: int
    through: int
    """The last tick closed."""


def fold_records(
    partition: Partition,
    records: RecordSpans,
    start: int,
    stop: int,
    skipped: Collection[int] = (),
    item: NDArray[np.int64] | None = None,
    late: LateReadings | None = None,
) -> Folded:
    """Decode records [start, stop) and fold them into the partition's state. Mostly without Python's lock.

    `skipped`: positions that a command steps over. `item` names the place of a lone reading inside its former record; the letters of such
    are not capped, as they are sent nowhere. `late` readings are taken in among the others. Raises ApplyFailed.
    """
    ingest = partition.ingest_times(records.timestamp_ms)
    decoded, poison = decode_contained(records, start, stop, ingest, partition.channels, skipped)
    try:
        apply = partition.apply if late is None else partial(late.apply, partition)
        step = apply(decoded.items, int(ingest[stop - 1]))
    except Exception as error:
        first, last = int(records.offset[start]), int(records.offset[stop - 1])
        raise ApplyFailed(
            f"{records.topic}/{records.partition}: offsets {first} to {last} could not be booked; please report it. To go on without"
            f" a record: zonepulse skip {records.topic} {records.partition} OFFSET"
        ) from error
    capped: frozenset[int] = frozenset()
    if item is None:
        refused = decoded.record[decoded.items.reason != 0]
        capped = partition.letters.capped(refused, records, ingest, int(partition.policy.tick))
    channels = partition.channels
    letters = dead_letters(decoded, records, channels, item, capped)
    return Folded(step.rows, partition.alerts(step), step.bands, letters, poison, len(decoded.record), step.through)
