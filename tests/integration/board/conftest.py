"""One engine with the demo's rows for all files here, which run in one process (tests/conftest.py)."""

from collections.abc import Iterator

import pytest
from board_parts import Zone
from demo_store import DAYS, UNTIL_MS, fill

from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.demo.data import demo_zone_yaml
from zonepulse.streams.embedded.clickhouse.process import ClickHouseProcess


@pytest.fixture(scope="session")
def zone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zone]:
    server = ClickHouseProcess(tmp_path_factory.mktemp("clickhouse"))
    server.start()
    registry = parse_zone(demo_zone_yaml(UNTIL_MS, DAYS))
    yield Zone(server, registry, fill(server, registry))
    server.stop()
