"""The signed webhook: JSON by POST, HMAC-SHA256 over timestamp and body.

| header | |
|---|---|
| X-Zonepulse-Key | idempotency key: a message that comes twice has the same |
| X-Zonepulse-Timestamp | Unix seconds; a receiver refuses what is more than five minutes old |
| X-Zonepulse-Signature | `id=hex` for each key, separated by commas: HMAC-SHA256(secret, timestamp + "." + body) |

Each key signs, so a receiver changes its key while both are set. 2xx: taken. 410: never again. 429 and 503 may say Retry-After.
"""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp

from zonepulse.streams.notify.routing.results import SENT, Result
from zonepulse.streams.notify.settings import Webhook

TIMEOUT_S: Final = 20.0
"""Of an attempt as a whole, however slowly the receiver answers."""
GONE: Final = 410


def sign(keys: Iterable[tuple[str, str]], timestamp_s: int, body: bytes) -> str:
    """The header's value. `keys` are (id, secret)."""
    signed = b"%d." % timestamp_s + body
    return ",".join(f"{name}={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}" for name, secret in keys)


def send(webhook: Webhook, key: str, body: bytes) -> Result:
    """One attempt. Blocks, at most TIMEOUT_S."""
    return asyncio.run(_send(webhook, key, body))


async def _send(webhook: Webhook, key: str, body: bytes) -> Result:
    now_s = int(time.time())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "zonepulse",
        "X-Zonepulse-Key": key,
        "X-Zonepulse-Timestamp": str(now_s),
        "X-Zonepulse-Signature": sign(webhook.keys, now_s, body),
    }
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S), trust_env=True) as session,
            session.post(webhook.url, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            return judged(answer.status, answer.headers.get("Retry-After"), datetime.now(UTC))
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return Result("failed", f"{type(error).__name__}: {str(error).replace(webhook.url, '***')}"[:200])


def judged(status: int, retry_after: str | None, now: datetime) -> Result:
    """What an answer means."""
    if 200 <= status < 300:
        return SENT
    if status == GONE:
        return Result("refused", "HTTP 410: the receiver is gone")
    return Result("failed", f"HTTP {status}", _seconds(retry_after, now) if status in (429, 503) else None)


def _seconds(retry_after: str | None, now: datetime) -> float | None:
    """Retry-After as seconds from now: a number, or a date."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (at - now).total_seconds()) if at.tzinfo else None
