"""The registry's rules: what they compare, and what each window does to one of them on one subject."""

import ast
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from zonepulse.oracle.alerts import Transition, Turns, canonical, place_of, raised, resolved
from zonepulse.oracle.detection import LIMITS, NAMES, Channel, slot_and_day, strictness
from zonepulse.oracle.grid import Grid
from zonepulse.oracle.impact import of_energy
from zonepulse.oracle.zone.hours import is_open
from zonepulse.oracle.zone.registry import Rule

Look = Callable[[str], float | None]
Over = tuple[int | None, int | None]
Outside = Callable[[float | None, float | None], Over]
"""What a window has below the first and above the second bound."""
"""Micro-kWh and mg CO2e above a bound."""


def answer(text: str, look: Look) -> bool | float | None:
    """What an expression says; None where it is unknown. Its grammar is a part of Python's, with the same precedence."""
    return _answer(ast.parse(text.strip(), mode="eval").body, look)


def _answer(node: ast.expr, look: Look) -> bool | float | None:
    match node:
        case ast.Constant(value=value):
            return float(value)  # type: ignore[arg-type]  # a number
        case ast.Name(id=name):
            return look(name)
        case ast.UnaryOp(op=ast.Not(), operand=of):
            found = _answer(of, look)
            return None if found is None else not found
        case ast.UnaryOp(op=ast.USub(), operand=of):
            found = _answer(of, look)
            return None if found is None else -found
        case ast.BoolOp(op=op, values=values):
            all_found = [_answer(one, look) for one in values]
            if isinstance(op, ast.And):
                return False if False in all_found else None if None in all_found else True
            return True if True in all_found else None if None in all_found else False
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            a, b = _answer(left, look), _answer(right, look)
            if a is None or b is None:
                return None
            return {
                ast.Lt: a < b, ast.LtE: a <= b, ast.Gt: a > b, ast.GtE: a >= b, ast.Eq: a == b, ast.NotEq: a != b,
            }[type(op)]  # fmt: skip
        case ast.BinOp(left=left, op=op, right=right):
            a, b = _answer(left, look), _answer(right, look)
            if a is None or b is None or (isinstance(op, ast.Div) and b == 0):
                return None
            out = (
                a + b
                if isinstance(op, ast.Add)
                else a - b
                if isinstance(op, ast.Sub)
                else a * b
                if isinstance(op, ast.Mult)
                else a / b
            )
            return out if isfinite(out) else None
    raise ValueError(ast.dump(node))


