"""One stretch of a partition's records through the core: what live workers and file replay do alike."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zonepulse.processors.decoding.contained import decode_contained
from zonepulse.processors.detection.transitions import alert_rows
from zonepulse.processors.flow import Rows
from zonepulse.processors.metering.dead_letters import dead_letters
from zonepulse.processors.metering.partition import Partition
from zonepulse.schemas.messages.dead_letters import DeadLetter
from zonepulse.schemas.messages.records import RecordSpans


class ApplyFailed(RuntimeError):
    """The arithmetic raised: a fault of this program, which may have left half a piece in the state. The message names the offsets."""


@dataclass(frozen=True, slots=True)
class Folded:
    """What a stretch of records made."""

    rows: Rows
    """flow.ROW, sorted by revision."""
    alerts: list[dict[str, Any]]
    """Proposed rows of table `alerts`."""
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
) -> Folded:
    """Decode records [start, stop) and fold them into the partition's state. Mostly without Python's lock.

    `skipped`: positions that a command steps over. `item` names the place of a lone reading inside its former record; the letters of such
    are not capped, as they are sent nowhere. Raises ApplyFailed.
    """
    ingest = partition.ingest_times(records.timestamp_ms)
    decoded, poison = decode_contained(records, start, stop, ingest, partition.channels, skipped)
    try:
        step = partition.apply(decoded.items, int(ingest[stop - 1]))
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
    return Folded(step.rows, alert_rows(step.transitions, channels), letters, poison, len(decoded.record), step.through)
