"""Records of `zp.readings` -> what is sent on, in pieces that take about a second wherever it runs."""

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from zonepulse.processors.channels.table import Channels
from zonepulse.processors.flow import Rows
from zonepulse.processors.metering.interval_rows import expected_batch
from zonepulse.processors.metering.partition import Partition
from zonepulse.processors.metering.step import Folded, fold_records
from zonepulse.schemas.messages.records import RecordSpans
from zonepulse.streams.kafka.interval_codec import ROWS_A_BLOCK, candidate_blocks, encode, interval_blocks

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
class Made:
    """What a stretch of records made, ready to be sent."""

    blocks: list[bytes]
    candidates: list[bytes]
    """Blocks of proposed alerts; they leave before the block that closes their ticks."""
    expected: list[bytes]
    """Blocks of table `expected`."""
    folded: Folded
    seconds: float


def fold(partition: Partition, records: RecordSpans, start: int, stop: int, skipped: Collection[int] = ()) -> Made:
    """Fold records [start, stop) into the partition's state and encode what that made. Mostly without Python's lock.

    Raises ApplyFailed.
    """
    begun = time.perf_counter()
    folded = fold_records(partition, records, start, stop, skipped)
    seconds = time.perf_counter() - begun
    channels = partition.channels
    return Made(
        list(interval_blocks(folded.rows, channels, partition.partition, folded.through)),
        list(candidate_blocks(folded.alerts, partition.partition, channels.registry.version)),
        list(_expected_blocks(folded.bands, channels)),
        folded,
        seconds,
    )


def _expected_blocks(bands: Rows, channels: Channels) -> Iterator[bytes]:
    for start in range(0, len(bands), ROWS_A_BLOCK):
        yield encode(expected_batch(bands[start : start + ROWS_A_BLOCK], channels))
