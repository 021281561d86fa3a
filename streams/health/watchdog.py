"""The watchdog: a worker that makes no progress although there is work ends itself with a diagnosis; its supervisor starts it again.

It is a thread of its own, since the event loop may be what hangs, and asks the broker itself how far the log goes. A broker that does not
answer is nobody's fault here: then there is nothing to do. Work counts, not only offsets: whoever restores, applies, folds or waits for a
sink calls `Pulse.beat` at least every `BEAT_S`.

Each partition is watched by itself. One that stands still while the log goes on beyond it is named in the log and in a metric, whatever the
others do. Behind an open transaction it may stand: that is its sender's doing, and a restart would change nothing.
"""

import faulthandler
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

import faust
from faust.types import TP
from kafka.errors import KafkaError

from zonepulse.streams.exit_codes import STALLED
from zonepulse.streams.kafka.batch_channel import BatchChannel
from zonepulse.streams.kafka.log_facts import Ends, admin_of, ends_of
from zonepulse.streams.metrics import Metrics
from zonepulse.streams.settings import Settings

POLL_S: Final = 2.0
BEAT_S: Final = 2.0
"""Whoever works longer than this says so in between."""
ALONE: Final = 10
"""A partition that could be read and is not, while others are: after so many times the patience the worker ends all the same."""
log = logging.getLogger(__name__)


class Task(Protocol):
    """What a watchdog asks of a task."""

    batches: BatchChannel | None
    pulse: "Pulse | None"
    """Set by `watch`."""

    def positions(self) -> dict[TP, int]:
        """Next offset of each partition, by what is handled. Called from another thread."""


@dataclass(slots=True)
class Pulse:
    """Moves whenever a worker gets something done."""

    task: Task
    beats: int = 0
    beats_of: dict[TP, int] = field(default_factory=dict)

    def beat(self, partition: TP | None = None) -> None:
        """Something got done, or is waited for on purpose: for one partition, or (None) for all. May be called from any thread."""
        if partition is None:
            self.beats += 1
        else:
            self.beats_of[partition] = self.beats_of.get(partition, 0) + 1

    def state(self) -> dict[TP, tuple[int, int]]:
        """Of each partition assigned: its next offset by what is handled, and its beats. Equal as long as nothing moves."""
        if (batches := self.task.batches) is None:
            return {}
        held = batches.held()
        at = held | {tp: offset for tp, offset in self.task.positions().items() if tp in held}
        return {tp: (batches.reached(tp, offset), self.beats + self.beats_of.get(tp, 0)) for tp, offset in at.items()}


def watch(app: faust.App, settings: Settings, task: Task, metrics: Metrics | None = None) -> Pulse:
    """Watches a task of `app` from when it runs."""
    pulse = task.pulse = Pulse(task)

    if task.batches is not None and task.batches.states is not None:
        task.batches.states.progress = pulse.beat

    async def start() -> None:
        Watchdog(settings.broker, pulse, settings.stall_s, metrics=metrics, prefix=settings.topic_prefix).start()

    app.task(start)
    return pulse


@dataclass(frozen=True, slots=True)
class Standing:
    """A partition that does not move: since when, where, and what the broker has."""

    tp: TP
    seconds: float
    offset: int
    ends: Ends

    @property
    def is_blocked(self) -> bool:
        """Whether nothing can be read although something is there: a transaction is open."""
        return self.ends.stable <= self.offset < self.ends.end

    @property
    def left(self) -> int:
        """Records that could be handled."""
        return max(0, self.ends.stable - max(self.offset, self.ends.start))

    def __str__(self) -> str:
        place = f"{self.tp.topic}/{self.tp.partition}"
        if self.is_blocked:
            return (
                f"{place} stands at offset {self.offset} for {self.seconds:.0f} s: a transaction there is open, and the"
                f" {self.ends.end - self.offset} records behind it wait for its sender to end it. The broker ends it after the sender's"
                " transaction.timeout.ms, at most its own transaction.max.timeout.ms; at once: kafka-transactions --bootstrap-server"
                f" BROKER abort --topic {self.tp.topic} --partition {self.tp.partition} --start-offset {self.offset}"
            )
        return f"{place} has {self.left} records left at offset {self.offset} and does not move for {self.seconds:.0f} s"


