"""Which emission factor answers for a channel in a window."""

from typing import NamedTuple

from zonepulse.oracle.zone.registry import Registry
from zonepulse.oracle.zone.units import activity_of, kg_per_base_unit

_LOCATION = ("location", "default")
_RESIDUAL = ("market_residual",)


class Answer(NamedTuple):
    """A factor in mg per base unit and the rung of the look-up that gave it: a region, or `company`."""

    factor_mg: int
    id: str
    rung: str


class FactorTable:
    """Look-ups by company, carrier, base unit and time: the company's own factor first, then the zone's regions in order."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._known: dict[tuple[str, str, str, int, tuple[str, ...]], Answer | None] = {}

    def at(self, company: str, carrier: str, base_unit: str, at_ms: int, bases: tuple[str, ...] = _LOCATION) -> Answer | None:
        """None where no factor is valid then. `company` '' looks at the regions only. Of one rung, the first basis is best."""
        question = (company, carrier, base_unit, at_ms, bases)
        if question not in self._known:
            self._known[question] = self._look_up(*question)
        return self._known[question]

    def residual_at(self, company: str, at_ms: int) -> Answer | None:
        """What electricity without a contract bears."""
        return self.at(company, "electricity", "kWh", at_ms, _RESIDUAL)

    def has_residual(self, company: str) -> bool:
        """Whether there is a residual factor for the company at any time."""
        factors = [f for f in self._registry.factors if f.activity == "grid_electricity" and f.basis == "market_residual"]
        regions = self._registry.policy.regions
        return any(f.company == company if f.company else f.region in regions for f in factors)

    def _look_up(self, company: str, carrier: str, base_unit: str, at_ms: int, bases: tuple[str, ...]) -> Answer | None:
        activity = activity_of(carrier)
        valid = [(f, v) for f in self._registry.factors if f.activity == activity and (v := f.value_at(at_ms)) is not None]
        regions = ("GWP",) if carrier.startswith("refrigerant:") else self._registry.policy.regions
        rungs = [("company", [(f, v) for f, v in valid if f.company == company])] if company else []
        rungs += [(region, [(f, v) for f, v in valid if not f.company and f.region == region]) for region in regions]
        for rung, candidates in rungs:
            for basis in bases:
                for factor, value in candidates:
                    fit = kg_per_base_unit(value, factor.unit, carrier)
                    if factor.basis == basis and fit is not None and fit[0] == base_unit:
                        return Answer(round(fit[1] * 1_000_000), factor.id, rung)
        return None


def emission_mg(energy_micro: int, factor_mg: int) -> int:
    """Energy x factor, rounded half up."""
    return (energy_micro * factor_mg + 500_000) // 1_000_000
