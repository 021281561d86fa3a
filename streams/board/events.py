"""The stream of events that moves the pages: bounded, never buffered, one beat for everybody."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from aiohttp import web

_SEND_S: Final = 10.0
"""A client that takes nothing for so long is dropped."""
_RETRY_S: Final = 10


class Beat:
    """Counts up every `every_s` seconds while anybody listens, and wakes all listeners."""

    def __init__(self, every_s: float) -> None:
        self.every_s, self.number, self.listeners = every_s, 0, 0
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def next(self, seen: int) -> int:
        """The number of the next beat after `seen`; a slow listener misses the ones between."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        async with self._changed:
            await self._changed.wait_for(lambda: self.number != seen)
            return self.number

    async def _run(self) -> None:
        while self.listeners:
            await asyncio.sleep(self.every_s)
            async with self._changed:
                self.number += 1
                self._changed.notify_all()

    async def stop(self) -> None:
        """Beats no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task


class Events:
    """`GET /events`: a `beat` each time that pages should load anew. At most `most` streams at once."""

    def __init__(self, beat: Beat, most: int, is_ending: Callable[[], bool]) -> None:
        self._beat, self._most, self._is_ending = beat, most, is_ending

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One listener, until it goes, or takes nothing."""
        if self._beat.listeners >= self._most or self._is_ending():
            raise web.HTTPServiceUnavailable(
                headers={"Retry-After": str(_RETRY_S)}, text="too many event streams; come back later\n"
            )
        self._beat.listeners += 1
        try:
            return await self._stream(request)
        finally:
            self._beat.listeners -= 1

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        await response.prepare(request)
        number = self._beat.number
        fact = {"every_s": self._beat.every_s}
        with suppress(ConnectionError):  # it has gone
            await self._write(response, f"retry: 2000\nid: {number}\nevent: hello\ndata: {json.dumps(fact)}\n\n")
            while not self._is_ending():
                number = await self._beat.next(number)
                await self._write(response, f"id: {number}\nevent: beat\ndata: {{}}\n\n")
        return response

    @staticmethod
    async def _write(response: web.StreamResponse, text: str) -> None:
        try:
            async with asyncio.timeout(_SEND_S):
                await response.write(text.encode())
        except TimeoutError:
            raise ConnectionResetError("the client takes nothing") from None
