"""No sum of a registry may leave 64 bits: what its channels and entries could reach together in one window, in micro-units and in mg CO2e.

A channel adds at most 1.2 x max_power x (max_gap + period) to a window: no advance is longer than max_gap. Dense readings or a record's old
value may say more; what is above twice that the ledger does not book (`ops_sum_refused`). Times the largest factor that its carrier may
ever meet, that is its carbon.
"""

from collections.abc import Iterable
from fractions import Fraction
from typing import Final

from zonepulse.schemas.carriers import ELECTRICITY, REFRIGERANT, activity_of, is_entered
from zonepulse.schemas.factors.choices import choices
from zonepulse.schemas.problems import Report, step
from zonepulse.schemas.registry.model import Register, Registry
from zonepulse.schemas.units import LIMIT_ENERGY, MICRO, MS_PER_HOUR
from zonepulse.schemas.values import rounded

MARGIN: Final = Fraction(6, 5)


def most_micro(register: Register, max_gap_ms: int) -> int:
    """The most that a channel can add to one window, micro-units (rounded up)."""
    exact = MARGIN * register.max_power * MICRO * (max_gap_ms + register.period_ms) / MS_PER_HOUR
    return -(-exact.numerator // exact.denominator)


def check_sums(registry: Registry, report: Report) -> None:
    """Report, at the channel or entry with the largest share, a sum that could reach 2^62."""
    largest: dict[tuple[str, str], tuple[int, Fraction, str]] = {}  # channel -> micro-units, mg, path
    kg = _LargestFactors(registry)
    for i, meter in enumerate(registry.meters):
        for register in meter.registers:
            if register.max_power <= 0:
                continue
            most = most_micro(register, registry.zone.max_gap_ms)
            path = step(f"meters[{i}].registers", register.id)
            found = (most, most * kg.of(register), path)
            key = (meter.id, register.id)
            largest[key] = max(largest.get(key, found), found)
    _check(((micro, path) for micro, _, path in largest.values()), "energy", "micro-units", ".max_power", report)
    entries = [
        (entry.value_micro * kg.of_entry(i), f"entries[{i}]")
        for i, entry in enumerate(registry.entries)
        if is_entered(entry.carrier)
    ]
    for mg, path in entries:
        if mg >= LIMIT_ENERGY:
            report.add(f"{path}.kg", "kg x GWP does not fit 64 bits in mg CO2e", "mend kg; it is in kg, not in g")
    masses = [*((mg, path) for _, mg, path in largest.values()), *((mg, path) for mg, path in entries if mg < LIMIT_ENERGY)]
    _check(masses, "carbon", "mg CO2e", "", report)


def _check(shares: Iterable[tuple[int | Fraction, str]], what: str, unit: str, key: str, report: Report) -> None:
    found = list(shares)
    if sum(share for share, _ in found) >= LIMIT_ENERGY:
        share, path = max(found)
        of_it = f"{rounded(share / Fraction(LIMIT_ENERGY))} of the limit 2^62 {unit}"
        report.add(
            path + key,
            f"the {what} of all channels together could overflow 64 bits; this one alone has {of_it}",
            "mend max_power, max_gap, unit or factor: they bound what one window can hold",
        )


class _LargestFactors:
    """kg CO2e per base unit that a quantity may ever be multiplied with, by carrier."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._found: dict[tuple[str, str], Fraction] = {}
        for factor in registry.factors:
            values = [v for v in factor.series.values if v is not None] if factor.series else [Fraction(1)]
            largest = factor.kg_per_base * max(values, default=Fraction(0))
            key = (factor.activity, factor.base_unit)
            self._found[key] = max(self._found.get(key, Fraction(0)), largest)
        power = [Fraction(contract.ef_mg, MICRO) for contract in registry.contracts]
        power += [r.ef_kg for m in registry.meters for r in m.registers]
        self._electricity = max([*power, self._found.get((activity_of(ELECTRICITY), "kWh"), Fraction(0))])

    def of(self, register: Register) -> Fraction:
        """Of a register's carrier and base unit; 0 where it bears nothing."""
        if register.carrier == ELECTRICITY:
            return self._electricity
        return self._found.get((activity_of(register.carrier), register.base_unit), Fraction(0))

    def of_entry(self, number: int) -> Fraction:
        """Of an entry: the factor of its gas."""
        entry = self._registry.entries[number]
        zone = self._registry.zone
        if entry.carrier.startswith(REFRIGERANT) and not zone.gwp:
            return Fraction(0)
        found = choices(self._registry.factors, entry.carrier, entry.company, zone.factor_regions, "kg")
        return max((choice.kg_per_base for choice in found if choice.factors), default=Fraction(0))
