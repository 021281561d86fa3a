"""Which blocks of `zp.intervals` the ledger takes now. Those of partitions far ahead of the slowest one stay in Kafka and are read again.

All partitions of readings share one log, so a partition cannot be paused by itself. Each has a *place* instead: everything of it below is
taken. The *front* is the place of every partition that is not behind, and of what is no partition's. While more rows wait than the ledger
may hold, blocks of a partition that is not the slowest are left where they are; once there is room, or the partition is waited for, the log
is read again from its place, and nobody else's blocks are taken twice.

Places only grow, and depend on nothing that a row could show: which partition waits where changes no result.
"""

from collections.abc import Iterable, Mapping
from typing import Any


class Places:
    """What is taken of the log. A partition is *behind* if its place is not the front, and then *at rest* or read again."""

    def __init__(self, front: int = 0, behind: Mapping[int, int] | None = None) -> None:
        self.front = front
        self._behind = dict(behind or {})
        self._again: set[int] = set()
        """Partitions behind that are being read again."""
        self.next_offset = front
        """What to read next. May be read from any thread."""

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "Places":
        """The other half of `facts`."""
        return cls(facts["front"], dict(facts["behind"]))

    def facts(self) -> dict[str, Any]:
        """Plain JSON for a snapshot. Whoever is restored begins at rest."""
        return {"front": self.front, "behind": sorted(self._behind.items())}

    @property
    def low(self) -> int:
        """Everything below is taken: what a group may commit."""
        return min([self.front, *self._behind.values()])

    @property
    def at_rest(self) -> set[int]:
        """Partitions whose blocks stay where they are for now."""
        return self._behind.keys() - self._again

    def is_due(self, partition: int, offset: int) -> bool:
        """Whether this block is the next of its partition, or nobody has read it. A partition that nobody knows is at the front."""
        if partition in self._behind:
            return partition in self._again and offset >= self._behind[partition]
        return offset >= self.front

    def rest(self, partition: int, offset: int) -> None:
        """The block at `offset`, which is due, is not taken, and none behind it."""
        self._behind[partition] = offset
        self._again.discard(partition)

    def has_read(self, next_offset: int) -> None:
        """Everything below that was due is taken."""
        self.front = max(self.front, next_offset)
        for partition in self._again:
            self._behind[partition] = max(self._behind[partition], next_offset)
        self._behind = {p: place for p, place in self._behind.items() if place < self.front}
        self._again &= self._behind.keys()
        self._choose()

    def read_again(self, partitions: Iterable[int]) -> None:
        """Those of them that rest go on from their places."""
        self._again |= self._behind.keys() & set(partitions)
        self._choose()

    def _choose(self) -> None:
        self.next_offset = min([self.front, *(self._behind[p] for p in self._again)])