class Watchdog:
    """Looks at a pulse every `POLL_S`. What has not moved for `patience_s` is held against the broker's log: see the module."""

    def __init__(
        self,
        broker: str,
        pulse: Pulse,
        patience_s: float,
        end: Callable[[int], object] = os._exit,
        metrics: Metrics | None = None,
        prefix: str = "",
    ) -> None:
        self._broker, self._pulse, self._patience_s, self._end = broker, pulse, patience_s, end
        self._metrics, self._prefix = metrics, prefix
        self._moved: dict[TP, tuple[tuple[int, int], float]] = {}
        """Each partition's state, and since when it is so."""
        self._named: set[TP] = set()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Watches until the process ends."""
        self._thread.start()

    def _run(self) -> None:
        looked = asked = time.monotonic()
        while True:
            time.sleep(min(POLL_S, self._patience_s / 4))
            now = time.monotonic()
            if now - looked > self._patience_s / 2:  # the whole process stood still (SIGSTOP, a suspended host)
                self._moved.clear()
            looked = now
            still = self._still(now)
            if (still or self._named) and now - asked >= self._patience_s / 2:
                asked = now
                if self._judge(self._standing(still)):
                    return

    def _still(self, now: float) -> dict[TP, float]:
        """Partitions that have not moved for `patience_s`, and for how long."""
        state = self._pulse.state()
        self._moved = {
            tp: self._moved[tp] if tp in self._moved and self._moved[tp][0] == at else (at, now) for tp, at in state.items()
        }
        return {tp: now - since for tp, (_, since) in self._moved.items() if now - since >= self._patience_s}

    def _standing(self, still: Mapping[TP, float]) -> list[Standing]:
        """Those of them that have something left; none when the broker does not answer."""
        try:
            with admin_of(self._broker) as admin:
                ends = ends_of(admin, still)
        except (KafkaError, OSError) as error:
            log.warning("no progress, and the broker does not say whether there is work: %s", error)
            return []
        batches = self._pulse.task.batches
        paused = batches.paused() if batches is not None else frozenset()
        found = [Standing(tp, seconds, self._moved[tp][0][0], ends[tp]) for tp, seconds in still.items() if tp not in paused]
        return [s for s in found if s.left or s.is_blocked]

    def _judge(self, standing: list[Standing]) -> bool:
        """Names what stands; True if the worker was ended."""
        self._name(standing)
        stuck = [s for s in standing if s.left]
        moves = any(time.monotonic() - since < self._patience_s for _, since in self._moved.values())
        if not stuck or (moves and max(s.seconds for s in stuck) < ALONE * self._patience_s):
            return False
        log.critical(
            "no progress for %.0f s: %s; the threads stand here, and this worker ends to be started again",
            max(s.seconds for s in stuck),
            ", ".join(f"{s.tp.topic}/{s.tp.partition} has {s.left} records left" for s in stuck),
        )
        faulthandler.dump_traceback(file=sys.stderr, all_threads=True)
        self._end(STALLED)
        return True

    def _name(self, standing: list[Standing]) -> None:
        for one in standing:
            log.error("%s", one)
        if self._metrics is not None:
            for tp in self._named - {s.tp for s in standing}:
                self._metrics.standing_seconds.labels(tp.topic.removeprefix(self._prefix), str(tp.partition)).set(0)
            for one in standing:
                topic = one.tp.topic.removeprefix(self._prefix)
                self._metrics.standing_seconds.labels(topic, str(one.tp.partition)).set(one.seconds)
        self._named = {s.tp for s in standing}
