"""Coal equivalents: kgce of a unit of each carrier (conversions.csv, GB/T 2589-2020). Constants are as printed; what is unverified is not
used."""

import csv
import io
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib import resources
from typing import Final, Literal

from zonepulse.schemas.carriers import ELECTRICITY, PRODUCT, is_entered
from zonepulse.schemas.values import parse_decimal

Electricity = Literal["equal", "equivalent"]
"""How electricity counts: its own heat (equal value), or the coal that power stations burn for it (equivalent value)."""
ELECTRICITY_VALUES: Final[tuple[Electricity, ...]] = ("equal", "equivalent")
_ROWS: Final = {
    (ELECTRICITY, "equal"): "electricity",
    (ELECTRICITY, "equivalent"): "electricity_2024",
    ("natural_gas", "Nm3"): "natural_gas_38.93MJ",  # the net calorific value of the shipped emission factor, 389.31 GJ/10^4 Nm3
    ("steam", "kg"): "low_pressure_steam",
}
_YEARS: Final = {"electricity_2024": 2024}
_NO_ENERGY: Final = ("reactive", "water", "cooling")
"""Cooling is mostly made on the spot from electricity, which counts already."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """kgce of a base unit of a carrier."""

    id: str
    kgce: Fraction
    unit: str
    source: str
    confidence: str
    year: int | None
    """Of a coefficient that changes from year to year."""


@cache
def _shipped() -> dict[str, Conversion]:
    text = resources.files("zonepulse.schemas").joinpath("indicators", "conversions.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    found = (
        Conversion(r["carrier"], parse_decimal(r["coefficient"]), r["unit"], r["source"], r["confidence"], _YEARS.get(r["carrier"]))
        for r in rows
    )
    return {one.id: one for one in found if one.confidence != "L"}


def is_energy(carrier: str) -> bool:
    """Whether its use counts as energy."""
    return carrier not in _NO_ENERGY and not carrier.startswith(PRODUCT) and not is_entered(carrier)


def conversion(carrier: str, base_unit: str, electricity: Electricity) -> Conversion | None:
    """How a carrier counts that is metered in `base_unit` (kWh, Nm3, GJ, kg); None: no verified coefficient is known."""
    shipped = _shipped()
    if carrier == ELECTRICITY:
        return shipped[_ROWS[carrier, electricity]]
    if base_unit == "GJ":
        heat = shipped["heat"]
        return Conversion("heat", heat.kgce * 1000, "kgce/GJ", heat.source, heat.confidence, None)
    found = shipped.get(_ROWS.get((carrier, base_unit), carrier))
    return found if found and found.unit == _unit_of(base_unit) else None


def _unit_of(base_unit: str) -> str:
    return "kgce/m3" if base_unit in ("Nm3", "m3") else f"kgce/{base_unit}"
