"""One channel's life: accepted readings in, interval rows by tick and the verdicts of its rules out."""

from collections.abc import Callable
from typing import Any, NamedTuple

from zonepulse.oracle.alerts import Transition
from zonepulse.oracle.grid import Grid
from zonepulse.oracle.metering.channel_alerts import HeldRule, MeterRules
from zonepulse.oracle.metering.fold import Fold, Row
from zonepulse.oracle.metering.pieces import Mark, Restart, TooLong
from zonepulse.oracle.metering.readings import Reading
from zonepulse.oracle.metering.spans import Spans
from zonepulse.oracle.metering.watch import Watch
from zonepulse.oracle.zone.registry import Facts, Registry


class Version(NamedTuple):
    """A row as one tick emitted it."""

    tick: int
    window: int
    row: Row


class Channel:
    """A channel along its partition's ticks. `versions` and `transitions` are what it has emitted so far."""

    def __init__(
        self,
        registry: Registry,
        meter: str,
        register: str,
        final_window: int | None,
        owns: Callable[[Facts], bool] = lambda _: True,
    ) -> None:
        """`owns` tells whether a version belongs to this partition: another partition makes the rows of the others."""
        self._registry = registry
        self._owns = owns
        self._grid = Grid.of(registry.policy)
        self._name = (meter, register)
        self._final_window = final_window
        self._fold = Fold(registry, meter, register)
        self._rules = MeterRules(registry, meter, register)
        self._held_rule = HeldRule(registry, meter, register)
        self._watch = Watch(registry, meter, register)
        self._rows: dict[int, Row] = {}
        self._spans = Spans()
        """Windows that have a row because of a reading."""
        self._due: int | None = None
        """The last window that has had its turn."""
        self._judged: int | None = None
        """The last window that the rules have passed."""
        self._now = 0
        """No rule can see the present rows before this tick."""
        self._taken = 0
        """The tick of the last readings."""
        self._given: int | None = None
        """The last window that detectors of a slow register were given."""
        self.versions: list[Version] = []

    @property
    def transitions(self) -> list[Transition]:
        """The alerts of its rules."""
        return [*self._rules.transitions, *self._held_rule.transitions, *self._watch.transitions]

    @property
    def bands(self) -> list[dict[str, Any]]:
        """Rows of table `expected`."""
        return self._watch.bands

    def live(self, readings_by_tick: dict[int, list[Reading]], until_tick: int) -> None:
        """Close every tick up to `until_tick`."""
        for tick in sorted(t for t in readings_by_tick if t <= until_tick):
            self._pass(tick - 1)
            self._take(readings_by_tick[tick], tick)
        self._pass(until_tick)

    def facts(self, window: int) -> Facts | None:
        """The facts of a window's row: those valid at its start; None where there are none, or the row is another partition's."""
        facts = self._registry.facts_at(*self._name, self._grid.start_ms(window))
        return facts if facts is not None and self._owns(facts) else None

    def _take(self, readings: list[Reading], tick: int) -> None:
        """Emit what the readings of a tick changed, and what becomes due with it."""
        last = self._last_due(tick)
        news = self._fold.add(readings)
        touched = set(self._fold.dirty)
        for reading in readings:
            touched.update(self._spans.add(*self._reach(reading)))
        touched.update(range(last + 1 if self._due is None else self._due + 1, last + 1))
        for window in sorted(touched):
            if window <= last:
                self._emit(window, tick)
        self._due, self._now, self._taken = last, tick, tick
        restarts = [{e.name: e for e in entries if isinstance(e, Restart)} for entries in (news.gone, news.come)]
        for name in restarts[0].keys() - restarts[1].keys():
            self._rules.restart_gone(restarts[0][name], tick)
        for entry in reversed(news.come):
            if isinstance(entry, TooLong):
                self._rules.gap_too_long(entry, tick)
            elif isinstance(entry, Restart) and entry.name not in restarts[0]:
                self._rules.restarted(entry, tick)
            elif isinstance(entry, Mark) and self._judged is not None:
                window = self._grid.window(entry.at_ms)
                if window <= self._judged and window in self._rows:
                    self._rules.refused_late(window, self._fold.marks(window), tick)
        self._held_rule.see(self._fold.pending(), self._fold.last_good_ms(), tick)

    def _pass(self, tick: int) -> None:
        """Close ticks without readings: windows become due, each at its own tick, and rules judge."""
        if self._due is None:
            return
        last = self._last_due(tick)
        for window in range(self._due + 1, last + 1):
            self._emit(window, self._grid.due_tick(window))
        self._due = last
        self._held_rule.wait(tick)
        self._judge(tick)
        if self._watch.is_slow:
            self._give_slowly(tick)

    def _last_due(self, tick: int) -> int:
        last = self._grid.last_due(tick)
        return last if self._final_window is None else min(last, self._final_window)

    def _reach(self, reading: Reading) -> tuple[int, int]:
        """The windows [first, stop) that have rows because of a reading: up to max_gap behind it, while versions follow at once."""
        until_ms = reading.ts_ms + self._registry.policy.max_gap_ms
        valid_to_ms = reading.facts.valid_to_ms
        for facts in self._registry.channels[self._name]:
            if facts.valid_from_ms == valid_to_ms:
                valid_to_ms = facts.valid_to_ms
        until_ms = min(until_ms, valid_to_ms)
        return self._grid.window(reading.starts_ms), self._grid.window(until_ms - 1) + 1

    def _emit(self, window: int, tick: int) -> None:
        is_there = window in self._rows or window in self._spans or self._fold.is_booked(window)
        if not is_there or self.facts(window) is None:
            return
        row = self._fold.row(window)
        if self._rows.get(window) != row:
            self._rows[window] = row
            self.versions.append(Version(tick, window, row))

    def _judge(self, until_tick: int) -> None:
        """Let the rules judge, in order, every window whose turn comes up to a tick, with the rows as they are now. A window without
        a row at its turn is passed over for good.
        """
        while self._rows:
            window = min(self._rows) if self._judged is None else self._judged + 1
            row = self._rows.get(window)
            tick = self._grid.judge_tick(window, row is not None and row.covered_ms == self._grid.window_ms)
            if row is not None:
                tick = max(tick, self._now)
            if tick > until_tick:
                return
            if row is not None:
                is_held = self._held_rule.explains(window)
                self._rules.judge(window, row.value, row.quality, row.covered_ms, is_held, self._fold.marks(window), tick)
                if not self._watch.is_slow:
                    self._watch.judge(window, row.value, row.quality, row.covered_ms, tick)
                self._now = tick
            self._judged = window

    def _give_slowly(self, until_tick: int) -> None:
        """Windows of a slow register, in order, each once a reading covers it and it is due; one that is covered later than a window behind
        it is passed over."""
        for window in sorted(w for w in self._rows if self._given is None or w > self._given):
            row, tick = self._rows[window], max(self._taken, self._grid.due_tick(window))
            is_whole = row.covered_ms == self._grid.window_ms and self._fold.is_as_read(window)
            if row.value is not None and is_whole and tick <= until_tick:
                self._watch.take(window, row.value, tick)
                self._given = window
