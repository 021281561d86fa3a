"""What is allowed in a registry but probably not meant: channels, factors and rules that will never have an effect.

`registry apply` shows these; it does not refuse them.
"""

from collections.abc import Iterator
from typing import Final

from zonepulse.schemas.carriers import ELECTRICITY, use_directions
from zonepulse.schemas.checks.factor_notices import Notice, answers, factor_notices, lookups
from zonepulse.schemas.factors.shipped import LOOKUP_BASES, RESIDUAL_BASES, UNVERIFIED, channel_bears
from zonepulse.schemas.problems import Problem, step
from zonepulse.schemas.registry.calendar import NOT_JUDGED, stretch_of
from zonepulse.schemas.registry.model import Factor, Registry
from zonepulse.schemas.rules.scopes import INDICATORS_ON, is_on, named_by, names_on
from zonepulse.schemas.values import is_usual_id, visible

_COUNTED: Final = {
    "generation": ("generation",),
    "production": ("generation",),
    "storage": ("charge", "discharge"),
    "boundary": ("import", "export"),
}
_OF_ELECTRICITY: Final = ("energy_kwh", "power_kw")


def counted_directions(role: str, carrier: str) -> tuple[str, ...]:
    """The directions that totals count for channels of this role and carrier."""
    if role in _COUNTED:
        return _COUNTED[role]
    return use_directions(carrier)


def notices(registry: Registry, *, file: str = "zone.yaml") -> list[Problem]:
    """Everything that has no effect, with what to do if one is wanted."""
    found = [*_uncounted(registry), *_mixed_units(registry), *_unused_factors(registry), *factor_notices(registry)]
    found += _unmatched_contracts(registry)
    found += _unjudged(registry)
    found += _undetected(registry)
    found += _unusual_ids(registry)
    return [Problem(file, 0, path, what, remedy) for path, what, remedy in found]


def _uncounted(registry: Registry) -> Iterator[Notice]:
    for meter in registry.meters:
        for register in meter.registers:
            counted = counted_directions(meter.role, register.carrier)
            if register.direction not in counted and register.counts:
                path = step(f"meters.{meter.id}.registers", register.id)
                what = f"{register.direction} of {register.carrier} by a {meter.role} meter is kept as intervals but in no total"
                yield path, what, f"if it should count, write direction: {' or '.join(counted)}"


def _mixed_units(registry: Registry) -> Iterator[Notice]:
    """A carrier that companies count in different base units; within one company that is an error (channels.py)."""
    first: dict[str, tuple[str, str]] = {}
    told: set[str] = set()
    for meter in registry.meters:
        for register in meter.registers:
            counts = register.counts and register.direction in counted_directions(meter.role, register.carrier)
            if not counts or register.carrier in told:
                continue
            base_unit, where = first.setdefault(register.carrier, (register.base_unit, meter.id))
            if base_unit != register.base_unit:
                told.add(register.carrier)
                path = step(f"meters.{meter.id}.registers", register.id)
                what = (
                    f"counts {register.carrier} in {register.base_unit}, {where} in {base_unit}: the zone's total of it has no unit"
                )
                yield path, what, f"transmit both in one of them, such as {base_unit}; companies' rows and all emissions are right"


def _unused_factors(registry: Registry) -> Iterator[Notice]:
    used = {f.id for look in lookups(registry) for choice in answers(registry, look) for f in choice.factors}
    for factor in registry.factors:
        if factor.company and factor.id not in used:
            yield f"factors.{factor.id}", "no channel ever uses this factor", _why_unused(factor)


def _unmatched_contracts(registry: Registry) -> Iterator[Notice]:
    """A contract covers the electricity that its company's main meters draw."""
    company_of = {s.id: s.company for s in registry.sites}
    importing = {
        company_of[m.site]
        for m in registry.meters
        for r in m.registers
        if r.carrier == ELECTRICITY and channel_bears(m.role, r.carrier, r.direction)
    }
    for contract in registry.contracts:
        if contract.company not in importing:
            what = f"{contract.company} has no meter of electricity import: nothing is ever matched"
            yield f"contracts.{contract.id}", what, "add its main meter, or name the company that draws the energy"


