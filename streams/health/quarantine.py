"""Quarantine: a record that a task cannot handle becomes a dead letter, is counted and named in the log, and the flow goes on."""

import logging
import time
from typing import Final

from faust.exceptions import ProducerSendError

from zonepulse.schemas.messages.dead_letters import WHOLE_RECORD, DeadLetter
from zonepulse.schemas.messages.records import Headers
from zonepulse.schemas.messages.topics import DEADLETTERS
from zonepulse.streams.health.ops_candidates import POISON, OpsAlerts
from zonepulse.streams.kafka.app import REFUSED, Outbox
from zonepulse.streams.metrics import Metrics

LINE_EVERY_S: Final = 10.0
"""At most one line in this time; the next says how many were left out."""
log = logging.getLogger(__name__)


class Quarantine:
    """Where the records of one worker go that it cannot handle."""

    def __init__(self, outbox: Outbox, prefix: str, metrics: Metrics) -> None:
        self.ops: OpsAlerts | None = None
        """Says `ops_poison` besides, where it is set."""
        self._outbox, self._prefix, self._metrics = outbox, prefix, metrics
        self._quiet_until, self._unsaid = 0.0, 0

    async def send(
        self,
        topic: str,
        partition: int,
        offset: int,
        key: bytes | None,
        value: bytes | None,
        why: str,
        reason: str = "poison",
        *,
        received_at_ms: int | None = None,
    ) -> None:
        """A dead letter for a whole record of `topic` (full name); never raises because the letter cannot be sent.

        `received_at_ms` is the record's Kafka timestamp (epoch ms), now where it is not known.
        """
        await self.tell(topic, partition, offset, why)
        at = round(time.time() * 1000) if received_at_ms is None else received_at_ms
        await self.letter(DeadLetter(topic, partition, offset, WHOLE_RECORD, reason, at, key, value))

    async def tell(self, topic: str, partition: int, offset: int, why: str) -> None:
        """Counts a record that could not be handled; says so in the log, and as an alert."""
        if self.note(topic, partition, offset, why) and self.ops is not None:
            evidence = {"topic": topic, "partition": partition, "offset": offset, "why": why[:200]}
            await self.ops.raised(POISON, {"topic": topic}, evidence, round(time.time() * 1000))

    def note(self, topic: str, partition: int, offset: int, why: str) -> bool:
        """Counts a record that could not be handled, and says so in the log; whether it was said."""
        self._metrics.poison.labels(topic.removeprefix(self._prefix)).inc()
        now = time.monotonic()
        if now < self._quiet_until:
            self._unsaid += 1
            return False
        more = f" (and {self._unsaid} before it, not named)" if self._unsaid else ""
        self._quiet_until, self._unsaid = now + LINE_EVERY_S, 0
        log.error(
            "%s/%d offset %d could not be handled and is a dead letter now: %s%s; see `zonepulse deadletters list`",
            topic, partition, offset, why[:500], more,
        )  # fmt: skip
        return True

    async def letter(self, letter: DeadLetter, headers: Headers = ()) -> None:
        """Counts and queues one dead letter, cut to what can be sent, with these headers beside its own. One that the client refuses is
        named in the log and left out."""
        self._metrics.dead_letters.labels(letter.reason).inc()
        short = letter.cut()
        try:
            await self._outbox.send(
                DEADLETTERS.full_name(self._prefix),
                short.key,
                short.value,
                headers=(*headers, *short.headers()),
                may_be_refused=True,
            )
        except (ProducerSendError, *REFUSED) as error:
            if not isinstance(error.__cause__ or error, REFUSED):
                raise
            log.error("%s/%d offset %d: its dead letter cannot be sent: %s", letter.topic, letter.partition, letter.offset, error)
