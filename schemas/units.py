"""Units: the only place that converts.

Inside zonepulse every quantity is an int64 count of *micro-units* of a base unit (kWh, kvarh, Nm3, m3, GJ, kg, piece) and
every emission an int64 count of milligrams CO2e. `to_micro` gives the exact ratio of a transmitted unit to the micro-unit;
kernels multiply by the float64 nearest to it.

The reference temperature matters for gas: 1 m3 at 20 C is 273.15/293.15 Nm3 (both at 101.325 kPa, ideal gas).
"""

from fractions import Fraction
from typing import Final, NewType

EpochMs = NewType("EpochMs", int)
"""Milliseconds since 1970-01-01T00:00Z."""
Micro = NewType("Micro", int)
"""Micro-units of a base unit."""
Mg = NewType("Mg", int)
"""Milligrams CO2e."""

MICRO: Final = 1_000_000
MS_PER_HOUR: Final = 3_600_000
LIMIT_REG: Final = 1 << 53
"""|register| in micro-units stays below this, so that one float64 product is exact to the last micro-unit."""
LIMIT_ENERGY: Final = 1 << 62
"""|energy| in micro-units stays below this."""

_JOULES: Final = {"J": 1, "kJ": 10**3, "MJ": 10**6, "GJ": 10**9, "TJ": 10**12}
_WATT_HOURS: Final = {"Wh": 1, "kWh": 10**3, "MWh": 10**6, "GWh": 10**9}
_VAR_HOURS: Final = {"varh": 1, "kvarh": 10**3, "Mvarh": 10**6}
_GRAMS: Final = {"g": 1, "kg": 10**3, "t": 10**6}
_AT_20C: Final = Fraction(27315, 29315)


def _energy_units(base: str) -> dict[str, Fraction]:
    base_j = 3_600_000 if base == "kWh" else 10**9
    in_j = {u: Fraction(j) for u, j in _JOULES.items()} | {u: Fraction(wh) * 3600 for u, wh in _WATT_HOURS.items()}
    return {u: j / base_j for u, j in in_j.items()}


_MASS: Final = {u: Fraction(g, 1000) for u, g in _GRAMS.items()}
_PIECES: Final = {"piece": Fraction(1)}
_VOLUME: Final = {"m3": Fraction(1), "L": Fraction(1, 1000)}

GAS_CARRIERS: Final = frozenset({"natural_gas", "coke_oven_gas", "blast_furnace_gas"})
"""Carriers whose volume is counted in normal cubic metres (0 C, 101.325 kPa)."""


class UnknownUnit(ValueError):
    """The unit does not exist for this carrier; the message names those that do."""


def _units_of(carrier: str, reference: str | None) -> dict[str, tuple[str, Fraction]]:
    """Every transmitted unit of a carrier -> (base unit, base units in one transmitted unit)."""
    if carrier == "electricity":
        return {u: ("kWh", f) for u, f in _energy_units("kWh").items()}
    if carrier == "reactive":
        return {u: ("kvarh", Fraction(v, 1000)) for u, v in _VAR_HOURS.items()}
    if carrier.startswith("product:"):
        return (
            {u: ("piece", f) for u, f in _PIECES.items()}
            | {u: ("kg", f) for u, f in _MASS.items()}
            | {u: ("m3", f) for u, f in _VOLUME.items()}
        )
    if carrier.startswith(("refrigerant:", "process:")):
        return {u: ("kg", f) for u, f in _MASS.items()}
    units = {u: ("GJ", f) for u, f in _energy_units("GJ").items()} | {u: ("kg", f) for u, f in _MASS.items()}
    if carrier in GAS_CARRIERS:
        units["Nm3"] = ("Nm3", Fraction(1))
        if reference is not None:
            units["m3"] = ("Nm3", _AT_20C if reference == "20C" else Fraction(1))
    else:
        units |= {u: ("m3", f) for u, f in _VOLUME.items()}
    return units


_POWER_ALIASES: Final = {"W": "Wh", "kW": "kWh", "MW": "MWh", "GW": "GWh", "var": "varh", "kvar": "kvarh", "Mvar": "Mvarh"}


def to_micro(unit: str, carrier: str, kind: str, reference: str | None = None) -> tuple[str, Fraction]:
    """Base unit of the channel and the exact number of micro-units (per hour, for kind `power`) in one `unit`.

    A `power` is transmitted as W, kW, MW, GW, var, kvar, Mvar or as any quantity unit with `/h` behind it.
    Raises UnknownUnit; gas in m3 needs `reference` (0C or 20C).
    """
    units = _units_of(carrier, reference)
    quantity = unit
    if kind == "power":
        quantity = _POWER_ALIASES.get(unit, unit.removesuffix("/h") if unit.endswith("/h") else "")
    if quantity in units:
        base, per_unit = units[quantity]
        return base, per_unit * MICRO
    if quantity == "m3" and carrier in GAS_CARRIERS:
        raise UnknownUnit(f"{carrier} in m3 needs `reference: 0C` or `reference: 20C`")
    known = (
        sorted(units)
        if kind != "power"
        else sorted([a for a, q in _POWER_ALIASES.items() if q in units] + [f"{u}/h" for u in units])
    )
    raise UnknownUnit(f"unit {unit!r} is unknown for {carrier} ({kind}); known: {', '.join(known)}")
