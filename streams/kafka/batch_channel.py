"""Batches as agents see them: a channel, the partitions' leases, offsets. `batches.py` fills the channel.

What an agent may rely on:

- Order and completeness: batches of a partition arrive in offset order; the first starts at what `Hooks.start_offsets` says,
  else at the committed offset, else at the beginning. Nothing below it is delivered, nothing is skipped.
- Ownership: a *lease* lasts from an assignment (or `seek`) to the next revocation. `receive` drops batches of ended leases.
- Back-pressure: while a channel is full its topics are not fetched and aiokafka stops reading ahead; other topics flow on.
- Commits: Faust commits nothing for batch topics. `commit` what is durable; without commits a worker starts from the beginning.
"""

import logging
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import faust
from faust.types import TP

from zonepulse.streams.kafka.log_guard import LogView, Loss, Note
from zonepulse.streams.kafka.record_arrays import Fetch

log = logging.getLogger(__name__)


async def _from_commits(_: set[TP]) -> Mapping[TP, int]:
    return {}


async def _nothing(_: set[TP]) -> None:
    return None


async def _not_told(_: TP, __: int) -> None:
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
    on_moved: Callable[[TP, int], Awaitable[None]] = _not_told
    """Before the first batch: the log is another than the state was made from, as somebody has accepted, and goes on at this offset."""


class States(Protocol):
    """Where a task keeps the states of its partitions (checkpoint.Checkpoints)."""

    progress: Callable[[], object]
    """To be called after each piece of work."""

    async def read(self, tps: Iterable[TP], view: LogView) -> None:
        """Called before `Hooks.on_assigned`. Raises log_guard.SnapshotsGone."""

    def note(self, partition: int) -> Note | None:
        """Of the log that a restored state was made from; None where nothing was restored."""


async def _told_in_the_log(loss: Loss) -> None:
    name = f"{loss.tp.topic}/{loss.tp.partition}"
    log.error("%s: offsets %d to %d were deleted unread; raise its retention", name, loss.first, loss.next - 1)


class Router(Protocol):
    """The transport of an app with batch topics (batches.BatchTransport)."""

    routes: dict[str, "BatchChannel"]
    """Topic -> where its batches go."""
    is_raw: bool


@dataclass(slots=True)
class Lease:
    """A partition held since an assignment or seek. `number` never returns."""

    number: int
    next_offset: int
    """What to put on the channel next."""
    start: int
    """Where it began."""
    delivered: int = 0
    """Behind the last batch that was put on the channel."""
    reached: int = 0
    """Everything below is delivered: beyond `delivered` where only control records and those of aborted transactions followed."""
    times: list[tuple[int, int]] = field(default_factory=list)
    """Of the last batches delivered: the offset behind it and the time of its last record."""

    def at_ms(self, next_offset: int) -> int | None:
        """Time of the last record below; None if unknown. Forgets what lies before: offsets asked for only grow."""
        while len(self.times) > 1 and self.times[1][0] <= next_offset:
            self.times.pop(0)
        return self.times[0][1] if self.times and self.times[0][0] <= next_offset else None


