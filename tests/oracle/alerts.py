"""Alerts as transitions, and the ledger's own rules."""

import hashlib
import json
from bisect import insort
from dataclasses import dataclass, field
from typing import Any

from zonepulse.oracle.grid import Grid
from zonepulse.oracle.zone.registry import Registry

Transition = dict[str, Any]
"""A row of the table `alerts`."""


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


def place_of(registry: Registry, meter: str, at_ms: int) -> dict[str, str]:
    """Company and node of the meter's version that is valid then, else of the first one."""
    found = [facts for (name, _), versions in registry.channels.items() if name == meter for facts in versions]
    valid = [facts for facts in found if facts.valid_from_ms <= at_ms < facts.valid_to_ms]
    one = valid[0] if valid else min(found, key=lambda facts: facts.valid_from_ms)
    return {"company": one.company, "node": one.node}


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