def _why_unused(factor: Factor) -> str:
    if factor.confidence == UNVERIFIED:
        return "confidence L means unverified; verify it and write H or M"
    if factor.basis not in (*LOOKUP_BASES, *RESIDUAL_BASES):
        return f"basis {factor.basis} is another quantity, which answers no look-up of an inventory; find the factor that does"
    return f"check that {factor.company} has a channel of {factor.activity} counted in {factor.base_unit}"


def _unjudged(registry: Registry) -> Iterator[Notice]:
    """Indicators that a rule never knows: those of other scopes, and electricity where there is none."""
    for rule in registry.rules:
        path, names = f"rules.{rule.id}", named_by(rule)
        for name in names:
            if name not in INDICATORS_ON[rule.on]:
                judged = "; ".join(f"on {on}: {', '.join(indicators)}" for on, indicators in INDICATORS_ON.items())
                yield path, f"nothing judges {name} on {rule.on}", f"judged are {judged}"
        wanted = [name for name in names if name in _OF_ELECTRICITY]
        subjects = [name for name in names_on(rule.on, registry) if is_on(rule, name)]
        powered = _with_electricity(registry, rule.on) if wanted else set(subjects)
        without = [name for name in subjects if name not in powered]
        if without:
            what = f"{wanted[0]} of {len(without)} of {len(subjects)} is never known, such as of {without[0]}: no electricity counts there"
            yield path, what, "name in `on` those that have some"


def _undetected(registry: Registry) -> Iterator[Notice]:
    """Registers on which no detector can speak."""
    for meter in registry.meters:
        for register in meter.registers:
            names = register.detect is None or register.detect
            if names and stretch_of(register.period_ms, registry.zone.window_ms) == NOT_JUDGED:
                path = f"{step(f'meters.{meter.id}.registers', register.id)}.period"
                yield path, "is longer than a day: no detector judges it", "read it once a day, or write `detect: off`"


def _with_electricity(registry: Registry, scope: str) -> set[str]:
    """What a scope has with registers of electricity that count there; all of a zone's and of the nodes."""
    if scope in ("zone", "node"):
        return {registry.zone.id, *registry.network.nodes}
    company_of = {site.id: site.company for site in registry.sites}
    found = set[str]()
    for meter in registry.meters:
        for register in meter.registers:
            if register.carrier != ELECTRICITY:
                continue
            is_counted = register.counts and register.direction in counted_directions(meter.role, register.carrier)
            names = {
                "register": (True, f"{meter.id}/{register.id}"),
                "meter": (register.counts, meter.id),
                "site": (is_counted and meter.role != "boundary", meter.site),
                "company": (is_counted and meter.role != "boundary", company_of.get(meter.site, "")),
            }
            is_there, name = names[scope]
            found |= {name} if is_there else set()
    return found


def identifiers(registry: Registry) -> frozenset[str]:
    """Every identifier of a zone, its companies, sites, gateways, meters and registers, nodes, edges, contracts, entries and rules."""
    named = (registry.companies, registry.sites, registry.gateways, registry.meters, registry.contracts, registry.entries)
    found = {registry.zone.id, *registry.network.nodes, *(edge.id for edge in registry.network.edges)}
    found |= {entity.id for entities in named for entity in entities} | {rule.id for rule in registry.rules}
    return frozenset(found | {register.id for meter in registry.meters for register in meter.registers})


def _unusual_ids(registry: Registry) -> Iterator[Notice]:
    for text in sorted(identifiers(registry)):
        if not is_usual_id(text):
            yield (
                "",
                f"the identifier {visible(text)!r} would be refused if it were new",
                "it stays valid; give new ones plain characters",
            )
