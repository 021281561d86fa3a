"""Windows and ticks: which tick makes which window due. Windows are numbered from the epoch."""

from typing import NamedTuple

from zonepulse.oracle.zone.registry import Policy


class Grid(NamedTuple):
    """Lengths in milliseconds."""

    window_ms: int
    tick_ms: int
    delay_ms: int
    settling_ms: int
    """How long after its end a window settles: the lateness, but no less than the delay."""

    @staticmethod
    def of(policy: Policy) -> "Grid":
        """The grid of a zone."""
        return Grid(policy.window_ms, policy.tick_ms, policy.delay_ms, max(policy.lateness_ms, policy.delay_ms))

    def window(self, at_ms: int) -> int:
        """The window [start, end) that holds an instant."""
        return at_ms // self.window_ms

    def start_ms(self, window: int) -> int:
        """Where a window starts."""
        return window * self.window_ms

    def tick(self, ingest_ms: int) -> int:
        """The tick whose rows a record of this ingest time changes."""
        return ingest_ms // self.tick_ms + 1

    def due_tick(self, window: int) -> int:
        """The first tick at or after the window's end + delay."""
        return -(-((window + 1) * self.window_ms + self.delay_ms) // self.tick_ms)

    def last_due(self, tick: int) -> int:
        """The last window that is due at a tick."""
        return (tick * self.tick_ms - self.delay_ms) // self.window_ms - 1

    def settle_tick(self, window: int) -> int:
        """The last tick whose rows are in the window when it settles."""
        return -(-((window + 1) * self.window_ms + self.settling_ms) // self.tick_ms)

    def current(self, tick: int) -> int:
        """The earliest window that is not settled before the rows of a tick."""
        return ((tick - 1) * self.tick_ms - self.settling_ms) // self.window_ms

    def judge_tick(self, window: int, is_covered: bool) -> int:
        """The first tick that judges a window: when due if it is fully covered, else one window later."""
        return self.due_tick(window if is_covered else window + 1)

    def windows_in(self, duration_ms: int) -> int:
        """How many windows make up a duration: at least one."""
        return max(1, -(-duration_ms // self.window_ms))
