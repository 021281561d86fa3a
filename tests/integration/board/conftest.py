"""One engine with the demo's rows for all files here, which run in one process (tests/conftest.py)."""

from collections.abc import Iterator

import pytest
from board_parts import Zone, demo_zone


@pytest.fixture(scope="session")
def zone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zone]:
    with demo_zone(tmp_path_factory.mktemp("board")) as zone:
        yield zone
