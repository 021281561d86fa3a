"""What the rows of a report were when it was made: how far the ledger had come, and their digests."""

from collections.abc import Iterable
from typing import Any

from zonepulse.processors.ledger.horizon import reach_ms
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.tables.ddl import LIVE_RUN
from zonepulse.schemas.tables.results import TABLES
from zonepulse.streams.indicators.store import Ask
from zonepulse.streams.replay.runs import NEWEST, digest_sql


def is_settled(registry: Registry, to_ms: int, ask: Ask) -> bool:
    """Whether no reading in time revises a window before `to_ms` any more. Raises what `ask` raises."""
    (row,) = ask(NEWEST, {"run": LIVE_RUN, "zone": registry.zone.id})
    applied_ms = int(row["tick"]) * registry.zone.tick_ms  # at the least: the tick of the newest row in the store
    return to_ms <= applied_ms - reach_ms(registry.zone)


def digests(registry: Registry, tables: Iterable[str], from_ms: int, to_ms: int, ask: Ask) -> list[dict[str, Any]]:
    """Of the whole zone's rows in [from_ms, to_ms), as `replay run` and `replay diff` make them. Raises what `ask` raises."""
    parameters = {"run": LIVE_RUN, "zone": registry.zone.id, "from_ms": from_ms, "to_ms": to_ms}
    return [{"table": name, **ask(digest_sql(TABLES[name], ""), parameters)[0]} for name in tables]
