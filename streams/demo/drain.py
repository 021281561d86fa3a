"""Whether everything that was sent to a zone has gone through every stage: what a comparison with the oracle has to wait for."""

from collections.abc import Callable, Mapping
from contextlib import closing

from kafka import KafkaProducer, TopicPartition

from zonepulse.schemas.messages.records import HEARTBEAT
from zonepulse.schemas.messages.topics import READINGS
from zonepulse.streams.access.address import connection_to
from zonepulse.streams.demo.run import INTERVALS_GROUP, LEDGER_GROUP, PREFIX, STORE_GROUP, Progress

_SEND_S = 30.0
Ends = Mapping[TopicPartition, int]


def mark_ends(broker: str, partitions: int) -> Ends:
    """A heartbeat of the year 1970, which closes nothing, behind everything that stands on `zp.readings`; the offsets behind it.

    A group that has committed them has handled every record before, whatever transactions have left in between. Raises KafkaError.
    """
    topic = READINGS.full_name(PREFIX)
    with closing(KafkaProducer(**connection_to(broker), acks="all", linger_ms=0)) as producer:
        sent = [producer.send(topic, HEARTBEAT, partition=number, timestamp_ms=0) for number in range(partitions)]
        return {TopicPartition(topic, number): done.get(_SEND_S).offset + 1 for number, done in enumerate(sent)}


class Drain:
    """Asked again and again until it `is_through`. The end of what a task reads is looked at once, when the task before it is through:
    live sums go on for ever. That a tick is closed says too little: its block goes out before the dead letters of its readings. What a
    task has committed is acknowledged with all that was made of it.
    """

    def __init__(self, broker: str, progress: Progress, last_tick: int) -> None:
        self._progress, self._last_tick = progress, last_tick
        blocks = TopicPartition(f"{PREFIX}intervals", 0)
        self._left: list[tuple[str, Callable[[], Ends]]] = [
            (INTERVALS_GROUP, lambda: mark_ends(broker, len(progress.through))),
            (LEDGER_GROUP, lambda: {blocks: progress.stored_ends()[blocks]}),
            (STORE_GROUP, progress.stored_ends),
            (STORE_GROUP, progress.stored_ends),  # the dead letters of what the store itself has refused
        ]
        self._ends: Ends | None = None

    @property
    def waits_for(self) -> str:
        """What is not through, for a message."""
        if (closed := min(self._progress.through.values())) < self._last_tick:
            return f"tick {closed} of {self._last_tick} is closed"
        return f"{self._left[0][0]} has not committed {dict(self._ends or {})}" if self._left else "nothing"

    def is_through(self) -> bool:
        """Raises KafkaError while the broker is away: ask again."""
        if self._progress.closed_tick() < self._last_tick:
            return False
        while self._left:
            group, ends_of = self._left[0]
            if self._ends is None:
                self._ends = ends_of()
            known = self._progress.committed(group)
            if any(known.get(tp, 0) < end for tp, end in self._ends.items()):
                return False
            self._left.pop(0)
            self._ends = None
        return True
