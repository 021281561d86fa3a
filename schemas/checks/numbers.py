"""No number of a registry leaves the column that it is written to, nor 64 bits on its way there: what the other checks do not bound.

Quantities of channels are bounded in channels.py, sums in sums.py, counts and times where they are read.
"""

from fractions import Fraction

from zonepulse.schemas.factors.series import end_ms
from zonepulse.schemas.problems import Report, step
from zonepulse.schemas.registry.model import Factor, Registry
from zonepulse.schemas.units import LIMIT_ENERGY, MICRO
from zonepulse.schemas.values import LATEST_MS, rounded

_TOO_LARGE = "does not fit 64 bits"


def check_numbers(registry: Registry, shipped: int, report: Report) -> None:
    """Report every number that fits no column. The first `shipped` factors are the shipped table."""
    for i, factor in enumerate(registry.factors[shipped:]):
        _check_factor(factor, f"factors[{i}]", report)
    for i, contract in enumerate(registry.contracts):
        if contract.ef_mg >= LIMIT_ENERGY:
            what = f"{rounded(Fraction(contract.ef_mg, MICRO))} kg CO2e per kWh {_TOO_LARGE} in mg"
            report.add(f"contracts[{i}].ef", what, "write kg CO2e per kWh, 0 for green power")
        if contract.hourly is not None:
            _check_end(end_ms(contract.hourly), f"contracts[{i}].hourly", report)
    for i, meter in enumerate(registry.meters):
        for register in meter.registers:
            if register.ef_kg * MICRO >= LIMIT_ENERGY:
                what = f"{rounded(register.ef_kg)} kg CO2e per base unit {_TOO_LARGE} in mg"
                report.add(step(f"meters[{i}].registers", register.id) + ".ef", what, "write kg CO2e per base unit")


def _check_factor(factor: Factor, path: str, report: Report) -> None:
    key = "series" if factor.series else "fuel" if factor.fuel else "value"
    values = [v for v in factor.series.values if v is not None] if factor.series else [Fraction(1)]
    largest = factor.kg_per_base * max(values, default=Fraction(0))
    if largest * MICRO >= LIMIT_ENERGY:
        what = f"{rounded(largest)} kg CO2e per {factor.base_unit or 'base unit'} {_TOO_LARGE} in mg"
        report.add(f"{path}.{key}", what, "mend the number or its unit")
    if factor.series is not None:
        _check_end(end_ms(factor.series), f"{path}.series", report)


def _check_end(at_ms: int, path: str, report: Report) -> None:
    if at_ms > LATEST_MS:
        report.add(f"{path}.step", "its last step ends after the year 2299", "mend `step`, or write fewer values")
