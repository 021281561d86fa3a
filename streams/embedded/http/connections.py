"""How many connections an HTTP server takes and how long it waits for them, below the requests that aiohttp knows.

A connection is a stranger until a request on it showed a password. Strangers have `STRANGER_S` for a request and are `max_strangers` at
most: the oldest makes room for the newest. What is not accepted costs no file, so that the engine keeps what it needs.
"""

import asyncio
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

STRANGER_S: Final = 10.0
MAX_STRANGERS: Final = 200
MAX_CONNECTIONS: Final = 1000
SWEEP_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Numbers of connections; a process that may open few files has fewer."""

    strangers: int
    all: int

    @staticmethod
    def of_this_process() -> "ConnectionLimits":
        """At most half of the files that it may open are connections."""
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return ConnectionLimits(min(MAX_STRANGERS, max(8, files // 8)), min(MAX_CONNECTIONS, max(16, files // 2)))


class Doorkeeper:
    """Gives each connection its protocol and closes those that are too many or too slow."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._strangers: dict[asyncio.BaseTransport, float] = {}
        """Since when, the oldest first."""
        self._known: set[asyncio.BaseTransport] = set()

    def protocol(self, make: Callable[[], asyncio.Protocol]) -> asyncio.Protocol:
        """For `loop.create_server`."""
        return _Watched(self, make())

    def came(self, transport: asyncio.Transport) -> bool:
        """Whether it may stay."""
        if len(self._strangers) + len(self._known) >= self.limits.all and not self._strangers:
            return False
        if len(self._strangers) >= self.limits.strangers or len(self._strangers) + len(self._known) >= self.limits.all:
            self._close_oldest()
        self._strangers[transport] = time.monotonic()
        return True

    def went(self, transport: asyncio.BaseTransport) -> None:
        """It is closed."""
        self._strangers.pop(transport, None)
        self._known.discard(transport)

    def knows(self, transport: asyncio.BaseTransport | None) -> None:
        """A request on it showed a password."""
        if transport is not None and self._strangers.pop(transport, None) is not None:
            self._known.add(transport)

    async def sweep(self) -> None:
        """Closes strangers that stay too long, for ever."""
        while True:
            await asyncio.sleep(SWEEP_S)
            latest = time.monotonic() - STRANGER_S
            while self._strangers and next(iter(self._strangers.values())) < latest:
                self._close_oldest()

    def _close_oldest(self) -> None:
        oldest = next(iter(self._strangers))
        del self._strangers[oldest]
        if isinstance(oldest, asyncio.Transport):
            oldest.abort()


class _Watched(asyncio.Protocol):
    """Hands everything on to the protocol within."""

    def __init__(self, keeper: Doorkeeper, inner: asyncio.Protocol) -> None:
        self._keeper, self._inner = keeper, inner
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if not self._keeper.came(transport):
            transport.abort()
            return
        self._transport = transport
        self._inner.connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._transport is not None:
            self._keeper.went(self._transport)
            self._inner.connection_lost(error)

    def data_received(self, data: bytes) -> None:
        if self._transport is not None:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._transport is not None else None

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()
