"""What must hold of alert rules and the calendars that they name."""

from fnmatch import fnmatchcase
from typing import Final

from zonepulse.schemas.problems import Report, nearest
from zonepulse.schemas.registry.calendars import CALENDARS
from zonepulse.schemas.registry.model import Registry, Rule
from zonepulse.schemas.registry.sections import entities_of
from zonepulse.schemas.rules.expressions import indicators_of, parse_expression
from zonepulse.schemas.rules.scopes import INDICATORS, is_on, names_on
from zonepulse.schemas.values import duration_text

MOST_WINDOWS_BEFORE: Final = 4_000
"""That a change looks back: each is a number in the ledger's memory, for every subject of the rule."""
MOST_REMEMBERED: Final = 2_000_000
"""Of all rules together."""
MOST_HISTORIES: Final = 5_000
"""Of all rules about what is unusual: each is 2 kB in the ledger and its snapshots."""


def check_rules(registry: Registry, report: Report) -> None:
    """Report every mistake of the section `rules`."""
    calendars = [calendar.id for calendar in entities_of(registry, CALENDARS)]
    remembered, histories = 0, 0
    for i, rule in enumerate(registry.rules):
        path = f"rules[{i}]"
        _check_when(rule, path, report)
        if rule.calendar and rule.calendar not in calendars:
            remedy = nearest(rule.calendar, calendars, "add it to calendars")
            report.add(f"{path}.calendar", f"unknown calendar {rule.calendar!r}", remedy)
        names = list(names_on(rule.on, registry))
        _check_names(rule, names, path, report)
        histories += sum(is_on(rule, name) for name in names) if rule.unusual else 0
        remembered += _remembered(rule, sum(is_on(rule, name) for name in names), registry.zone.window_ms, path, report)
    if histories > MOST_HISTORIES:
        remedy = f"at most {MOST_HISTORIES}: name fewer in `on`; registers have detectors of their own"
        report.add("rules", f"`unusual` is to be judged of {histories} histories", remedy)
    if remembered > MOST_REMEMBERED:
        report.add(
            "rules",
            f"the changes that they compare need {remembered} values in memory",
            f"at most {MOST_REMEMBERED}: name fewer in `on`, or let `against` be shorter",
        )


def _check_when(rule: Rule, path: str, report: Report) -> None:
    if rule.indicator and rule.indicator not in INDICATORS:
        _unknown(rule.indicator, f"{path}.when.indicator", report)
    for where, text in (("when", rule.expr), ("clear", rule.clear_expr)):
        for name in indicators_of(parse_expression(text)) if text else ():
            if name not in INDICATORS:
                _unknown(name, f"{path}.{where}.expr", report)
    if rule.above is not None and (rule.clear_above is not None or not _holds(rule.clear_below, rule.above)):
        report.add(
            f"{path}.clear",
            f"never clears a rule that fires above {rule.above}",
            f"write {{below: b}} with b of at most {rule.above}",
        )
    if rule.below is not None and (rule.clear_below is not None or not _holds(rule.below, rule.clear_above)):
        report.add(
            f"{path}.clear",
            f"never clears a rule that fires below {rule.below}",
            f"write {{above: a}} with a of at least {rule.below}",
        )


def _unknown(name: str, path: str, report: Report) -> None:
    report.add(path, f"unknown indicator {name!r}", nearest(name, INDICATORS, f"known indicators: {', '.join(INDICATORS)}"))


def _check_names(rule: Rule, names: list[str], path: str, report: Report) -> None:
    for j, pattern in enumerate(rule.only):
        if not any(fnmatchcase(name, pattern) for name in names):
            what = "meter/register" if rule.on == "register" else f"the id of a {rule.on}"
            remedy = nearest(pattern, names, f"write {what}, with * and ?")
            report.add(f"{path}.on[{j}]", f"no {rule.on} is called {pattern!r}", remedy)


def _remembered(rule: Rule, subjects: int, window_ms: int, path: str, report: Report) -> int:
    """How many values a rule's change keeps."""
    if not rule.against_ms or not window_ms:
        return 0
    where, most_ms = f"{path}.when.against", MOST_WINDOWS_BEFORE * window_ms
    if rule.against_ms % window_ms:
        report.add(where, f"{duration_text(rule.against_ms)} is no multiple of the window", "use one that is, such as 1d or 7d")
    elif rule.against_ms > most_ms:
        report.add(where, f"is more than {MOST_WINDOWS_BEFORE} windows", f"use at most {duration_text(most_ms)}")
    return subjects * (rule.against_ms // window_ms)


def _holds(low: float | None, high: float | None) -> bool:
    return low is None or high is None or low <= high
