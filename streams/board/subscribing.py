"""A form by which somebody asks for alerts. The board asks nobody who they are, so a form alone sends no alert: the address gets one
question, and its owner agrees by the link in it. Off unless the installation says otherwise.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

from zonepulse.schemas.languages import LANGUAGES
from zonepulse.schemas.registry.subscribers import DIGESTS, SEVERITIES, BadSubscriber, Subscriber, checked

MOST_AN_HOUR: Final = 20
"""Questions that the form sends in all: it cannot be used to fill somebody's mailbox."""
Register = Callable[[Subscriber], bool]
"""Writes a subscriber who has not agreed yet; False where the same address and company are there. May block; raises KafkaError."""


class TooMany(RuntimeError):
    """The form has asked as many addresses as it may in an hour."""


class Subscribing:
    """Of one board."""

    def __init__(self, register: Register, now_s: Callable[[], float] = time.monotonic) -> None:
        self._register, self._now_s = register, now_s
        self._asked = deque[float](maxlen=MOST_AN_HOUR)

    async def ask(self, form: Mapping[str, object], companies: Iterable[str]) -> Subscriber:
        """Lets a subscriber be asked; who is there already is not asked again, and nobody learns that. Raises BadSubscriber, TooMany."""
        subscriber, now_s = subscriber_of(form, companies), self._now_s()
        if len(self._asked) == MOST_AN_HOUR and now_s < self._asked[0] + 3_600:
            raise TooMany
        self._asked.append(now_s)
        await asyncio.to_thread(self._register, subscriber)
        return subscriber


def subscriber_of(form: Mapping[str, object], companies: Iterable[str]) -> Subscriber:
    """What a form says. Raises BadSubscriber."""

    def word(name: str, words: Iterable[str]) -> str:
        found = str(form.get(name, ""))
        if found not in words:
            raise BadSubscriber(f"{name} is {found[:80]!r}: choose one of the form")
        return found

    return checked(
        Subscriber(
            id=f"s-{secrets.token_hex(3)}",
            to=(f"mailto:{str(form.get('address', '')).strip()}",),
            company=word("company", ("", *companies)),
            language=word("language", LANGUAGES),  # type: ignore[arg-type]
            severity=word("severity", SEVERITIES),  # type: ignore[arg-type]
            digest=word("digest", DIGESTS),  # type: ignore[arg-type]
            is_confirmed=False,
        )
    )


def is_own(headers: Mapping[str, str], host: str) -> bool:
    """Whether a form was sent from a page of this board, and not from a page elsewhere that a browser happened to show."""
    origin = headers.get("Origin", "")
    return urlsplit(origin).netloc == host and headers.get("Sec-Fetch-Site", "same-origin") == "same-origin"
