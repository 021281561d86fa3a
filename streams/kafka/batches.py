"""A partition's fetch as one event: the only file that touches private names of faust-streaming 0.15.3 and aiokafka 0.14.

Faust spends 170-420 us on every message that passes its streams. Here the consumer takes the records of named *batch topics* out of
each fetch and puts them on an in-memory channel, one `Fetch` for many records; all other topics keep Faust's ordinary path.

Two traps this file is built around. Faust cancels whoever waits to put on a full queue when a rebalance clears it, so deliveries
are tasks of their own. And a fetch may return after a seek or a rebalance with records read before it, so a partition whose
records were dropped is read again from where its lease stands.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence, Set
from itertools import count
from typing import Any, Final, cast

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError
from aiokafka.structs import OffsetAndMetadata
from faust.exceptions import ConsumerNotStarted
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, AppT
from mode import Service

from zonepulse.streams.kafka.batch_channel import BatchChannel, Lease, Router
from zonepulse.streams.kafka.log_guard import NO_VIEW, LogMoved, LogView, Note, begin_at, check_ids, is_moved, look, topic_ids_now
from zonepulse.streams.kafka.raw_batches import RawFetch, read_batches, read_checked, read_raw
from zonepulse.streams.kafka.record_arrays import Fetch, cut, spans

FETCH_WAIT_MS: Final = 100
"""How long the broker may hold an empty fetch. One fetch a broker is open: a long one for idle partitions holds busy ones up."""
IDLE_FETCH_WAIT_MS: Final = 500
"""The same while nothing comes from any partition; the first record that comes ends it."""
FETCH_BYTES: Final = 4_000_000
"""Of one answer, unless a single message is larger. Its buffers are used again from answer to answer and stay in the processor's cache."""
IDS_EVERY_S: Final = 10.0
"""How often a running worker looks whether its topics are still those that it began with."""
BUSY_POLL_S: Final = 0.05
"""While a channel is full: how often the other topics are looked at."""


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        consumer._fetch_max_bytes = FETCH_BYTES
        consumer._isolation_level = "read_committed"
        return consumer

    def hold_fetches(self, wait_ms: int) -> None:
        """From the next fetch on, the broker holds an empty one so long."""
        self._ensure_consumer()._fetcher._fetch_max_wait_ms = wait_ms

    async def _commit(self, offsets: Mapping[TP, Any]) -> bool:
        """Offsets, or offsets with notes. Faust would crash when none of the partitions is assigned any more: after a rebalance, a late
        commit is nothing unusual."""
        assigned = self.assignment()
        held = {
            TopicPartition(*tp): OffsetAndMetadata(*at) if isinstance(at, tuple) else OffsetAndMetadata(at, "")
            for tp, at in offsets.items()
            if tp in assigned
        }
        if not held:
            return False
        try:
            await self._ensure_consumer().commit(held)
        except CommitFailedError:  # the group has moved on
            return False
        except Exception as error:
            self.log.exception("a commit failed: %r", error)
            await self.crash(error)
            return False
        return True


