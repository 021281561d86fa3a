"""Carriers: what is metered or entered, each declared once.

A carrier that is not named here is a fuel: counted in GJ, kg or m3, burnt where it is metered, with the factors of an activity of its name.
The reference temperature matters for gas: 1 m3 at 20 C is 273.15/293.15 Nm3 (both at 101.325 kPa, ideal gas).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from typing import Final

_JOULES: Final = {"J": 1, "kJ": 10**3, "MJ": 10**6, "GJ": 10**9, "TJ": 10**12}
_WATT_HOURS: Final = {"Wh": 1, "kWh": 10**3, "MWh": 10**6, "GWh": 10**9}
_VAR_HOURS: Final = {"varh": 1, "kvarh": 10**3, "Mvarh": 10**6}
_GRAMS: Final = {"g": 1, "kg": 10**3, "t": 10**6}
_LITRES: Final = {"L": 1, "m3": 10**3}
_AT_20C: Final = Fraction(27315, 29315)

Units = Mapping[str, tuple[str, Fraction]]
"""Transmitted unit -> base unit, base units in one transmitted unit."""


def _counted_in(base: str, parts: Mapping[str, int], parts_of_base: int) -> dict[str, tuple[str, Fraction]]:
    return {unit: (base, Fraction(n, parts_of_base)) for unit, n in parts.items()}


def _energy(base: str, joules_of_base: int) -> dict[str, tuple[str, Fraction]]:
    return _counted_in(base, _JOULES | {unit: 3600 * n for unit, n in _WATT_HOURS.items()}, joules_of_base)


_KWH: Final = _energy("kWh", 3_600_000)
_GJ: Final = _energy("GJ", 10**9)
_KG: Final = _counted_in("kg", _GRAMS, 10**3)
_M3: Final = _counted_in("m3", _LITRES, 10**3)
_NM3: Final = {"Nm3": ("Nm3", Fraction(1))}


@dataclass(frozen=True, slots=True)
class Carrier:
    """What zonepulse has to know of one."""

    name: str
    """The id of zone.yaml; with `:` at its end a family, such as `product:`."""
    quantities: Units
    activity: str = ""
    """Whose factors it looks up; '' = those of its own name."""
    scope: int = 1
    """Of the emissions of its use (GHG Protocol): 1 = burnt or released on site, 2 = bought, 0 = none that a factor describes."""
    is_two_way: bool = False
    """Its registers say import and export; those of others say consumption."""
    is_gas: bool = False
    """Counted in normal cubic metres (0 C, 101.325 kPa); a volume in m3 needs its reference temperature."""

    def units(self, reference: str | None) -> Units:
        """Every unit in which it can be transmitted; `reference` of a gas's m3: 0C, 20C or None."""
        if not self.is_gas or reference is None:
            return self.quantities
        return {**self.quantities, "m3": ("Nm3", _AT_20C if reference == "20C" else Fraction(1))}


ELECTRICITY: Final = "electricity"
PRODUCT: Final = "product:"
"""Goods that are counted: `product:bearings`."""
REFRIGERANT: Final = "refrigerant:"
"""Refrigerants that leaked, entered by hand: `refrigerant:R-410A`; their factors are GWPs."""
PROCESS: Final = "process:"
"""Process emissions, entered by hand: `process:shielding_gas`."""

_GAS: Final = _GJ | _KG | _NM3
_FLUID: Final = _GJ | _KG | _M3
_FUEL: Final = Carrier("", _FLUID)
_DECLARED: Final = (
    Carrier(ELECTRICITY, _KWH, activity="grid_electricity", scope=2, is_two_way=True),
    Carrier("reactive", _counted_in("kvarh", _VAR_HOURS, 10**3), scope=0, is_two_way=True),
    Carrier("natural_gas", _GAS, is_gas=True),
    Carrier("coke_oven_gas", _GAS, is_gas=True),
    Carrier("blast_furnace_gas", _GAS, is_gas=True),
    Carrier("heat", _FLUID, activity="purchased_heat", scope=2),
    Carrier("steam", _FLUID, scope=2),
    Carrier("cooling", _FLUID, scope=0),
    Carrier("water", _FLUID, scope=0),
    Carrier(PRODUCT, {"piece": ("piece", Fraction(1))} | _KG | _M3, scope=0),
    Carrier(REFRIGERANT, _KG),
    Carrier(PROCESS, _KG),
)
CARRIERS: Final = {carrier.name: carrier for carrier in _DECLARED}
GASES: Final = tuple(sorted(carrier.name for carrier in _DECLARED if carrier.is_gas))
ENTERED: Final = (REFRIGERANT, PROCESS)
"""Families that are entered by hand, in kg, and not metered."""
_CARRIER_OF: Final = {carrier.activity: carrier.name for carrier in _DECLARED if carrier.activity}


@cache
def carrier(name: str) -> Carrier:
    """The declaration that holds for a carrier's id: its own, its family's, or a fuel's."""
    family = name.partition(":")[0] + ":"
    return replace(CARRIERS.get(name) or CARRIERS.get(family if ":" in name else "", _FUEL), name=name)


def activity_of(name: str) -> str:
    """The activity whose factors a carrier looks up."""
    return carrier(name).activity or name


def carrier_of(activity: str) -> str:
    """The carrier that looks up an activity's factors."""
    return _CARRIER_OF.get(activity, activity)


def is_entered(name: str) -> bool:
    """Whether it is entered by hand, in kg, and not metered."""
    return any(name.startswith(family) and name != family for family in ENTERED)


def scope_of(name: str) -> int:
    """Scope of the emissions that using it causes: 1, 2, or 0 = no factor describes any."""
    return carrier(name).scope


def use_directions(name: str) -> tuple[str, ...]:
    """The directions of main and sub meters that totals count."""
    return ("import", "export") if carrier(name).is_two_way else ("consumption",)


def drawn_direction(name: str) -> str:
    """The direction in which it is used up."""
    return use_directions(name)[0]
