"""Exact ratios of transmitted units to base units, as fractions."""

from fractions import Fraction
from typing import Final

GASES: Final = ("natural_gas", "coke_oven_gas", "blast_furnace_gas")
CARRIERS_WITHOUT_EMISSIONS: Final = ("reactive", "cooling", "water")

_ACTIVITIES: Final = {"electricity": "grid_electricity", "heat": "purchased_heat"}
_PREFIXES: Final = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_JOULE_PER_WATT_HOUR: Final = 3600
_NORMAL_PER_CUBIC_METRE: Final = {"0C": Fraction(1), "20C": Fraction(27315, 29315)}


def _joules(unit: str) -> Fraction | None:
    """Energy of one J, kJ .. TJ or Wh .. GWh in joules; None for another unit."""
    for symbol, joules, prefixes in (("Wh", _JOULE_PER_WATT_HOUR, "kMG"), ("J", 1, "kMGT")):
        prefix = unit.removesuffix(symbol)
        if unit.endswith(symbol) and (prefix == "" or prefix in tuple(prefixes)):
            return Fraction(_PREFIXES[prefix] * joules)
    return None


def _quantity(unit: str, carrier: str, reference: str | None) -> tuple[str, Fraction]:
    energy = _joules(unit)
    mass = {"g": Fraction(1, 1000), "kg": Fraction(1), "t": Fraction(1000)}.get(unit)
    volume = {"m3": Fraction(1), "L": Fraction(1, 1000)}.get(unit)
    if carrier == "electricity" and energy is not None:
        return "kWh", energy / 3_600_000
    if carrier == "reactive" and unit in ("varh", "kvarh", "Mvarh"):
        return "kvarh", Fraction(_PREFIXES[unit.removesuffix("varh")], 1000)
    if carrier in ("electricity", "reactive"):
        raise ValueError(f"unit {unit!r} does not measure {carrier}")
    if mass is not None:
        return "kg", mass
    if carrier.startswith("product:") and unit == "piece":
        return "piece", Fraction(1)
    if carrier in GASES and unit == "Nm3":
        return "Nm3", Fraction(1)
    if carrier in GASES and unit == "m3" and reference is not None:
        return "Nm3", _NORMAL_PER_CUBIC_METRE[reference]
    if carrier not in GASES and volume is not None:
        return "m3", volume
    if energy is not None and not carrier.startswith("product:"):
        return "GJ", energy / 10**9
    raise ValueError(f"unit {unit!r} does not measure {carrier}")


def micro_units(
    unit: str, carrier: str, kind: str, reference: str | None, gj_per_tonne: Fraction | None = None
) -> tuple[str, Fraction]:
    """Base unit and the number of micro-units (per hour for kind `power`) in one `unit`; ValueError if it does not fit.

    `gj_per_tonne` turns a mass of steam into heat.
    """
    if kind == "power":
        unit = unit.removesuffix("/h") if unit.endswith("/h") else f"{unit}h"
    if gj_per_tonne is not None:
        return "GJ", {"kg": Fraction(1, 1000), "t": Fraction(1)}[unit] * gj_per_tonne * 1_000_000
    base, ratio = _quantity(unit, carrier, reference)
    return base, ratio * 1_000_000


def kg_per_base_unit(value: Fraction, unit: str, carrier: str) -> tuple[str, Fraction] | None:
    """Base unit and kg per base unit of a factor such as `0.11 tCO2/GJ`; None where the unit does not fit the carrier."""
    mass, _, per = unit.partition("/")
    kg = {"g": Fraction(1, 1000), "kg": Fraction(1), "t": Fraction(1000)}.get(mass.split("CO2")[0])
    try:
        base, ratio = _quantity(per, carrier, None)
    except ValueError:
        return None
    return None if kg is None else (base, value * kg / ratio)


def activity_of(carrier: str) -> str:
    """The activity that a carrier's factors are called by."""
    return _ACTIVITIES.get(carrier, carrier)


def carrier_of(activity: str) -> str:
    """The carrier whose factors are called like an activity."""
    return next((carrier for carrier, named in _ACTIVITIES.items() if named == activity), activity)


def bears_emissions(carrier: str) -> bool:
    """Products, reactive energy, cooling and water carry none."""
    return carrier not in CARRIERS_WITHOUT_EMISSIONS and not carrier.startswith("product:")


def scope_of(carrier: str) -> int:
    """2 for purchased electricity, heat and steam, 1 for everything burnt."""
    return 2 if carrier in ("electricity", "heat", "steam") else 1
