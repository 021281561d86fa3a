"""What `zonepulse registry factors` shows: the factor that answers each look-up of a registry at an instant. Pure."""

from dataclasses import replace
from typing import Any

from zonepulse.schemas.carriers import activity_of, carrier_of
from zonepulse.schemas.checks.factor_notices import Look, answers, lookups
from zonepulse.schemas.factors.choices import Choice, who_answers
from zonepulse.schemas.factors.knowledge import as_known
from zonepulse.schemas.factors.shipped import LOOKUP_BASES, RESIDUAL_BASES
from zonepulse.schemas.problems import nearest
from zonepulse.schemas.registry.model import FOREVER, Factor, Registry
from zonepulse.streams.screen import BadInput


def factor_answers(
    registry: Registry, at_ms: int, *, as_of: str = "", carrier: str = "", company: str = ""
) -> list[dict[str, Any]]:
    """One row a look-up, sorted. `as_of` is an ISO date or ''. Raises BadInput: nobody looks up this carrier, or no such company.

    Without a carrier: what the zone's meters and entries look up. `company` of a row is '' where the factors of regions answer.
    """
    known = replace(registry, factors=as_known(registry.factors, as_of)) if as_of else registry
    companies = {c.id for c in registry.companies}
    if company and company not in companies:
        raise BadInput(f"--company {company!r}: not in the registry; {nearest(company, companies, 'name one of its companies')}")
    looks = _looks(registry, carrier)
    if company:
        looks = [(c, company, unit, bases) for c, _, unit, bases in looks]
    return [_row(known, look, at_ms) for look in sorted({_shared(known, look) for look in looks})]


def _looks(registry: Registry, carrier: str) -> list[Look]:
    """Those of the registry, or all that a carrier could make."""
    looks = [look for look in lookups(registry) if carrier in ("", look[0])]
    if looks or not carrier:
        return looks
    units = {f.base_unit for f in registry.factors if f.activity == activity_of(carrier)}
    if not units:
        known = {carrier_of(f.activity) for f in registry.factors}
        raise BadInput(f"--carrier {carrier!r}: no factor is for it; {nearest(carrier, known, 'add one to `factors`')}")
    return [(carrier, "", unit, bases) for unit in units for bases in _bases(carrier)]


def _bases(carrier: str) -> list[tuple[str, ...]]:
    return [LOOKUP_BASES, RESIDUAL_BASES] if carrier == "electricity" else [LOOKUP_BASES]


def _shared(registry: Registry, look: Look) -> Look:
    carrier, company, unit, bases = look
    return carrier, who_answers(registry.factors, carrier, company), unit, bases


def _row(registry: Registry, look: Look, at_ms: int) -> dict[str, Any]:
    carrier, company, base_unit, bases = look
    (choice,) = [c for c in answers(registry, look) if c.from_ms <= at_ms < c.to_ms]
    asked = {
        "carrier": carrier,
        "company": company,
        "basis": "market" if bases == RESIDUAL_BASES else "location",
        "base_unit": base_unit,
    }
    return asked | (_answer(choice, choice.factors[0]) if choice.factors else {"factor_id": None, "rung": ""})


def _answer(choice: Choice, factor: Factor) -> dict[str, Any]:
    value = choice.kg_per_base / factor.kg_per_base * factor.value if factor.kg_per_base else factor.value
    return {
        "factor_id": factor.id,
        "rung": choice.rung,
        "value": float(value),
        "unit": factor.unit,
        "valid_from_ms": choice.from_ms,
        "valid_to_ms": None if choice.to_ms >= FOREVER else choice.to_ms,
        "data_year": factor.data_year,
        "published": factor.published,
        "confidence": factor.confidence,
        "source": factor.source,
        "source_url": factor.source_url,
    }
