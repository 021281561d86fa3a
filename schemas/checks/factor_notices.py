"""What about a registry's factors is allowed but probably not meant: old data, wrong labels, defaults that differ widely."""

from collections.abc import Iterable, Iterator
from typing import Final
from zoneinfo import ZoneInfo

from zonepulse.schemas.factors.choices import Choice, choices, who_answers
from zonepulse.schemas.factors.shipped import LOOKUP_BASES, RESIDUAL_BASES, channel_bears, load_factors, shipped_factors_csv
from zonepulse.schemas.registry.model import Factor, Registry
from zonepulse.schemas.values import instant_text

Notice = tuple[str, str, str]
"""Path, what, remedy."""
Look = tuple[str, str, str, tuple[str, ...]]
"""Carrier, company ('' where those of regions answer), base unit, bases."""
_LNG: Final = ("lng", "kg")


def factor_notices(registry: Registry) -> Iterator[Notice]:
    """Every factor that answers although newer ones exist elsewhere, or that is probably mislabelled."""
    shipped = load_factors(shipped_factors_csv(), registry.zone.timezone)
    looks = lookups(registry)
    yield from _stale(registry, looks)
    yield from _mislabelled(registry, shipped)
    yield from _lng(registry, looks, {f.id for f in shipped})


def lookups(registry: Registry) -> list[Look]:
    """Every look-up that the registry's channels and entries make, each once, sorted; those of the market basis too."""
    company_of = {s.id: s.company for s in registry.sites}
    found = {
        (r.carrier, company_of.get(m.site, ""), r.base_unit)
        for m in registry.meters
        for r in m.registers
        if r.counts and channel_bears(m.role, r.carrier, r.direction)
    }
    found |= {(entry.carrier, entry.company, "kg") for entry in registry.entries}
    electric = {(carrier, who, unit) for carrier, who, unit in found if carrier == "electricity"}
    electric |= {("electricity", "", "kWh")} if electric else set()
    of_location = {(c, who_answers(registry.factors, c, who), unit, LOOKUP_BASES) for c, who, unit in found | electric}
    residual = {(c, who_answers(registry.factors, c, who), unit, RESIDUAL_BASES) for c, who, unit in electric}
    return sorted(of_location | residual)


def answers(registry: Registry, look: Look) -> list[Choice]:
    """What the registry's factors say to a look-up."""
    carrier, company, base_unit, bases = look
    return choices(registry.factors, carrier, company, registry.zone.factor_regions, base_unit, bases)


def _stale(registry: Registry, looks: Iterable[Look]) -> Iterator[Notice]:
    """`stale_factor`: the year of the data is older than that of another region's factor of the same kind, valid at that time."""
    told: set[str] = set()
    for look in looks:
        for choice in answers(registry, look):
            for factor in choice.factors:
                newer = [f for f in registry.factors if _is_newer_sibling(f, factor, choice)]
                if newer and factor.id not in told:
                    told.add(factor.id)
                    yield _stale_notice(registry, factor, newer)


def _is_newer_sibling(other: Factor, factor: Factor, choice: Choice) -> bool:
    is_sibling = (other.activity, other.basis, other.base_unit) == (factor.activity, factor.basis, factor.base_unit)
    overlaps = other.valid_from_ms < choice.to_ms and choice.from_ms < other.valid_to_ms
    is_elsewhere = bool(factor.region) and bool(other.region) and other.region != factor.region
    is_newer = other.data_year is not None and factor.data_year is not None and other.data_year > factor.data_year
    return is_sibling and is_elsewhere and overlaps and is_newer


def _stale_notice(registry: Registry, factor: Factor, newer: list[Factor]) -> Notice:
    year = max(f.data_year or 0 for f in newer)
    newest = [f for f in newer if f.data_year == year]
    since = instant_text(min(f.valid_from_ms for f in newest), ZoneInfo(registry.zone.timezone))
    regions = ", ".join(sorted({f.region for f in newest}))
    what = f"stale_factor: from {since} it answers with data of {factor.data_year}, while {regions} have those of {year}"
    return f"factors.{factor.id}", what, f"add the {factor.region} factor of {year} to `factors` once it is published"


def _mislabelled(registry: Registry, shipped: Iterable[Factor]) -> Iterator[Notice]:
    """A factor of the zone's own with exactly the value of a known one of another year, region or basis."""
    known = list(shipped)
    ids = {f.id for f in known}
    for factor in registry.factors:
        if factor.id in ids or factor.series is not None or factor.fuel is not None:
            continue
        same = [k for k in known if _fits(k, factor) and k.kg_per_base == factor.kg_per_base]
        if same and not any(_is_meant(k, factor, registry.zone.factor_regions) for k in same):
            names = " and ".join(f"{k.id} ({k.basis}, {k.region}, {k.data_year})" for k in same)
            what = f"has exactly the value of {names}: another year, region or basis"
            yield f"factors.{factor.id}", what, "check its source: numbers of grid factors circulate under wrong labels"


def _fits(known: Factor, factor: Factor) -> bool:
    return (known.activity, known.base_unit) == (factor.activity, factor.base_unit)


def _is_meant(known: Factor, factor: Factor, regions: tuple[str, ...]) -> bool:
    """Whether the value stands for what the factor says it is: the kind of basis, the region, and a time of its validity."""
    kinds = ["location" if basis in LOOKUP_BASES else basis for basis in (known.basis, factor.basis)]
    is_here = known.region == factor.region if factor.region else known.region in regions
    return (
        kinds[0] == kinds[1] and is_here and known.valid_from_ms < factor.valid_to_ms and factor.valid_from_ms < known.valid_to_ms
    )


def _lng(registry: Registry, looks: Iterable[Look], shipped: set[str]) -> Iterator[Notice]:
    """LNG by mass with a default: the two official families of NCV differ by 23 %."""
    for look in looks:
        used = {f.id for choice in answers(registry, look) for f in choice.factors} if (look[0], look[2]) == _LNG else set()
        for factor_id in sorted(used & shipped):
            what = "official heating values of LNG differ by 23 %, and this is a default"
            yield f"factors.{factor_id}", what, "give the company a factor of its own with `fuel` and the measured ncv"
