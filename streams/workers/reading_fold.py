"""Records of `zp.readings` -> what is sent on, in pieces that take about a second wherever it runs."""

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from zonepulse.processors.decoding.contained import decode_contained
from zonepulse.processors.detection.transitions import alert_rows
from zonepulse.processors.metering.dead_letters import dead_letters
from zonepulse.processors.metering.partition import Partition
from zonepulse.schemas.messages.dead_letters import DeadLetter
from zonepulse.schemas.messages.records import RecordSpans
from zonepulse.streams.kafka.interval_codec import candidate_blocks, interval_blocks

MOST_RECORDS: Final = 200_000
"""At most so many are folded at once: what one fetch brings. Each piece costs the event loop milliseconds."""
FIRST_RECORDS: Final = 5_000
PIECE_S: Final = 1.0
PIECE_LETTERS: Final = 5_000


@dataclass(slots=True)
class PieceSize:
    """How many records are handled before progress shows: as many as take `PIECE_S` here, by the pieces before."""

    records: int = FIRST_RECORDS

    def took(self, records: int, letters: int, seconds: float) -> None:
        """A piece was handled, its letters sent."""
        load = max(seconds / PIECE_S, letters / PIECE_LETTERS)
        if load > 1:
            self.records = max(1, int(records / load))
        elif load < 0.25 and records >= self.records // 2:
            self.records = min(MOST_RECORDS, 4 * self.records)


@dataclass(frozen=True, slots=True)
class Folded:
    """What a stretch of records made, ready to be sent."""

    blocks: list[bytes]
    candidates: list[bytes]
    """Blocks of proposed alerts; they leave before the block that closes their ticks."""
    letters: Iterator[DeadLetter]
    """Made as they are taken: they may be many times as large as their records."""
    poison: dict[int, str]
    """Position -> why of records that could not be handled; they are among the letters."""
    readings: int
    through: int
    seconds: float


class ApplyFailed(RuntimeError):
    """The arithmetic raised: a fault of this program, which may have left half a piece in the state. The message names the offsets."""


def fold(partition: Partition, records: RecordSpans, start: int, stop: int, skipped: Collection[int] = ()) -> Folded:
    """Decode records [start, stop), fold them into the partition's state and encode what that made. Mostly without Python's lock.

    Raises ApplyFailed.
    """
    begun = time.perf_counter()
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
    refused = decoded.record[decoded.items.reason != 0]
    capped = partition.letters.capped(refused, records, ingest, int(partition.policy.tick))
    seconds = time.perf_counter() - begun
    channels = partition.channels
    return Folded(
        list(interval_blocks(step.rows, channels, partition.partition, step.through)),
        list(candidate_blocks(alert_rows(step.transitions, channels), partition.partition, channels.registry.version)),
        dead_letters(decoded, records, channels, None, capped),
        poison,
        len(decoded.record),
        step.through,
        seconds,
    )