class BatchConsumer(driver.Consumer):
    """Faust's consumer with a side door for batch topics."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.routes = cast(Router, self.transport).routes
        self.leases: dict[TP, Lease] = {}
        self._lease_numbers = count(1)
        self._reread: set[TP] = set()
        """Partitions whose position in the client is not where their lease stands."""
        self._deliveries: dict[str, asyncio.Task[None]] = {}
        """Topic -> delivery under way."""
        self._view = NO_VIEW
        self.paused: set[TP] = set()
        """Not to be fetched for now."""
        self._ended: dict[TP, int] = {}
        """Where leases ended."""

    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Subscribes the batch topics too, which no Faust channel knows."""
        if cast(Router, self.transport).is_raw:
            read_raw(self.routes)
        else:
            read_checked(self.routes)
        await super().subscribe({*topics, *self.routes})

    async def commit_offsets(self, next_offsets: Mapping[TP, int], notes: Mapping[TP, Note]) -> bool:
        """Commits for the partitions that are assigned; False if the group has moved on meanwhile."""
        texts = {tp: msgspec.json.encode(notes.get(tp) or self.note(tp, offset)).decode() for tp, offset in next_offsets.items()}
        noted: Any = {tp: (offset, texts[tp]) for tp, offset in next_offsets.items()}
        return await self._commit(noted)

    def note(self, tp: TP, next_offset: int, read_to: int | None = None) -> Note:
        """See BatchChannel.note."""
        handled = next_offset if read_to is None else read_to
        at_ms = self.leases[tp].at_ms(handled) if tp in self.leases else None
        return Note(self._view.ids.get(tp.topic, ""), at_ms, read_to=read_to)

    # Leases

    def held(self) -> dict[TP, int]:
        """See BatchChannel.held."""
        try:
            assigned = {_tp(tp) for tp in self.assignment()}
        except ConsumerNotStarted:
            return {}
        leases = dict(self.leases)
        return {tp: leases[tp].start if tp in leases else 0 for tp in assigned if tp.topic in self.routes}

    def renew(self, next_offsets: Mapping[TP, int]) -> None:
        """Starts new leases at these offsets."""
        for tp, offset in next_offsets.items():
            self.leases[tp] = Lease(next(self._lease_numbers), offset, offset, offset, offset)
        self._reread.update(next_offsets)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Ends the leases, then lets Faust stop the flow, then tells the agents."""
        held = set(self.leases)
        self._end_leases()
        await super().on_partitions_revoked(revoked)
        await self._tell_revoked(held)

    async def end(self) -> None:
        """The same when the worker stops."""
        held = set(self.leases)
        self._end_leases()
        await self._tell_revoked(held)

    def _end_leases(self) -> None:
        self._ended |= {tp: lease.next_offset for tp, lease in self.leases.items()}
        self.leases.clear()
        self.paused.clear()
        self._reread.clear()
        for delivery in self._deliveries.values():
            delivery.cancel()
        self._deliveries.clear()

    async def _tell_revoked(self, held: set[TP]) -> None:
        try:
            for route, tps in self._by_route(held):
                await route.hooks.on_revoked(tps)
        except Exception as error:
            await self.crash(error)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Faust calls it when tables are recovered, before records flow: positions every partition and starts the leases."""
        committed = await super().seek_to_committed()
        held = {tp for tp in map(_tp, self.assignment()) if tp.topic in self.routes}
        if not held:
            return committed
        self._view = view = await self._look(held)
        starts = {tp: max(0, offset or 0) for tp, offset in committed.items() if tp in held}
        for route, tps in self._by_route(held):
            if route.states is not None:
                await route.states.read(tps, view)
            await route.hooks.on_assigned(tps)
            starts |= await route.hooks.start_offsets(tps)
            for tp in tps:
                starts[tp] = await self._begin(route, view, tp, starts.get(tp, 0))
        await self.seek_wait(starts)
        self.renew(starts)
        return {**committed, **starts}

    async def _look(self, tps: Iterable[TP]) -> LogView:
        return await asyncio.to_thread(look, broker_of(self.app), self.app.conf.id, list(tps))

    async def _begin(self, route: BatchChannel, view: LogView, tp: TP, start: int) -> int:
        """Where to read on. Raises log_guard.LogMoved; tells what is lost."""
        if route.states is None and view.order(tp) == "begin":  # of a task with states they are dropped (checkpoint.py)
            return view.ends[tp].start
        kept = view.notes.get(tp, Note())
        if route.states is not None:
            kept = route.states.note(tp.partition) or Note()
        begin, loss = begin_at(view, tp, start, kept)
        if is_moved(view, tp, start, kept):
            await route.hooks.on_moved(tp, begin)
        if loss is not None:
            await route.on_lost(loss)
        return begin

    def _by_route(self, tps: set[TP]) -> Iterator[tuple[BatchChannel, set[TP]]]:
        for route in {id(r): r for r in self.routes.values()}.values():
            if mine := {tp for tp in tps if tp.topic in route.topics}:
                yield route, mine

    # Fetching

    async def _wait_next_records(self, timeout: float) -> tuple[Any, Any]:
        """One fetch: batch topics go their way, the rest is returned and goes Faust's."""
        await self._collect_deliveries()
        await self._reposition()
        leases = dict(self.leases)
        records, active = await super()._wait_next_records(0.0 if self._deliveries else timeout)
        if not self.flow_active or records is None:
            self._reread.update(leases)
            return None, active
        fetched = {tp: records[tp] for tp in records if tp.topic in self.routes}
        for tp in fetched:
            if tp not in leases or self.leases.get(tp) is not leases[tp]:
                self._reread.add(tp)
        for tp, found in fetched.items():
            if tp not in self._reread:
                first = found[0]
                await self._check_begin(_tp(tp), self.leases[tp], first.start if isinstance(first, RawFetch) else first.offset)
        self._deliver({_tp(tp): found for tp, found in fetched.items() if tp not in self._reread})
        await self._pass_over(leases.keys() - self._reread)
        return {tp: found for tp, found in records.items() if tp not in fetched}, active

    async def _check_begin(self, tp: TP, lease: Lease, begin: int) -> None:
        """A client whose place in the log is gone goes on at the log's beginning, without a word. Raises log_guard.LogMoved."""
        if begin == lease.next_offset or (begin > lease.next_offset >= (await self.earliest_offsets(tp))[tp]):
            return  # what lies between are records of transactions, or compacted
        at, loss = begin_at(await self._look([tp]), tp, lease.next_offset, self.note(tp, lease.next_offset))
        if loss is not None:
            await self.routes[tp.topic].on_lost(loss)
        if begin < at:
            self._reread.add(tp)
        lease.next_offset = max(lease.next_offset, at)

    @Service.task
    async def _watch_ids(self) -> None:
        """A topic made anew looks like the old one from the next offset on, and while it is away its partitions are nobody's."""
        broker = broker_of(self.app)
        while not self.should_stop:
            await self.sleep(IDS_EVERY_S)
            if self._view.ids:
                ids = await asyncio.to_thread(topic_ids_now, broker, self._view.ids)
                try:
                    check_ids(self._view, ids, self._ended | {tp: lease.next_offset for tp, lease in self.leases.items()})
                except LogMoved as moved:
                    await self.crash(moved)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        """Leaves out partitions that rest or have no lease, and topics whose channel is full."""
        held = self.leases.keys() - self.paused
        wanted = {
            tp for tp in active_partitions or () if tp.topic not in self.routes or (tp in held and tp.topic not in self._deliveries)
        }
        if not wanted:  # to aiokafka an empty set means every partition
            await asyncio.sleep(0 if self._deliveries else BUSY_POLL_S)
            return {}
        records = await super()._getmany(wanted, timeout)
        is_idle = not (records or self._deliveries)
        cast(_ConsumerThread, self._thread).hold_fetches(IDLE_FETCH_WAIT_MS if is_idle else FETCH_WAIT_MS)
        return records

    async def _reposition(self) -> None:
        if lost := {tp: self.leases[tp].next_offset for tp in self._reread & self.leases.keys()}:
            self._reread.difference_update(lost)
            await self.seek_wait(lost)

    # Delivering

    def _deliver(self, fetched: Mapping[TP, Sequence[Any]]) -> None:
        """Starts one delivery a topic and moves the leases past it."""
        by_topic: dict[str, list[tuple[TP, Lease, int, int, Sequence[Any]]]] = {}
        for tp, records in fetched.items():
            lease = self.leases[tp]
            start, lease.next_offset = lease.next_offset, records[-1].offset + 1
            by_topic.setdefault(tp.topic, []).append((tp, lease, start, lease.next_offset, records))
        for topic, parts in by_topic.items():
            self._deliveries[topic] = asyncio.create_task(self._put(self.routes[topic], parts))

    async def _pass_over(self, tps: Set[TP]) -> None:
        """Where the client read only what nobody is handed, or began anew, the leases move too. Raises log_guard.LogMoved."""
        for tp in tps:
            if tp.topic not in self._deliveries and (lease := self.leases.get(tp)) is not None:
                position = self._position(tp, lease.next_offset)
                await self._check_begin(tp, lease, position)
                if tp not in self._reread:
                    lease.next_offset = lease.reached = position

    async def _put(self, route: BatchChannel, parts: Iterable[tuple[TP, Lease, int, int, Sequence[Any]]]) -> None:
        for tp, lease, start, end, records in parts:
            async for batch in _batches(tp, lease.number, start, end, records, route):
                await self.app.flow_control.acquire()
                if self.leases.get(tp) is lease:
                    lease.delivered = batch.next_offset
                    lease.times.append((batch.next_offset, int(batch.timestamp_ms[-1])))
                    await route.channel.put(batch)
            lease.reached = end

    async def _collect_deliveries(self) -> None:
        """Waits for one of the deliveries under way, briefly; raises what went wrong in one."""
        if self._deliveries:
            await asyncio.wait(self._deliveries.values(), timeout=BUSY_POLL_S, return_when=asyncio.FIRST_COMPLETED)
        for topic in [t for t, delivery in self._deliveries.items() if delivery.done()]:
            delivery = self._deliveries.pop(topic)
            if not delivery.cancelled():
                delivery.result()

    def _position(self, tp: TP, at_least: int) -> int:
        """What the client reads next: behind trailing control records, which are no records to us."""
        assignment = self._thread._ensure_consumer()._subscription.subscription.assignment
        state = assignment.state_value(tp)
        return max(at_least, int(state.position)) if state.has_valid_position else at_least

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's watchdog sees no events of batch topics and would cry wolf."""
        if tp.topic not in self.routes:
            super().verify_event_path(now, tp)


