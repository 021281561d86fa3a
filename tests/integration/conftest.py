"""Servers that tests share, how their workers start, and which files begin first."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from forked import Forked, command

from zonepulse.streams.embedded.kafka.broker import Broker
from zonepulse.streams.embedded.processes.process import ChildProcess

ZONEPULSE = (sys.executable, "-m", "zonepulse.streams.cli.main")


@pytest.fixture(scope="session", autouse=True)
def forked_workers() -> Iterator[None]:
    """Workers that tests start have nothing to import (forked.py), but for those whose Python is to find other modules."""
    own, start = os.environ.get("PYTHONPATH"), ChildProcess._fork

    def fork(self: ChildProcess, keep: tuple[int, ...]) -> "subprocess.Popen[bytes] | Forked":
        if self.argv[:3] != ZONEPULSE or keep or self._env.get("PYTHONPATH") != own:
            return start(self, keep)
        return Forked(command, self.argv[3:], self._env, self._cwd or Path.cwd(), self.log)

    ChildProcess._fork = fork  # type: ignore[method-assign,assignment]
    yield
    ChildProcess._fork = start  # type: ignore[method-assign]


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
