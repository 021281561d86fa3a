"""The latest row of every key, with the tick that changed it."""

from typing import Any

TableRow = dict[str, Any]
RowKey = tuple[Any, ...]
_KEYS: dict[str, tuple[str, ...]] = {
    "emissions": ("start", "company", "meter", "register", "scope", "basis"),
    "totals": ("start", "entity_kind", "entity", "carrier", "scope", "basis"),
    "intensity": ("start", "node", "basis"),
}


class Book:
    """The tables that the ledger writes."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[RowKey, TableRow]] = {name: {} for name in _KEYS}

    def write(self, table: str, row: TableRow, tick: int) -> bool:
        """Keep a row if anything but its revision changed."""
        key = tuple(row[name] for name in _KEYS[table])
        kept = self.tables[table].get(key)
        if kept is not None and kept == row | {"revision": kept["revision"]}:
            return False
        self.tables[table][key] = row | {"revision": tick}
        return True

    def total(self, start_ms: int, kind: str, entity: str, carrier: str, scope: int, basis: str) -> TableRow | None:
        """A row of `totals`."""
        return self.tables["totals"].get((start_ms, kind, entity, carrier, scope, basis))

    def intensity(self, start_ms: int, node: str, basis: str) -> TableRow | None:
        """A row of `intensity`."""
        return self.tables["intensity"].get((start_ms, node, basis))
