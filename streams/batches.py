"""A partition's fetch as one event: the only file that touches private names of faust-streaming 0.15.3 and aiokafka 0.14.

Faust spends 170-420 us on every message that passes its streams. Here the consumer takes the records of named *batch topics* out of
each fetch and puts them on an in-memory channel, one `Batch` for many records; all other topics keep Faust's ordinary path.

What an agent may rely on:

- Order and completeness: batches of a partition arrive in offset order; the first starts at what `Hooks.start_offsets` says, else at
  the committed offset, else at the beginning. Nothing below it is delivered, nothing is skipped.
- Ownership: a *lease* lasts from an assignment (or `seek`) to the next revocation. `receive` drops batches of ended leases.
- Back-pressure: while a channel is full its topics are not fetched and aiokafka stops reading ahead; other topics flow on.
- Commits: Faust commits nothing for batch topics. `commit` what is durable; without commits a worker starts from the beginning.

Two traps this file is built around. Faust cancels whoever waits to put on a full queue when a rebalance clears it, so deliveries are
tasks of their own. And a fetch may return after a seek or a rebalance with records read before it, so a partition whose records were
dropped is read again from where its lease stands.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final, Protocol, TypeVar, cast

import faust
import numpy as np
from aiokafka import AIOKafkaConsumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from numpy.typing import NDArray

from zonepulse.schemas.records import RecordSpans

T = TypeVar("T")
FETCH_WAIT_MS: Final = 100
"""How long the broker may hold a fetch without data. One fetch is open per broker: a long one for idle partitions holds busy ones up."""
BUSY_POLL_S: Final = 0.05
"""While a channel is full: how often the other topics are looked at."""


@dataclass(frozen=True, slots=True)
class Batch(RecordSpans):
    """Records of one partition and the lease (a number that never returns) under which they were read."""

    lease: int = 0


async def _from_commits(_: set[TP]) -> Mapping[TP, int]:
    return {}


async def _nothing(_: set[TP]) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Hooks:
    """What an agent does when partitions come and go. Called in this order, in the event loop; an exception stops the worker."""

    on_assigned: Callable[[set[TP]], Awaitable[None]] = _nothing
    """After table recovery, before the first batch: make or restore the state of these partitions."""
    start_offsets: Callable[[set[TP]], Awaitable[Mapping[TP, int]]] = _from_commits
    """Next offset of each partition's state; partitions left out start at their committed offset."""
    on_revoked: Callable[[set[TP]], Awaitable[None]] = _nothing
    """Still the owner: `commit` works, `receive` yields no more. Also called when the worker stops."""


class _Transport(Protocol):
    routes: dict[str, "BatchChannel"]


@dataclass(slots=True)
class _Lease:
    """A partition held since an assignment or seek."""

    number: int
    next_offset: int
    """What to deliver next."""


@dataclass(slots=True)
class BatchChannel:
    """Where batches of some topics go. Iterate it in an agent on `channel` with `receive`."""

    app: faust.App
    topics: frozenset[str]
    channel: Any
    """The in-memory Faust channel; give it to `app.agent`."""
    hooks: Hooks = field(default_factory=Hooks)
    max_records: int = 50_000
    max_bytes: int = 16_000_000
    """Larger fetches are cut (keys + values; a single larger record is a batch of its own)."""

    async def receive(self, stream: AsyncIterator[Any]) -> AsyncIterator[Batch]:
        """The batches of an agent's stream, without those whose lease has ended."""
        async for batch in stream:
            if self.is_current(batch):
                yield batch

    def is_current(self, batch: Batch) -> bool:
        """Whether this worker still holds the lease under which `batch` was read."""
        lease = self._consumer.leases.get(TP(batch.topic, batch.partition))
        return lease is not None and lease.number == batch.lease

    async def commit(self, next_offsets: Mapping[TP, int]) -> bool:
        """Commits what to read next. Partitions no longer assigned are left out; False if the group has moved on meanwhile."""
        return not next_offsets or await self._consumer._commit(next_offsets)

    async def seek(self, next_offsets: Mapping[TP, int]) -> None:
        """Reads on from these offsets; batches on their way are dropped. Only for partitions held."""
        self._consumer.renew(next_offsets)

    def highwater(self, tp: TP) -> int | None:
        """Offset behind the newest record, as of the last fetch; None before the first."""
        return self._consumer.highwater(tp) if tp in self._consumer.leases else None

    def lag(self, tp: TP) -> int | None:
        """Records (and control records) not yet handed over; 0 = the end of the partition was reached; None = not known yet."""
        highwater, lease = self.highwater(tp), self._consumer.leases.get(tp)
        return None if highwater is None or lease is None else max(0, highwater - lease.next_offset)

    @property
    def _consumer(self) -> "BatchConsumer":
        return cast("BatchConsumer", self.app.consumer)


