"""Readings -> intervals: one task a partition of `zp.readings`.

The arithmetic is processors.intervals', order and recovery checkpoint.py's. Rows leave before the `through` that vouches for them: a
block that says "closed up to k" is sent when all before it are acknowledged.
"""

import asyncio
import logging
import time
from dataclasses import replace
from typing import Any, Final, cast

import faust
from aiokafka.errors import KafkaError as AioKafkaError
from faust.types import TP, StreamT
from kafka.errors import KafkaError

from zonepulse.processors.decoding.exact import registry_switches
from zonepulse.processors.flow import UNSET
from zonepulse.processors.live import PartialSums
from zonepulse.processors.metering.partition import Partition
from zonepulse.processors.metering.snapshot import BadSnapshot, Frozen, freeze_partition, restore_partition
from zonepulse.processors.metering.windows import new_out, new_work
from zonepulse.schemas.messages.hand_overs import KEPT, REFUSED, HandOver, facts_of, hand_over_in, headers_of, kept_topic, order_of
from zonepulse.schemas.messages.records import HEARTBEAT, Headers, RecordSpans
from zonepulse.schemas.messages.tasks import TASKS
from zonepulse.schemas.messages.topics import INTERVALS, READINGS, RESULTS
from zonepulse.schemas.tables.results import EXPECTED
from zonepulse.streams.checkpoints.checkpoint import POLL_S, Checkpoints, save
from zonepulse.streams.checkpoints.handed_states import HandedState, HandedStates
from zonepulse.streams.control.command_log import CommandLog
from zonepulse.streams.control.outfit import Outfit
from zonepulse.streams.control.registry_holds import LOOK_S, Holds
from zonepulse.streams.control.registry_store import RegistryStore
from zonepulse.streams.health.quarantine import Quarantine
from zonepulse.streams.health.watchdog import Pulse
from zonepulse.streams.kafka.app import Outbox
from zonepulse.streams.kafka.batch_channel import BatchChannel, Hooks, Router, batch_channel
from zonepulse.streams.kafka.interval_codec import live_block
from zonepulse.streams.kafka.log_facts import admin_of, ends_of
from zonepulse.streams.kafka.record_arrays import Fetch
from zonepulse.streams.metrics import Instant, Metrics
from zonepulse.streams.settings import Settings
from zonepulse.streams.workers.reading_fold import MOST_RECORDS, Made, PieceSize, fold

NAME: Final = "intervals"
LETTERS_A_BEAT: Final = 500
log = logging.getLogger(__name__)


