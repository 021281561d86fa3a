"""What indicators need of the registry: who there is, what they meter and in which unit, and what was given by hand."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from zonepulse.processors.indicators.given import Given
from zonepulse.processors.indicators.sums import Entity
from zonepulse.schemas.carriers import ELECTRICITY, drawn_direction
from zonepulse.schemas.registry.inputs import INPUTS
from zonepulse.schemas.registry.model import Contract, Registry
from zonepulse.schemas.registry.sections import entities_of


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one registry version."""

    zone: str
    companies: tuple[str, ...]
    base_units: Mapping[str, Mapping[str, str]]
    """Company ('' for the zone's own) -> carrier that it draws -> base unit."""
    fuel_fired: frozenset[str]
    """Companies whose electricity is generated with carbon, in part at least."""
    generating: frozenset[str]
    has_boundary: bool
    clean_contracts: tuple[Contract, ...]
    """Those without carbon."""
    given: Given

    def of(self, entity: Entity) -> tuple[str, ...]:
        """The companies that an entity is made of."""
        return (*self.companies, "") if entity.kind == "zone" else (entity.id,)

    def entities(self) -> tuple[Entity, ...]:
        """The zone, then its companies."""
        return (Entity("zone", self.zone), *(Entity("company", company) for company in self.companies))


def facts_of(registry: Registry) -> Facts:
    """The facts of a registry version. Companies may not count one carrier in two units (schemas/checks/channels.py)."""
    company_of = {site.id: site.company for site in registry.sites}
    units: dict[str, dict[str, str]] = defaultdict(dict)
    fuel_fired, generating = set[str](), set[str]()
    for meter in registry.meters:
        company = company_of[meter.site]
        for register in (register for register in meter.registers if register.counts):
            if meter.role in ("main", "sub") and register.direction == drawn_direction(register.carrier):
                units[company][register.carrier] = register.base_unit
            elif meter.role == "generation" and register.carrier == ELECTRICITY:
                generating.add(company)
                if register.ef_kg:
                    fuel_fired.add(company)
    return Facts(
        registry.zone.id,
        tuple(company.id for company in registry.companies),
        units,
        frozenset(fuel_fired),
        frozenset(generating),
        any(meter.role == "boundary" for meter in registry.meters),
        tuple(contract for contract in registry.contracts if not contract.ef_mg),
        Given(entities_of(registry, INPUTS), {c.id: c.employees for c in registry.companies if c.employees is not None}),
    )


def counting_registers(registry: Registry) -> frozenset[tuple[str, str]]:
    """(meter, register) of those that count, in any version of a meter."""
    return frozenset((meter.id, register.id) for meter in registry.meters for register in meter.registers if register.counts)