def batch_channel(
    app: faust.App,
    topics: Iterable[str],
    hooks: Hooks | None = None,
    *,
    maxsize: int = 4,
    max_records: int = 50_000,
    max_bytes: int = 16_000_000,
) -> BatchChannel:
    """Makes `topics` batch topics of `app` (before it starts); `maxsize` batches may wait. The app's transport is a BatchTransport."""
    route = BatchChannel(app, frozenset(topics), app.channel(maxsize=maxsize), hooks or Hooks(), max_records, max_bytes)
    routes = cast(_Transport, app.transport).routes
    if taken := route.topics & routes.keys():
        raise ValueError(f"topics {', '.join(sorted(taken))} already go to another batch channel")
    routes.update(dict.fromkeys(route.topics, route))
    return route


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer


class BatchConsumer(driver.Consumer):
    """Faust's consumer with a side door for batch topics."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.routes = cast(_Transport, self.transport).routes
        self.leases: dict[TP, _Lease] = {}
        self._lease_numbers = count(1)
        self._reread: set[TP] = set()
        """Partitions whose position in the client is not where their lease stands."""
        self._deliveries: dict[str, asyncio.Task[None]] = {}
        """Topic -> delivery under way."""

    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Subscribes the batch topics too, which no Faust channel knows."""
        await super().subscribe({*topics, *self.routes})

    # Leases

    def renew(self, next_offsets: Mapping[TP, int]) -> None:
        """Starts new leases at these offsets."""
        for tp, offset in next_offsets.items():
            self.leases[tp] = _Lease(next(self._lease_numbers), offset)
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
        self.leases.clear()
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
        starts = {tp: max(0, offset or 0) for tp, offset in committed.items() if tp in held}
        for route, tps in self._by_route(held):
            await route.hooks.on_assigned(tps)
            starts |= await route.hooks.start_offsets(tps)
        starts = self._checked(starts, await self.earliest_offsets(*held), await self.highwaters(*held))
        await self.seek_wait(starts)
        self.renew(starts)
        return {**committed, **starts}

    def _checked(self, starts: Mapping[TP, int], first: Mapping[TP, int], end: Mapping[TP, int]) -> dict[TP, int]:
        for tp, start in starts.items():
            if start > end[tp]:
                raise RuntimeError(
                    f"{tp.topic}/{tp.partition} ends at offset {end[tp]}, but this group's state goes on at {start}: the topic was made anew."
                    " Use another group id, or reset the group's offsets and state"
                )
            if 0 < start < first[tp]:
                self.log.error("%s/%s: offsets %s to %s were deleted before they were read; raise retention.ms", *tp, start, first[tp] - 1)
        return {tp: max(start, first[tp]) for tp, start in starts.items()}

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
        self._deliver({_tp(tp): found for tp, found in fetched.items() if tp not in self._reread})
        return {tp: found for tp, found in records.items() if tp not in fetched}, active

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        """Leaves out partitions without a lease and topics whose channel is full."""
        wanted = {
            tp for tp in active_partitions or () if tp.topic not in self.routes or (tp in self.leases and tp.topic not in self._deliveries)
        }
        if not wanted:  # to aiokafka an empty set means every partition
            await asyncio.sleep(0 if self._deliveries else BUSY_POLL_S)
            return {}
        return await super()._getmany(wanted, timeout)

    async def _reposition(self) -> None:
        if lost := {tp: self.leases[tp].next_offset for tp in self._reread & self.leases.keys()}:
            self._reread.difference_update(lost)
            await self.seek_wait(lost)

    # Delivering

    def _deliver(self, fetched: Mapping[TP, Sequence[Any]]) -> None:
        """Starts one delivery a topic and moves the leases past it."""
        by_topic: dict[str, list[tuple[TP, _Lease, int, int, Sequence[Any]]]] = {}
        for tp, records in fetched.items():
            lease = self.leases[tp]
            start, lease.next_offset = lease.next_offset, self._position(tp, records[-1].offset + 1)
            by_topic.setdefault(tp.topic, []).append((tp, lease, start, lease.next_offset, records))
        for topic, parts in by_topic.items():
            self._deliveries[topic] = asyncio.create_task(self._put(self.routes[topic], parts))

    async def _put(self, route: BatchChannel, parts: Iterable[tuple[TP, _Lease, int, int, Sequence[Any]]]) -> None:
        for tp, lease, start, end, records in parts:
            wanted = records if records[0].offset >= start else [r for r in records if r.offset >= start]
            for piece, next_offset in cut(wanted, end, route.max_records, route.max_bytes):
                await self.app.flow_control.acquire()
                if self.leases.get(tp) is lease:
                    await route.channel.put(spans(tp, piece, next_offset, lease.number))

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
        return max(at_least, assignment.state_value(tp).position)

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


