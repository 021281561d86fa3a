"""The registry's alert rules as a state machine over judged windows (schemas/messages/alerts.py is the contract)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from zonepulse.processors.detection.expressions import Look, Truth, compile_expression
from zonepulse.processors.detection.own_history import OwnHistory, begin
from zonepulse.processors.detection.working_hours import WorkingHours
from zonepulse.processors.flow import Rows
from zonepulse.schemas.messages.alerts import fingerprint
from zonepulse.schemas.registry.model import Rule
from zonepulse.schemas.rules.scopes import named_by
from zonepulse.schemas.values import canonical_json


class Excess(NamedTuple):
    """What a window has above a rule's bound: micro-kWh and mg CO2e; None: not known, or not what the rule is about."""

    energy_micro: int | None = None
    co2e_mg: int | None = None


NOTHING: Final = Excess()
Outside = Callable[[float | None, float | None], Excess]
"""What a window has below a first and above a second bound."""


class Verdict(NamedTuple):
    """What a rule says of one window. `value` is what was compared with its bounds, None of an expression."""

    is_breach: bool
    is_clear: bool
    value: float | None = None
    facts: Mapping[str, Any] = {}
    """For the evidence, where it raises."""
    band: tuple[float | None, float | None] = (None, None)
    """What was expected instead: low and high."""


@dataclass(slots=True)
class RuleState:
    """State of one rule on one subject. Counts are consecutive windows; starts are epoch ms."""

    breaches: int = 0
    first_breach: int = 0
    clears: int = 0
    first_clear: int = 0
    active_since: int | None = None
    raised_at: float | None = 0.0
    """Value of the window that raised it."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Facts of that window."""
    excess: Excess = NOTHING
    """Of the breaching windows from `first_breach` on."""
    told: int = 0
    """Of the excess, what was told last: mg, or micro-kWh where its carbon is not known."""
    band: tuple[float | None, float | None] = (None, None)
    """Of the window that raised it."""
    past: dict[int, float] = field(default_factory=dict)
    """Of a rule about changes: start of a judged window -> the indicator's value then."""
    history: Rows | None = None
    """Of a rule about what is unusual: own_history's."""


@dataclass(frozen=True, slots=True)
class Transition:
    """What a judged window did to a rule: `raised`, `updated` or `resolved`."""

    state: str
    starts_at: int
    ends_at: int | None
    value: float | None
    facts: Mapping[str, Any] = field(default_factory=dict)
    excess: Excess = NOTHING
    band: tuple[float | None, float | None] = (None, None)


