"""Which emission factor answers for a channel in a window."""

from typing import NamedTuple

from zonepulse.oracle.registry import Registry
from zonepulse.oracle.units import kg_per_base_unit

_ACTIVITIES = {"electricity": "grid_electricity", "heat": "purchased_heat"}


class Answer(NamedTuple):
    """A factor in mg per base unit and the rung of the look-up that gave it: a region, or `company`."""

    factor_mg: int
    id: str
    rung: str


class FactorTable:
    """Look-ups by company, carrier, base unit and time: the company's own factor first, then the zone's regions in order."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._known: dict[tuple[str, str, str, int], Answer | None] = {}

    def at(self, company: str, carrier: str, base_unit: str, at_ms: int) -> Answer | None:
        """None where no factor is valid then. `company` '' looks at the regions only."""
        question = (company, carrier, base_unit, at_ms)
        if question not in self._known:
            self._known[question] = self._look_up(*question)
        return self._known[question]

    def _look_up(self, company: str, carrier: str, base_unit: str, at_ms: int) -> Answer | None:
        activity = _ACTIVITIES.get(carrier, carrier)
        valid = [f for f in self._registry.factors if f.activity == activity and f.valid_from_ms <= at_ms < f.valid_to_ms]
        rungs = [("company", [f for f in valid if f.company == company])] if company else []
        rungs += [(region, [f for f in valid if not f.company and f.region == region]) for region in self._registry.policy.regions]
        for rung, candidates in rungs:
            for basis in ("location", "default"):
                for factor in candidates:
                    fit = kg_per_base_unit(factor.value, factor.unit, carrier)
                    if factor.basis == basis and fit is not None and fit[0] == base_unit:
                        return Answer(round(fit[1] * 1_000_000), factor.id, rung)
        return None


def emission_mg(energy_micro: int, factor_mg: int) -> int:
    """Energy x factor, rounded half up."""
    return (energy_micro * factor_mg + 500_000) // 1_000_000
