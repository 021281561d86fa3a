"""The partitions of a plan, read and folded here or shared out to processes; the ledger's part stays with whoever takes what they make."""

import asyncio
import multiprocessing
import os
import time
import traceback
from collections.abc import AsyncIterator, Collection, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from kafka.errors import KafkaError

from zonepulse.processors.channels.table import Channels
from zonepulse.processors.metering.step import LateReadings
from zonepulse.processors.zone_run import Piece, UnknownVersion, ZoneRun
from zonepulse.schemas.messages.topics import REGISTRY
from zonepulse.schemas.registry.model import Registry
from zonepulse.streams.archive.archive import BadArchive
from zonepulse.streams.control.command_log import CommandLog, read_commands
from zonepulse.streams.control.registry_store import RegistryStore
from zonepulse.streams.control.registry_topic import load_versions
from zonepulse.streams.replay.checkpoint import Cut, Pace, Part, cut, resume
from zonepulse.streams.replay.log import fetches
from zonepulse.streams.replay.plan import CannotReplay, Plan


@dataclass(frozen=True, slots=True)
class Made:
    """What one fetch made; `records`, `bytes` and the newest `ingest_ms` of it. In the pass that looks for late readings no piece."""

    pieces: list[Piece]
    records: int
    bytes: int
    ingest_ms: int
    cuts: Sequence[Cut] = ()
    """Partitions as they stand behind the pieces, where a checkpoint is due."""


@dataclass(frozen=True, slots=True)
class Going:
    """Where partitions go on, and how often they are cut for the next checkpoint; without `every_s` they are not."""

    parts: Mapping[int, Part] = field(default_factory=dict)
    every_s: float | None = None


def tell_ledger(broker: str, prefix: str, zone: ZoneRun) -> None:
    """What people have said of alerts up to now, for the ledger; what it knows it does not take again. Raises KafkaError."""
    zone.tell(read_commands(broker, prefix))


async def made(
    broker: str, prefix: str, plan: Plan, numbers: Collection[int], zone: ZoneRun | None = None, going: Going | None = None
) -> AsyncIterator[Made]:
    """What these partitions of a plan make, in this process; `zone` is a fresh core of the plan, if there is one.

    Raises CannotReplay, zone_run.UnknownVersion, archive.BadArchive, snapshot.BadSnapshot, KafkaError.
    """
    going = going or Going()
    commands = await asyncio.to_thread(CommandLog.of, broker, prefix)
    late = None
    if plan.late_offsets:
        late = LateReadings(plan.from_ms, plan.to_ms)
        fresh = [number for number in numbers if number not in going.parts]
        if fresh:
            looking = await zone_run(broker, prefix, plan, late)
            async for found in _through(broker, plan.looking_for_late(), looking, commands, fresh):
                yield Made([], 0, found.bytes, found.ingest_ms)
        late.begin()
    zone = zone or await zone_run(broker, prefix, plan)
    zone.late = late
    for number, part in going.parts.items():
        if number in numbers:
            resume(zone, number, part, late)
    plan = plan.going_on({number: part.next_offset for number, part in going.parts.items()})
    async for found in _through(broker, plan, zone, commands, numbers, going.every_s):
        yield found


async def made_on(broker: str, prefix: str, piece: Plan, zone: ZoneRun) -> AsyncIterator[Made]:
    """What all partitions make of a piece of the log that begins where `zone` stands. Raises as `made` does."""
    commands = await asyncio.to_thread(CommandLog.of, broker, prefix)
    async for found in _through(broker, piece, zone, commands, range(len(piece.offsets))):
        yield found


async def _through(
    broker: str, plan: Plan, zone: ZoneRun, commands: CommandLog, numbers: Collection[int], every_s: float | None = None
) -> AsyncIterator[Made]:
    pace, moved = None if every_s is None else Pace(every_s), set[int]()
    async for records in fetches(broker, plan, numbers=numbers):
        pieces = await asyncio.to_thread(lambda r=records: list(zone.meter(r, None, commands.positions(r))))  # type: ignore[misc]
        zone.partitions[records.partition].next_offset = int(records.offset[-1]) + 1
        size = int((records.value_end - records.value_start).sum())
        cuts: list[Cut] = []
        moved.add(records.partition)
        if pace is not None and pace.is_due():
            begun = time.monotonic()
            cuts = [await asyncio.to_thread(cut, zone, number) for number in sorted(moved)]
            pace.took(begun)
            moved.clear()
        yield Made(pieces, len(records), size, int(records.timestamp_ms.max()), cuts)
    if plan.until_ms:  # partitions that stand before it, because nothing came, are not waited for
        yield Made(list(zone.pass_to(plan.until_ms, numbers)), 0, 0, plan.until_ms)


