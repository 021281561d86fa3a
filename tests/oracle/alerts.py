"""Alerts as transitions: the meter rules of a channel, and the ledger's rules on companies and the zone."""

import hashlib
import json
from bisect import insort
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from zonepulse.oracle.grid import Grid
from zonepulse.oracle.registry import Facts, Registry, Rule
from zonepulse.oracle.vee import Mark, Segment

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
class MeterRules:
    """The rules of one channel. Windows come in order of time, each once."""

    registry: Registry
    meter: str
    register: str
    transitions: list[Transition] = field(default_factory=list)
    _active: dict[str, Transition] = field(default_factory=dict)
    _judged: int = 0
    _silent: list[int] = field(default_factory=list)
    """Windows of the present run without coverage."""
    _value: int | None = None
    _run: list[int] = field(default_factory=list)
    """Windows of the present run of equal values."""
    _longest: int = 0

    def judge(self, window: int, value: int | None, quality: str, covered_ms: int, marks: list[Mark], tick: int) -> None:
        """All rules about one window, with its row and its marks as they are at `tick`."""
        self._judged += 1
        facts = self._facts(window)
        self._judge_silence(window, covered_ms > 0, facts, tick)
        if covered_ms == self.registry.policy.window_ms and quality != "estimated" and value is not None:
            self._judge_stuck(window, value, tick)
        for rule in ("impossible_value", "register_backwards"):
            self._judge_marks(rule, window, covered_ms > 0, [m for m in marks if m.rule == rule], tick)

    def gap_too_long(self, segment: Segment, tick: int) -> None:
        """A segment that nobody books; it stays raised."""
        start_ms, end_ms, advance = segment
        policy = self.registry.policy
        evidence = {"energy_micro": advance, "max_gap_ms": policy.max_gap_ms, "register": self.register}
        window = start_ms // policy.window_ms
        self._raise("gap_too_long", start_ms, window, tick, evidence, advance / 1_000_000, ends_at=end_ms)
        del self._active["gap_too_long"]

    def _judge_silence(self, window: int, is_covered: bool, facts: Facts, tick: int) -> None:
        if is_covered:
            self._silent = []
            self._resolve("silent_channel", window, tick)
            return
        self._silent.append(window)
        enough = Grid.of(self.registry.policy).windows_in(3 * facts.period_ms)
        if len(self._silent) >= enough and "silent_channel" not in self._active:
            evidence = {"register": self.register, "windows": enough}
            self._raise("silent_channel", self._start_ms(self._silent[0]), self._silent[0], tick, evidence)

    def _judge_stuck(self, window: int, value: int, tick: int) -> None:
        if value != self._value:
            self._longest = max(self._longest, len(self._run))
            self._value, self._run = value, []
            self._resolve("stuck", window, tick)
        self._run.append(window)
        is_known_zero = value != 0 or self._judged * self.registry.policy.window_ms > _DAY_MS
        if len(self._run) >= max(6, 2 * self._longest) and is_known_zero and "stuck" not in self._active:
            evidence = {"register": self.register, "windows": len(self._run)}
            self._raise("stuck", self._start_ms(self._run[0]), self._run[0], tick, evidence, value / 1_000_000)

    def _judge_marks(self, rule: str, window: int, is_covered: bool, marks: list[Mark], tick: int) -> None:
        if marks and rule not in self._active:
            evidence = {"register": self.register, "readings": len(marks)}
            self._raise(rule, self._start_ms(window), window, tick, evidence, marks[-1].energy / 1_000_000)
        elif not marks and is_covered:
            self._resolve(rule, window, tick)

    def _raise(
        self, rule: str, starts_at: int, window: int, tick: int, evidence: dict[str, Any], value: float | None = None, **others: Any
    ) -> None:
        labels = {"zone": self.registry.policy.zone, "rule": rule, "meter": self.meter, "register": self.register}
        facts = self._facts(window)
        self._active[rule] = raised(labels, starts_at, tick, evidence, value, company=facts.company, node=facts.node, **others)
        self.transitions.append(self._active[rule])

    def _resolve(self, rule: str, window: int, tick: int) -> None:
        if rule in self._active:
            self.transitions.append(resolved(self._active.pop(rule), self._start_ms(window), tick))

    def _start_ms(self, window: int) -> int:
        return window * self.registry.policy.window_ms

    def _facts(self, window: int) -> Facts:
        """The facts of the window, or of the channel's first version where none is valid (a long gap may start there)."""
        found = self.registry.facts_at(self.meter, self.register, self._start_ms(window))
        return found or self.registry.channels[self.meter, self.register][0]


class Judged(NamedTuple):
    """What a rule of the registry sees of a window: whether it is fully covered, and its indicator."""

    is_covered: bool
    value: float | None


@dataclass
class RuleWatch:
    """One rule of the registry on one subject (`company` '' is the zone)."""

    registry: Registry
    rule: Rule
    company: str
    transitions: list[Transition] = field(default_factory=list)
    _windows: list[int] = field(default_factory=list)
    """Windows that have a row and may still be judged."""
    _last: int | None = None
    _now: int = 0
    _breaching: list[int] = field(default_factory=list)
    _clear: list[int] = field(default_factory=list)
    _active: Transition | None = None

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

    def judge(self, window: int, value: float | None, tick: int) -> None:
        """Judge the next window."""
        self._windows.remove(window)
        self._last, self._now = window, tick
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