class IntervalsTask:
    """The partitions this worker holds. One batch is folded at a time, in a thread, while the next one is fetched; nothing else touches
    a partition's state meanwhile (`_folding`)."""

    def __init__(
        self, settings: Settings, registries: RegistryStore, outbox: Outbox, checkpoints: Checkpoints, metrics: Metrics
    ) -> None:
        self._broker, self._prefix, self._is_simulated = settings.broker, settings.topic_prefix, settings.is_simulated
        self._topic = READINGS.full_name(settings.topic_prefix)
        self._last_words_s = settings.last_words_s
        self._registries, self._outbox, self._metrics = registries, outbox, metrics
        self._checkpoints = checkpoints
        self._partitions: dict[int, Partition] = {}
        self._kept: dict[int, Partition] = {}
        """Partitions given up with a final snapshot; the same, if nobody else went on from there."""
        self._hand_overs: dict[int, HandOver | None] = {}
        """By which each partition's state was handed over, if it was."""
        self._refused: dict[int, int] = {}
        """Of each partition, the order of the last hand-over whose state cannot be gone on from."""
        self._names: dict[int, str] = {}
        """Under which each partition's state was kept last."""
        self._heard: dict[int, float] = {}
        self._sums: dict[int, PartialSums] = {}
        self._work, self._out = new_work(), new_out()
        self._folding = asyncio.Lock()
        self.given: Instant | None = None
        """When the group gave this worker its partitions; tables are recovered from then on."""
        self._assigned = Instant()
        self._behind: set[int] = set()
        """Partitions that have not yet reached the end of their log since they were assigned."""
        self.batches: BatchChannel | None = None
        self.pulse: Pulse | None = None
        self.commands: CommandLog | None = None
        self.quarantine = Quarantine(outbox, settings.topic_prefix, metrics)
        self._sizes: dict[int, PieceSize] = {}
        self._holds = Holds(self._topic, metrics)

    async def assigned(self, tps: set[TP]) -> None:
        """Goes on from the newest snapshot of each partition, or begins."""
        begun = Instant()
        if self.given is not None:
            self._metrics.started("changelog", *self.given.since())
        for tp in sorted(tps):
            self._partitions[tp.partition] = await self._restored(tp.partition)
            self._heard[tp.partition] = time.monotonic()
        self._kept.clear()
        self._keep_versions()
        self._metrics.started("restore", *begun.since())
        self._assigned = Instant()
        self._behind = {tp.partition for tp in tps}

    async def _restored(self, number: int) -> Partition:
        stored = await self._checkpoints.find(number)
        if stored is None:
            self._hand_overs.pop(number, None)
            self._names.pop(number, None)
            return Partition(await self._registries.first(), number, self._work, self._out)
        if stored.is_own and number in self._kept:
            return self._kept[number]
        channels = await self._registries.version(stored.facts["registry"])
        self._hand_overs[number], self._names[number] = hand_over_in(stored.facts), stored.facts.get(KEPT, "")
        self._metrics.restored_bytes.labels(NAME).inc(stored.size)
        log.info("partition %d goes on from its snapshot at offset %d", number, stored.next_offset)
        return restore_partition(channels, stored.facts, stored.chunks, stored.next_offset, self._work, self._out)

    def _keep_versions(self) -> None:
        """Registry versions that no partition here uses are given up."""
        used = {partition.channels.registry.version for partition in self._partitions.values()}
        self._registries.keep(used)
        self._sums = {number: sums for number, sums in self._sums.items() if number in used}

    async def start_offsets(self, tps: set[TP]) -> dict[TP, int]:
        """What to read first: behind what the state holds."""
        return {tp: self._partitions[tp.partition].next_offset for tp in tps}

    async def revoked(self, tps: set[TP]) -> None:
        """Somebody else goes on, from a final snapshot if there is time for one."""
        numbers = {tp.partition for tp in tps} & self._partitions.keys()
        self._holds.forget(numbers)
        done = set()
        try:
            async with asyncio.timeout(self._last_words_s):
                for number in sorted(numbers):
                    await self.checkpoint(number)
                    done.add(number)
        except TimeoutError:
            log.warning("no time for final snapshots: the next owner reads again what came since the last one")
        for number in numbers:
            partition = self._partitions.pop(number, None)
            if partition is not None and number in done and self._checkpoints.is_written(number, partition.next_offset):
                self._kept[number] = partition
            else:
                self._checkpoints.drop(number)

    def positions(self) -> dict[TP, int]:
        """What is handled of the partitions held: the next offset of each."""
        return {TP(self._topic, number): partition.next_offset for number, partition in dict(self._partitions).items()}

    async def checkpoint_due(self) -> None:
        """Takes the snapshots that are due, one after another."""
        while (number := self._checkpoints.due({tp.partition: at for tp, at in self.positions().items()})) is not None:
            await self.checkpoint(number)

    async def checkpoint(self, number: int) -> None:
        """One partition's snapshot, and its offset committed."""
        before = self._checkpoints.written_bytes
        await save(
            self._checkpoints, self.batches, TP(self._topic, number), self._folding, self._outbox, lambda: self._frozen(number)
        )
        self._metrics.checkpoint_bytes.labels(NAME).inc(self._checkpoints.written_bytes - before)

    async def _frozen(self, number: int) -> Frozen | None:
        partition = self._partitions.get(number)
        return None if partition is None else self._marked(number, freeze_partition(partition))

    def _marked(self, number: int, frozen: Frozen) -> Frozen:
        return replace(frozen, facts=frozen.facts | facts_of(self._hand_overs.get(number)) | {KEPT: self._names.get(number, "")})

    async def keep(self) -> None:
        """Partitions keep their states under the name that is asked for, once."""
        name = "" if self.commands is None else self.commands.keep
        for number in sorted(self._partitions):
            if name and self._names.get(number) != name:
                async with self._checkpoints.saving, self._folding:
                    if (partition := self._partitions.get(number)) is None or number in self._behind:
                        continue  # somebody else's by now; or not yet where it stood
                    await self._outbox.flush()
                    frozen = self._marked(number, freeze_partition(partition, is_whole=True))
                    await HandedStates(self._broker, self._prefix, kept_topic(name)).keep(number, frozen)
                    self._names[number] = name

    async def take_over(self) -> None:
        """Partitions go on from the states of the hand-over that holds, if it is newer than what made theirs."""
        hand_over = None if self.commands is None else self.commands.hand_over
        if hand_over is None:
            return
        for number in sorted(self._partitions):
            if max(order_of(self._hand_overs.get(number)), self._refused.get(number, 0)) >= hand_over.order:
                continue
            try:
                await self._take_over(number, hand_over)
            except (AioKafkaError, KafkaError) as error:
                log.warning("the state handed over cannot be read: %s; trying again in %g s", error, LOOK_S)
                return
            except BadSnapshot as bad:
                self._refused[number] = hand_over.order
                log.error("partition %d goes on as it is, not by hand-over %s: %s; promote another run that follows the log",
                          number, hand_over.id, bad)  # fmt: skip

    def _begin_of_log(self, number: int) -> int:
        tp = TP(self._topic, number)
        with admin_of(self._broker) as admin:
            return ends_of(admin, [tp])[tp].start

    async def _take_over(self, number: int, hand_over: HandOver) -> None:
        """Raises BadSnapshot: there is no state that can be gone on from; kafka and aiokafka errors."""
        tp = TP(self._topic, number)
        found = (await HandedStates(self._broker, self._prefix, hand_over.state).read([number])).get(number)
        start = await asyncio.to_thread(self._begin_of_log, number)
        if found is None or found.next_offset < start:
            raise BadSnapshot(f"it has no state from which the log, which begins at offset {start}, can be read")
        channels = await self._registries.version(found.facts["registry"])
        async with self._checkpoints.saving, self._folding:
            if (partition := self._partitions.get(number)) is None or self.batches is None or number in self._holds:
                return  # somebody else's by now, or not yet
            made = await asyncio.to_thread(
                lambda: restore_partition(channels, found.facts, found.arrays(), found.next_offset, self._work, self._out)
            )
            await self._outbox.flush()
            before = self._marked(number, freeze_partition(partition, is_whole=True))
            await HandedStates(self._broker, self._prefix, hand_over.before).write({number: HandedState.of(before)})
            if self._partitions.get(number) is not partition:
                return  # somebody else's by now, who takes over too
            self._partitions[number], self._hand_overs[number] = made, hand_over
            self._checkpoints.begin_anew(number)
            self._keep_versions()
            log.info("partition %d goes on from the state of run %s, at offset %d", number, hand_over.run, made.next_offset)
            await self.batches.seek({tp: made.next_offset})

    async def handle(self, batch: Fetch) -> None:
        """Fold one batch, piece by piece, and send what it made. Snapshots and others have their turn between pieces."""
        start, partition, switches = 0, None, None
        while start < max(1, len(batch)):
            async with self._folding:
                partition = self._partitions.get(batch.partition)
                if partition is None or self.batches is None or not self.batches.is_current(batch):  # revoked while it waited
                    return
                if batch.partition in self._holds:  # read again when it goes on
                    return
                if switches is None:
                    switches = self._switches(partition, batch)
                try:
                    start = await self._handle(partition, batch, start, switches)
                except BaseException:
                    self._partitions.pop(batch.partition, None)  # half a piece is in it: no snapshot of this
                    raise
        assert partition is not None
        lag = self._lag(partition)
        self._metrics.took(READINGS.name, batch, lag)
        if lag == 0 and batch.partition in self._behind:
            self._behind.discard(batch.partition)
            if not self._behind:
                self._metrics.started("catch_up", *self._assigned.since())
                self._metrics.process_step("total")

    def _switches(self, partition: Partition, records: RecordSpans) -> list[tuple[int, int]]:
        """(position, version) of the heartbeats behind which another registry version counts."""
        skipped = self.commands.positions(records) if self.commands is not None else []
        switches, bad = registry_switches(records, partition.channels.registry.version, skipped)
        self._metrics.bad_switches.inc(bad)
        return switches

    async def _handle(self, partition: Partition, records: RecordSpans, start: int, switches: list[tuple[int, int]]) -> int:
        """One piece from record `start` on; returns where the next begins."""
        begun = self._heard[records.partition] = time.monotonic()
        size = self._sizes.setdefault(records.partition, PieceSize())
        stop = min(len(records), start + size.records)
        switch = next(((at, number) for at, number in switches if start <= at < stop), None)
        channels = None
        if switch is not None:
            channels = await self._registries.find(switch[1])
            stop = switch[0] + (channels is not None)
        letters = 0
        if stop > start:
            skipped = self.commands.positions(records) if self.commands is not None else []
            made = await asyncio.to_thread(fold, partition, records, start, stop, skipped)
            letters = await self._send(partition, records, made)
        if channels is not None:
            partition.use(channels)
            self._keep_versions()
        partition.next_offset = records.next_offset if stop == len(records) else int(records.offset[stop])
        size.took(stop - start, letters, time.monotonic() - begun)
        if switch is not None and channels is None:
            await self._hold(partition, switch[1])
            return len(records)
        return max(stop, 1)

    async def _hold(self, partition: Partition, version: int) -> None:
        """The partition stands before the record that names a version that is not there; the others go on."""
        assert self.batches is not None
        self.batches.pause([TP(self._topic, partition.partition)])
        await self._holds.begin(partition.partition, version, partition.next_offset, self.quarantine.ops)

    async def end_holds(self) -> None:
        """Lets partitions go on whose registry version has come, or whose switch a command skips."""
        for number, hold in self._holds.waiting():
            is_skipped = self.commands is not None and self.commands.is_skipped(self._topic, number, hold.offset)
            try:
                has_come = not is_skipped and await self._registries.find(hold.version) is not None
            except KafkaError as error:
                log.warning("the registry cannot be read: %s; trying again in %g s", error, LOOK_S)
                return
            async with self._folding:
                if number not in self._holds or number not in self._partitions or self.batches is None:
                    continue
                if not (is_skipped or has_come):
                    self._holds.say(number)
                    continue
                tp = TP(self._topic, number)
                await self.batches.seek({tp: self._partitions[number].next_offset})
                self.batches.resume([tp])
                await self._holds.end(number, self.quarantine.ops)

    async def _send(self, partition: Partition, records: RecordSpans, made: Made) -> int:
        """Returns how many letters there were. What the piece before made is acknowledged by now, most likely: one is under way."""
        await self._outbox.flush()
        key, by = b"%d" % partition.partition, self._hand_overs.get(partition.partition)
        headers, own = headers_of(by), self._said_of_state(partition.partition, by)
        *early, last = made.blocks
        for block in early + made.candidates:
            await self._outbox.send(INTERVALS.full_name(self._prefix), key, block, headers=(*headers, *own))
        for block in made.expected:
            await self._outbox.send(RESULTS.full_name(self._prefix), EXPECTED.name.encode(), block, headers=headers)
        if early or made.candidates:
            await self._outbox.flush()
        await self._outbox.send(INTERVALS.full_name(self._prefix), key, last, headers=(*headers, *own))
        for position, why in made.folded.poison.items():
            await self.quarantine.tell(records.topic, records.partition, int(records.offset[position]), why)
        letters = 0
        for letter in made.folded.letters:
            await self.quarantine.letter(letter, headers)
            letters += 1
            if letters % LETTERS_A_BEAT == 0:
                self._beat(partition.partition)
                await asyncio.sleep(0)  # membership and other partitions live on the same loop
        self._measure(partition, made)
        return letters

    def _said_of_state(self, number: int, by: HandOver | None) -> Headers:
        """What the ledger is told with each block of a partition: under which name its state was kept, what it could not go on from."""
        kept = ((KEPT, name.encode()),) if (name := self._names.get(number, "")) else ()
        refused = self._refused.get(number, 0)
        return (*kept, (REFUSED, b"%d" % refused)) if refused > order_of(by) else kept

    def _beat(self, number: int) -> None:
        if self.pulse is not None:
            self.pulse.beat(TP(self._topic, number))

    def _measure(self, partition: Partition, made: Made) -> None:
        folded = made.folded
        self._metrics.readings.inc(folded.readings)
        self._metrics.batch_readings.observe(folded.readings)
        self._metrics.kernel_seconds.labels(NAME).observe(made.seconds)
        closed_s = folded.through * int(partition.policy.tick) / 1000
        self._metrics.tick_lag.labels(NAME, str(partition.partition)).set(time.time() - closed_s)

    def _lag(self, partition: Partition) -> int | None:
        """Records between the partition's state and the end of its log; None if not known."""
        if self.batches is None:
            return None
        return self.batches.lag(TP(READINGS.full_name(self._prefix), partition.partition), partition.next_offset)

    async def send_live(self) -> None:
        """Sums per entity of every partition that has reached the end of its log; in catch-up none."""
        async with self._folding:
            for partition in list(self._partitions.values()):
                if self._lag(partition) == 0 and partition.ingest != UNSET:
                    await self._send_sums(partition)
            await self._outbox.flush()

    async def _send_sums(self, partition: Partition) -> None:
        version = partition.channels.registry.version
        if version not in self._sums:
            self._sums[version] = await asyncio.to_thread(PartialSums, partition.channels)
        sums = await asyncio.to_thread(self._sums[version].batch, partition)
        block = live_block(sums, partition.partition, partition.ingest, version)
        await self._outbox.send(INTERVALS.full_name(self._prefix), b"%d" % partition.partition, block)

    async def send_heartbeats(self) -> None:
        """An empty record into every partition that is caught up and silent for `idle`; simulated topics bring their own."""
        if self._is_simulated:
            return
        for number, partition in list(self._partitions.items()):
            silent_s = time.monotonic() - self._heard[number]
            if silent_s >= partition.channels.registry.zone.idle_ms / 1000 and self._lag(partition) == 0:
                self._heard[number] = time.monotonic()
                await self._outbox.send(READINGS.full_name(self._prefix), None, HEARTBEAT, partition=number)


