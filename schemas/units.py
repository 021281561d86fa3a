"""Units: the only place that converts; carriers.py says which a carrier has.

Inside zonepulse every quantity is an int64 count of *micro-units* of a base unit (kWh, kvarh, Nm3, m3, GJ, kg, piece) and
every emission an int64 count of milligrams CO2e. `to_micro` gives the exact ratio of a transmitted unit to the micro-unit;
kernels multiply by the float64 nearest to it.
"""

from fractions import Fraction
from typing import Final, NewType

from zonepulse.schemas import carriers

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


class UnknownUnit(ValueError):
    """The unit does not exist for this carrier; the message names those that do."""


_POWER_ALIASES: Final = {"W": "Wh", "kW": "kWh", "MW": "MWh", "GW": "GWh", "var": "varh", "kvar": "kvarh", "Mvar": "Mvarh"}


def to_micro(unit: str, carrier: str, kind: str, reference: str | None = None) -> tuple[str, Fraction]:
    """Base unit of the channel and the exact number of micro-units (per hour, for kind `power`) in one `unit`.

    A `power` is transmitted as W, kW, MW, GW, var, kvar, Mvar or as any quantity unit with `/h` behind it.
    Raises UnknownUnit; gas in m3 needs `reference` (0C or 20C).
    """
    declared = carriers.carrier(carrier)
    units = declared.units(reference)
    quantity = unit
    if kind == "power":
        quantity = _POWER_ALIASES.get(unit, unit.removesuffix("/h") if unit.endswith("/h") else "")
    if quantity in units:
        base, per_unit = units[quantity]
        return base, per_unit * MICRO
    if quantity == "m3" and declared.is_gas:
        raise UnknownUnit(f"{carrier} in m3 needs `reference: 0C` or `reference: 20C`")
    known = (
        sorted(units)
        if kind != "power"
        else sorted([a for a, q in _POWER_ALIASES.items() if q in units] + [f"{u}/h" for u in units])
    )
    raise UnknownUnit(f"unit {unit!r} is unknown for {carrier} ({kind}); known: {', '.join(known)}")
