"""Servers that tests share, and which files begin first."""

from collections.abc import Iterator

import pytest

from zonepulse.streams.embedded.kafka.broker import Broker


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One Kafka for all tests of a process that do not stop it; their topics and groups have names of their own."""
    broker = Broker(tmp_path_factory.mktemp("kafka"))
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def bootstrap(broker: Broker) -> str:
    """Where it listens."""
    return broker.bootstrap


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files marked `long` come first, behind whatever order: no core waits for the last of them."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
