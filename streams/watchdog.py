"""The watchdog: a worker that makes no progress although there is work ends itself with a diagnosis; its supervisor starts it again.

It is a thread of its own, since the event loop may be what hangs, and asks the broker itself how far the log goes. A broker that does not
answer is nobody's fault here: then there is nothing to do. Waiting for a sink counts as progress (`Pulse.beat`).
"""

import faulthandler
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Final, Protocol

import faust
from faust.types import TP
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from zonepulse.streams.batch_channel import BatchChannel
from zonepulse.streams.embedded.supervisor import EXIT_STALLED
from zonepulse.streams.settings import Settings

POLL_S: Final = 2.0
_ANSWER_MS: Final = 5_000
log = logging.getLogger(__name__)


class Task(Protocol):
    """What a watchdog asks of a task."""

    batches: BatchChannel | None

    def positions(self) -> dict[TP, int]:
        """Next offset of each partition, by what is handled. Called from another thread."""


@dataclass(slots=True)
class Pulse:
    """Moves whenever a worker gets something done."""

    task: Task
    beats: int = 0

    def beat(self) -> None:
        """Something got done, or is waited for on purpose."""
        self.beats += 1

    def positions(self) -> dict[TP, int]:
        """Next offset of each partition assigned, by what is handled."""
        held = {} if self.task.batches is None else self.task.batches.held()
        return held | {tp: at for tp, at in self.task.positions().items() if tp in held}

    def state(self) -> tuple[int, tuple[tuple[TP, int], ...]]:
        """Equal as long as nothing moves."""
        return self.beats, tuple(sorted(self.positions().items()))


def watch(app: faust.App, settings: Settings, task: Task) -> Pulse:
    """Watches a task of `app` from when it runs."""
    pulse = Pulse(task)

    async def start() -> None:
        Watchdog(settings.broker, pulse, settings.stall_s).start()

    app.task(start)
    return pulse


def _client(broker: str) -> KafkaConsumer:
    return KafkaConsumer(
        bootstrap_servers=broker.split(","), bootstrap_timeout_ms=_ANSWER_MS, enable_auto_commit=False, group_id=None
    )


class Watchdog:
    """Looks at a pulse every `POLL_S`; after `patience_s` without a beat it asks for the lag, and above 0 ends the process."""

    def __init__(self, broker: str, pulse: Pulse, patience_s: float, end: Callable[[int], object] = os._exit) -> None:
        self._broker, self._pulse, self._patience_s, self._end = broker, pulse, patience_s, end
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Watches until the process ends."""
        self._thread.start()

    def _run(self) -> None:
        last, since = self._pulse.state(), time.monotonic()
        looked = since
        while True:
            time.sleep(min(POLL_S, self._patience_s / 4))
            now, state = time.monotonic(), self._pulse.state()
            if state != last or now - looked > self._patience_s / 2:  # the whole process stood still (SIGSTOP, a suspended host)
                last, since = state, now
            looked = now
            if now - since >= self._patience_s:
                if lag := self._lag():
                    self._diagnose(lag, now - since)
                    return
                since = now

    def _lag(self) -> dict[TP, int]:
        """Records not handled, of the partitions that have any; empty when the broker does not answer."""
        positions = self._pulse.positions()
        if not positions:
            return {}
        try:
            with closing(_client(self._broker)) as consumer:
                wanted = [TopicPartition(tp.topic, tp.partition) for tp in positions]
                ends = consumer.end_offsets(wanted, timeout_ms=_ANSWER_MS)
                starts = consumer.beginning_offsets(wanted, timeout_ms=_ANSWER_MS)
        except (KafkaError, OSError, KeyError) as error:
            log.warning("no progress, and the broker does not say whether there is work: %s", error)
            return {}
        left = {tp: ends[tp.topic, tp.partition] - max(at, starts[tp.topic, tp.partition]) for tp, at in positions.items()}
        return {tp: n for tp, n in left.items() if n > 0}

    def _diagnose(self, lag: Mapping[TP, int], seconds: float) -> None:
        waiting = ", ".join(f"{tp.topic}/{tp.partition} has {n} records left" for tp, n in sorted(lag.items()))
        log.critical(
            "no progress for %.0f s: %s; the threads stand here, and this worker ends to be started again", seconds, waiting
        )
        faulthandler.dump_traceback(file=sys.stderr, all_threads=True)
        self._end(EXIT_STALLED)
