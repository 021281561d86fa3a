"""What whoever supervises a worker asks it: does it live (`/healthz`), and does it do its part (`/readyz`).

It lives while its event loop turns; what has work and makes no progress ends itself (watchdog.py). It does its part once its group has
taken it in and the states of its partitions are restored, also where none is left for it: then it stands by.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import faust

from zonepulse.streams.kafka.batches import BatchConsumer
from zonepulse.streams.metrics import Answer

TURN_S: Final = 1.0


class Probes:
    """Of one worker. `stall_s`: how long its loop may be busy with one thing. Asked from any thread."""

    def __init__(self, stall_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._stall_s, self._clock = stall_s, clock
        self._turned_s: float | None = None
        self._app: faust.App | None = None
        self._is_joined = False

    def watch(self, app: faust.App) -> None:
        """From when the app runs."""
        self._app = app

        async def joined(*_: Any, **__: Any) -> None:
            self._is_joined = True

        async def turn() -> None:
            self.turn()

        app.on_partitions_assigned.connect(joined, weak=False)
        app.timer(TURN_S, name="probes")(turn)

    def turn(self) -> None:
        """The loop turns."""
        self._turned_s = self._clock()

    @property
    def answers(self) -> Mapping[str, Callable[[], Answer]]:
        """By path."""
        return {"/healthz": self.alive, "/readyz": self.ready}

    def alive(self) -> Answer:
        """Before the app runs kernels may be compiled, or a registry waited for: the process answers, and that is enough."""
        idle_s = 0.0 if self._turned_s is None else self._clock() - self._turned_s
        if idle_s > self._stall_s:
            return Answer(False, f"the event loop has not turned for {idle_s:.0f} s")
        return Answer(True, "alive")

    def ready(self) -> Answer:
        """Whether it has its share."""
        if self._app is None or not self._is_joined:
            return Answer(False, "starting: its group has not taken it in yet")
        consumer = self._app.consumer
        waiting = consumer.held().keys() - consumer.leases.keys() if isinstance(consumer, BatchConsumer) else ()
        if self._app.rebalancing or waiting:
            return Answer(False, f"partitions are shared out anew, {len(waiting)} of its own wait for their state")
        return Answer(True, "ready")
