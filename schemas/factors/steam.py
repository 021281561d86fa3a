"""Energy of steam that is metered by mass: enthalpy by IAPWS-IF97, above a reference that the operator names."""

from fractions import Fraction
from typing import Final

from zonepulse.schemas.registry.model import Steam
from zonepulse.schemas.values import BadValue

MIN_MPA: Final = Fraction("0.000612")
"""Just above the triple point."""
CRITICAL_MPA: Final = Fraction("22.064")
MAX_MPA: Final = 100
MAX_C: Final = 800
"""IF97 without its region 5."""
KELVIN: Final = Fraction("273.15")


def gj_per_tonne(steam: Steam) -> Fraction:
    """(h(p, t) - reference) x 1e-3 GJ per t, the difference rounded to 3 decimals of kJ/kg, half to even.

    Raises BadValue: the state is no steam, or holds no more than the reference.
    """
    enthalpy = enthalpy_kj_per_kg(steam.pressure_mpa, steam.temperature_c)
    above = round(Fraction(enthalpy) - steam.reference_kj_per_kg, 3)
    if above <= 0:
        raise BadValue(f"the steam's enthalpy is {enthalpy:.1f} kJ/kg, no more than the reference", "mend reference_kj_per_kg")
    return above / 1000


def enthalpy_kj_per_kg(pressure_mpa: Fraction, temperature_c: Fraction | None) -> float:
    """Specific enthalpy by IAPWS-IF97; saturated steam where no temperature is given. Raises BadValue: that is no steam."""
    from CoolProp.CoolProp import PropsSI  # takes seconds to load: only where a zone has such a meter

    limit = CRITICAL_MPA if temperature_c is None else MAX_MPA
    if not MIN_MPA <= pressure_mpa < limit:
        raise BadValue(
            f"{float(pressure_mpa):g} MPa is no pressure of steam", f"write the absolute pressure in MPa, below {float(limit):g}"
        )
    pascal = float(pressure_mpa * 1_000_000)
    if temperature_c is None:
        return float(PropsSI("H", "P", pascal, "Q", 1, "IF97::Water")) / 1000
    if pressure_mpa < CRITICAL_MPA:
        boils_c = float(PropsSI("T", "P", pascal, "Q", 1, "IF97::Water")) - float(KELVIN)
        if temperature_c <= boils_c:
            remedy = f"steam of that pressure is hotter than {boils_c:.1f} C; write null where it is saturated"
            raise BadValue(f"{float(temperature_c):g} C is water at {float(pressure_mpa):g} MPa", remedy)
    if not 0 < temperature_c <= MAX_C:
        raise BadValue(f"{float(temperature_c):g} C is no temperature of steam", f"write it in degrees Celsius, up to {MAX_C}")
    return float(PropsSI("H", "T", float(temperature_c + KELVIN), "P", pascal, "IF97::Water")) / 1000
