"""What lies above the expected band, in money: by the tariff of the registry that was valid, else not at all. Pure."""

from dataclasses import dataclass
from typing import Final

from zonepulse.schemas.carriers import ELECTRICITY, drawn_direction
from zonepulse.schemas.registry.tariffs import Tariff
from zonepulse.streams.notify.routing.facts import Directory, Row

OF_ENERGY: Final = "energy_kwh"
"""The indicator of rules whose value is an energy: a company's use of electricity."""


@dataclass(frozen=True, slots=True)
class Cost:
    """An amount in `tariff.currency`."""

    amount: float
    tariff: Tariff


def cost(row: Row, known: Directory) -> Cost | None:
    """Of what an alert's window used beyond what was expected; None where that is not known, or has no tariff."""
    counted = _counted(row, known)
    if counted is None or row.value is None or row.expected_high is None or not row.value > row.expected_high:
        return None
    base, name = counted
    price = known.prices.at(name, base, row.company, row.starts_at) if known.prices else None
    return Cost((row.value - row.expected_high) * float(price.of_unit), price.tariff) if price else None


def _counted(row: Row, known: Directory) -> tuple[str, str] | None:
    """Base unit and carrier of an alert's value, where it is an amount that was drawn."""
    rule, meter, register = known.rules.get(row.rule), known.meters.get(row.meter), row.facts().get("register")
    if rule is not None:
        return ("kWh", ELECTRICITY) if rule[0] == OF_ENERGY else None
    if meter is None or not isinstance(register, str) or register not in meter.registers:
        return None
    base, name, direction = meter.registers[register]
    return (base, name) if direction == drawn_direction(name) else None
