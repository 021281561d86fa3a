"""What must hold of budgets."""

from zonepulse.schemas.indicators.periods import parse_period
from zonepulse.schemas.problems import Report
from zonepulse.schemas.registry.budgets import BUDGETS, Budget
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.sections import entities_of
from zonepulse.schemas.values import BadValue, rounded


def check_budgets(registry: Registry, report: Report) -> None:
    """Report every mistake of the section `budgets`."""
    budgets: tuple[Budget, ...] = entities_of(registry, BUDGETS)
    for i, one in enumerate(budgets):
        if one.amount <= 0:
            report.add(f"budgets[{i}].amount", f"{rounded(one.amount)} is no budget", "write an amount above zero")
        if not one.period:
            continue
        try:
            if parse_period(one.period).kind == "day":
                report.add(f"budgets[{i}].period", f"{one.period!r} is a day", "write a month 2026-03 or a year 2026")
        except BadValue as error:
            report.add(f"budgets[{i}].period", error.what, error.remedy)
