"""Signed links: what one may do, for whom, until when. Pure.

A token is base64url(JSON) + "." + base64url(HMAC-SHA256). The newest key signs, every key verifies, so that keys can be changed.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

Action = Literal["acknowledge", "snooze", "stop", "agree"]
ALERT_LINK_MS: Final = 7 * 86_400_000
SNOOZE_MS: Final = 4 * 3_600_000
PATH: Final = "/n/"
"""Of the addresses that tokens stand behind."""
MOST_TOKEN: Final = 1_000


class BadToken(ValueError):
    """A link that was not made here, was changed, or is too old; the message is for whoever followed it."""


class Grant(msgspec.Struct, frozen=True):
    """`subscriber` may do `action`, on an alert where one is named; `until_ms` 0 = for ever."""

    action: Action
    subscriber: str
    alert: str = ""
    until_ms: int = 0


def token(grant: Grant, keys: Sequence[str]) -> str:
    """The link's last part."""
    payload = _text(msgspec.json.encode(grant))
    return f"{payload}.{_signature(payload, keys[0])}"


def read(text: str, keys: Sequence[str], now_ms: int) -> Grant:
    """What a token grants. Raises BadToken."""
    payload, _, signature = text.partition(".")
    if len(text) > MOST_TOKEN or not any(
        hmac.compare_digest(_signature(payload, key).encode(), signature.encode()) for key in keys
    ):
        raise BadToken("this link was not made here, or is not whole: copy it from the message as it is")
    try:
        grant = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=Grant)
    except (ValueError, msgspec.MsgspecError, RecursionError):
        raise BadToken("this link is of another release") from None
    if grant.until_ms and now_ms > grant.until_ms:
        raise BadToken("this link is too old: use the board or `zonepulse alerts`")
    return grant


def _signature(payload: str, key: str) -> str:
    return _text(hmac.new(key.encode(), payload.encode(), hashlib.sha256).digest())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
