"""What an alert costs: kWh, kg CO2e and money."""

import json
from fractions import Fraction
from typing import Any, Final

from zonepulse.processors.accounting.factor_table import FactorTable
from zonepulse.processors.accounting.posting import co2e_mg
from zonepulse.processors.detection.prices import Prices
from zonepulse.schemas.carriers import ELECTRICITY
from zonepulse.schemas.messages.alerts import CHANNEL_DETECTORS
from zonepulse.schemas.registry.model import Register, Registry
from zonepulse.schemas.units import MICRO
from zonepulse.schemas.values import canonical_json

_COUNTED: Final = dict.fromkeys(CHANNEL_DETECTORS, "beyond_micro") | {"gap_too_long": "energy_micro"}
"""By alert of a channel, what of its evidence it is about: what lies beyond the expected band, above or below; what nobody books."""


class Impact:
    """By the tariffs and factors of one registry version."""

    def __init__(self, registry: Registry, factors: FactorTable) -> None:
        self._registry, self._factors, self._prices = registry, factors, Prices(registry)

    def of_energy(self, micro: int, company: str, at: int) -> dict[str, Any]:
        """Evidence of micro-kWh of electricity: what they cost by the tariff that holds then, the company's own first."""
        found: dict[str, Any] = {"impact_kwh": micro / MICRO}
        price = self._prices.at(ELECTRICITY, "kWh", company, at)
        if price is None:
            return found
        return found | {"impact_cost": float(Fraction(micro, MICRO) * price.of_unit), "currency": price.tariff.currency}

    def of_channel(self, row: dict[str, Any]) -> dict[str, Any]:
        """A channel's alert with what it costs: an error either way. Rows that say no amount are as they are."""
        counted = _COUNTED.get(row["rule"])
        if counted is None or counted not in (evidence := json.loads(row["evidence"])):
            return row
        register = self._register(row["meter"], evidence["register"], row["starts_at"])
        if register is None:
            return row
        micro, at = abs(evidence[counted]), row["starts_at"]
        if register.carrier == ELECTRICITY:
            evidence |= self.of_energy(micro, row["company"], at)
        factor = self._factors.location(register.carrier, row["company"], register.base_unit, at)
        mg = None if factor is None else co2e_mg(micro, factor.factor_mg)
        return {**row, "impact_kg": None if mg is None else mg / MICRO, "evidence": canonical_json(evidence)}

    def _register(self, meter: str, register: str, at: int) -> Register | None:
        """As the version has it that is valid then, else the first."""
        mine = [one for one in self._registry.meters if one.id == meter and any(r.id == register for r in one.registers)]
        if not mine:
            return None
        version = next((one for one in mine if one.valid_from_ms <= at < one.valid_to_ms), mine[0])
        return next(r for r in version.registers if r.id == register)
