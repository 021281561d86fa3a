"""What the engine knows by name, asked from itself."""

from collections.abc import Callable
from dataclasses import dataclass

from zonepulse.streams.embedded.clickhouse.errors import UNKNOWN_FORMAT, ClickHouseError
from zonepulse.streams.embedded.clickhouse.lists import VISIBLE_COLUMNS

_HIDDEN = "SELECT DISTINCT name FROM system.columns WHERE database = 'system' AND table = '{}'"


@dataclass(frozen=True, slots=True)
class EngineNames:
    """Names without regard to case; `formats` leads to the engine's own spelling."""

    functions: frozenset[str]
    table_functions: frozenset[str]
    formats: dict[str, str]
    hidden_columns: frozenset[str]
    """Of the catalog's tables: what readers may not name."""

    def format(self, name: str) -> str:
        """The engine's spelling. Raises ClickHouseError 73."""
        known = self.formats.get(name.casefold())
        if known is None:
            raise ClickHouseError(UNKNOWN_FORMAT, f"Unknown format {name[:100]!a}. (UNKNOWN_FORMAT)")
        return known


def ask_names(ask: Callable[[str], list[str]]) -> EngineNames:
    """`ask` answers a statement of one column with its rows."""
    visible = frozenset(name for names in VISIBLE_COLUMNS.values() for name in names)
    named = (name for table in VISIBLE_COLUMNS for name in ask(_HIDDEN.format(table)))
    return EngineNames(
        frozenset(name.casefold() for name in ask("SELECT name FROM system.functions")),
        frozenset(name.casefold() for name in ask("SELECT name FROM system.table_functions")),
        {name.casefold(): name for name in ask("SELECT name FROM system.formats")},
        frozenset(name for name in named if name not in visible),
    )
