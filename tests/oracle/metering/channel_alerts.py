"""Alerts of one channel: of its windows, each judged once, and of readings that nobody can book (yet)."""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final, NamedTuple

from zonepulse.oracle.alerts import Transition, raised, resolved
from zonepulse.oracle.grid import Grid
from zonepulse.oracle.metering.pieces import Mark, Point, Restart, TooLong
from zonepulse.oracle.metering.verdicts import Shown
from zonepulse.oracle.zone.registry import Facts, Registry

_DAY_MS: Final = 86_400_000


@dataclass
class ChannelAlerts:
    """What alerts about one channel have in common."""

    registry: Registry
    meter: str
    register: str
    transitions: list[Transition] = field(default_factory=list)

    def _raised(
        self, rule: str, starts_at: int, window: int, tick: int, evidence: dict[str, Any], value: float | None = None, **others: Any
    ) -> Transition:
        labels = {"zone": self.registry.policy.zone, "rule": rule, "meter": self.meter, "register": self.register}
        facts = self._facts(window)
        evidence = evidence | {"register": self.register}
        alert = raised(labels, starts_at, tick, evidence, value, company=facts.company, node=facts.node, **others)
        self.transitions.append(alert)
        return alert

    def _start_ms(self, window: int) -> int:
        return window * self.registry.policy.window_ms

    def _facts(self, window: int) -> Facts:
        """The facts of the window, or of the channel's first version where none is valid (a long gap may start there)."""
        found = self.registry.facts_at(self.meter, self.register, self._start_ms(window))
        return found or self.registry.channels[self.meter, self.register][0]