class IdempotentProducer(driver.Producer):
    """Faust's producer, with retries that neither double nor reorder records."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {**super()._settings_extra(), "acks": "all", "enable_idempotence": True}


class BatchTransport(driver.Transport):
    """Give it to `app.transport` before the app starts."""

    Consumer = BatchConsumer
    Producer = IdempotentProducer

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.routes: dict[str, BatchChannel] = {}
        self.broker = ",".join(f"{url.host}:{url.port}" for url in self.url)
        """For clients beside Faust's; with the access to it where it needs one."""
        self.is_raw = False
        """Whether batch topics are read as raw record batches; set it before the app starts."""


def broker_of(app: AppT) -> str:
    """What clients beside Faust's connect to."""
    return cast(BatchTransport, app.transport).broker


async def _batches(tp: TP, lease: int, start: int, end: int, records: Sequence[Any], route: BatchChannel) -> AsyncIterator[Fetch]:
    """What was fetched of one partition as batches; raw bytes are read in a thread, without the interpreter's lock."""
    if isinstance(records[0], RawFetch):
        limits = route.max_records, route.max_bytes
        pieces = read_batches(tp, records[0], start, lease, *limits)
        while (batch := await asyncio.to_thread(next, pieces, None)) is not None:
            yield batch
        return
    wanted = records if records[0].offset >= start else [r for r in records if r.offset >= start]
    for piece, next_offset in cut(wanted, end, route.max_records, route.max_bytes):
        yield spans(tp, piece, next_offset, lease)


def _tp(tp: Any) -> TP:
    return TP(tp.topic, tp.partition)
