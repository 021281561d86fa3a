"""Who counts where: the pools that a channel's rows flow into while the same meter versions are valid.

A pool is (entity kind, entity, carrier, term); its channels are those that count for that term. The terms are the directions
of main, sub, generation, production and storage meters, and of the zone also `boundary import`, `boundary export` and
`unmetered export`.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from zonepulse.oracle.zone.registry import Facts, Registry
from zonepulse.oracle.zone.units import bears_emissions

Pool = tuple[str, str, str, str]
Entity = tuple[str, str]
Key = tuple[str, str]
_OF_ROLE = {
    "generation": ("generation",),
    "production": ("generation",),
    "storage": ("charge", "discharge"),
    "boundary": ("import", "export"),
}


def bearing_term(carrier: str) -> str:
    """The direction whose energy bears a carrier's emissions in company totals."""
    return "import" if carrier == "electricity" else "consumption"


@dataclass
class Plan:
    """What counts at one instant."""

    facts: dict[Key, Facts] = field(default_factory=dict)
    pools: dict[Key, list[Pool]] = field(default_factory=dict)
    expected: Counter[Pool] = field(default_factory=Counter)
    """Channels registered for a pool, seen or not."""
    emitting: set[Key] = field(default_factory=set)
    """Channels with rows in `emissions`."""
    has_boundary: bool = False

    def carriers(self, entity: Entity) -> list[str]:
        """Carriers that the entity has a pool of."""
        return sorted({pool[2] for pool in self.expected if pool[:2] == entity})

    def with_entries(self, zone: Entity, entries: Iterable[Facts]) -> "Plan":
        """The plan of a window that manual entries count in, each like a main meter of its company."""
        plan = replace(
            self, facts=dict(self.facts), pools=dict(self.pools), expected=self.expected.copy(), emitting=set(self.emitting)
        )
        for facts in entries:
            key = (facts.meter, facts.register)
            pools = [(*zone, facts.carrier, facts.direction), ("company", facts.company, facts.carrier, facts.direction)]
            plan.facts[key], plan.pools[key] = facts, pools
            plan.expected.update(pools)
            plan.emitting.add(key)
        return plan


def plan_at(registry: Registry, at_ms: int) -> Plan:
    """The plan of windows that start at an instant."""
    plan = Plan()
    zone = ("zone", registry.policy.zone)
    for key in registry.channels:
        facts = registry.facts_at(*key, at_ms)
        if facts is not None:
            plan.facts[key] = facts
    generating = {f.company for f in plan.facts.values() if _generates(f)}
    for key, facts in plan.facts.items():
        if not _counts(registry, facts, at_ms):
            continue
        pools = [(*zone, facts.carrier, f"boundary {facts.direction}" if facts.role == "boundary" else facts.direction)]
        if facts.role != "boundary" and facts.company:
            pools.append(("company", facts.company, facts.carrier, facts.direction))
        is_main = facts.role in ("main", "sub")
        if is_main and facts.carrier == "electricity" and facts.direction == "export" and facts.company not in generating:
            pools.append((*zone, "electricity", "unmetered export"))
        if is_main and facts.company and bears_emissions(facts.carrier) and facts.direction == bearing_term(facts.carrier):
            plan.emitting.add(key)
        plan.pools[key] = pools
        plan.expected.update(pools)
        plan.has_boundary = plan.has_boundary or (facts.role == "boundary" and facts.carrier == "electricity")
    return plan


def _generates(facts: Facts) -> bool:
    is_generation = (facts.carrier, facts.direction) == ("electricity", "generation") and facts.role in ("generation", "production")
    return is_generation and facts.counts


def _counts(registry: Registry, facts: Facts, at_ms: int) -> bool:
    """Whether the channel counts in any total: its role's directions, and a sub only where its parent is not registered."""
    if not facts.counts:
        return False
    if facts.role == "sub" and facts.parent and registry.is_registered(facts.parent, at_ms):
        return False
    if facts.role in ("main", "sub"):
        return facts.direction in (("import", "export") if facts.carrier in ("electricity", "reactive") else ("consumption",))
    return facts.direction in _OF_ROLE[facts.role]
