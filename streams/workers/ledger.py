"""Interval blocks of all partitions -> emissions, totals, intensity, alerts. One task a zone.

The arithmetic is processors.ledger's, order and recovery checkpoint.py's. Everything that takes time with the zone's size (building,
restoring, decoding, applying, encoding, freezing, the live view) runs in one thread, piece by piece in the order of the log.
"""

import asyncio
import logging
import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import faust
import msgspec
import pyarrow as pa
from faust.types import TP, StreamT
from kafka.errors import KafkaError

from zonepulse.processors.channels.table import Channels
from zonepulse.processors.flow import UNSET
from zonepulse.processors.ledger.ledger import Ledger, Results
from zonepulse.processors.ledger.life_cycle import OPS
from zonepulse.processors.ledger.snapshot import freeze_ledger, restore_ledger
from zonepulse.processors.ledger.step import Offer, book
from zonepulse.processors.live import LiveView
from zonepulse.processors.metering.snapshot import Arrays, BadSnapshot, Frozen
from zonepulse.schemas.messages.alerts import alert_key
from zonepulse.schemas.messages.hand_overs import (
    HEADER,
    KEPT,
    REFUSED,
    HandOver,
    facts_of,
    hand_over_in,
    headers_of,
    is_name,
    kept_topic,
    order_of,
    parse_hand_over,
)
from zonepulse.schemas.messages.records import HEARTBEAT, Headers, RecordSpans
from zonepulse.schemas.messages.tasks import TASKS
from zonepulse.schemas.messages.topics import ALERTS, COMMANDS, INTERVALS, RESULTS
from zonepulse.schemas.tables.ddl import LIVE_RUN
from zonepulse.schemas.tables.results import LIVE
from zonepulse.schemas.values import LATEST_MS
from zonepulse.streams.checkpoints.checkpoint import POLL_S, Checkpoints, save
from zonepulse.streams.checkpoints.handed_states import HandedState, HandedStates
from zonepulse.streams.control.command_log import CommandLog
from zonepulse.streams.control.outfit import Outfit
from zonepulse.streams.control.registry_store import RegistryStore
from zonepulse.streams.health.absent import EVERY_S
from zonepulse.streams.health.quarantine import Quarantine
from zonepulse.streams.health.watchdog import Pulse
from zonepulse.streams.kafka.app import Outbox
from zonepulse.streams.kafka.batch_channel import BatchChannel, Hooks, batch_channel
from zonepulse.streams.kafka.interval_codec import NO_PARTITION, ROWS_A_BLOCK, IntervalBlock, encode
from zonepulse.streams.kafka.origin import Origin
from zonepulse.streams.kafka.record_arrays import Fetch
from zonepulse.streams.metrics import Metrics
from zonepulse.streams.settings import Settings
from zonepulse.streams.workers import alert_sweep
from zonepulse.streams.workers.alert_sweep import AlertSweep
from zonepulse.streams.workers.far_ahead import Places, Turns, is_without_order
from zonepulse.streams.workers.interval_intake import Offered, take
from zonepulse.streams.workers.one_thread import OneThread
from zonepulse.streams.workers.pipeline_watch import PipelineWatch

NAME: Final = "ledger"
SKIPPED: Final = "skipped by a command"
Message = tuple[str, bytes, bytes, Headers]
"""Topic, key, value and headers of a record to be sent."""
log = logging.getLogger(__name__)


def alert_record(row: Mapping[str, Any], zone: str) -> tuple[bytes, bytes]:
    """(key, value) of one transition on `zp.alerts`."""
    return alert_key(row["fingerprint"], row["starts_at"]), msgspec.json.encode({"zone": zone, **row})


class HandedStateLost(RuntimeError):
    """The books go on from a state that was handed over, and the task of a partition has none of it to go on from."""


def _lost(by: HandOver, keys: Iterable[bytes]) -> str:
    numbers = ", ".join(sorted(key.decode("ascii", "replace") for key in keys))
    back = (
        "" if by.run == LIVE_RUN else f"`zonepulse replay revert {by.run}` goes on from where the live tasks stood before it; or "
    )
    return (
        f"the ledger goes on from the state of run {by.run!r} (hand-over {by.id}), and partitions {numbers} of the readings cannot: their"
        " snapshots are gone, and their states of the hand-over, or the log from there on. What they make is not in the books. "
        f"{back}plan another run, let it follow the log (`zonepulse replay run RUN --follow`), and `zonepulse replay promote RUN`; the"
        " ledger goes on once one of them is said"
    )


