"""A form by which somebody asks for alerts. The board asks nobody who they are, so a form alone sends no alert: the address gets one
question, and its owner agrees by the link in it. Off unless the installation says otherwise.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

MOST_AN_HOUR: Final = 20
"""Questions that the form sends in all: it cannot be used to fill somebody's mailbox."""
Register = Callable[[Mapping[str, str]], object]
"""Writes what the form says as a subscriber who is asked first. May block; raises ValueError for what the form has not, KafkaError."""


class TooMany(RuntimeError):
    """The form has asked as many addresses as it may in an hour."""


class Subscribing:
    """Of one board."""

    def __init__(self, register: Register, now_s: Callable[[], float] = time.monotonic) -> None:
        self._register, self._now_s = register, now_s
        self._asked = deque[float](maxlen=MOST_AN_HOUR)

    async def ask(self, form: Mapping[str, str]) -> None:
        """Lets an address be asked; who is there already is not asked again, and nobody learns that. Raises ValueError, TooMany."""
        now_s = self._now_s()
        if len(self._asked) == MOST_AN_HOUR and now_s < self._asked[0] + 3_600:
            raise TooMany
        await asyncio.to_thread(self._register, form)
        self._asked.append(now_s)


def is_own(headers: Mapping[str, str], host: str) -> bool:
    """Whether a form was sent from a page of this board, and not from a page elsewhere that a browser happened to show."""
    origin = headers.get("Origin", "")
    return urlsplit(origin).netloc == host and headers.get("Sec-Fetch-Site", "same-origin") == "same-origin"
