"""The board on an engine with the demo's rows, and the addresses of its pages."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from demo_store import DAYS, UNTIL_MS, DemoRows, connect, fill

from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.board.server import Board
from zonepulse.streams.board.settings import BoardSettings
from zonepulse.streams.board.store import Store
from zonepulse.streams.demo.data import demo_zone_yaml
from zonepulse.streams.embedded.clickhouse.process import READER, ClickHouseProcess

AT = datetime.fromtimestamp(UNTIL_MS / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
FRESH_S = 3600.0
"""Refresh of a board whose answers stay the same for a whole test."""


class Zone(NamedTuple):
    server: ClickHouseProcess
    registry: Registry
    rows: DemoRows

    def list(self, table: str) -> list[dict[str, Any]]:
        return self.rows.dicts(table)


@contextmanager
def demo_zone(folder: Path) -> Iterator[Zone]:
    server = ClickHouseProcess(folder / "clickhouse")
    server.start()
    try:
        registry = parse_zone(demo_zone_yaml(UNTIL_MS, DAYS))
        yield Zone(server, registry, fill(server, registry))
    finally:
        server.stop()


@asynccontextmanager
async def running(zone: Zone, registry: Registry | None = None, **settings: Any) -> AsyncIterator[tuple[Board, Store]]:
    store = Store(lambda: connect(zone.server, READER))
    own = replace(BoardSettings(port=0, refresh_s=FRESH_S), **settings)
    board = Board(lambda: registry or zone.registry, store, own)
    await board.start()
    try:
        yield board, store
    finally:
        await board.stop()


def addresses(zone: Zone) -> dict[str, str]:
    alert = next(row for row in zone.list("alerts"))
    company, meter = zone.registry.companies[0].id, zone.registry.meters[0].id
    return {
        "zone": f"/?at={AT}", "company": f"/company/{company}?at={AT}", "explain": f"/explain/{company}?at={AT}",
        "meter": f"/meter/{meter}?at={AT}", "alerts": f"/alerts?at={AT}",
        "alert": f"/alert/{alert['fingerprint']}?at={AT}", "numbers": f"/numbers?at={AT}",
    }  # fmt: skip
