"""`zonepulse budgets`: what is used of each budget, and how fast."""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import typer

from zonepulse.processors.indicators.answers import Answer, Missing
from zonepulse.processors.indicators.budgets import Burn, burn, parts, spent
from zonepulse.processors.indicators.facts import Facts, facts_of
from zonepulse.processors.indicators.forecast import forecast, needed_days
from zonepulse.processors.indicators.sums import Entity, Sums
from zonepulse.schemas.indicators.periods import parse_period
from zonepulse.schemas.registry.budgets import BUDGETS, Budget
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.sections import entities_of
from zonepulse.schemas.values import BadValue, instant_text, parse_instant_ms
from zonepulse.streams.cli.shared.asked_registry import asked_registry
from zonepulse.streams.indicators.store import Ask, store
from zonepulse.streams.indicators.stored_days import budget_days
from zonepulse.streams.indicators.stored_sums import stored_sums
from zonepulse.streams.indicators.words import reason
from zonepulse.streams.screen import BadInput, JsonOption, print_json, print_table

_COLUMNS: Final = (
    "budget",
    "of",
    "period",
    "spent",
    "amount",
    "unit",
    "spent %",
    "elapsed %",
    "fast",
    "slow",
    "projected",
    "80 % interval",
    "remark",
)


def budgets(
    zone: Annotated[Path | None, typer.Option(metavar="ZONE.YAML", help="A file instead of the published registry.")] = None,
    at: Annotated[str, typer.Option(metavar="INSTANT", help="ISO 8601, or a date of the zone. Default: now.")] = "",
    json: JsonOption = False,
) -> None:
    """Show what is used of each budget, and how fast: a rate of 1 uses it up just at the period's end.

    Fast is the last day of a month's budget and week of a year's, slow the last week and 30 days; above 1 in both it is burning.
    The interval holds the period's end four times in five, as far as earlier forecasts tell.
    """
    registry = asked_registry(zone)
    declared: tuple[Budget, ...] = entities_of(registry, BUDGETS)
    if not declared:
        raise BadInput(f"zone {registry.zone.id} has no budgets: add some to `budgets` of zone.yaml (docs/indicators.md)")
    try:
        asked = parse_instant_ms(at, ZoneInfo(registry.zone.timezone)) if at else int(datetime.now(UTC).timestamp() * 1000)
    except BadValue as error:
        raise BadInput(f"--at {at!r}: {error}") from error
    at_ms = asked // registry.zone.window_ms * registry.zone.window_ms
    with store() as ask:
        facts, sums_in = facts_of(registry), _sums_in(registry, ask)
        found = [
            _standing(one, registry, facts, at_ms, sums_in) | _ending(one, registry, facts, at_ms, sums_in, ask) for one in declared
        ]
    if json:
        print_json({"zone": registry.zone.id, "version": registry.version, "at_ms": at_ms, "budgets": found})
        return
    title = f"{registry.zone.id} at {instant_text(at_ms, ZoneInfo(registry.zone.timezone))}"
    print_table(_COLUMNS, [_cells(one) for one in found], title=title, right=_COLUMNS[3:5] + _COLUMNS[6:12])


def _sums_in(registry: Registry, ask: Ask) -> Any:
    @cache
    def sums_in(from_ms: int, to_ms: int) -> Sums:
        return stored_sums(registry, from_ms, to_ms, ask, by_the_hour=False)

    return sums_in


def _standing(budget: Budget, registry: Registry, facts: Facts, at_ms: int, sums_in: Any) -> dict[str, Any]:
    """A budget as a document."""
    period = parse_period(budget.period)
    span = period.span_ms(registry.zone.timezone)

    def spent_in(from_ms: int, to_ms: int) -> Answer:
        return spent(budget, sums_in(from_ms, to_ms), facts)

    known = {
        "budget": budget.id,
        "company": budget.company,
        "period": budget.period,
        "unit": budget.unit,
        "amount": float(budget.amount),
    }
    known |= {"basis": budget.basis if budget.unit == "kgCO2e" else None}
    found = burn(budget, period.kind, span, at_ms, spent_in)
    if isinstance(found, Missing):
        entity = Entity("company", budget.company) if budget.company else Entity("zone", facts.zone)
        return known | {"missing": reason(found, entity, budget.period, "en")}
    companies = [] if budget.company else parts(budget, sums_in(span[0], min(at_ms, span[1])), facts)
    return known | _numbers(found) | {"parts": [{"company": company, "spent": float(value)} for company, value in companies]}


def _ending(budget: Budget, registry: Registry, facts: Facts, at_ms: int, sums_in: Any, ask: Ask) -> dict[str, Any]:
    """Where a period ends that has begun and is not over: what its whole days used, and a forecast of the others."""
    period, zone = parse_period(budget.period), ZoneInfo(registry.zone.timezone)
    from_ms, to_ms = period.span_ms(registry.zone.timezone)
    if not from_ms < at_ms < to_ms:
        return {"forecast": None}
    today = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).date()
    ahead = (period.end - today).days
    days = budget_days(registry, budget, today, ask)
    coming = forecast(days, ahead)
    if coming is None:
        return {"forecast": None, "forecast_needs_days": needed_days(ahead), "forecast_has_days": int((~np.isnan(days)).sum())}
    midnight_ms = round(datetime(today.year, today.month, today.day, tzinfo=zone).timestamp() * 1000)
    before = spent(budget, sums_in(from_ms, midnight_ms), facts) if midnight_ms > from_ms else None
    if isinstance(before, Missing):
        return {"forecast": None}
    used = float(before.value) if before else 0.0
    bounds = {"value": used + coming.sum, "low": used + coming.low, "high": used + coming.high}
    return {"forecast": bounds | {"level": 0.8, "days": len(days), "errors": coming.errors}}


def _numbers(found: Burn) -> dict[str, Any]:
    return {
        "spent": float(found.spent),
        "exact": str(found.spent),
        "spent_share": float(found.spent / found.budget.amount),
        "elapsed_share": float(found.elapsed),
        "fast": float(found.fast),
        "slow": float(found.slow),
        "projected": float(found.projected),
        "covered": float(found.covered),
        "estimated": float(found.estimated),
        "burning": found.is_burning,
        "provisional": found.is_provisional,
    }


def _cells(one: dict[str, Any]) -> list[str]:
    head = [one["budget"], one["company"] or "the zone", one["period"]]
    if "missing" in one:
        return [
            *head,
            "-",
            f"{one['amount']:.6g}",
            one["unit"],
            "-",
            "-",
            "-",
            "-",
            "-",
            "-",
            f"not computable because {one['missing']}",
        ]
    ending = one["forecast"]
    remarks = [word for word in ("burning", "provisional") if one[word]]
    if one["parts"]:
        remarks.append("most by " + ", ".join(f"{part['company']} {part['spent']:.6g}" for part in one["parts"][:3]))
    if "forecast_needs_days" in one:
        remarks.append(f"a forecast needs {one['forecast_needs_days']} days, there are {one['forecast_has_days']}")
    return [
        *head, f"{one['spent']:.6g}", f"{one['amount']:.6g}", one["unit"], f"{one['spent_share'] * 100:.4g}",
        f"{one['elapsed_share'] * 100:.4g}", f"{one['fast']:.3g}", f"{one['slow']:.3g}", f"{one['projected']:.6g}",
        f"{ending['low']:.6g} to {ending['high']:.6g}" if ending else "-", "; ".join(remarks),
    ]  # fmt: skip
