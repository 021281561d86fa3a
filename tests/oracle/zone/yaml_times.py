"""Durations and instants as zone.yaml writes them."""

import re
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final
from zoneinfo import ZoneInfo

_UNIT_MS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def duration_ms(text: str) -> int:
    """`15m`, `60s`, `7d` in milliseconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)", text.strip())
    if match is None:
        raise ValueError(f"duration {text!r}: write a number and ms, s, m, h or d")
    return int(Fraction(match[1]) * _UNIT_MS[match[2]])


def instant_ms(text: str | None, timezone: ZoneInfo, default: int) -> int:
    """A date in the zone's time zone, or an instant with offset, as epoch milliseconds."""
    if text is None:
        return default
    at = datetime.fromisoformat(text)
    at = at if at.tzinfo is not None else at.replace(tzinfo=timezone)
    return (at - _EPOCH) // timedelta(milliseconds=1)