def windows_of(duration_ms: int, length_ms: int) -> int:
    """n(d) = max(1, ceil(d / length))."""
    return max(1, -(-duration_ms // length_ms))


def compare(rule: Rule, value: float | None) -> Verdict | None:
    """A value against the rule's bounds; without a `clear` bound, whatever is no breach is clear."""
    if value is None:
        return None
    is_breach = (rule.above is not None and value > rule.above) or (rule.below is not None and value < rule.below)
    if rule.clear_above is None and rule.clear_below is None:
        return Verdict(is_breach, not is_breach, value)
    is_clear = (rule.clear_below is not None and value < rule.clear_below) or (
        rule.clear_above is not None and value > rule.clear_above
    )
    return Verdict(is_breach, is_clear, value)


class Judge:
    """One rule, compiled. `hours`: only windows that begin within them are judged."""

    def __init__(
        self, rule: Rule, length_ms: int, hours: WorkingHours | None = None, own_history: OwnHistory | None = None
    ) -> None:
        self.rule, self._length_ms, self._hours, self._own_history = rule, length_ms, hours, own_history
        self._names = named_by(rule)
        self._breaks: Truth | None = compile_expression(rule.expr) if rule.expr else None
        self._clears: Truth | None = compile_expression(rule.clear_expr) if rule.clear_expr else None

    def judge(self, state: RuleState, start: int, look: Look, outside: Outside | None = None) -> Transition | None:
        """Judge the window that begins at `start`; what it does to the rule. Changes `state` in place."""
        verdict = self._verdict(state, start, look)
        if self._hours is not None and not self._hours.is_open(start):
            return None
        excess = NOTHING
        if outside is not None and verdict is not None and verdict.is_breach and not self.rule.change:
            low, high = verdict.band if self.rule.unusual else (None, self.rule.above)
            excess = NOTHING if low is None and high is None else outside(low, high)
        return evaluate(self.rule, state, start, verdict, self._length_ms, excess)

    def evidence(self) -> dict[str, Any]:
        """What every transition of the rule says of it."""
        return {"expr": self.rule.expr} if self.rule.expr else {"indicator": self.rule.indicator}

    def _verdict(self, state: RuleState, start: int, look: Look) -> Verdict | None:
        if self._breaks is not None:
            return self._of_expression(self._breaks, look)
        now = look(self.rule.indicator)
        if self._own_history is not None:
            return self._of_history(self._own_history, state, start, now, look)
        return self._of_change(state, start, now) if self.rule.change else compare(self.rule, now)

    def _of_expression(self, breaks: Truth, look: Look) -> Verdict | None:
        values = {name: look(name) for name in self._names}
        is_breach = breaks(values.__getitem__)
        is_clear = not is_breach if is_breach or self._clears is None else self._clears(values.__getitem__)
        if is_breach is None or is_clear is None:
            return None
        return Verdict(is_breach, is_clear, None, {"values": values})

    def _of_history(self, own_history: OwnHistory, state: RuleState, start: int, now: float | None, look: Look) -> Verdict | None:
        """Only measured windows are judged and remembered."""
        if now is None or look("completeness") != 1.0 or (look("estimated_share") or 0.0) != 0.0:
            return None
        if state.history is None:
            state.history = begin()
        found = own_history.judge(state.history, start, now)
        told = {"score": found.score, "windows": found.windows}
        return Verdict(
            found.is_outside, not found.is_outside, now, told, (found.low, found.high) if found.is_outside else (None, None)
        )

    def _of_change(self, state: RuleState, start: int, now: float | None) -> Verdict | None:
        rule = self.rule
        before = state.past.pop(start - rule.against_ms, None)
        while state.past and (oldest := next(iter(state.past))) < start - rule.against_ms:
            del state.past[oldest]
        if now is not None:
            state.past[start] = now
        if now is None or before is None or (rule.change == "percent" and before == 0):
            return None
        change = now - before if rule.change == "absolute" else 100 * (now - before) / abs(before)
        found = compare(rule, change)
        told = {"against_ms": rule.against_ms, "before": before, "change": rule.change, "now": now}
        return found and found._replace(facts=told)


def evaluate(
    rule: Rule, state: RuleState, start: int, verdict: Verdict | None, length_ms: int, excess: Excess = NOTHING
) -> Transition | None:
    """What one window does to a rule; None keeps the state. Changes `state` in place."""
    if verdict is None:
        return None
    if verdict.is_breach:
        if not state.breaches and state.active_since is None:
            state.excess = NOTHING
        state.excess = Excess(*(b if a is None else a if b is None else a + b for a, b in zip(state.excess, excess, strict=True)))
        state.first_breach = state.first_breach if state.breaches else start
        state.breaches += 1
    else:
        state.breaches = 0
    if verdict.is_clear:
        state.first_clear = state.first_clear if state.clears else start
        state.clears += 1
    else:
        state.clears = 0
    if state.active_since is None and state.breaches >= windows_of(rule.for_ms, length_ms):
        state.active_since, state.clears = state.first_breach, 0
        state.raised_at, state.facts = verdict.value, dict(verdict.facts)
        state.told, state.band = _size(state.excess), verdict.band
        return Transition("raised", state.active_since, None, state.raised_at, state.facts, state.excess, state.band)
    if state.active_since is not None and state.clears >= windows_of(rule.keep_firing_ms, length_ms):
        ended = Transition(
            "resolved", state.active_since, state.first_clear, state.raised_at, state.facts, state.excess, state.band
        )
        state.active_since = None
        return ended
    if state.active_since is not None and verdict.is_breach and 0 < (size := _size(state.excess)) >= 2 * state.told:
        state.told = size
        return Transition("updated", state.active_since, None, state.raised_at, state.facts, state.excess, state.band)
    return None


def _size(excess: Excess) -> int:
    """By which an alert is seen to have grown."""
    return excess.co2e_mg or 0 if excess.co2e_mg is not None else excess.energy_micro or 0


@dataclass(slots=True)
class Alert:
    """Columns of an alert row with their defaults; `row` makes the dict."""

    zone: str
    rule: str
    labels: dict[str, str]
    severity: str
    state: str
    starts_at: int
    revision: int
    evidence: dict[str, Any]
    ends_at: int | None = None
    company: str = ""
    meter: str = ""
    node: str = ""
    value: float | None = None
    expected_low: float | None = None
    expected_high: float | None = None
    impact_kg: float | None = None

    def row(self) -> dict[str, Any]:
        """The row of table `alerts` (without zone)."""
        identity = {"zone": self.zone, "rule": self.rule} | self.labels
        return {
            "fingerprint": fingerprint(identity), "starts_at": self.starts_at, "rule": self.rule, "severity": self.severity,
            "state": self.state, "company": self.company, "meter": self.meter, "node": self.node, "ends_at": self.ends_at,
            "value": self.value, "expected_low": self.expected_low, "expected_high": self.expected_high,
            "impact_kg": self.impact_kg, "evidence": canonical_json(self.evidence), "revision": self.revision,
        }  # fmt: skip
