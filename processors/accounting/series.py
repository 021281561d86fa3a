"""Lines beyond the location basis: numbered behind those of plan.py, made by market.py and nodal.py, and remembered as last said,
so that only what changed is emitted.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zonepulse.processors.accounting.plan import INTENSITY, LINE, Accounts
from zonepulse.processors.accounting.posting import LINE_VALUE
from zonepulse.processors.flow import Records
from zonepulse.schemas.tables.basis_texts import BASES, ENTITY_KINDS

MARKET_INTENSITY, NODE_INTENSITY, MARKET_EMISSION, OTHER = range(INTENSITY + 1, INTENSITY + 5)
"""Kinds of line: rows of `intensity` of the zone and of a node, of `emissions`, and of `totals`."""
LOCATION: Final = BASES.index("location")
FIELDS: Final = ("energy", "co2e", "est", "cov", "expected", "flags")
ENERGY, CO2E, EST, COV, EXPECTED, FLAGS = range(6)
EXISTS, HAS_ENERGY, HAS_CO2E = 1, 2, 4
Said = tuple[int, int, int, int, int, int]
"""What a line says: values in the order of FIELDS, 0 where unknown."""


def said(energy: int | None, co2e: int | None, est: int = 0, cov: int = 0, expected: int = 0) -> Said:
    """A line that exists; None: not known."""
    flags = EXISTS | (HAS_ENERGY if energy is not None else 0) | (HAS_CO2E if co2e is not None else 0)
    return (energy or 0, co2e or 0, est if energy is not None else 0, cov, expected, flags)


class LineTable:
    """Adds lines to a chart of accounts."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._entities = {text: i for i, text in enumerate(accounts.entities)}
        self._carriers = {text: i for i, text in enumerate(accounts.carriers)}
        self._rows: list[tuple[int, ...]] = []
        self.first = len(accounts.lines)
        self._location = _location_lines(accounts)

    def add(self, kind: int, entity_kind: str, entity: str, carrier: str, scope: int, basis: str) -> int:
        """Number of a new line."""
        row = (
            kind, ENTITY_KINDS.index(entity_kind), self._entities.setdefault(entity, len(self._entities)),
            self._carriers.setdefault(carrier, len(self._carriers)), scope, BASES.index(basis),
        )  # fmt: skip
        self._rows.append(row)
        return self.first + len(self._rows) - 1

    def location(self, entity_kind: str, entity: int) -> dict[tuple[int, str], int]:
        """(kind, carrier) -> line of scope 2 on the location basis (and of the intensity) of an entity."""
        return self._location.get((ENTITY_KINDS.index(entity_kind), entity), {})

    def close(self) -> int:
        """Put the lines into the chart; returns how many."""
        accounts = self._accounts
        accounts.lines = np.concatenate([accounts.lines, np.array(self._rows, LINE)]).view(np.recarray)
        accounts.entities, accounts.carriers = list(self._entities), list(self._carriers)
        return len(self._rows)


def _location_lines(accounts: Accounts) -> dict[tuple[int, int], dict[tuple[int, str], int]]:
    """What `LineTable.location` answers, by (entity kind, entity)."""
    found: dict[tuple[int, int], dict[tuple[int, str], int]] = {}
    columns = (accounts.lines[name].tolist() for name in LINE.names or ())
    for number, (kind, entity_kind, entity, carrier, scope, basis) in enumerate(zip(*columns, strict=True)):
        if basis == LOCATION and scope in (0, 2):
            found.setdefault((entity_kind, entity), {})[kind, accounts.carriers[carrier]] = number
    return found


def line_names(accounts: Accounts, first: int) -> list[tuple[Any, ...]]:
    """What each line from `first` on is called, the same in every registry version."""
    columns = (accounts.lines[name][first:].tolist() for name in LINE.names or ())
    return [
        (kind, ENTITY_KINDS[entity_kind], accounts.entities[entity], accounts.carriers[carrier], scope, BASES[basis])
        for kind, entity_kind, entity, carrier, scope, basis in zip(*columns, strict=True)
    ]


def changed(
    memory: NDArray[np.int64], first: int, lines: NDArray[np.int64], slots: NDArray[np.int64], values: Any, tick: int
) -> Records:
    """Remember what lines say now; LINE_VALUE records of those that exist and say something new.

    `memory` has shape (slots, lines, 6), `values` (n, 6); a (line, slot) stands once. `first` is the number of memory's first line.
    """
    values = np.asarray(values, np.int64).reshape(-1, len(FIELDS))
    at = (slots, lines - first)
    differs = np.flatnonzero((memory[at] != values).any(axis=1))
    memory[slots[differs], lines[differs] - first] = values[differs]
    new = values[differs]
    exists = (new[:, FLAGS] & EXISTS) != 0
    differs, new = differs[exists], new[exists]
    out = np.zeros(len(differs), LINE_VALUE)
    out["line"], out["slot"], out["tick"] = lines[differs], slots[differs], tick
    for field, name in enumerate(FIELDS[:-1]):
        out[name] = new[:, field]
    for flag, name in ((EXISTS, "exists"), (HAS_ENERGY, "has_energy"), (HAS_CO2E, "has_co2e")):
        out[name] = (new[:, FLAGS] & flag) != 0
    return out.view(np.recarray)
