"""Attempts: what becomes of a parcel after one, when the next is due, and the rows of the delivery log. Pure.

| | |
|---|---|
| back-off | 10 s, doubled at each failure up to an hour, times 0.5 to 1.5 by chance; a receiver's Retry-After is kept |
| given up | when the receiver refuses for good, or 24 h after the message was made |
| pace | 3 s between two messages to a channel |
| breaker | 5 failures of a target in a row: it rests for a minute, doubled up to half an hour; then one parcel tries |
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import pyarrow as pa

from zonepulse.schemas.messages.dead_letters import UNDELIVERED, WHOLE_RECORD, DeadLetter
from zonepulse.schemas.registry.subscribers import masked
from zonepulse.schemas.tables.results import DELIVERIES
from zonepulse.streams.notify.routing.planning import MOST_WAIT_MS
from zonepulse.streams.notify.routing.results import Result
from zonepulse.streams.notify.routing.state import PARCEL, Parcel, State

FIRST_MS: Final = 10_000
LONGEST_MS: Final = 3_600_000
GIVEN_UP_MS: Final = 86_400_000
BREAK_AFTER: Final = 5
REST_MS: Final = 60_000
LONGEST_REST_MS: Final = 1_800_000
ROWS_A_BLOCK: Final = 2_000
ROBOT_GAP_MS: Final = 3_000
"""Between two messages to a channel: robots take 20 a minute."""


@dataclass(slots=True)
class Breaker:
    """Of one target: failures in a row, and until when it rests (epoch ms)."""

    failures: int = 0
    rests_until_ms: int = 0

    def note(self, is_ok: bool, now_ms: int, gap_ms: int = 0) -> None:
        """An attempt ended. `gap_ms` lies between two messages to this target."""
        self.failures = 0 if is_ok else self.failures + 1
        if self.failures < BREAK_AFTER:
            self.rests_until_ms = now_ms + gap_ms
        else:
            self.rests_until_ms = now_ms + min(LONGEST_REST_MS, REST_MS << min(16, self.failures - BREAK_AFTER))


def due(state: State, breakers: Mapping[str, Breaker], busy: set[str], now_ms: int) -> list[Parcel]:
    """The parcels to try now, the oldest of each target: a target gets its messages one after another."""
    found: dict[str, Parcel] = {}
    for parcel in sorted(state.parcels.values(), key=lambda p: (p.made_at_ms, p.key)):
        target, breaker = parcel.target, breakers.get(parcel.target)
        if parcel.outcome or target in busy or target in found or now_ms < parcel.next_try_ms:
            continue
        if breaker is None or not now_ms < breaker.rests_until_ms <= now_ms + LONGEST_REST_MS:  # longer: the clock was ahead
            found[target] = parcel
    return list(found.values())


def gap_ms(target: str) -> int:
    """How long a target rests after a message."""
    return ROBOT_GAP_MS if target.startswith("channel:") else 0


def backoff_ms(attempts: int, chance: float) -> int:
    """How long to wait after so many failures; `chance` lies in [0, 1)."""
    wait_ms = min(LONGEST_MS, FIRST_MS << min(20, max(0, attempts - 1)))
    return round(wait_ms * (0.5 + chance))


def settle(state: State, parcel: Parcel, result: Result, chance: float, now_ms: int) -> None:
    """Writes down how an attempt ended."""
    parcel.sending, parcel.error, parcel.ended_at_ms = "", result.error, now_ms
    if result.outcome == "sent":
        parcel.outcome = "sent"
    elif result.outcome == "refused" or now_ms >= parcel.made_at_ms + GIVEN_UP_MS:
        parcel.outcome = "dead"
    else:
        wait_ms = backoff_ms(parcel.attempts, chance)
        if result.retry_after_s is not None:
            wait_ms = max(wait_ms, min(MOST_WAIT_MS, round(1000 * result.retry_after_s)))
        parcel.next_try_ms = now_ms + wait_ms
    state.changed(PARCEL + parcel.key)


def rows(parcel: Parcel, state: State, zone: str) -> Iterator[dict[str, Any]]:
    """Rows of table `deliveries` after an attempt: one an alert, or one of no alert."""
    common = {
        "zone": zone,
        "made_at": parcel.made_at_ms,
        "message": parcel.key,
        "subscriber": parcel.subscriber,
        "channel": masked(parcel.target),
        "purpose": parcel.kind,
        "outcome": parcel.outcome or "failed",
        "attempts": parcel.attempts,
        "ended_at": parcel.ended_at_ms,
        "error": parcel.error,
        "revision": parcel.attempts,
    }
    nothing = {"fingerprint": "", "starts_at": parcel.made_at_ms, "rule": "", "severity": "", "company": "", "said": ""}
    if not parcel.items:
        yield common | nothing
    shown = {row.identity: row for _, row in parcel.rows}
    for identity, what in parcel.items:
        entry = state.alerts.get(identity)
        row = shown.get(identity) or (entry.row if entry else None)
        fingerprint, _, starts_at = identity.partition("/")
        of = {"fingerprint": fingerprint, "starts_at": int(starts_at), "said": what}
        named = {"rule": row.rule, "severity": row.severity, "company": row.company} if row else {}
        yield common | nothing | of | named


def letter(parcel: Parcel, topic: str) -> DeadLetter:
    """The dead letter of a message that was given up; the same again after a crash. `topic` is that of notification's log.

    It names no subscriber and no address.
    """
    about = {
        "message": parcel.key,
        "purpose": parcel.kind,
        "alerts": parcel.items,
        "attempts": parcel.attempts,
        "error": parcel.error,
        "given_up_at": parcel.ended_at_ms,
    }
    offset = int(parcel.key[:12], 16)
    return DeadLetter(
        topic, 0, offset, WHOLE_RECORD, UNDELIVERED, parcel.made_at_ms, parcel.key.encode(), msgspec.json.encode(about)
    )


def blocks(found: Sequence[Mapping[str, Any]]) -> Iterator[pa.RecordBatch]:
    """Rows as batches for `zp.results`."""
    for start in range(0, len(found), ROWS_A_BLOCK):
        part = found[start : start + ROWS_A_BLOCK]
        yield pa.RecordBatch.from_arrays(
            [pa.array([row[c.name] for row in part], c.arrow) for c in DELIVERIES.columns], schema=DELIVERIES.arrow_schema
        )