class LedgerTask:
    """The zone's books, while this worker holds them."""

    def __init__(
        self, settings: Settings, registries: RegistryStore, outbox: Outbox, checkpoints: Checkpoints, metrics: Metrics
    ) -> None:
        self._broker, self._prefix, self._last_words_s = settings.broker, settings.topic_prefix, settings.last_words_s
        self._is_simulated, self.quarantine = settings.is_simulated, Quarantine(outbox, settings.topic_prefix, metrics)
        self._blocks = TP(INTERVALS.full_name(settings.topic_prefix), 0)
        self._registries, self._outbox, self._metrics = registries, outbox, metrics
        self._checkpoints = checkpoints
        self._turn = asyncio.Lock()
        """Held while a batch is applied and sent: a snapshot is taken between batches."""
        self._ledger: Ledger | None = None
        self._kept: Ledger | None = None
        """Given up with a final snapshot; the same, if nobody else went on from there."""
        self._hand_over: HandOver | None = None
        """By which the books were handed over, if they were."""
        self._refused = 0
        """The order of the last hand-over whose state cannot be gone on from."""
        self._takes = {0}
        """Orders of the hand-overs whose blocks are taken; 0: those of no hand-over."""
        self._left_out = set[bytes]()
        """Keys of the partitions whose blocks are not taken, since they cannot go on from the state that these books were handed with."""
        self._name, self._names = "", dict[bytes, str]()
        """Under which the books were kept last, and under which each partition was, by the key of its blocks."""
        self._live: LiveView | None = None
        self._shown: pa.RecordBatch | None = None
        self._watch = PipelineWatch(settings.broker, settings.topic_prefix, NAME, settings.is_simulated)
        self._turns = Turns(self._blocks.topic, settings.waiting_rows)
        self.batches: BatchChannel | None = None
        self.commands: CommandLog | None = None
        self.pulse: Pulse | None = None
        self.thread = OneThread(NAME)
        self._sweep = AlertSweep(settings.broker, settings.topic_prefix)
        self._sweep_due_s = time.monotonic() + alert_sweep.FIRST_S

    async def assigned(self, _: set[TP]) -> None:
        """Goes on from the newest snapshot of the books, or begins."""
        self._ledger = await self._restored()
        self._registries.keep(self._ledger.versions)
        self._kept = None
        self._watch.begin(self._ledger.channels.registry.zone.id, [known.row for known in self._ledger.life.open.values()])

    async def _restored(self) -> Ledger:
        stored = await self._checkpoints.find(0)
        if stored is None:
            self._turns.places, self._hand_over, self._takes, self._name = Places(), None, {0}, ""
            self._left_out.clear()
            ledger = await self.thread.run(Ledger, await self._registries.first())
            ledger.progress = self.thread.beat
            return ledger
        if stored.is_own and self._kept is not None:
            return self._kept
        log.info("the ledger goes on from its snapshot at offset %d", stored.next_offset)
        self._take_facts(stored.facts, stored.next_offset)
        self._name = stored.facts.get(KEPT, "")
        return await self._ledger_of(stored.facts, stored.chunks)

    def _take_facts(self, facts: Mapping[str, Any], next_offset: int) -> None:
        places = facts.get("places")
        self._turns.places = Places(next_offset) if places is None else Places.of(places)
        self._hand_over, self._takes = hand_over_in(facts), set(facts.get("takes", [0]))
        self._left_out.clear()

    async def _ledger_of(self, facts: Mapping[str, Any], chunks: Sequence[Arrays]) -> Ledger:
        versions = {n: await self._registries.version(n) for n in {*facts["versions"], facts["registry"]}}
        ledger = await self.thread.run(restore_ledger, versions, facts, chunks, self.thread.beat)
        ledger.alerts_frozen = None  # the first snapshot of a hold is whole
        return ledger

    async def start_offsets(self, tps: set[TP]) -> dict[TP, int]:
        """What to read first: behind what the state holds."""
        return dict.fromkeys(tps, self._turns.places.low)

    async def moved(self, _: TP, next_offset: int) -> None:
        """Another log goes on here: what partitions far ahead had left in the old one is gone with it."""
        self._turns.places = Places(next_offset)

    async def revoked(self, _: set[TP]) -> None:
        """Somebody else goes on, from a final snapshot if there is time for one."""
        is_done = False
        try:
            async with asyncio.timeout(self._last_words_s):
                await self.checkpoint()
                is_done = True
        except TimeoutError:
            log.warning("no time for a final snapshot: the next owner reads again what came since the last one")
        if is_done and self._checkpoints.is_written(0, self._turns.places.facts()):
            self._kept = self._ledger
        else:
            self._checkpoints.drop(0)
        self._ledger = None

    def positions(self) -> dict[TP, int]:
        """What is handled of the partition held: its next offset."""
        return {} if self._ledger is None else {self._blocks: self._turns.places.next_offset}

    async def checkpoint_due(self) -> None:
        """Takes the snapshot if it is due."""
        if self._ledger is not None and self._checkpoints.due({0: self._turns.places.facts()}) is not None:
            await self.checkpoint()

    async def checkpoint(self) -> None:
        """A snapshot of the books, and the offset committed."""
        await save(self._checkpoints, self.batches, self._blocks, self._turn, self._outbox, self._frozen)

    async def _frozen(self) -> Frozen | None:
        if self._ledger is None:
            return None
        places = self._turns.places
        frozen = await self.thread.run(freeze_ledger, self._ledger, places.low)
        read_to = places.front if places.low < places.front else None
        return replace(self._placed(frozen), read_to=read_to, mark=places.facts())

    def _placed(self, frozen: Frozen) -> Frozen:
        own = {"places": self._turns.places.facts(), "takes": sorted(self._takes), KEPT: self._name, **facts_of(self._hand_over)}
        return replace(frozen, facts=frozen.facts | own)

    async def handle(self, batch: Fetch) -> None:
        """Offer every block of the batch, apply the ticks that all partitions have closed, and send what that made."""
        if (newest := max(self._orders(batch).values(), key=order_of, default=None)) is not None:
            await self._take_over(newest, batch)
        async with self._turn:
            ledger = self._ledger
            if ledger is not None and self.batches is not None and self.batches.is_current(batch):
                try:
                    await self._handle(ledger, batch)
                except BaseException:
                    if self._ledger is ledger:
                        self._ledger = None  # half a batch is in it: no snapshot of this
                    raise

    def _orders(self, records: RecordSpans) -> dict[int, HandOver]:
        """By position, the hand-overs that records bear. A header that is none of ours is no hand-over."""
        found = {}
        for i in records.headers:
            with suppress(ValueError):
                if (text := records.header(i, HEADER)) is not None:
                    found[i] = parse_hand_over(text)
        return found

    async def _take_over(self, hand_over: HandOver, batch: Fetch) -> None:
        """The books that a block was made for take the place of these, which are kept under the hand-over's `before`."""
        async with self._checkpoints.saving, self._turn:
            ledger = self._ledger
            is_mine = ledger is not None and self.batches is not None and self.batches.is_current(batch)
            if ledger is None or not is_mine or hand_over.order <= max(order_of(self._hand_over), self._refused):
                return
            number = ledger.channels.partitions
            try:
                facts, made = await self._handed(hand_over, number)
            except BadSnapshot as bad:
                self._refused = hand_over.order
                log.error("blocks that are made for hand-over %s are left out: %s", hand_over.id, bad)
                return
            await self._outbox.flush()
            frozen = await self.thread.run(lambda: freeze_ledger(ledger, self._turns.places.low, is_whole=True))
            before = await asyncio.to_thread(HandedState.of, self._placed(frozen))
            await HandedStates(self._broker, self._prefix, hand_over.before).write({number: before})
            if self._ledger is not ledger:
                return  # somebody else's by now, who takes over too
            self._take_facts(facts, int(batch.offset[0]))
            self._takes = {*self._takes, hand_over.order} if "places" in facts else {hand_over.order}
            self._hand_over, self._ledger = hand_over, made
            self._checkpoints.begin_anew(0)
            log.info("the ledger goes on from the state of run %s, at tick %d", hand_over.run, made.applied)
            topic, zone = ALERTS.full_name(self._prefix), made.channels.registry.zone.id
            new = made.life.unknown_to(ledger.life) if hand_over.sends_alerts else []
            for row in made.life.go_on_after(ledger.life):
                await self._outbox.send(topic, *alert_record(row, zone))
            for row in new:
                await self._outbox.send(topic, *alert_record(row, zone), headers=headers_of(hand_over))
            await self._outbox.flush()
            if self.batches is not None and self._turns.places.next_offset != int(batch.offset[0]):
                await self.batches.seek({self._blocks: self._turns.places.next_offset})

    async def _handed(self, hand_over: HandOver, number: int) -> tuple[Mapping[str, Any], Ledger]:
        """The books that were handed over, and their facts. Raises BadSnapshot: there are none that can be gone on from."""
        found = (await HandedStates(self._broker, self._prefix, hand_over.state).read([number])).get(number)
        if found is None:
            raise BadSnapshot("it has no state of the ledger")
        return found.facts, await self._ledger_of(found.facts, await asyncio.to_thread(found.arrays))

    async def _handle(self, ledger: Ledger, records: Fetch) -> None:
        skipped = set(self.commands.positions(records)) if self.commands is not None else set[int]()
        newest, orders = ledger.channels.registry.version, self._orders(records)
        others = {int(records.offset[i]) for i in range(len(records)) if order_of(orders.get(i)) not in self._takes}

        def may_be_due(offset: int, block: IntervalBlock) -> bool:
            return (is_without_order(block) or offset not in others) and self._turns.may_be_due(offset, block)

        taken = await take(records, skipped, may_be_due, self._origin(ledger), self._registries, newest, self.thread)
        for i in range(len(records)):
            if i in skipped:
                await self._put_aside(records, i, SKIPPED)
            elif isinstance(error := taken.get(i), Exception):
                await self._put_aside(records, i, f"{type(error).__name__}: {error}")
        offers = {int(records.offset[i]): t for i, t in taken.items() if not isinstance(t, Exception)}
        if any(offered.block.partition != NO_PARTITION for offered in offers.values()):
            self._watch.heard()
        if not await self._has_read_commands(ledger, list(offers.values()), records):
            return  # somebody else's by now, who makes the same anew
        self._tell(ledger)
        made = await self.thread.run(self._booked, ledger, offers, records.next_offset)
        for topic, key, value, headers in made:
            await self._outbox.send(topic, key, value, headers=headers)
        await self._outbox.flush()
        if self._ledger is not ledger:
            return  # somebody else's by now, who makes the same anew
        self._registries.keep({*ledger.versions, *([] if self._live is None else [self._live.channels.registry.version])})
        await self._keep(ledger, records)
        self._measure(ledger, records)
        if self.batches is not None and self._turns.places.next_offset != records.next_offset:
            await self.batches.seek({self._blocks: self._turns.places.next_offset})
        self._require_all_partitions(records, orders)

    def _require_all_partitions(self, records: RecordSpans, orders: Mapping[int, HandOver]) -> None:
        """At the end of the log, and as long as no other hand-over is said. Raises HandedStateLost."""
        if (by := self._hand_over) is None:
            return
        for i in records.headers:
            key = records.key(i) or b""
            if order_of(orders.get(i)) in self._takes:
                self._left_out.discard(key)
            elif records.header(i, REFUSED) == b"%d" % by.order:
                self._left_out.add(key)
        if not self._left_out or self.commands is None or order_of(self.commands.hand_over) != by.order:
            return
        if self.batches is not None and self.batches.lag(self._blocks, self._turns.places.next_offset) == 0:
            raise HandedStateLost(_lost(by, self._left_out))

    async def _keep(self, ledger: Ledger, records: RecordSpans) -> None:
        """Keeps the books once those of all partitions are kept, which they have taken everything of that was made before."""
        for i in records.headers:
            if (said := records.header(i, KEPT)) is not None:
                self._names[records.key(i) or b""] = said.decode("ascii", "replace")
        names = {self._names.get(b"%d" % number, "") for number in range(ledger.channels.partitions)}
        if len(names) != 1 or (name := names.pop()) == self._name or not is_name(name) or self._turns.places.at_rest:
            return
        frozen = self._placed(await self.thread.run(lambda: freeze_ledger(ledger, self._turns.places.low, is_whole=True)))
        await HandedStates(self._broker, self._prefix, kept_topic(name)).keep(ledger.channels.partitions, frozen)
        self._name = name

    def _tell(self, ledger: Ledger) -> None:
        """What people say of alerts, as far as it is read."""
        told = self.commands.about_alerts if self.commands is not None else []
        for one in told[bisect_right(told, ledger.life.told_to, key=lambda one: (one.ingest_ms, one.offset)) :]:
            ledger.life.tell(one.offset, one.ingest_ms, one.command)

    async def _has_read_commands(self, ledger: Ledger, offers: Sequence[Offered], batch: Fetch) -> bool:
        """Reads the commands of every tick that can be applied with these; False: the blocks are no longer this worker's."""
        closed = ledger.through.tolist()
        for block in (offered.block for offered in offers if offered.rows is not None):
            closed[block.partition] = max(closed[block.partition], UNSET if block.through is None else block.through)
        if self.commands is None or min(closed) <= ledger.applied:
            return True
        at_ms = min(closed) * ledger.channels.registry.zone.tick_ms

        async def write() -> None:
            at = at_ms if self._is_simulated else None
            await self._outbox.send(COMMANDS.full_name(self._prefix), None, HEARTBEAT, partition=0, timestamp_ms=at)
            await self._outbox.flush()
            self.thread.beat()

        def go_on() -> bool:
            return self._ledger is ledger and self.batches is not None and self.batches.is_current(batch)

        return await self.commands.read_past(at_ms, write, go_on, self._is_simulated)

    def _booked(self, ledger: Ledger, offers: Mapping[int, Offered], next_offset: int) -> list[Message]:
        """Offers the blocks of a batch, by their offsets, and applies what can be; the records that that makes. In the thread."""
        begun = time.perf_counter()
        at_rest = self._turns.places.at_rest
        due = self._turns.due(ledger, offers)
        results, behind = book(ledger, (offer for one in due for offer in self._offer(one)))
        self._turns.has_read(ledger, next_offset, at_rest)
        self._metrics.kernel_seconds.labels(NAME).observe(time.perf_counter() - begun)
        self._metrics.rows_too_old.inc(results.too_old)
        self._metrics.rows_behind.inc(behind)
        return list(self._messages(ledger, results))

    def _offer(self, offered: Offered) -> Iterator[Offer]:
        """A block for the ledger; live sums go to the live view instead."""
        block = offered.block
        if block.candidates is not None:
            yield Offer(block.partition, alerts=block.candidates)
        elif offered.channels is not None and block.live_at_ms is not None:
            self._board(offered.channels).offer(block.partition, block.live_at_ms, block.batch)
        elif offered.channels is not None and offered.rows is not None:
            yield Offer(block.partition, offered.channels, offered.rows, block.through)

    def _messages(self, ledger: Ledger, results: Results) -> Iterator[Message]:
        topic, headers = RESULTS.full_name(self._prefix), headers_of(self._hand_over)
        for name, batches in results.batches.items():
            for batch in batches:
                for start in range(0, batch.num_rows, ROWS_A_BLOCK):
                    yield topic, name.encode(), encode(batch.slice(start, ROWS_A_BLOCK)), headers
                    self.thread.beat()
        zone = ledger.channels.registry.zone.id
        for row in results.alerts:
            yield ALERTS.full_name(self._prefix), *alert_record(row, zone), () if row["rule"].startswith(OPS) else headers

    def _origin(self, ledger: Ledger) -> Origin:
        zone = ledger.channels.registry.zone
        return Origin(zone.id, ledger.channels.partitions, zone.tick_ms, zone.future_ms, tuple, self._is_simulated)

    async def _put_aside(self, records: RecordSpans, i: int, why: str) -> None:
        at_ms = min(max(0, int(records.timestamp_ms[i])), LATEST_MS)
        place = (records.topic, records.partition, int(records.offset[i]))
        await self.quarantine.send(*place, records.key(i), records.value(i), why, received_at_ms=at_ms)

    def _measure(self, ledger: Ledger, records: RecordSpans) -> None:
        topic = TP(INTERVALS.full_name(self._prefix), records.partition)
        self._metrics.took(
            INTERVALS.name, records, self.batches.lag(topic, self._turns.places.next_offset) if self.batches else None
        )
        self._metrics.waiting_rows.set(ledger.waiting_rows)
        self._metrics.partitions_at_rest.set(len(self._turns.places.at_rest))
        if ledger.applied != UNSET:
            closed_s = ledger.applied * ledger.channels.registry.zone.tick_ms / 1000
            self._metrics.tick_lag.labels(NAME, "").set(time.time() - closed_s)

    def _board(self, channels: Channels) -> LiveView:
        if self._live is None:
            self._live = LiveView(channels)
        self._live.use(channels)
        return self._live

    async def sweep_alerts(self) -> None:
        """Tombstones for alerts that are long over, when it is time for them."""
        if self._ledger is None or time.monotonic() < self._sweep_due_s:
            return
        self._sweep_due_s = time.monotonic() + alert_sweep.EVERY_S
        try:
            if not (found := await asyncio.to_thread(self._sweep.find, round(time.time() * 1000))):
                return
            async with self._turn:
                await self._outbox.flush()
                for key in await asyncio.to_thread(self._sweep.confirm, found) if self._ledger is not None else ():
                    await self._outbox.send(ALERTS.full_name(self._prefix), key, None)
        except KafkaError as error:
            log.warning("alerts that are over stay for now: %s", error)

    async def watch_tasks(self) -> None:
        """Tells which of the tasks that read what this one writes have no worker."""
        if self._ledger is None or (names := await self._watch.absent()) is None:
            return
        async with self._turn:
            if self._ledger is not None:
                await self._tell_of_pipeline(self._ledger, self._watch.absence(names))

    async def _tell_of_pipeline(self, ledger: Ledger, proposed: list[dict[str, Any]]) -> None:
        for row in ledger.life.say_of_pipeline(proposed):
            await self._outbox.send(ALERTS.full_name(self._prefix), *alert_record(row, ledger.channels.registry.zone.id))

    async def send_live(self) -> None:
        """Rows of table `live` from the newest sums, and the alert that says when no meter reports at all."""
        live = self._live
        rows = None if live is None else await self.thread.run(live.rows)
        if rows is not None and rows != self._shown:
            self._shown = rows
            await self._outbox.send(RESULTS.full_name(self._prefix), LIVE.name.encode(), encode(rows))
        async with self._turn:
            if (ledger := self._ledger) is None:
                return
            tick_ms = ledger.channels.registry.zone.tick_ms
            proposed = self._watch.silence(live is not None and live.is_silent, tick_ms)
            await self._tell_of_pipeline(ledger, proposed)


