"""What holds for every test: no hidden I/O, a kernel cache that cannot be stale, and how hard Hypothesis tries."""

import os
import sys
import threading
import traceback
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

from zonepulse.streams.kernels.cache import use_kernel_cache

REPOSITORY = Path(__file__).parents[1]
TOGETHER = ("tests/integration/board/", "tests/integration/dashboards/", "tests/integration/secured/")

# `make test` tries the same examples every time; `make hunt` looks for new ones.
settings.register_profile("hunt", deadline=None, print_blob=True, max_examples=2_000)
settings.register_profile("thorough", settings.get_profile("hunt"), max_examples=32, derandomize=True)
settings.register_profile("brief", settings.get_profile("thorough"), max_examples=10)
settings.load_profile("thorough")


use_kernel_cache(os.environ)
os.environ.pop("COLUMNS", None)  # a terminal's width: tables that tests read are as wide as for a pipe


class Guard:
    """Fails a test that reaches outside without saying so, even when the code under test swallowed the exception.

    An audit hook sees every socket and process whatever library opens it. Threads that ran before the test are not its doing, nor
    is what a library does while it is imported (urllib3 binds a socket to look for IPv6, croniter asks the platform).
    """

    SOCKETS = frozenset({"socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo"})
    PROCESSES = frozenset({"subprocess.Popen", "os.posix_spawn", "os.fork", "os.exec", "os.system"})
    OUTSIDE = SOCKETS | PROCESSES

    def __init__(self) -> None:
        self._watching = False
        self._bystanders: set[int | None] = set()
        self._reached: list[str] = []
        sys.addaudithook(self._audit)

    def _audit(self, event: str, _: object) -> None:
        if not self._watching or event not in self.OUTSIDE or threading.get_ident() in self._bystanders:
            return
        if "<frozen importlib._bootstrap>" not in {frame.filename for frame in traceback.extract_stack()}:
            self._reached.append(f"{event}\n{''.join(traceback.format_stack())}")
            raise PermissionError(f"{event} in a test that is not marked `integration`")

    def watch(self, item: pytest.Item) -> Generator[None, object, object]:
        """Runs one phase of `item`."""
        self._reached.clear()
        self._bystanders = {t.ident for t in threading.enumerate()} - {threading.get_ident()}
        self._watching = item.get_closest_marker("integration") is None
        try:
            result = yield
        finally:
            self._watching = False
        if self._reached:
            pytest.fail(f"mark it `integration`, or do not open sockets or processes: {self._reached[0]}", pytrace=False)
        return result


_guard = Guard()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Fixtures are watched as the test is."""
    return (yield from _guard.watch(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """The test itself."""
    return (yield from _guard.watch(item))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """A file's tests run in one process, and so do those of a folder whose files share a server."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class LoadTogether(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::", 1)[0]
            return next((folder for folder in TOGETHER if file.startswith(folder)), file)

    return LoadTogether(config, log)