class PartitionSource(Protocol):
    """What a channel asks of the consumer behind it (batches.BatchConsumer)."""

    leases: dict[TP, Lease]

    def renew(self, next_offsets: Mapping[TP, int]) -> None:
        """Starts new leases at these offsets."""

    async def commit_offsets(self, next_offsets: Mapping[TP, int], notes: Mapping[TP, Note]) -> bool:
        """See BatchChannel.commit."""

    def note(self, tp: TP, next_offset: int, read_to: int | None = None) -> Note:
        """See BatchChannel.note."""

    def highwater(self, tp: TP) -> int | None:
        """See BatchChannel.highwater."""

    def held(self) -> dict[TP, int]:
        """See BatchChannel.held."""

    paused: set[TP]
    """Partitions whose fetching rests; see BatchChannel.pause."""


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
    states: States | None = None
    """Set before the app starts, if the task has any: then a start is held against what they remember."""
    on_lost: Callable[[Loss], Awaitable[None]] = _told_in_the_log
    """Told when the log lost records that nobody has read."""

    async def receive(self, stream: AsyncIterable[Any]) -> AsyncIterator[Fetch]:
        """The batches of an agent's stream, without those whose lease has ended."""
        async for batch in stream:
            if self.is_current(batch):
                yield batch

    def is_current(self, batch: Fetch) -> bool:
        """Whether this worker still holds the lease under which `batch` was read."""
        lease = self._consumer.leases.get(TP(batch.topic, batch.partition))
        return lease is not None and lease.number == batch.lease

    async def commit(self, next_offsets: Mapping[TP, int], notes: Mapping[TP, Note] | None = None) -> bool:
        """Commits what to read next. Partitions no longer assigned are left out; False if the group has moved on meanwhile."""
        return not next_offsets or await self._consumer.commit_offsets(next_offsets, notes or {})

    def note(self, tp: TP, next_offset: int, read_to: int | None = None) -> Note:
        """What goes with a commit or snapshot at `next_offset`: which topic this is, and the time of the last record below, or below
        `read_to`, where the log was read further, and some of it has to be read again."""
        return self._consumer.note(tp, next_offset, read_to)

    async def seek(self, next_offsets: Mapping[TP, int]) -> None:
        """Reads on from these offsets; batches on their way are dropped. A partition that is no longer held is left out."""
        self._consumer.renew({tp: offset for tp, offset in next_offsets.items() if tp in self._consumer.leases})

    def pause(self, tps: Iterable[TP]) -> None:
        """Fetches no more of these until `resume`; what is on the channel still comes. Ends with the lease: a new owner decides anew."""
        self._consumer.paused |= self._consumer.leases.keys() & set(tps)

    def resume(self, tps: Iterable[TP]) -> None:
        """Fetches them again."""
        self._consumer.paused -= set(tps)

    def paused(self) -> frozenset[TP]:
        """What rests now. May be called from any thread."""
        return frozenset(self._consumer.paused)

    def held(self) -> dict[TP, int]:
        """Every partition assigned, and where its lease began; 0 before it has one. May be called from any thread."""
        return {tp: offset for tp, offset in self._consumer.held().items() if tp.topic in self.topics}

    def highwater(self, tp: TP) -> int | None:
        """Offset behind the newest record, as of the last fetch; None before the first."""
        return self._consumer.highwater(tp) if tp in self._consumer.leases else None

    def lag(self, tp: TP, next_offset: int | None = None) -> int | None:
        """Offsets from `next_offset` (of the batch just handled; default: of the last on the channel) to the end. 0 = caught up.

        As of the last fetch; None = not known yet, or not held.
        """
        highwater, lease = self.highwater(tp), self._consumer.leases.get(tp)
        if highwater is None or lease is None:
            return None
        return max(0, highwater - (lease.next_offset if next_offset is None else self.reached(tp, next_offset)))

    def reached(self, tp: TP, next_offset: int) -> int:
        """`next_offset` of what is handled, moved behind records that nobody is handed (of aborted transactions). From any thread."""
        lease = self._consumer.leases.get(tp)
        return next_offset if lease is None or next_offset < lease.delivered else max(next_offset, lease.reached)

    @property
    def _consumer(self) -> "PartitionSource":
        return cast("PartitionSource", self.app.consumer)


def batch_channel(
    app: faust.App,
    topics: Iterable[str],
    hooks: Hooks | None = None,
    *,
    maxsize: int = 4,
    max_records: int = 50_000,
    max_bytes: int = 16_000_000,
) -> BatchChannel:
    """Makes `topics` batch topics of `app`, before it starts; `maxsize` batches may wait. `app.transport` is a BatchTransport."""
    route = BatchChannel(app, frozenset(topics), app.channel(maxsize=maxsize), hooks or Hooks(), max_records, max_bytes)
    routes = cast(Router, app.transport).routes
    if taken := route.topics & routes.keys():
        raise ValueError(f"topics {', '.join(sorted(taken))} already go to another batch channel")
    routes.update(dict.fromkeys(route.topics, route))
    return route
