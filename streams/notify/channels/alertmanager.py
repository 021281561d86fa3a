"""Prometheus Alertmanager, API v2: every alert that fires, again each minute with endsAt five minutes ahead; what ended, for a quarter of
an hour with its end, so that nothing hangs on one request. Alertmanager groups, silences and repeats by itself.

Labels are identity there: no values, times or numbers stand in them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp

from zonepulse.schemas.registry.subscribers import Subscriber
from zonepulse.streams.notify.messages.views import runbook_link, view
from zonepulse.streams.notify.messages.words import Words
from zonepulse.streams.notify.routing.facts import Directory
from zonepulse.streams.notify.routing.state import Known

EVERY_S: Final = 60.0
AHEAD_MS: Final = 300_000
AFTER_MS: Final = 900_000
ALERTS_A_REQUEST: Final = 500
TIMEOUT_S: Final = 20.0
WATCHDOG: Final = "Watchdog"
_OPERATIONS: Final = Subscriber("alertmanager", ("channel:alertmanager",))


def postable(alerts: Iterable[Known], known: Directory, now_ms: int, board_url: str = "") -> Iterator[dict[str, Any]]:
    """Alerts as the API takes them. `board_url`: where the board's pages are, '' = nowhere."""
    words = Words("en", known.timezone)
    for entry in alerts:
        row = entry.row
        if row.is_over and now_ms > entry.seen_at_ms + AFTER_MS:
            continue
        shown = view(row, "resolved" if row.is_over else "raised", _OPERATIONS, known, words, now_ms)
        meter = known.meters.get(row.meter)
        labels = {
            "alertname": row.rule, "zone": row.zone, "severity": row.severity, "company": row.company, "meter": row.meter,
            "site": meter.site if meter else "", "gateway": meter.gateway if meter else "", "node": row.node,
        }  # fmt: skip
        runbook = known.runbooks.get(row.rule) or runbook_link(row.rule, board_url)
        yield {
            "labels": {name: value for name, value in labels.items() if value},
            "annotations": {
                "summary": f"{shown.title}: {shown.where}",
                "description": ". ".join(t for t in (shown.text, shown.seen and f"seen {shown.seen}", shown.expected) if t),
                **({"runbook_url": runbook} if runbook else {}),
            },
            "startsAt": stamp(row.starts_at),
            "endsAt": stamp(min(now_ms, entry.seen_at_ms) if row.is_over else now_ms + AHEAD_MS),
        }


def watchdog(zone: str, now_ms: int) -> dict[str, Any]:
    """An alert that always fires: its absence says that nobody would be told."""
    return {
        "labels": {"alertname": WATCHDOG, "zone": zone, "severity": "none"},
        "annotations": {"summary": "Notification works; when this goes away, it does not."},
        "startsAt": stamp(now_ms),
        "endsAt": stamp(now_ms + AHEAD_MS),
    }


def stamp(at_ms: int) -> str:
    """RFC 3339."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def post(url: str, alerts: Sequence[Mapping[str, Any]]) -> str:
    """Sends them; what went wrong, '' = nothing."""
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S), trust_env=True) as session:
            for start in range(0, len(alerts), ALERTS_A_REQUEST):
                async with session.post(f"{url}/api/v2/alerts", json=list(alerts[start : start + ALERTS_A_REQUEST])) as answer:
                    if answer.status != 200:
                        return f"HTTP {answer.status}: {(await answer.text())[:200]}"
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return f"{type(error).__name__}: {error}"[:200]
    return ""


async def ask(url: str) -> str:
    """GETs a watchdog's address; what went wrong, '' = nothing."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S), trust_env=True) as session,
            session.get(url) as answer,
        ):
            return "" if answer.status < 400 else f"HTTP {answer.status}"
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return type(error).__name__
