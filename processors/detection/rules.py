"""The registry's alert rules as a state machine over judged windows (schemas/messages/alerts.py is the contract)."""

from dataclasses import dataclass
from typing import Any

from zonepulse.schemas.messages.alerts import fingerprint
from zonepulse.schemas.registry.model import Rule
from zonepulse.schemas.values import canonical_json


@dataclass(slots=True)
class RuleState:
    """State of one rule on one subject. Counts are consecutive windows; starts are epoch ms."""

    breaches: int = 0
    first_breach: int = 0
    clears: int = 0
    first_clear: int = 0
    active_since: int | None = None
    raised_at: float = 0.0
    """Value of the window that raised it."""


@dataclass(frozen=True, slots=True)
class Transition:
    """What a judged window did to a rule: `raised` or `resolved`."""

    state: str
    starts_at: int
    ends_at: int | None
    value: float


def windows_of(duration_ms: int, length_ms: int) -> int:
    """n(d) = max(1, ceil(d / length))."""
    return max(1, -(-duration_ms // length_ms))


def is_breach(rule: Rule, value: float) -> bool:
    """Whether a value breaks the rule."""
    return (rule.above is not None and value > rule.above) or (rule.below is not None and value < rule.below)


def is_clear(rule: Rule, value: float) -> bool:
    """Whether a value ends the alert; without a `clear` bound, whatever is no breach."""
    if rule.clear_above is None and rule.clear_below is None:
        return not is_breach(rule, value)
    return (rule.clear_below is not None and value < rule.clear_below) or (
        rule.clear_above is not None and value > rule.clear_above
    )


def evaluate(rule: Rule, state: RuleState, start: int, value: float | None, length_ms: int) -> Transition | None:
    """Judge one window; null keeps the state. Changes `state` in place."""
    if value is None:
        return None
    breach, clear = is_breach(rule, value), is_clear(rule, value)
    if breach:
        state.first_breach = state.first_breach if state.breaches else start
        state.breaches += 1
    else:
        state.breaches = 0
    if clear:
        state.first_clear = state.first_clear if state.clears else start
        state.clears += 1
    else:
        state.clears = 0
    if state.active_since is None and state.breaches >= windows_of(rule.for_ms, length_ms):
        state.active_since, state.clears, state.raised_at = state.first_breach, 0, value
        return Transition("raised", state.active_since, None, value)
    if state.active_since is not None and state.clears >= windows_of(rule.keep_firing_ms, length_ms):
        ended = Transition("resolved", state.active_since, state.first_clear, state.raised_at)
        state.active_since = None
        return ended
    return None


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