@dataclass
class MeterRules(ChannelAlerts):
    """The rules that judge windows, each once, in order of time; and what the booking of readings tells."""

    _active: dict[str, Transition] = field(default_factory=dict)
    _restarts: dict[tuple[int, int, int, int], Transition] = field(default_factory=dict)
    _judged: int = 0
    _silent: list[int] = field(default_factory=list)
    """Windows of the present run without coverage."""
    _value: int | None = None
    _run: list[int] = field(default_factory=list)
    """Windows of the present run of equal values."""
    _longest: int = 0

    def judge(
        self, window: int, value: int | None, quality: str, covered_ms: int, is_held: bool, marks: list[Mark], tick: int
    ) -> None:
        """All rules about one window, with its row and its marks as they are at `tick`. `is_held`: it lies behind a held reading."""
        self._judged += 1
        self._judge_silence(window, covered_ms > 0 or is_held, self._facts(window), tick)
        if covered_ms == self.registry.policy.window_ms and quality != "estimated" and value is not None:
            self._judge_stuck(window, value, tick)
        self._judge_marks(window, covered_ms > 0, marks, tick)

    def refused_late(self, window: int, marks: list[Mark], tick: int) -> None:
        """An impossible value of a window that has been judged."""
        if "impossible_value" not in self._active:
            self._raise_marks(window, marks, tick)

    def gap_too_long(self, found: TooLong, tick: int) -> None:
        """A segment or reset that nobody books; it stays raised."""
        start_ms, end_ms, advance = found
        policy = self.registry.policy
        evidence = {"energy_micro": advance, "max_gap_ms": policy.max_gap_ms}
        self._raised("gap_too_long", start_ms, start_ms // policy.window_ms, tick, evidence, advance / 1_000_000, ends_at=end_ms)

    def restarted(self, found: Restart, tick: int) -> None:
        """A new series without a record."""
        step = abs(found.to_energy - found.from_energy) * 3_600_000 // (found.to_ms - found.from_ms)
        evidence: dict[str, Any] = {
            "from_micro": found.from_energy,
            "from_ts": found.from_ms,
            "mean_power_micro": step,
            "to_micro": found.to_energy,
        }
        ratio = self._ratio(found)
        if ratio is not None:
            evidence["ratio"] = str(ratio)
        window = found.to_ms // self.registry.policy.window_ms
        self._restarts[found.name] = self._raised(
            "series_restarted", found.to_ms, window, tick, evidence, found.to_energy / 1_000_000
        )

    def restart_gone(self, found: Restart, tick: int) -> None:
        """A new series that other readings or a record explain after all; one decided so long ago that all is settled stays."""
        policy = self.registry.policy
        settled_ms = policy.lateness_ms + max(policy.tolerance_ms, 2 * policy.window_ms + policy.delay_ms + 2 * policy.tick_ms)
        if found.decided_ms >= tick * policy.tick_ms - settled_ms:
            self.transitions.append(resolved(self._restarts[found.name], found.to_ms, tick))

    def _ratio(self, found: Restart) -> Fraction | None:
        """The power of ten, or the multiplier or its inverse, that new / old lies within 3 % of."""
        old, new = found.from_energy, found.to_energy
        multiplier = self._reader(found.to_ms).multiplier
        known = [Fraction(10) ** (sign * power) for power in range(1, 13) for sign in (1, -1)]
        known += [multiplier, 1 / multiplier] if multiplier != 1 else []
        fits = [r for r in known if old > 0 and new > 0 and 100 * abs(Fraction(new, old) - r) <= 3 * r]
        return fits[0] if fits else None

    def _reader(self, ts_ms: int) -> Facts:
        """The version that a register's reading belongs to: on an edge the one that ends."""
        name = (self.meter, self.register)
        found = self.registry.facts_at(*name, ts_ms - 1) or self.registry.facts_at(*name, ts_ms)
        assert found is not None
        return found

    def _judge_silence(self, window: int, is_heard: bool, facts: Facts, tick: int) -> None:
        if is_heard:
            self._silent = []
            self._resolve("silent_channel", window, tick)
            return
        self._silent.append(window)
        enough = Grid.of(self.registry.policy).windows_in(3 * facts.period_ms)
        if len(self._silent) >= enough and "silent_channel" not in self._active:
            self._raise("silent_channel", self._silent[0], tick, {"windows": enough})

    def _judge_stuck(self, window: int, value: int, tick: int) -> None:
        if value != self._value:
            self._longest = max(self._longest, len(self._run))
            self._value, self._run = value, []
            self._resolve("stuck", window, tick)
        self._run.append(window)
        is_known_zero = value != 0 or self._judged * self.registry.policy.window_ms > _DAY_MS
        if len(self._run) >= max(6, 2 * self._longest) and is_known_zero and "stuck" not in self._active:
            self._raise("stuck", self._run[0], tick, {"windows": len(self._run)}, value / 1_000_000)

    def _judge_marks(self, window: int, is_covered: bool, marks: list[Mark], tick: int) -> None:
        if marks and "impossible_value" not in self._active:
            self._raise_marks(window, marks, tick)
        elif not marks and is_covered:
            self._resolve("impossible_value", window, tick)

    def _raise_marks(self, window: int, marks: list[Mark], tick: int) -> None:
        evidence: dict[str, Any] = {"readings": len(marks)}
        if marks[-1].is_power and marks[-1].energy < 0:
            evidence["hint"] = "a negative power: its sign means direction; register both directions"
        self._raise("impossible_value", window, tick, evidence, marks[-1].energy / 1_000_000)

    def _raise(self, rule: str, window: int, tick: int, evidence: dict[str, Any], value: float | None = None) -> None:
        self._active[rule] = self._raised(rule, self._start_ms(window), window, tick, evidence, value)

    def _resolve(self, rule: str, window: int, tick: int) -> None:
        if rule in self._active:
            self.transitions.append(resolved(self._active.pop(rule), self._start_ms(window), tick))


class Pending(NamedTuple):
    """The last reading that waits for its verdict, and the good value that it waits behind."""

    last: Point
    shown: Shown
    is_waiting: bool
    """By rule 1 or 2: the next reading decides."""
    steps_above: int


@dataclass
class HeldRule(ChannelAlerts):
    """`register_held`: windows are null because of readings that nobody can book yet."""

    _pending: Pending | None = None
    _active: Transition | None = None
    _next: int = 0
    """The first tick that may raise."""

    def see(self, pending: Pending | None, last_ms: int | None, tick: int) -> None:
        """What waits after the readings of a tick, and the time of the last good value."""
        self._pending, self._next = pending, tick
        active = self._active
        if active is not None and (pending is None or self._start_ms(self._first(pending)) != active["starts_at"]):
            self.transitions.append(resolved(active, active["starts_at"] if last_ms is None else last_ms, tick))
            self._active = None

    def wait(self, until_tick: int) -> None:
        """Ticks without readings pass."""
        pending, grid = self._pending, Grid.of(self.registry.policy)
        if pending is not None and self._active is None and self.explains(self._first(pending)):
            first = max(self._next, grid.due_tick(self._first(pending)))
            if pending.is_waiting:
                over_ms = 2 * pending.shown.point.ts_ms + 3 * pending.shown.facts.period_ms
                first = max(first, over_ms // (2 * grid.tick_ms) + 1)
            tick = grid.due_tick(grid.last_due(first - 1) + 1)
            if tick <= until_tick:
                self._active = self._told(pending, tick)
        self._next = until_tick + 1

    def explains(self, window: int) -> bool:
        """Whether the window lies behind what waits."""
        pending = self._pending
        return pending is not None and pending.last.ts_ms <= self._start_ms(window) < pending.shown.point.ts_ms

    def _first(self, pending: Pending) -> int:
        """The first window that starts at or after the last good value."""
        return -(-pending.last.ts_ms // self.registry.policy.window_ms)

    def _told(self, pending: Pending, tick: int) -> Transition:
        last, held = pending.last, pending.shown.point
        step = held.energy - last.energy
        evidence = {
            "direction": "up" if step > 0 else "down",
            "from_micro": last.energy,
            "held_micro": held.energy,
            "mean_power_micro": abs(step) * 3_600_000 // (held.ts_ms - last.ts_ms),
            "steps_above": pending.steps_above,
        }
        window = self._first(pending)
        return self._raised("register_held", self._start_ms(window), window, tick, evidence, held.energy / 1_000_000)
