"""Series beyond the location basis: numbered behind those of plan.py, made by the bases, and remembered as last emitted,
so that only what changed is emitted.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zonepulse.processors.accounting.plan import INTENSITY, SERIES, AggregationPlan
from zonepulse.processors.accounting.posting import SERIES_VALUE
from zonepulse.processors.flow import Rows
from zonepulse.schemas.tables.basis_texts import BASES

MARKET_INTENSITY, NODE_INTENSITY, MARKET_EMISSION, OTHER = range(INTENSITY + 1, INTENSITY + 5)
"""Kinds of series: rows of `intensity` of the zone and of a node, of `emissions`, and of `totals`."""
LOCATION: Final = BASES.index("location")
FIELDS: Final = ("energy", "co2e", "est", "cov", "expected", "flags")
ENERGY, CO2E, EST, COV, EXPECTED, FLAGS = range(6)
EXISTS, HAS_ENERGY, HAS_CO2E = 1, 2, 4
Emitted = tuple[int, int, int, int, int, int]
"""What a series says: values in the order of FIELDS, 0 where unknown."""


def emitted(energy: int | None, co2e: int | None, est: int = 0, cov: int = 0, expected: int = 0) -> Emitted:
    """A series that exists; None: not known."""
    flags = EXISTS | (HAS_ENERGY if energy is not None else 0) | (HAS_CO2E if co2e is not None else 0)
    return (energy or 0, co2e or 0, est if energy is not None else 0, cov, expected, flags)


class SeriesTable:
    """Adds series to an aggregation plan."""

    def __init__(self, plan: AggregationPlan) -> None:
        self._plan = plan
        self._entities = {text: i for i, text in enumerate(plan.entities)}
        self._carriers = {text: i for i, text in enumerate(plan.carriers)}
        self._bases = {text: i for i, text in enumerate(plan.bases)}
        self._kinds = {text: i for i, text in enumerate(plan.entity_kinds)}
        self._rows: list[tuple[int, ...]] = []
        self.first = len(plan.series)
        self._location = _location_series(plan)

    def add(self, kind: int, entity_kind: str, entity: str, carrier: str, scope: int, basis: str) -> int:
        """Number of a new series."""
        row = (
            kind, self._kinds.setdefault(entity_kind, len(self._kinds)), self._entities.setdefault(entity, len(self._entities)),
            self._carriers.setdefault(carrier, len(self._carriers)), scope,
            self._bases.setdefault(basis, len(self._bases)),
        )  # fmt: skip
        self._rows.append(row)
        return self.first + len(self._rows) - 1

    def location(self, entity_kind: str, entity: int) -> dict[tuple[int, str], int]:
        """(kind, carrier) -> series of scope 2 on the location basis (and of the intensity) of an entity."""
        return self._location.get((self._kinds[entity_kind], entity), {})

    def close(self) -> int:
        """Put the series into the plan; returns how many."""
        plan = self._plan
        plan.series = np.concatenate([plan.series, np.array(self._rows, SERIES)]).view(np.recarray)
        plan.entities, plan.carriers = list(self._entities), list(self._carriers)
        plan.bases, plan.entity_kinds = list(self._bases), list(self._kinds)
        return len(self._rows)


def _location_series(plan: AggregationPlan) -> dict[tuple[int, int], dict[tuple[int, str], int]]:
    """What `SeriesTable.location` answers, by (entity kind, entity)."""
    found: dict[tuple[int, int], dict[tuple[int, str], int]] = {}
    columns = (plan.series[name].tolist() for name in SERIES.names or ())
    for number, (kind, entity_kind, entity, carrier, scope, basis) in enumerate(zip(*columns, strict=True)):
        if basis == LOCATION and scope in (0, 2):
            found.setdefault((entity_kind, entity), {})[kind, plan.carriers[carrier]] = number
    return found


def series_names(plan: AggregationPlan, first: int) -> list[tuple[Any, ...]]:
    """What each series from `first` on is called, the same in every registry version."""
    columns = (plan.series[name][first:].tolist() for name in SERIES.names or ())
    return [
        (kind, plan.entity_kinds[entity_kind], plan.entities[entity], plan.carriers[carrier], scope, plan.bases[basis])
        for kind, entity_kind, entity, carrier, scope, basis in zip(*columns, strict=True)
    ]


def changed(
    memory: NDArray[np.int64], first: int, series: NDArray[np.int64], slots: NDArray[np.int64], values: Any, tick: int
) -> Rows:
    """Remember what series say now; SERIES_VALUE rows of those that exist and say something new.

    `memory` has shape (slots, series, 6), `values` (n, 6); a (series, slot) stands once. `first` is the number of memory's first series.
    """
    values = np.asarray(values, np.int64).reshape(-1, len(FIELDS))
    at = (slots, series - first)
    differs = np.flatnonzero((memory[at] != values).any(axis=1))
    memory[slots[differs], series[differs] - first] = values[differs]
    new = values[differs]
    exists = (new[:, FLAGS] & EXISTS) != 0
    differs, new = differs[exists], new[exists]
    out = np.zeros(len(differs), SERIES_VALUE)
    out["series"], out["slot"], out["tick"] = series[differs], slots[differs], tick
    for field, name in enumerate(FIELDS[:-1]):
        out[name] = new[:, field]
    for flag, name in ((EXISTS, "exists"), (HAS_ENERGY, "has_energy"), (HAS_CO2E, "has_co2e")):
        out[name] = (new[:, FLAGS] & flag) != 0
    return out.view(np.recarray)
