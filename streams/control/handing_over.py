"""Hands states to the live tasks: writes them, then the command, and waits until the tasks have gone on from them and the store has all
that they made up to where the tasks of before stood.

Nothing is done by halves: without the command nobody looks at what is written, and with it every task takes over, whenever it is started.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from kafka import TopicPartition

from zonepulse.schemas.messages.commands import HAND_OVER, Command
from zonepulse.schemas.messages.hand_overs import HandOver, hand_over_in
from zonepulse.schemas.messages.tasks import TASKS
from zonepulse.schemas.messages.topics import ALERTS, DEADLETTERS, INTERVALS, RESULTS
from zonepulse.streams.checkpoints.checkpoint import Manifest, manifests_of
from zonepulse.streams.checkpoints.handed_states import HandedState, HandedStates, forget_states
from zonepulse.streams.checkpoints.log import CheckpointLog
from zonepulse.streams.control.command_log import tell
from zonepulse.streams.kafka.consumer_groups import committed
from zonepulse.streams.kafka.log_facts import admin_of, ends_of, partitions_of

POLL_S: Final = 0.5
INTERVALS_TASK, LEDGER_TASK, STORE_TASK = (TASKS[name] for name in ("intervals", "ledger", "store"))


class NotTakenOver(RuntimeError):
    """The live tasks have not gone on from the states in time; the message says where they stand."""


class HandingOver:
    """One hand-over at one zone of `partitions`."""

    def __init__(self, broker: str, prefix: str, hand_over: HandOver, partitions: int, replication: int) -> None:
        self._broker, self._prefix, self._hand_over = broker, prefix, hand_over
        self._partitions, self._replication = partitions, replication

    def begin(self, states: Mapping[int, HandedState], who: str, why: str) -> None:
        """Writes the states, if they are not there yet, and the command. Raises KafkaError."""
        every = self._partitions + 1
        self._before.create(every, self._replication)
        if states:
            handed = HandedStates(self._broker, self._prefix, self._hand_over.state)
            handed.create(every, self._replication)
            asyncio.run(handed.write(states))
        target = self._hand_over.encode().decode()
        tell(self._broker, self._prefix, Command(HAND_OVER, target, who, why, made_at_ms=round(time.time() * 1000)))

    @property
    def _before(self) -> HandedStates:
        return HandedStates(self._broker, self._prefix, self._hand_over.before)

    def wait(self, wait_s: float) -> None:
        """Until the store has every row that the tasks of before had made, and it was made from the states handed over.

        Raises NotTakenOver, KafkaError."""
        deadline = time.monotonic() + wait_s

        def until(is_so: Callable[[], bool], what: str) -> None:
            while not is_so():
                if time.monotonic() > deadline:
                    raise NotTakenOver(f"after {wait_s:g} s {what}; look with `zonepulse doctor`, then say the same again")
                time.sleep(POLL_S)

        every = range(self._partitions + 1)
        before: dict[int, HandedState] = {}

        def is_kept() -> bool:
            before.update(asyncio.run(self._before.read([number for number in every if number not in before])))
            return len(before) == len(every)

        until(is_kept, "not every task has taken the state over")
        until(lambda: self._have_come(before), "the partitions are not where those of before stood")
        blocks = TopicPartition(INTERVALS.full_name(self._prefix), 0)
        made = self._ends(INTERVALS.full_name(self._prefix))[blocks]
        until(lambda: self._ledger_is_at(made), "the ledger has not read what the partitions made")
        ends = self._ends(*(topic.full_name(self._prefix) for topic in (INTERVALS, RESULTS, ALERTS, DEADLETTERS)))
        until(lambda: self._is_stored(ends), "the store has not written what the tasks made")

    def forget_others(self, known: Sequence[HandOver]) -> None:
        """Deletes the states of the hand-overs before this one, of all that are `known`: nobody goes on from them, or back to them, any
        more. Raises KafkaError."""
        place = next(i for i, one in enumerate(known) if one.id == self._hand_over.id)
        forget_states(self._broker, self._prefix, _names(known[:place]) - _names(known[place:]))

    def _have_come(self, before: Mapping[int, HandedState]) -> bool:
        found = self._snapshots(INTERVALS_TASK.snapshots(self._prefix), self._partitions)
        return all(
            (manifest := found.get(number)) is not None and manifest.next_offset >= before[number].next_offset
            for number in range(self._partitions)
        )

    def _ledger_is_at(self, offset: int) -> bool:
        manifest = self._snapshots(LEDGER_TASK.snapshots(self._prefix), 1).get(0)
        return manifest is not None and manifest.next_offset >= offset

    def _snapshots(self, topic: str, partitions: int) -> dict[int, Manifest]:
        """The newest snapshots of states that were handed over so."""
        log = CheckpointLog(topic, self._broker, partitions, self._replication)
        found = asyncio.run(log.read(range(partitions), lambda: None))
        newest = {number: manifests[0] for number, one in found.items() if (manifests := manifests_of(one))}
        return {
            number: m for number, m in newest.items() if (by := hand_over_in(m.facts)) is not None and by.id == self._hand_over.id
        }

    def _ends(self, *topics: str) -> dict[TopicPartition, int]:
        with admin_of(self._broker) as admin:
            found = ends_of(admin, partitions_of(admin, topics))
        return {TopicPartition(tp.topic, tp.partition): at.stable for tp, at in found.items()}

    def _is_stored(self, ends: Mapping[TopicPartition, int]) -> bool:
        with admin_of(self._broker) as admin:
            known = committed(admin, STORE_TASK.group(self._prefix))
        return all(known.get(tp, 0) >= end for tp, end in ends.items())


def _names(hand_overs: Iterable[HandOver]) -> set[str]:
    """Of all states that they are about."""
    return {name for one in hand_overs for name in (one.state, one.before)}
