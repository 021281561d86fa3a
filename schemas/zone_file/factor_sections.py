"""A factor of zone.yaml: one value, a time series, or worked out from a fuel's analysis."""

from fractions import Fraction
from typing import Final

from zonepulse.schemas.factors.series import end_ms
from zonepulse.schemas.factors.shipped import BASES, CONFIDENCES, factor_unit
from zonepulse.schemas.registry.model import ALWAYS, FOREVER, Factor, Fuel, Series
from zonepulse.schemas.values import BadValue
from zonepulse.schemas.zone_file.positions import Fields, Place, Reader
from zonepulse.schemas.zone_file.series_section import series_reader
from zonepulse.schemas.zone_file.values import COUNT, IDENTIFIER, NUMBER, TEXT, Clock, one_of, optional

_FACTOR_KEYS: Final = (
    "id", "activity", "region", "company", "basis", "value", "series", "fuel", "unit", "data_year", "published", "valid_from",
    "valid_to", "source", "source_url", "confidence",
)  # fmt: skip
_VALUES: Final = ("value", "series", "fuel")
_KG_CO2_PER_T_C: Final = Fraction(44, 12) * 1000
_ONE: Final = Fraction(1)


def read_factor(place: Place, clock: Clock) -> Factor:
    """One of the zone's own factors: of a company or of a region."""
    f = Fields(place, _FACTOR_KEYS)
    unit, activity = f.need("unit", TEXT), f.need("activity", IDENTIFIER)
    value, series, fuel = _value(f, clock)
    base_unit, kg = _unit(f, unit, activity, fuel)
    start, end = _validity(f, clock, series)
    return Factor(
        id=f.need("id", IDENTIFIER),
        activity=activity,
        region=f.read("region", IDENTIFIER, ""),
        company=f.read("company", IDENTIFIER, ""),
        basis=f.read("basis", one_of(*BASES), "default"),
        value=value,
        unit=unit,
        base_unit=base_unit,
        kg_per_base=value * kg,
        data_year=f.read("data_year", optional(COUNT), None),
        published=f.read("published", Reader(lambda p: p.text, "", ""), ""),
        valid_from_ms=start,
        valid_to_ms=end,
        source=f.need("source", TEXT),
        source_url=f.read("source_url", TEXT, ""),
        confidence=f.read("confidence", one_of(*CONFIDENCES), ""),
        series=series,
        fuel=fuel,
    )


def _value(f: Fields, clock: Clock) -> tuple[Fraction, Series | None, Fuel | None]:
    """The value in `unit` (1 with a series), and what it comes from."""
    given = [name for name in _VALUES if f.place_of(name) is not None]
    if f.is_mapping and not given:
        f.need("value", NUMBER)
    elif len(given) > 1:
        f.place.fail(f"has {' and '.join(f'`{name}`' for name in given)}", "keep one of them")
    series = f.read("series", optional(series_reader(clock)), None)
    fuel = f.read("fuel", optional(_FUEL), None)
    if fuel is not None:
        return fuel.ncv * fuel.carbon * fuel.oxidation * _KG_CO2_PER_T_C, None, fuel
    return (f.read("value", NUMBER, _ONE), None, None) if series is None else (_ONE, series, None)


def _read_fuel(place: Place) -> Fuel:
    f = Fields(place, ("ncv", "carbon", "oxidation"))
    fuel = Fuel(f.need("ncv", NUMBER), f.need("carbon", NUMBER), f.need("oxidation", NUMBER))
    if min(fuel.ncv, fuel.carbon, fuel.oxidation) <= 0 or fuel.oxidation > 1:
        place.fail("is no fuel's analysis", "write ncv in GJ per unit, carbon in t per GJ, oxidation above 0, at most 1")
    return fuel


_FUEL: Final[Reader[Fuel]] = Reader(_read_fuel, Fuel(_ONE, _ONE, _ONE), "{ncv: 0.038931, carbon: 0.0153, oxidation: 0.99}")


def _unit(f: Fields, unit: str, activity: str, fuel: Fuel | None) -> tuple[str, Fraction]:
    place = f.place_of("unit")
    if place is not None and activity:
        try:
            if fuel is not None and not unit.startswith("kgCO2/"):
                raise BadValue(f"{unit!r} does not fit `fuel`", "write kgCO2/<unit>, the unit that its ncv counts GJ of")
            return factor_unit(unit, activity)
        except BadValue as error:
            place.fail(error.what, error.remedy)
    return "", _ONE


def _validity(f: Fields, clock: Clock, series: Series | None) -> tuple[int, int]:
    """The validity as written; that of a series ends with it at the latest."""
    if series is None:
        return f.need("valid_from", clock.start), f.read("valid_to", clock.end, FOREVER)
    start, end = f.read("valid_from", clock.start, ALWAYS), f.read("valid_to", clock.end, FOREVER)
    return max(start, series.first_ms), min(end, end_ms(series))
