"""Work that would hold up the event loop, in one thread of its own: one piece after another, in the order in which they are handed in."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class OneThread:
    """Runs functions off the loop. Whoever gives up waiting does not end the piece under way: what comes later waits for it."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, name)
        self.on_beat: Callable[[], object] = lambda: None
        """The watchdog's; called from the thread."""

    def beat(self) -> None:
        """Long pieces call it as they get on, so that they are seen as work."""
        self.on_beat()

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `work` returns or raises."""
        return await asyncio.wrap_future(self._executor.submit(work, *args, **kwargs))