async def zone_run(broker: str, prefix: str, plan: Plan, late: LateReadings | None = None) -> ZoneRun:
    """The core that the plan runs under: its own registry, or the versions of the log. Raises CannotReplay, KafkaError."""
    partitions, own = len(plan.offsets), plan.registry()
    if own is not None:
        return ZoneRun(own, partitions, plan.topic, late=late)
    topic = REGISTRY.full_name(prefix)
    versions = await asyncio.to_thread(load_versions, broker, topic)
    if not versions:
        raise CannotReplay(
            f"no registry is on {topic}: publish one with `zonepulse registry apply`, or plan with --registry zone.yaml"
        )
    versions = {number: plan.as_known(version) for number, version in versions.items()}
    compiled = await _compiled(versions, partitions)
    return ZoneRun(versions[min(compiled)], partitions, plan.topic, compiled, late)


async def let_know_versions(broker: str, prefix: str, plan: Plan, zone: ZoneRun) -> None:
    """Registry versions that were published since `zone` was made, if it obeys those of the log. Raises KafkaError."""
    if zone.versions:
        found = await asyncio.to_thread(load_versions, broker, REGISTRY.full_name(prefix))
        new = {number: plan.as_known(version) for number, version in found.items() if number not in zone.versions}
        if new:
            zone.versions = {**zone.versions, **await _compiled(new, len(plan.offsets))}


async def _compiled(versions: Mapping[int, Registry], partitions: int) -> dict[int, Channels]:
    store = RegistryStore(lambda: versions, partitions, versions)
    return {number: await store.version(number) for number in sorted(versions)}


def made_by_processes(broker: str, prefix: str, plan: Plan, processes: int, going: Going | None = None) -> Generator[Made]:
    """What all partitions make, shared out to so many processes; always of the one whose time is furthest behind, so that little waits
    for it. Raises CannotReplay; RuntimeError with the traceback of a process that failed otherwise."""
    server = multiprocessing.get_context("forkserver")  # which imports everything once for all of them
    server.set_forkserver_preload([__name__])
    children, behind = [], dict[Connection, int]()
    try:
        for share in range(processes):
            ours, theirs = server.Pipe(duplex=False)
            numbers = range(share, len(plan.offsets), processes)
            arguments = (dict(os.environ), broker, prefix, plan, numbers, theirs, going)
            child = server.Process(target=_child, args=arguments, daemon=True)
            child.start()
            theirs.close()
            children.append(child)
            behind[ours] = -1
        while behind:
            first = min(behind, key=lambda connection: behind[connection])
            try:
                found = first.recv()
            except (EOFError, OSError) as error:  # OSError: in the middle of a message
                raise CannotReplay("a process of this run was killed: run it again, it goes on from its last checkpoint") from error
            if found is None:
                del behind[first]
            elif isinstance(found, Made):
                behind[first] = max(behind[first], found.ingest_ms)
                yield found
            else:
                raise found
    finally:
        for child in children:
            child.terminate()
            child.join()


def _child(
    environment: Mapping[str, str],
    broker: str,
    prefix: str,
    plan: Plan,
    numbers: Collection[int],
    out: Connection,
    going: Going | None,
) -> None:
    os.environ.update(environment)  # its server may have been started in another one

    async def send() -> None:
        async for found in made(broker, prefix, plan, numbers, going=going):
            await asyncio.to_thread(out.send, found)

    with suppress(BrokenPipeError):  # nobody listens any more
        try:
            asyncio.run(send())
            out.send(None)
        except BrokenPipeError:
            raise
        except (CannotReplay, UnknownVersion, BadArchive) as error:
            out.send(CannotReplay(str(error)))
        except KafkaError as error:
            out.send(CannotReplay(f"Kafka: {type(error).__name__}: {error}; look with `zonepulse doctor`"))
        except Exception:
            out.send(RuntimeError(traceback.format_exc()))
