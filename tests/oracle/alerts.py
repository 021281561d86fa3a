"""Alerts as transitions: the meter rules of a channel, and the ledger's rules on companies and the zone."""

import hashlib
import json
from bisect import insort
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

from zonepulse.oracle.grid import Grid
from zonepulse.oracle.pieces import Mark, Point, Restart, TooLong
from zonepulse.oracle.registry import Facts, Registry, Rule
from zonepulse.oracle.verdicts import Shown

Transition = dict[str, Any]
"""A row of the table `alerts`."""
_DAY_MS = 86_400_000


def canonical(value: dict[str, Any]) -> str:
    """Sorted keys, no blanks."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def raised(
    labels: dict[str, str], starts_at: int, tick: int, evidence: dict[str, Any], value: float | None = None, **others: Any
) -> Transition:
    """The row that raises an alert. `others` fills further columns."""
    row: Transition = {
        "zone": labels["zone"],
        "fingerprint": hashlib.sha256(canonical(labels).encode()).hexdigest()[:16],
        "starts_at": starts_at,
        "rule": labels["rule"],
        "severity": "warning",
        "state": "raised",
        "company": labels.get("company", ""),
        "meter": labels.get("meter", ""),
        "node": "",
        "ends_at": None,
        "value": value,
        "expected_low": None,
        "expected_high": None,
        "impact_kg": None,
        "evidence": canonical(evidence),
        "revision": tick,
    }
    return row | others


def resolved(alert: Transition, ends_at: int, tick: int) -> Transition:
    """The row that ends an alert."""
    return alert | {"state": "resolved", "ends_at": ends_at, "revision": tick}


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
    _restarts: dict[Restart, Transition] = field(default_factory=dict)
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
        evidence = {
            "from_micro": found.from_energy,
            "from_ts": found.from_ms,
            "mean_power_micro": step,
            "to_micro": found.to_energy,
        }
        ratio = self._ratio(found)
        if ratio is not None:
            evidence["ratio"] = str(ratio)
        window = found.to_ms // self.registry.policy.window_ms
        self._restarts[found] = self._raised(
            "series_restarted", found.to_ms, window, tick, evidence, found.to_energy / 1_000_000
        )

    def restart_gone(self, found: Restart, tick: int) -> None:
        """A new series that other readings or a record explain after all."""
        self.transitions.append(resolved(self._restarts.pop(found), found.to_ms, tick))

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


class Judged(NamedTuple):
    """What a rule of the registry sees of a window: whether it is fully covered, and its indicator."""

    is_covered: bool
    value: float | None


@dataclass
class Turns:
    """The windows of one subject that have a row: each is judged once, in order of time."""

    registry: Registry
    transitions: list[Transition] = field(default_factory=list)
    _windows: list[int] = field(default_factory=list)
    """Windows that have a row and may still be judged."""
    _last: int | None = None
    _now: int = 0

    def see(self, window: int) -> None:
        """A window of the subject has a row."""
        if (self._last is None or window > self._last) and window not in self._windows:
            insort(self._windows, window)

    def due(self, until_tick: int, is_covered: bool, window: int) -> int | None:
        """The tick at which the window is judged, if that is not after `until_tick`."""
        tick = max(self._now, Grid.of(self.registry.policy).judge_tick(window, is_covered))
        return tick if tick <= until_tick else None

    def changed(self, tick: int) -> None:
        """Rows have changed at a tick: no judgement of them can be earlier."""
        self._now = max(self._now, tick)

    def next_window(self) -> int | None:
        """The window that is judged next."""
        return self._windows[0] if self._windows else None

    def _turn(self, window: int, tick: int) -> None:
        self._windows.remove(window)
        self._last, self._now = window, tick


@dataclass
class RuleWatch(Turns):
    """One rule of the registry on one subject (`company` '' is the zone)."""

    rule: Rule = field(kw_only=True)
    company: str = field(kw_only=True)
    _breaching: list[int] = field(default_factory=list)
    _clear: list[int] = field(default_factory=list)
    _active: Transition | None = None

    def judge(self, window: int, value: float | None, tick: int) -> None:
        """Judge the next window."""
        self._turn(window, tick)
        if value is None:
            return
        for run, goes_on in ((self._breaching, self._breaches(value)), (self._clear, self._clears(value))):
            if goes_on:
                run.append(window)
            else:
                run.clear()
        grid, rule = Grid.of(self.registry.policy), self.rule
        if self._active is None and len(self._breaching) >= grid.windows_in(rule.for_ms):
            self._active = self._raised(value, tick)
            self.transitions.append(self._active)
        elif self._active is not None and len(self._clear) >= grid.windows_in(rule.keep_firing_ms):
            first = self._clear[-grid.windows_in(rule.keep_firing_ms)]
            self.transitions.append(resolved(self._active, grid.start_ms(first), tick))
            self._active = None

    def _raised(self, value: float, tick: int) -> Transition:
        labels = {"zone": self.registry.policy.zone, "rule": self.rule.id}
        labels |= {"company": self.company} if self.company else {}
        grid = Grid.of(self.registry.policy)
        return raised(
            labels,
            grid.start_ms(self._breaching[-grid.windows_in(self.rule.for_ms)]),
            tick,
            {"indicator": self.rule.indicator},
            value,
            severity=self.rule.severity,
            expected_high=self.rule.above,
            expected_low=self.rule.below,
        )

    def _breaches(self, value: float) -> bool:
        rule = self.rule
        return value > rule.above if rule.above is not None else rule.below is not None and value < rule.below

    def _clears(self, value: float) -> bool:
        rule = self.rule
        if rule.clear_below is not None:
            return value < rule.clear_below
        if rule.clear_above is not None:
            return value > rule.clear_above
        return not self._breaches(value)


@dataclass
class NodeWatch(Turns):
    """`unexplained_energy` of one node: more leaves it than meters see entering."""

    node: str = field(kw_only=True)
    _active: Transition | None = None

    def judge(self, window: int, inflow: int, imbalance: int | None, tick: int) -> None:
        """Judge the next window; `imbalance` is None where it is not known, or the window is not fully covered."""
        self._turn(window, tick)
        if imbalance is None:
            return
        missing, outflow = max(0, -imbalance), inflow - imbalance
        start_ms = Grid.of(self.registry.policy).start_ms(window)
        if 20 * missing > max(inflow, outflow):
            if self._active is None:
                labels = {"zone": self.registry.policy.zone, "rule": "unexplained_energy", "node": self.node}
                evidence = {"inflow_micro": inflow, "node": self.node, "outflow_micro": outflow}
                self._active = raised(labels, start_ms, tick, evidence, missing / 1_000_000, node=self.node)
                self.transitions.append(self._active)
        elif self._active is not None:
            self.transitions.append(resolved(self._active, start_ms, tick))
            self._active = None


Subject = tuple[str, str, str]
"""Company, carrier, basis."""


@dataclass
class FactorWatch:
    """`no_factor` of every company, carrier and basis."""

    zone: str
    transitions: list[Transition] = field(default_factory=list)
    _active: dict[Subject, Transition] = field(default_factory=dict)

    def tick(self, tick: int, rows: dict[Subject, list[tuple[int, bool]]]) -> None:
        """The emissions rows of a tick by subject, as (start, has a factor); only rows with energy lack one."""
        for subject, found in rows.items():
            company, carrier, basis = subject
            labels = {"zone": self.zone, "rule": "no_factor", "company": company, "carrier": carrier}
            evidence = {"carrier": carrier}
            if basis != "location":
                labels["basis"] = evidence["basis"] = basis
            alert = _watched(self._active.get(subject), labels, found, tick, evidence, "critical")
            if alert is not None:
                self._active[subject] = alert
                self.transitions.append(alert)
                if alert["state"] == "resolved":
                    del self._active[subject]


@dataclass
class ResidualWatch:
    """`flow_residual`: a network solve that lost more than rounding."""

    zone: str
    transitions: list[Transition] = field(default_factory=list)
    _active: Transition | None = None

    def tick(self, tick: int, solves: list[tuple[int, int, int]]) -> None:
        """The windows whose residual changed at a tick, as (start, residual mg, source mg)."""
        found = [(start, residual * 1_000_000 <= max(1_000_000_000, source)) for start, residual, source in solves]
        worst = min(
            ((start, r, s) for (start, r, s), (_, is_within) in zip(solves, found, strict=True) if not is_within), default=None
        )
        evidence = {} if worst is None else {"residual_mg": worst[1], "source_mg": worst[2]}
        labels = {"zone": self.zone, "rule": "flow_residual"}
        alert = _watched(self._active, labels, found, tick, evidence, "warning")
        if alert is not None:
            self.transitions.append(alert)
            self._active = alert if alert["state"] == "raised" else None


def _watched(
    active: Transition | None,
    labels: dict[str, str],
    found: list[tuple[int, bool]],
    tick: int,
    evidence: dict[str, Any],
    severity: str,
) -> Transition | None:
    """Raised by the first window that is not well, resolved by the first well one after it."""
    if active is None:
        ill = [start for start, is_well in found if not is_well]
        return raised(labels, min(ill), tick, evidence, severity=severity) if ill else None
    well = [start for start, is_well in found if is_well and start > active["starts_at"]]
    return resolved(active, min(well), tick) if well else None