def _tp(tp: Any) -> TP:
    return TP(tp.topic, tp.partition)


# Records -> arrays


def cut(records: Sequence[Any], end: int, max_records: int, max_bytes: int) -> Iterator[tuple[Sequence[Any], int]]:
    """Pieces of at most `max_records` records and `max_bytes` of keys and values, each with the offset behind it (the last: `end`)."""
    sizes = [r.serialized_key_size + r.serialized_value_size for r in records]  # null counts as -1: no matter
    behind = np.cumsum(np.array(sizes, np.int64))
    start, before = 0, 0
    while start < len(records):
        fitting = int(np.searchsorted(behind, before + max_bytes, side="right"))
        stop = min(len(records), start + max_records, max(start + 1, fitting))
        yield records[start:stop], end if stop == len(records) else records[stop].offset
        start, before = stop, int(behind[stop - 1])


def spans(tp: TP, records: Sequence[Any], next_offset: int, lease: int) -> Batch:
    """Client records as arrays: all keys, then all values, in one buffer."""
    keys = [r.key for r in records]
    values = [r.value for r in records]
    buffer = b"".join([k for k in keys if k] + [v for v in values if v])
    key_start, key_end, behind = _bounds([r.serialized_key_size for r in records], 0)
    value_start, value_end, _ = _bounds([r.serialized_value_size for r in records], behind)
    return Batch(
        tp.topic,
        tp.partition,
        np.frombuffer(buffer, np.uint8),
        key_start,
        key_end,
        value_start,
        value_end,
        np.array([r.offset for r in records], np.int64),
        np.array([r.timestamp for r in records], np.int64),
        next_offset,
        {i: tuple((name, value or b"") for name, value in r.headers) for i, r in enumerate(records) if r.headers},
        lease,
    )


def _bounds(sizes: list[int], base: int) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Starts and ends of consecutive spans from `base`, and the last end; size -1 (null) gives -1, -1."""
    size = np.array(sizes, np.int64)
    end = base + np.cumsum(np.maximum(size, 0))
    behind = int(end[-1]) if len(end) else base
    null = size < 0
    return np.where(null, -1, end - size), np.where(null, -1, end), behind