def start(outfit: Outfit) -> None:
    """Make a worker one of this task."""
    registries = outfit.registries()
    with outfit.metrics.start_step("registry_compile"):
        registries.compile()
    task = add_intervals_agent(outfit.app, outfit.settings, registries, outfit.metrics, outfit.zone.live_ms / 1000)
    registries.pulse = outfit.fit(task)


def add_intervals_agent(
    app: faust.App, settings: Settings, registries: RegistryStore, metrics: Metrics, live_s: float = 5.0
) -> IntervalsTask:
    """Make `app` an intervals worker; `live_s` is the zone's `live`."""
    checkpoints = Checkpoints(app, settings.partitions, Outbox(app))
    task = IntervalsTask(settings, registries, Outbox(app), checkpoints, metrics)
    hooks = Hooks(task.assigned, task.start_offsets, task.revoked)
    cast(Router, app.transport).is_raw = settings.raw_batches
    topics = TASKS[NAME].topics(settings.topic_prefix)
    task.batches = batches = batch_channel(app, topics, hooks, max_records=MOST_RECORDS)
    batches.states = checkpoints

    async def fold_readings(stream: StreamT[Any]) -> None:
        async for batch in batches.receive(stream):
            await task.handle(batch)

    async def given(*_: Any, **__: Any) -> None:
        task.given = Instant()
        metrics.process_step("joined")

    app.on_partitions_assigned.connect(given, weak=False)
    app.agent(batches.channel, name=NAME)(fold_readings)
    app.timer(LOOK_S, name="holds")(task.end_holds)
    app.timer(LOOK_S, name="hand_over")(task.take_over)
    app.timer(LOOK_S, name="keep")(task.keep)
    app.timer(1.0, name="heartbeats")(task.send_heartbeats)
    app.timer(live_s, name="live")(task.send_live)
    app.timer(POLL_S, name="checkpoints")(task.checkpoint_due)
    return task
