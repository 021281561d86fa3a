"""budgets: how much a company, or the zone, means to use or emit in a month or year."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from zonepulse.schemas.registry.section import Field, Section
from zonepulse.schemas.tables.ddl import REGISTRY_BUDGETS

FAST_DAYS: Final[Mapping[str, int]] = {"month": 1, "year": 7}
SLOW_DAYS: Final[Mapping[str, int]] = {"month": 7, "year": 30}
"""Of the two rates at which a budget burns, by the kind of its period: our choice, no norm's."""


@dataclass(frozen=True, slots=True)
class Budget:
    """An amount of a period."""

    id: str
    company: str
    """'' for the zone's."""
    period: str
    """A month 2026-03 or year 2026 of the zone's calendar."""
    unit: Literal["kgCO2e", "kWh"]
    """kgCO2e: scope 1 and 2; kWh: electricity used."""
    basis: Literal["location", "market"]
    """Of kgCO2e."""
    amount: Fraction


BUDGETS: Final = Section(
    "budgets",
    "budget",
    Budget,
    (
        Field("id", "id", need=True, column="budget"),
        Field("company", "id", "absent or null: the zone's own", default="", of="companies"),
        Field("period", "text", '2026-03 or "2026", a year in quotes', need=True),
        Field("unit", "word", "emissions of scope 1 and 2, or electricity used", need=True, words=("kgCO2e", "kWh")),
        Field("basis", "word", "of kgCO2e", default="location", words=("location", "market")),
        Field("amount", "number", need=True),
    ),
    storage=REGISTRY_BUDGETS,
)
