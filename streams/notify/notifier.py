"""The notify task: what it took from its topics is in its log before offsets are committed, what it is about to do before it does it.

    records -> state -> log -> offsets        plan -> parcels -> log -> mark -> send -> end -> log -> delivery log -> forgotten

Whatever dies in between, each message is sent at least once; twice only where it died after the receiver took it and before it wrote that
down. Before each attempt the log takes a mark: a worker that lost its partition meanwhile is refused there, and does not send.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
from aiokafka.errors import KafkaError
from faust.types import TP

from zonepulse.schemas.messages.commands import BadCommand, parse_command
from zonepulse.schemas.messages.records import HEARTBEAT
from zonepulse.schemas.messages.topics import ALERTS, COMMANDS, NOTIFY, RESULTS, SUBSCRIBERS
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.subscribers import BadSubscriber, masked
from zonepulse.schemas.tables.results import DELIVERIES
from zonepulse.streams.control.command_log import CommandLog
from zonepulse.streams.health.quarantine import Quarantine
from zonepulse.streams.health.watchdog import Pulse
from zonepulse.streams.kafka.app import Outbox
from zonepulse.streams.kafka.batch_channel import BatchChannel
from zonepulse.streams.kafka.interval_codec import encode
from zonepulse.streams.kafka.record_arrays import Fetch
from zonepulse.streams.metrics import Metrics
from zonepulse.streams.notify.channels.delivering import Outgoing
from zonepulse.streams.notify.faults import reach
from zonepulse.streams.notify.routing.delivery import Breaker, blocks, due, gap_ms, letter, rows, settle
from zonepulse.streams.notify.routing.facts import UNDELIVERED, BadAlert, parse_row
from zonepulse.streams.notify.routing.intake import take_command, take_row
from zonepulse.streams.notify.routing.people import People
from zonepulse.streams.notify.routing.planning import USUAL, Pace, greet, plan
from zonepulse.streams.notify.routing.results import Result
from zonepulse.streams.notify.routing.state import PARCEL, Parcel, State
from zonepulse.streams.notify.state_log import StateLog

MOST_AT_ONCE: Final = 8
STALE_MS: Final = 3_600_000
"""A question or test message that was asked for longer ago is not sent any more."""
log = logging.getLogger(__name__)


class Notifier:
    """One zone's. `compose` makes a parcel's outgoing message, None where there is nothing to say; `deliver` sends it, blocking."""

    def __init__(
        self,
        state_log: StateLog,
        outbox: Outbox,
        prefix: str,
        metrics: Metrics,
        compose: Callable[[Parcel, People, int], Outgoing | None],
        deliver: Callable[[Outgoing], Result],
        lease_s: float,
        pace: Pace = USUAL,
    ) -> None:
        self._log, self._outbox, self._prefix, self._metrics = state_log, outbox, prefix, metrics
        self._compose, self._deliver, self._lease_s = compose, deliver, lease_s
        self._pace = pace
        self.quarantine = Quarantine(outbox, prefix, metrics)
        self.people, self.state = People(), State()
        self.batches: BatchChannel | None = None
        self.commands: CommandLog | None = None
        self.pulse: Pulse | None = None
        self.breakers: dict[str, Breaker] = {}
        self._turn = asyncio.Lock()
        self._is_owner = False
        self._positions: dict[TP, int] = {}
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._failure: KafkaError | None = None

    def positions(self) -> dict[TP, int]:
        """Next offset of each partition, by what is in the log."""
        return dict(self._positions)

    @property
    def is_owner(self) -> bool:
        """Whether this worker is the one that speaks for the zone."""
        return self._is_owner and self._failure is None

    async def begin(self) -> None:
        """This worker owns the zone's notification from here on. Raises aiokafka.errors.KafkaError."""
        async with self._turn:
            self.state = await self._log.read()
            self._is_owner = True

    async def end(self) -> None:
        """Another one does."""
        async with self._turn:
            self._is_owner = False
        await self.settled()
        async with self._turn:
            await self._log.close()

    async def _save(self) -> None:
        """What has changed is in the log; whoever owns the zone by now has read what was there before. While `_turn` is held."""
        changes = self.state.take_changes()
        if self._log.is_open:
            await self._log.write(changes)

    def use(self, registry: Registry) -> None:
        """The newest version of the registry."""
        for wrong in self.people.use(registry):
            log.error("%s", wrong)

    async def take(self, batch: Fetch) -> None:
        """A batch of one of the topics: in the state, in the log, committed. Raises aiokafka.errors.KafkaError."""
        topic, tp, now_ms = batch.topic.removeprefix(self._prefix), TP(batch.topic, batch.partition), now()
        skipped = set(self.commands.positions(batch)) if self.commands is not None else set()
        async with self._turn:
            for i in range(len(batch)):
                if i not in skipped:
                    await self._take(batch, topic, i, now_ms)
            reach("taken")
            await self._save()
        reach("saved")
        await self._outbox.flush()  # letters of what is put aside
        if self.batches is not None and self.batches.is_current(batch):
            await self.batches.commit({tp: batch.next_offset})
            self._metrics.took(topic, batch, self.batches.lag(tp, batch.next_offset))
        self._positions[tp] = batch.next_offset

    async def _take(self, batch: Fetch, topic: str, i: int, now_ms: int) -> None:
        value = batch.value(i)
        try:
            if topic == ALERTS.name and value:
                take_row(self.state, parse_row(value), self.people.listening(), self.people.known, now_ms)
            elif topic == SUBSCRIBERS.name:
                self._subscriber(
                    (batch.key(i) or b"").decode("utf-8", "replace"), value or None, int(batch.timestamp_ms[i]), now_ms
                )
            elif topic == COMMANDS.name and value and value != HEARTBEAT:
                take_command(self.state, parse_command(value), self.people.listening(), now_ms)
        except (BadAlert, BadSubscriber) as bad:
            at = (batch.topic, batch.partition, int(batch.offset[i]))
            await self.quarantine.send(*at, batch.key(i), value, str(bad), received_at_ms=int(batch.timestamp_ms[i]))
        except BadCommand as bad:
            log.error("%s offset %d is no command and does nothing: %s", batch.topic, int(batch.offset[i]), bad)

    def _subscriber(self, key: str, value: bytes | None, at_ms: int, now_ms: int) -> None:
        """Somebody registered, was forgotten, or asked for something."""
        name = self.people.put(key, value)
        subscriber = self.people.everyone().get(name)
        if subscriber is None:
            self.state.forget(name)
        elif value is not None and now_ms - at_ms < STALE_MS:
            greet(self.state, subscriber, self.people.wishes.get(name) if key != name else None, at_ms, now_ms)

    async def tick(self) -> None:
        """What is due: plans, and lets attempts begin. Raises aiokafka.errors.KafkaError."""
        if self._failure is not None:  # what is in memory may not be in the log: a restart reads the log
            raise self._failure
        if not self._is_owner:
            return
        now_ms = now()
        async with self._turn:
            plan(self.state, self.people.everyone().values(), self.people.wishes, self.people.known, now_ms, self._pace)
            await self._save()
            reach("planned")
        await self._log_deliveries([p for p in self.state.parcels.values() if p.outcome])
        await self._attempt(due(self.state, self.breakers, set(self._busy), now_ms)[: max(0, MOST_AT_ONCE - len(self._busy))])

    async def hear_of(self, rows: list[dict[str, Any]]) -> None:
        """Transitions that no ledger is there to write: they are told, and stand on no topic. Raises aiokafka.errors.KafkaError."""
        if not rows or not self._is_owner:
            return
        async with self._turn:
            for row in rows:
                told = parse_row(msgspec.json.encode({"zone": self.people.known.zone, **row}))
                take_row(self.state, told, self.people.listening(), self.people.known, now())
            await self._save()

    def heard_of(self, rule: str) -> list[tuple[int, str]]:
        """starts_at and evidence of what `hear_of` told of a rule and is not over."""
        rows = [known.row for known in self.state.alerts.values()]
        return [(row.starts_at, row.evidence) for row in rows if row.rule == rule and not row.is_over]

    async def settled(self) -> None:
        """Returns when no attempt is under way; what failed is not waited for."""
        while self._busy:
            await asyncio.wait(list(self._busy.values()))

    async def _attempt(self, parcels: list[Parcel]) -> None:
        """Marks these in the log, all at once, and lets them go."""
        if not parcels:
            return
        async with self._turn:
            if not self._is_owner:
                return
            for parcel in parcels:
                parcel.attempts += 1
                self.state.changed(PARCEL + parcel.key)
            await self._save()
            marked_at = time.monotonic()
            reach("marked")
            for parcel in parcels:
                self._busy[parcel.target] = asyncio.create_task(self._send(parcel, marked_at))

    async def _send(self, parcel: Parcel, marked_at: float) -> None:
        try:
            made = await asyncio.to_thread(self._made, parcel)
            if isinstance(made, Result):
                result = made
            else:
                result = await asyncio.to_thread(self._sent, made, await self._marked_again(parcel, marked_at))
            reach("sent")
            async with self._turn:
                if result.is_asked:
                    breaker = self.breakers.setdefault(parcel.target, Breaker())
                    breaker.note(result.outcome != "failed", now(), gap_ms(parcel.target))
                if parcel.key in self.state.parcels:  # else the subscriber was forgotten meanwhile
                    settle(self.state, parcel, result, random.random(), now())
                    await self._save()
            reach("settled")
            await self._log_deliveries([parcel])
        except KafkaError as error:
            self._failure = error
        finally:
            del self._busy[parcel.target]

    async def _tell_operations(self, parcel: Parcel) -> None:
        """What was given up is a dead letter, and an alert of its own until something arrives again; the alert goes to the others who are
        told of the zone.
        """
        ops, labels = self.quarantine.ops, {"subscriber": parcel.subscriber, "channel": masked(parcel.target)}
        if parcel.kind in ("test", "confirm"):
            return
        if parcel.outcome == "dead":
            await self.quarantine.letter(letter(parcel, NOTIFY.full_name(self._prefix)))
        if ops is None:
            return
        if parcel.outcome == "dead":
            evidence = {
                **labels,
                "message": parcel.key,
                "alerts": len(parcel.items),
                "attempts": parcel.attempts,
                "error": parcel.error,
            }
            await ops.raised(UNDELIVERED, labels, evidence, parcel.ended_at_ms)
        elif parcel.outcome == "sent":
            await ops.resolved(UNDELIVERED, labels, parcel.ended_at_ms)

    async def _marked_again(self, parcel: Parcel, marked_at: float) -> float:
        """When the parcel was marked: now, where its message took so long to make (a store that hangs) that the mark proves nothing any
        more. Raises KafkaError where another worker owns the log.
        """
        if time.monotonic() - marked_at <= self._lease_s:
            return marked_at
        async with self._turn:
            if self._is_owner and parcel.key in self.state.parcels:
                self.state.changed(PARCEL + parcel.key)
                await self._save()
                return time.monotonic()
        return marked_at

    def _made(self, parcel: Parcel) -> Outgoing | Result:
        """What is sent, or why nothing is. Blocks."""
        try:
            outgoing = self._compose(parcel, self.people, now())
        except Exception as error:  # a template of the zone's own
            return Result("failed", f"the message cannot be made: {type(error).__name__}: {error}"[:300], is_asked=False)
        if outgoing is None:
            return Result("refused", "nobody is there to be told, or nothing may be said", is_asked=False)
        return outgoing

    def _sent(self, outgoing: Outgoing, marked_at: float) -> Result:
        """In a thread. A process that stood still since its mark may have lost its partition: it does not send."""
        if time.monotonic() - marked_at > self._lease_s:
            return Result("failed", "this worker stood still", is_asked=False)
        return self._deliver(outgoing)

    async def _log_deliveries(self, parcels: list[Parcel]) -> None:
        """The delivery log first, then the parcel is forgotten."""
        zone = self.people.known.zone
        found = [row for parcel in parcels for row in rows(parcel, self.state, zone)]
        for block in blocks(found):
            await self._outbox.send(RESULTS.full_name(self._prefix), DELIVERIES.name.encode(), encode(block))
        for parcel in parcels:
            await self._tell_operations(parcel)
        if not found:
            return
        await self._outbox.flush()
        reach("logged")
        async with self._turn:
            for parcel in parcels:
                if parcel.outcome and self.state.parcels.pop(parcel.key, None) is not None:
                    self.state.changed(PARCEL + parcel.key)
            await self._save()


def now() -> int:
    """The wall clock, epoch ms."""
    return round(time.time() * 1000)
