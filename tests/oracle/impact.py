"""What alerts cost, in kWh, kg and money."""

import json
from typing import Any

from zonepulse.oracle.alerts import Transition, canonical
from zonepulse.oracle.carbon.factors import FactorTable, emission_mg
from zonepulse.oracle.zone.hours import is_open
from zonepulse.oracle.zone.registry import Registry

_DETECTORS = (
    "unusual", "level_shift", "night_use", "zero_run", "reverse_flow", "off_hours", "record", "wrong_unit", "wrong_ct",
)  # fmt: skip


def of_energy(registry: Registry, micro: int, company: str, at_ms: int) -> dict[str, Any]:
    """Evidence of micro-kWh of electricity; a company's own tariff comes first."""
    found: dict[str, Any] = {"impact_kwh": micro / 1_000_000}
    valid = [one for one in registry.tariffs if one.company in ("", company) and one.valid_from_ms <= at_ms < one.valid_to_ms]
    mine = [one for one in valid if one.company == company] or valid
    within = [one for one in mine if one.calendar and is_open(registry.calendars[one.calendar], at_ms, registry)]
    holds = within or [one for one in mine if not one.calendar]
    if len(holds) != 1:
        return found
    return found | {"impact_cost": float(micro * holds[0].per_kwh / 1_000_000), "currency": holds[0].currency}


def of_channel(row: Transition, registry: Registry, factors: FactorTable) -> Transition:
    """With what was counted beyond the expected band, either side of it, or what a gap too long holds; factor and tariff of its begin."""
    evidence = json.loads(row["evidence"])
    counted = "energy_micro" if row["rule"] == "gap_too_long" else "beyond_micro"
    if row["rule"] not in (*_DETECTORS, "gap_too_long") or counted not in evidence:
        return row
    versions = registry.channels[row["meter"], evidence["register"]]
    facts = registry.facts_at(row["meter"], evidence["register"], row["starts_at"]) or versions[0]
    micro = abs(evidence[counted])
    if facts.carrier == "electricity":
        evidence |= of_energy(registry, micro, row["company"], row["starts_at"])
    answer = factors.at(row["company"], facts.carrier, facts.base_unit, row["starts_at"])
    impact_kg = None if answer is None else emission_mg(micro, answer.factor_mg) / 1_000_000
    return row | {"impact_kg": impact_kg, "evidence": canonical(evidence)}
