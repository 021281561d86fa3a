"""Which partitions of a worker rest: those far ahead of the slowest one, for what they make waits for it in the ledger's memory.

The slowest is one that has records left to read, or stands before one. A partition at the end of its log holds nobody back here: heartbeats
move it on. Which partitions rest changes no row: rows are made by a partition's own log.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from zonepulse.processors.flow import UNSET

AHEAD_TICKS: Final = 720
"""A partition rests that is further ahead than this."""
NEAR_TICKS: Final = 360
"""It goes on when it is no further ahead than this."""


@dataclass(slots=True)
class Pace:
    """The partitions that rest now."""

    resting: set[int] = field(default_factory=set)
    _since: int = UNSET
    """The first tick that any partition was seen at: a partition without a record counts as there."""

    def judge(self, ticks: Mapping[int, int], behind: Collection[int], standing: Collection[int]) -> tuple[set[int], set[int]]:
        """(partitions that rest from now on, partitions that go on), of those whose tick is known.

        `ticks` holds the last tick of every partition held, UNSET before its first record; `behind` those with records left to read,
        `standing` those that stand by themselves: they hold others back, and do not rest besides.
        """
        known = {p: tick for p, tick in ticks.items() if tick != UNSET}
        if self._since == UNSET and known:
            self._since = min(known.values())
        slowest = min((known.get(p, self._since) for p in {*behind, *standing} & ticks.keys()), default=None)
        before = self.resting & ticks.keys()
        if slowest is None:
            self.resting = set()
        else:
            most = {p: NEAR_TICKS if p in before else AHEAD_TICKS for p in known.keys() - set(standing)}
            self.resting = {p for p, ticks_ahead in most.items() if known[p] - slowest > ticks_ahead}
        return self.resting - before, before - self.resting

    def forget(self, partitions: Collection[int]) -> None:
        """Somebody else has them now, or they are resumed by other means."""
        self.resting -= set(partitions)