@dataclass
class RuleWatch(Turns):
    """One rule of the registry on one subject: (scope, name), the zone's own name for the zone."""

    rule: Rule = field(kw_only=True)
    subject: tuple[str, str] = field(kw_only=True)
    _breaching: list[int] = field(default_factory=list)
    _clear: list[int] = field(default_factory=list)
    _active: Transition | None = None
    _over: list[Over] = field(default_factory=list)
    """Of the breaching windows since the first of them."""
    _channel: Channel | None = None
    """Of a rule about what is unusual: what is known of its past."""
    _band: tuple[float, float] | None = None
    _said: int = 0
    """Of their sum, what was said last."""
    _history: dict[int, float | None] = field(default_factory=dict)
    """Window -> what the indicator was when it was judged."""

    def judge(self, window: int, look: Look, tick: int, outside: Outside = lambda low, high: (None, None)) -> None:
        """Judge the next window; `outside` tells what it has beyond bounds."""
        self._turn(window, tick)
        grid, rule = Grid.of(self.registry.policy), self.rule
        found = self._verdict(window, look)
        if rule.calendar and not is_open(self.registry.calendars[rule.calendar], grid.start_ms(window), self.registry):
            return
        if found is None:
            return
        breaches, clears, value, facts = found
        if breaches:
            if not self._breaching and self._active is None:
                self._over.clear()
            low, high = self._band or (None, rule.above)
            is_counted = not rule.change and not rule.expr and (low, high) != (None, None)
            self._over.append(outside(low, high) if is_counted else (None, None))
        for run, goes_on in ((self._breaching, breaches), (self._clear, clears)):
            if goes_on:
                run.append(window)
            else:
                run.clear()
        if self._active is None and len(self._breaching) >= grid.windows_in(rule.for_ms):
            self._active = self._costing(self._raised(value, facts, tick))
            self._said = self._size()
            self.transitions.append(self._active)
        elif self._active is not None and len(self._clear) >= grid.windows_in(rule.keep_firing_ms):
            first = self._clear[-grid.windows_in(rule.keep_firing_ms)]
            self.transitions.append(self._costing(resolved(self._active, grid.start_ms(first), tick)))
            self._active = None
        elif self._active is not None and breaches and self._size() > 0 and self._size() >= 2 * self._said:
            self._said = self._size()
            self.transitions.append(self._costing(self._active | {"state": "updated", "revision": tick}))

    def _size(self) -> int:
        """What is above the bound so far: mg, or micro-kWh where no carbon is known."""
        micro, mg = ([n for n in numbers if n is not None] for numbers in zip(*self._over, strict=True))
        return sum(mg) if mg else sum(micro)

    def _costing(self, row: Transition) -> Transition:
        """With what is above the bound so far, in kg, kWh and money."""
        micro, mg = ([n for n in numbers if n is not None] for numbers in zip(*self._over, strict=True))
        if mg:
            row = row | {"impact_kg": sum(mg) / 1_000_000}
        if micro:
            evidence = json.loads(row["evidence"]) | of_energy(self.registry, sum(micro), row["company"], row["starts_at"])
            row = row | {"evidence": canonical(evidence)}
        return row

    def _verdict(self, window: int, look: Look) -> tuple[bool, bool, float | None, dict[str, Any]] | None:
        """Breach, clear, value, further evidence."""
        rule = self.rule
        if rule.expr:
            breach = answer(rule.expr, look)
            if breach is None:
                return None
            clear = False if breach else answer(rule.clear_expr, look) if rule.clear_expr else True
            if clear is None:
                return None
            names = [
                n.id
                for text in (rule.expr, rule.clear_expr)
                if text
                for n in ast.walk(ast.parse(text.strip()))
                if isinstance(n, ast.Name)
            ]
            return bool(breach), bool(clear), None, {"values": {name: look(name) for name in names}}
        value, facts = look(rule.indicator), dict[str, Any]()
        if rule.unusual:
            return self._of_history(window, value, look)
        if rule.change:
            self._history[window] = value
            before = self._history.get(window - rule.against_ms // self.registry.policy.window_ms)
            facts = {"now": value, "before": before, "change": rule.change, "against_ms": rule.against_ms}
            if value is None or before is None or (before == 0 and rule.change == "percent"):
                return None
            value = value - before if rule.change == "absolute" else 100 * (value - before) / abs(before)
        return None if value is None else (self._breaches(value), self._clears(value), value, facts)

    def _of_history(self, window: int, value: float | None, look: Look) -> tuple[bool, bool, float | None, dict[str, Any]] | None:
        policy = self.registry.policy
        if value is None or look("completeness") != 1 or look("estimated_share") not in (None, 0):
            return None
        if self._channel is None:
            per_day = 86_400_000 // policy.window_ms
            tail = policy.alert_budget / (30 * per_day * len(NAMES))
            self._channel = Channel(per_day, tail, LIMITS, strictness(policy.alert_budget), ("unusual",))
        found = self._channel.judge(*slot_and_day(window * policy.window_ms, policy), value)
        is_outside = "unusual" in found.firing and found.ratio["unusual"] >= 1
        self._band = (found.low, found.high)
        return is_outside, not is_outside, value, {"score": found.ratio["unusual"], "windows": self._channel.windows - 1}

    def _raised(self, value: float | None, facts: dict[str, Any], tick: int) -> Transition:
        scope, name = self.subject
        grid = Grid.of(self.registry.policy)
        starts_at = grid.start_ms(self._breaching[-grid.windows_in(self.rule.for_ms)])
        labels = {"zone": self.registry.policy.zone, "rule": self.rule.id}
        evidence = {"expr": self.rule.expr} if self.rule.expr else {"indicator": self.rule.indicator}
        columns: dict[str, str] = {}
        if scope == "register":
            meter, _, register = name.rpartition("/")
            labels |= {"meter": meter, "register": register}
            evidence |= {"register": register}
            columns = place_of(self.registry, meter, starts_at)
        elif scope == "meter":
            labels |= {"meter": name}
            columns = place_of(self.registry, name, starts_at)
        elif scope == "site":
            labels |= {"site": name}
            evidence |= {"site": name}
            columns = dict(zip(("company", "node"), self.registry.sites[name], strict=True))
        elif scope == "node":
            labels |= {"node": name}
            columns = {"node": name}
        elif scope == "company":
            labels |= {"company": name}
        return raised(
            labels,
            starts_at,
            tick,
            evidence | facts,
            value,
            severity=self.rule.severity,
            expected_high=self._band[1] if self._band else self.rule.above,
            expected_low=self._band[0] if self._band else self.rule.below,
            **columns,
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
