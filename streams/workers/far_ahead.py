"""Which blocks of `zp.intervals` the ledger takes now. Those of partitions far ahead of the slowest one stay in Kafka and are read again.

All partitions of readings share one log, so a partition cannot be paused by itself. Each has a *place* instead: everything of it below is
taken. The *front* is the place of every partition that is not behind, and of what is no partition's. While more rows wait than the ledger
may hold, blocks of a partition that is not the slowest are left where they are; once there is room, or the partition is waited for, the log
is read again from its place, and nobody else's blocks are taken twice.

Places only grow, and depend on nothing that a row could show: which partition waits where changes no result.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from zonepulse.processors.ledger.ledger import Ledger
from zonepulse.streams.kafka.interval_codec import NO_PARTITION, IntervalBlock
from zonepulse.streams.workers.interval_intake import Offered

log: Final = logging.getLogger(__name__)


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


def is_without_order(block: IntervalBlock) -> bool:
    """Whether a block is taken where it stands, however far its partition is: live sums, and alerts about the pipeline."""
    return block.live_at_ms is not None or block.partition == NO_PARTITION


class Turns:
    """Whose turn it is, by the ledger's state and `places`; at most `most_waiting` rows wait for the slowest partition."""

    def __init__(self, topic: str, most_waiting: int) -> None:
        self._topic, self._most_waiting = topic, most_waiting
        self.places = Places()

    def may_be_due(self, offset: int, block: IntervalBlock) -> bool:
        """Whether nobody has taken this block, as far as its place says."""
        return self.places.is_due(NO_PARTITION if is_without_order(block) else block.partition, offset)

    def due(self, ledger: Ledger, offered: Mapping[int, Offered]) -> Iterator[Offered]:
        """Of the blocks, by their offsets, those that the ledger takes now, each judged when those before it are taken."""
        waiting = ledger.waiting_rows
        for offset, one in offered.items():
            if self._is_due(ledger, offset, one.block, waiting):
                yield one
                waiting += 0 if one.rows is None else len(one.rows)

    def _is_due(self, ledger: Ledger, offset: int, block: IntervalBlock, waiting: int) -> bool:
        """While more rows wait than may, only blocks of the slowest partition are."""
        if not self.may_be_due(offset, block):
            return False
        if waiting <= self._most_waiting or is_without_order(block) or ledger.waits_for(block.partition):
            return True
        self.places.rest(block.partition, offset)
        return False

    def has_read(self, ledger: Ledger, next_offset: int, at_rest: set[int]) -> None:
        """Everything below that was due is taken. Partitions at rest (before: `at_rest`) are read again once there is room for half of what
        may wait, or one is waited for."""
        self.places.has_read(next_offset)
        has_room = 2 * ledger.waiting_rows <= self._most_waiting
        self.places.read_again({p for p in self.places.at_rest if has_room or ledger.waits_for(p)})
        now, places = self.places.at_rest, self.places
        if now - at_rest:
            log.warning(
                "%d rows wait for the slowest partition: those of partitions %s stay on %s from offset %d until it has come nearer",
                ledger.waiting_rows, sorted(now), self._topic, places.low,
            )  # fmt: skip
        if at_rest - now:
            log.info("partitions %s are read on from offset %d of %s", sorted(at_rest - now), places.next_offset, self._topic)
