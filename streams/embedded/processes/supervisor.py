"""Watches child processes: reports what dies, starts again what may be started again."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from zonepulse.streams.embedded.processes.process import ChildProcess, ProcessDied
from zonepulse.streams.exit_codes import STALLED

log = logging.getLogger(__name__)

POLL_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Restart:
    """Start again after `first_s`, twice as long after each further death, at most `longest_s`; `healthy_s` of life begin anew, unless
    they ended with STALLED."""

    first_s: float = 0.5
    longest_s: float = 30.0
    healthy_s: float = 60.0


@dataclass(slots=True)
class _Watched:
    """What is known of a child: its policy, the process id last reported dead, and when to start it again."""

    child: ChildProcess
    restart: Restart | None
    launch: Callable[[], None]
    reported_pid: int = 0
    started: float = field(default_factory=time.monotonic)
    pause_s: float = 0.0
    due: float = 0.0


class Supervisor:
    """A thread that looks at its children five times a second. A death is reported once, to `on_death` and in `deaths`."""

    def __init__(self, on_death: Callable[[ProcessDied], None] | None = None) -> None:
        self.deaths: list[ProcessDied] = []
        self._on_death = on_death
        self._watched: list[_Watched] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def watch(self, child: ChildProcess, restart: Restart | None = None, launch: Callable[[], None] | None = None) -> None:
        """Supervises a started child from now on; `launch` starts it again (default: its `start`) and does not wait for it."""
        with self._lock:
            self._watched.append(_Watched(child, restart, launch or child.start))
            if not self._thread.is_alive():
                self._thread.start()

    def forget(self, child: ChildProcess) -> None:
        """No longer reports or restarts it: call it before stopping a child on purpose."""
        with self._lock:
            self._watched = [watched for watched in self._watched if watched.child is not child]

    def stop(self) -> list[ChildProcess]:
        """Ends supervision; the children, in the order they came, are the caller's to stop."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()
        return [watched.child for watched in self._watched]

    def _run(self) -> None:
        while not self._stop.wait(POLL_S):
            with self._lock:
                for watched in self._watched:
                    self._look(watched, time.monotonic())

    def _look(self, watched: _Watched, now: float) -> None:
        child = watched.child
        code = child.exit_code
        if code is None:
            return
        if child.pid != watched.reported_pid:
            watched.reported_pid = child.pid
            self._report(ProcessDied(child.name, code, child.log, child.log_tail()))
            self._plan(watched, now, was_healthy=code != STALLED)
        elif watched.restart is not None and now >= watched.due:
            log.info("starting %s again after %.1f s", child.name, watched.pause_s)
            watched.started = now
            try:
                watched.launch()
            except Exception as error:  # its port is taken, its disk is full: what hinders it may pass
                log.error("%s cannot be started again: %s", child.name, error)
                self._plan(watched, now, was_healthy=False)

    @staticmethod
    def _plan(watched: _Watched, now: float, *, was_healthy: bool) -> None:
        """When to start it again."""
        if watched.restart is not None:
            ran_s = now - watched.started if was_healthy else 0.0
            watched.pause_s = _next_pause(watched.restart, watched.pause_s, ran_s)
            watched.due = now + watched.pause_s

    def _report(self, death: ProcessDied) -> None:
        self.deaths.append(death)
        log.error("%s", death)
        if self._on_death is not None:
            self._on_death(death)


def _next_pause(policy: Restart, pause_s: float, ran_s: float) -> float:
    if pause_s == 0.0 or ran_s >= policy.healthy_s:
        return policy.first_s
    return min(2 * pause_s, policy.longest_s)
