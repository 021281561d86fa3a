"""One registry version's factors, contracts and entries as rows of their tables, without zone and version. Pure."""

from collections.abc import Iterator
from typing import Any

from zonepulse.processors.accounting.factor_table import factor_mg
from zonepulse.schemas.factors.choices import factor_spans
from zonepulse.schemas.registry.model import FOREVER, Contract, Entry, Factor, Registry
from zonepulse.schemas.tables.ddl import (
    REGISTRY_CONTRACTS,
    REGISTRY_ENTRIES,
    REGISTRY_FACTORS,
    Storage,
)
from zonepulse.schemas.units import MICRO

Row = dict[str, Any]


def dimensions(registry: Registry) -> Iterator[tuple[Storage, list[Row]]]:
    """The tables, each with its rows, perhaps none."""
    factors = [row for factor in registry.factors for row in factor_rows(factor)]
    yield REGISTRY_FACTORS, factors + [_contract_factor(c) for c in registry.contracts]
    yield REGISTRY_CONTRACTS, [_contract(c) for c in registry.contracts]
    yield REGISTRY_ENTRIES, [_entry(e) for e in registry.entries]


def validity(from_ms: int, to_ms: int) -> Row:
    """Columns of a validity: 1970 = always, null = for ever."""
    return {"valid_from": max(0, from_ms), "valid_to": None if to_ms == FOREVER else to_ms}


def factor_rows(factor: Factor) -> Iterator[Row]:
    """A row a factor, or a row a step of its series; none where the series has no value."""
    fuel = factor.fuel
    for from_ms, to_ms, kg in factor_spans(factor):
        yield {
            "factor": factor.id,
            "origin": "series" if factor.series else "fuel" if fuel else "value",
            **{
                name: getattr(factor, name) for name in ("activity", "region", "company", "basis", "unit", "base_unit", "data_year")
            },
            **{name: getattr(factor, name) for name in ("published", "confidence", "source", "source_url")},
            "value": float(kg / factor.kg_per_base * factor.value) if factor.kg_per_base else 0.0,
            "factor_mg": factor_mg(kg),
            **validity(from_ms, to_ms),
            **{name: float(getattr(fuel, name)) if fuel else None for name in ("ncv", "carbon", "oxidation")},
        }


def _contract_factor(contract: Contract) -> Row:
    """A contract as the factor that the market basis's rows name."""
    return {
        "factor": contract.id,
        "origin": "contract",
        "activity": "grid_electricity",
        "region": "",
        "company": contract.company,
        "basis": "market",
        "value": contract.ef_mg / MICRO,
        "unit": "kgCO2e/kWh",
        "base_unit": "kWh",
        "factor_mg": contract.ef_mg,
        **validity(contract.valid_from_ms, contract.valid_to_ms),
        "data_year": contract.vintage,
        "published": "",
        "confidence": "",
        "source": contract.evidence or contract.kind,
        "source_url": "",
        **dict.fromkeys(("ncv", "carbon", "oxidation")),
    }


def _contract(contract: Contract) -> Row:
    names = ("company", "kind", "energy_micro", "vintage", "ef_mg", "evidence")
    return {
        "contract": contract.id,
        "profile": "volume" if contract.hourly is None else "hourly",
        **{name: getattr(contract, name) for name in names},
        **validity(contract.valid_from_ms, contract.valid_to_ms),
    }


def _entry(entry: Entry) -> Row:
    names = ("company", "carrier", "value_micro", "occurred", "reason", "evidence")
    return {"entry": entry.id, "at": entry.at_ms, "entered_by": entry.by, **{name: getattr(entry, name) for name in names}}
