"""One answer for everybody who asks the same within a moment."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final

_KEPT: Final = 256
"""Answers; the one that was longest not asked for goes first."""


@dataclass(slots=True)
class _Entry:
    task: "asyncio.Task[Any]"
    asked_at: float


class Shared:
    """Asks once for all that wait for the same key, and again when the answer is older than `ttl_s` seconds of the loop's clock.

    A failure is raised to all who waited for it and not kept.
    """

    def __init__(self, ttl_s: float) -> None:
        self._ttl_s = ttl_s
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self.asked = 0
        """How often something was really asked."""

    async def get(self, key: Hashable, ask: Callable[[], Awaitable[Any]]) -> Any:
        """The answer; raises what `ask` raises. One who goes away meanwhile takes the answer from nobody."""
        now, entry = asyncio.get_running_loop().time(), self._entries.get(key)
        if entry is None or (entry.task.done() and now - entry.asked_at > self._ttl_s):
            self.asked += 1
            entry = self._entries[key] = _Entry(asyncio.ensure_future(_run(ask)), now)
            entry.task.add_done_callback(lambda task: self._forget_failure(key, task))
        self._entries.move_to_end(key)
        while len(self._entries) > _KEPT:
            self._entries.popitem(last=False)
        return await asyncio.shield(entry.task)

    def _forget_failure(self, key: Hashable, task: "asyncio.Task[Any]") -> None:
        failed = task.cancelled() or task.exception() is not None
        if failed and key in self._entries and self._entries[key].task is task:
            del self._entries[key]


async def _run(ask: Callable[[], Awaitable[Any]]) -> Any:
    return await ask()
