"""When the readings of a file without `ingest_ms` arrive: at the running maximum of their own times, as far as those are confirmed.

One meter's clock that is a month ahead must not make everything behind it late. So a time moves the maximum only if one of the next
LOOK_AHEAD lines confirms it (a time no more than `future` below it, or above it); the last line with a time counts too if it is at most
`max_gap` above the maximum, or the only one. A time that nobody confirms moves nothing, and is `future` if it lies so far above.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from zonepulse.schemas.messages.reading_columns import UNKNOWN_MS
from zonepulse.schemas.registry.model import ZonePolicy
from zonepulse.streams.files.blocks import BadFile, Block

LOOK_AHEAD: Final = 8
_Ints = NDArray[np.int64]


class Arrival:
    """The running maximum over all files of a run. Give it each file's blocks with their times; it gives them back with `ingest_ms`."""

    def __init__(self, zone: ZonePolicy) -> None:
        self._future_ms, self._max_gap_ms = zone.future_ms, zone.max_gap_ms
        self._latest_ms = UNKNOWN_MS

    def timed(self, blocks: Iterator[tuple[Block, _Ints]]) -> Iterator[Block]:
        """`blocks`: rows and the time of each (epoch ms, UNKNOWN_MS where there is none); rows before the first time that counts arrive
        with it. Raises BadFile at the end of a file of which more lines lie below the time before them than above it."""
        steps = _Steps()
        held: list[tuple[Block, _Ints]] = []
        for block, ts_ms in blocks:
            steps.add(block, ts_ms)
            held.append((block, ts_ms))
            while len(held) > 1 and sum(len(ts) for _, ts in held[1:]) >= LOOK_AHEAD:
                yield from self._first_of(held)
        while held:
            yield from self._first_of(held)
        steps.judge()

    def _first_of(self, held: list[tuple[Block, _Ints]]) -> Iterator[Block]:
        """The first block, which is then gone; where no time of it counts and none before did, it becomes part of the next one."""
        (block, ts_ms), behind = held.pop(0), [ts for _, ts in held]
        is_last = not any((ts > UNKNOWN_MS).any() for ts in behind)
        ingest_ms = self._ingest(ts_ms, np.concatenate([*behind, np.empty(0, np.int64)])[:LOOK_AHEAD], is_last=is_last)
        counted = ingest_ms[ingest_ms > UNKNOWN_MS]
        if not len(counted) and held:
            following, later_ms = held[0]
            both = Block(following.path, following.form, pa.concat_tables([block.table, following.table]).unify_dictionaries())
            held[0] = both, np.concatenate([ts_ms, later_ms])
            return
        first = int(counted[0]) if len(counted) else 0
        self._latest_ms = int(counted[-1]) if len(counted) else self._latest_ms
        times = pa.array(np.where(ingest_ms > UNKNOWN_MS, ingest_ms, first))
        yield Block(block.path, block.form, block.table.append_column("ingest_ms", times))

    def _ingest(self, ts_ms: _Ints, behind: _Ints, *, is_last: bool) -> _Ints:
        """Of the lines of a block, UNKNOWN_MS before the first time that counts; `behind`: the times of up to LOOK_AHEAD lines after it."""
        n, times = len(ts_ms), np.concatenate([ts_ms, behind])
        confirmed = np.zeros(n, bool)
        for step in range(1, LOOK_AHEAD + 1):
            later = times[step : step + n]
            confirmed[: len(later)] |= later >= ts_ms[: len(later)] - self._future_ms
        known = ts_ms > UNKNOWN_MS
        moves = np.where(known & confirmed, ts_ms, UNKNOWN_MS)
        if is_last and known.any():
            last = int(np.flatnonzero(known)[-1])
            before = max(self._latest_ms, int(moves[:last].max(initial=UNKNOWN_MS)))
            if before == UNKNOWN_MS or ts_ms[last] <= before + self._max_gap_ms:
                moves[last] = ts_ms[last]
        return np.maximum.accumulate(np.maximum(moves, self._latest_ms))


class _Steps:
    """Counts the steps of a file's times up and down."""

    def __init__(self) -> None:
        self._up = self._down = 0
        self._before = UNKNOWN_MS
        self._path = ""

    def add(self, block: Block, ts_ms: _Ints) -> None:
        """The next rows."""
        self._path = str(block.path)
        known = ts_ms[ts_ms > UNKNOWN_MS]
        if len(known):
            steps = np.diff(known, prepend=known[:1] if self._before == UNKNOWN_MS else [self._before])
            self._up += int((steps > 0).sum())
            self._down += int((steps < 0).sum())
            self._before = int(known[-1])

    def judge(self) -> None:
        """Raises BadFile for a file that runs backwards."""
        if self._down > self._up:
            raise BadFile(
                f"{self._path}: {self._down} lines lie below the time before them and {self._up} above it; sort the file by ts, the"
                f" earliest first: `zonepulse convert {self._path} --sort --out sorted.jsonl`"
            )