def start(outfit: Outfit) -> None:
    """Make a worker one of this task."""
    registries = outfit.registries()
    task = add_ledger_agent(outfit.app, outfit.settings, registries, outfit.metrics, outfit.zone.live_ms / 1000)
    registries.pulse = pulse = outfit.fit(task)
    task.thread.on_beat = pulse.beat


def add_ledger_agent(
    app: faust.App, settings: Settings, registries: RegistryStore, metrics: Metrics, live_s: float = 5.0
) -> LedgerTask:
    """Make `app` the ledger's worker; `live_s` is the zone's `live`."""
    checkpoints = Checkpoints(app, 1, Outbox(app))
    task = LedgerTask(settings, registries, Outbox(app), checkpoints, metrics)
    hooks = Hooks(task.assigned, task.start_offsets, task.revoked, task.moved)
    task.batches = batches = batch_channel(app, TASKS[NAME].topics(settings.topic_prefix), hooks)
    batches.states = checkpoints

    async def keep_books(stream: StreamT[Any]) -> None:
        async for batch in batches.receive(stream):
            await task.handle(batch)

    app.agent(batches.channel, name=NAME)(keep_books)
    app.timer(live_s, name="live")(task.send_live)
    app.timer(POLL_S, name="checkpoints")(task.checkpoint_due)
    app.timer(alert_sweep.FIRST_S, name="alert_sweep")(task.sweep_alerts)
    app.timer(EVERY_S, name="absent_tasks")(task.watch_tasks)
    return task
