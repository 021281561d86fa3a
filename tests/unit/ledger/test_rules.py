"""The registry's rules: breach for a while, raised; clear for a while, resolved."""

from dataclasses import replace
from typing import Any

import pytest

from zonepulse.processors.detection.rules import Judge, RuleState, Transition, windows_of
from zonepulse.processors.detection.working_hours import WorkingHours
from zonepulse.schemas.registry.calendars import Calendar
from zonepulse.schemas.registry.model import Rule

WINDOW = 900_000
RULE = Rule("r", "zone", "g_per_kwh", 450.0, None, 0, 0, None, None, "warning", {})


def moves(rule: Rule, *values: float | None) -> list[tuple[int, Transition]]:
    """(window, transition) of each window that moved the rule; window k starts at k."""
    state, judge = RuleState(), Judge(rule, WINDOW)
    found = [(k, judge.judge(state, k, lambda _, value=value: value)) for k, value in enumerate(values)]
    return [(k, moved) for k, moved in found if moved is not None]


@pytest.mark.parametrize(("duration", "windows"), [(0, 1), (1, 1), (WINDOW, 1), (WINDOW + 1, 2), (3 * WINDOW, 3)])
def test_a_duration_counts_in_windows_at_least_one(duration: int, windows: int) -> None:
    assert windows_of(duration, WINDOW) == windows


def test_the_limit_itself_is_no_breach() -> None:
    assert moves(RULE, 450.0) == []
    assert moves(RULE, 450.1) == [(0, Transition("raised", 0, None, 450.1))]


def test_for_counts_consecutive_windows_and_starts_at_the_first() -> None:
    rule = replace(RULE, for_ms=2 * WINDOW)
    assert moves(rule, 500, 400, 500, 501) == [(3, Transition("raised", 2, None, 501))]


def test_a_null_window_keeps_both_counts() -> None:
    rule = replace(RULE, for_ms=2 * WINDOW, keep_firing_ms=2 * WINDOW)
    raised, resolved = moves(rule, 500, None, 501, 1, None, 2)
    assert raised == (2, Transition("raised", 0, None, 501))
    assert resolved == (5, Transition("resolved", 0, 3, 501))


def test_between_breach_and_clear_both_counts_begin_anew() -> None:
    rule = replace(RULE, clear_below=430.0, keep_firing_ms=2 * WINDOW)
    assert [k for k, _ in moves(rule, 500, 400, 440, 400, 400)] == [0, 4]


def test_an_alert_that_was_resolved_can_be_raised_again() -> None:
    assert [(k, move.state) for k, move in moves(RULE, 500, 1, 500, 1)] == [
        (0, "raised"), (1, "resolved"), (2, "raised"), (3, "resolved"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "values"),
    [({"above": None, "below": 10.0}, (9.0, 10.0)), ({"above": None, "below": 10.0, "clear_above": 20.0}, (9.0, 21.0))],
)
def test_below_is_the_mirror_of_above(change: dict[str, Any], values: tuple[float, ...]) -> None:
    assert [move.state for _, move in moves(replace(RULE, **change), *values)] == ["raised", "resolved"]


def test_a_change_compares_with_what_was_judged_before() -> None:
    rule = replace(RULE, above=50.0, change="percent", against_ms=2)
    ((at, raised), (_, resolved)) = moves(rule, 10.0, 20.0, 14.0, 30.1, 14.0)
    assert (at, raised.value, raised.facts["before"], raised.facts["now"]) == (3, 100 * (30.1 - 20) / 20, 20.0, 30.1)
    assert resolved == replace(raised, state="resolved", ends_at=4)


@pytest.mark.parametrize(("change", "before"), [("percent", 0.0), ("percent", None), ("absolute", None)])
def test_a_change_from_nothing_is_unknown(change: str, before: float | None) -> None:
    assert moves(replace(RULE, above=1.0, change=change, against_ms=1), before, 100.0) == []


def test_only_windows_within_the_calendar_are_judged() -> None:
    hours = WorkingHours(Calendar("c", days=("thu",), from_min=0, to_min=60), [(0, 0)])
    judge, state = Judge(replace(RULE, above=1.0), WINDOW, hours), RuleState()
    inside, outside = 0, 3_600_000
    assert judge.judge(state, outside, lambda _: 5.0) is None
    assert judge.judge(state, inside, lambda _: 5.0) == Transition("raised", inside, None, 5.0)


def test_an_expression_has_no_value_and_says_what_it_was_made_of() -> None:
    rule = replace(RULE, indicator="", above=None, expr="power_kw > 10", clear_expr="power_kw < 5")
    raised, resolved = (move for _, move in moves(rule, 11.0, 7.0, 4.0))
    assert raised == Transition("raised", 0, None, None, {"values": {"power_kw": 11.0}})
    assert resolved == replace(raised, state="resolved", ends_at=2)
