"""Replays among the faults: a run of the log so far is killed, and its servers go away under it; it goes on until it is over.

Its digests are in the end those of the same plan run again, whole, when all is quiet. Where unread readings were deleted meanwhile
(`flow.py`), a run that needs them is refused, in words.
"""

import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from zonepulse.streams.chaos.plan import ChaosStuck, Fault, Kind
from zonepulse.streams.exit_codes import DONE, FAILED

if TYPE_CHECKING:
    from zonepulse.streams.chaos.run import Chaos

_HOUR_MS: Final = 3_600_000
_PATIENCE_S: Final = 600.0
_AGAIN_S: Final = 1.0


@dataclass(slots=True)
class Replay:
    """One run, from its plan to its end."""

    name: str
    stretch: tuple[str, str]
    environment: dict[str, str]
    tables: dict[str, Any] = field(default_factory=dict)
    """Rows and digest of each, once it is over."""
    attempts: int = 0
    refused: str = ""
    """Why the last attempt ended."""

    def zonepulse(self, *words: str, kill_after_s: float | None = None) -> Any:
        """What `zonepulse replay` answers; None, and `refused`, if it failed, which it may, or was killed. Raises ChaosStuck."""
        argv = [sys.executable, "-m", "zonepulse.streams.cli.main", "replay", *words, "--json"]
        with subprocess.Popen(argv, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
            try:
                out, told = child.communicate(timeout=kill_after_s or _PATIENCE_S)
            except subprocess.TimeoutExpired:
                child.kill()
                out, told = child.communicate()
                if kill_after_s is None:
                    raise ChaosStuck(f"replay {' '.join(words)} has not ended after {_PATIENCE_S:.0f} s") from None
                self.refused = "killed"
                return None
        if child.returncode not in (DONE, FAILED) or "Traceback" in told:
            raise ChaosStuck(f"replay {' '.join(words)} ended with {child.returncode}: {told[-1000:]}")
        self.refused = told.strip()
        return json.loads(out) if child.returncode == DONE else None

    def go_on(self, kill_after_s: float) -> None:
        """Planned, killed once if it lives as long, and then again and again until it is over."""
        until = time.monotonic() + _PATIENCE_S
        plan = ("plan", "--from", self.stretch[0], "--to", self.stretch[1], "--run", self.name)
        while self.zonepulse(*plan) is None and time.monotonic() < until:
            time.sleep(_AGAIN_S)
        found = None
        while found is None and time.monotonic() < until:
            found = self.zonepulse("run", self.name, "--checkpoint-s", "0.2", kill_after_s=None if self.attempts else kill_after_s)
            self.attempts += 1
            time.sleep(_AGAIN_S)
        self.tables = found["tables"] if found else {}

    def differences(self, is_eaten: bool) -> list[str]:
        """Of the tables from those of the same plan, run again and whole."""
        if not self.tables:
            return [] if is_eaten else [f"{self.name} did not come to its end: {self.refused}"]
        again = self.zonepulse("run", self.name)
        if again is None:
            return [] if is_eaten else [f"{self.name} does not run again: {self.refused}"]
        return [
            f"{self.name}, {name}: {table} after {self.attempts} attempts, {again['tables'][name]} run whole"
            for name, table in self.tables.items()
            if table != again["tables"][name]
        ]


@dataclass(slots=True)
class Replays:
    """Those of one chaos, each in a thread of its own."""

    begun: list[tuple[Replay, threading.Thread]] = field(default_factory=list)
    failure: ChaosStuck | None = None

    def begin(self, replay: Replay, kill_after_s: float) -> None:
        """Returns at once."""

        def go_on() -> None:
            try:
                replay.go_on(kill_after_s)
            except ChaosStuck as stuck:
                self.failure = stuck

        thread = threading.Thread(target=go_on, name=replay.name, daemon=True)
        self.begun.append((replay, thread))
        thread.start()

    def differences(self, is_eaten: bool) -> list[str]:
        """Waits for all of them. Raises ChaosStuck."""
        found = []
        for replay, thread in self.begun:
            thread.join()
            if self.failure is not None:
                raise self.failure
            found += replay.differences(is_eaten)
        return found


def _replay(chaos: "Chaos", fault: Fault) -> None:
    begin_ms = int(chaos.feed.sample.arrival_ms[0]) // _HOUR_MS * _HOUR_MS
    chaos.wait(lambda: chaos.feed.is_done or chaos.feed.arrival_ms >= begin_ms + 2 * _HOUR_MS, "two hours of readings")
    begin, end = (datetime.fromtimestamp(ms // _HOUR_MS * 3600, UTC).isoformat() for ms in (begin_ms, chaos.feed.arrival_ms))
    replay = Replay(f"chaos-{len(chaos.replays.begun)}", (begin, end), chaos.stack.worker_environment)
    chaos.replays.begin(replay, fault.seconds)


KINDS: Final = (Kind("replay", 1, ("run",), _replay, (1.0, 8.0), without_end=True),)
