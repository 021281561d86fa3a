"""Checkpoints of a run: files of its own in a folder, from which it goes on when it was cut off, by `kill -9` too.

A partition is *cut* between two of its records, by whichever process folds it; the ledger, which has booked all that came before the
newest cuts, is kept with them. What a partition makes again behind its cut vanishes in the ledger and among the rows, as in live tasks.

    <folder>/state                   partitions, ledger, and the names of the row files that belong to them; replaced at once
    <folder>/rows-<n>-<table>.arrow  rows from the stretch on that were made between two checkpoints
    <folder>/followed                of a run that follows the log: all of it, whose rows are in the store; replaced at once
"""

import shutil
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa

from zonepulse.processors.flow import ReadingColumns
from zonepulse.processors.ledger.ledger import Ledger
from zonepulse.processors.ledger.snapshot import freeze_ledger, restore_ledger
from zonepulse.processors.metering.partition import Partition
from zonepulse.processors.metering.snapshot import SCHEMA, BadSnapshot, Frozen, decode, encode, freeze_partition, restore_partition
from zonepulse.processors.metering.step import LateReadings
from zonepulse.processors.metering.windows import new_out, new_work
from zonepulse.processors.zone_run import ZoneRun
from zonepulse.streams.control.kept_states import States
from zonepulse.streams.embedded.processes.private_files import write_whole
from zonepulse.streams.replay.plan import CannotReplay, Plan

EVERY_S: Final = 10.0
COST: Final = 20
"""A pause is at least so many times as long as the work before it: checkpoints take a twentieth of a run at most."""


class Part(msgspec.Struct):
    """A state as bytes: the facts as JSON, the chunks as snapshot.encode writes them."""

    facts: bytes
    chunks: dict[int, bytes]
    next_offset: int = 0
    late: bytes = b""
    """Late readings that this partition still has to take in."""


class State(msgspec.Struct):
    """What the file `state` holds. `program` and `plan` say whose it is, `files` are row files with their checksums, by table."""

    program: str
    plan: Plan
    partitions: dict[int, Part]
    ledger: Part
    files: dict[str, list[tuple[str, int]]]
    checkpoints: int
    records: int


@dataclass(frozen=True, slots=True)
class Cut:
    """A partition at an offset: the chunks that changed since its last cut. It may be pickled."""

    partition: int
    part: Part
    count: int


class Pace:
    """When the next checkpoint is due."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._due = time.monotonic() + every_s

    def is_due(self) -> bool:
        """Whether it is time."""
        return time.monotonic() >= self._due

    def took(self, since: float) -> None:
        """One was made, and begun at this time of the monotonic clock."""
        now = time.monotonic()
        self._due = now + max(self._every_s, COST * (now - since) if self._every_s else 0)


# --- a partition ------------------------------------------------------------------------------------------------------------------


def cut(zone: ZoneRun, number: int, *, is_whole: bool = False) -> Cut:
    """A partition now; what it made before must be on its way to the ledger. With `is_whole` all chunks, whatever was cut before."""
    frozen = freeze_partition(zone.partitions[number], is_whole=is_whole)
    part = _part(frozen)
    if zone.late is not None and (waiting := zone.late.waiting(number)) is not None and len(waiting.ts):
        part.late = encode(waiting._asdict())
    return Cut(number, part, frozen.count)


def resume(zone: ZoneRun, number: int, part: Part, late: LateReadings | None) -> None:
    """The partition goes on from its cut. Raises BadSnapshot."""
    zone.partitions[number] = _partition(zone, part)
    if late is not None and part.late:
        late.take(number, ReadingColumns(**{name: array.copy() for name, array in decode(part.late).items()}))


def _partition(zone: ZoneRun, part: Part) -> Partition:
    facts = msgspec.json.decode(part.facts)
    channels = zone.versions.get(facts["registry"], zone.channels)
    chunks = [decode(part.chunks[i]) for i in range(len(part.chunks))]
    return restore_partition(channels, facts, chunks, part.next_offset, new_work(), new_out())


def _part(frozen: Frozen, before: Part | None = None) -> Part:
    chunks = {} if before is None else before.chunks
    chunks |= {number: encode(arrays) for number, arrays in frozen.chunks.items()}
    return Part(msgspec.json.encode(frozen.facts), {i: chunks[i] for i in range(frozen.count) if i in chunks}, frozen.next_offset)


def begin_with(zone: ZoneRun, states: States) -> dict[int, Part]:
    """The ledger of a fresh core goes on from the live tasks' state; where its partitions do. Raises CannotReplay."""
    parts = {number: Part(msgspec.json.encode(s.facts), dict(enumerate(s.chunks)), s.next_offset) for number, s in states.items()}
    try:
        zone.ledger = _ledger(zone, parts.pop(len(zone.partitions)))
        for part in parts.values():
            _partition(zone, part)
    except (KeyError, BadSnapshot) as error:
        raise CannotReplay(f"the live tasks' states that the run was to begin with are gone: {error}; plan it anew") from error
    return parts


# --- the run ----------------------------------------------------------------------------------------------------------------------


class RunFolder:
    """The checkpoints of one plan in `folder`. Only the process that runs the plan writes there."""

    def __init__(self, folder: Path, plan: Plan, every_s: float = EVERY_S) -> None:
        self._folder, self.every_s = folder, every_s
        self._pace = Pace(every_s / 2)  # cuts set the pace; those of several processes come one by one
        self.state = State(_program(), plan, {}, Part(b"", {}), {}, 0, 0)

    def open(self, zone: ZoneRun) -> None:
        """Takes up the last checkpoint, if there is one of this plan and program that is whole; `zone` is a fresh core of the plan.

        Else the folder is emptied: the run begins anew. Raises CannotReplay."""
        if (found := self._found()) is not None:
            with suppress(BadSnapshot):  # of registry versions that are others now
                for part in found.partitions.values():
                    _partition(zone, part)
                zone.ledger = _ledger(zone, found.ledger)
                self.state = found
                return
        self.remove()
        with self._told():
            self._folder.mkdir(parents=True)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise CannotReplay(
                f"checkpoints of this run cannot be written to {self._folder}: {error.strerror}; see that ZONEPULSE_DATA_DIR names a"
                " folder with room, then run it again"
            ) from error

    def _found(self) -> State | None:
        try:
            found = msgspec.msgpack.decode((self._folder / "state").read_bytes(), type=State)
            if (found.program, found.plan) != (self.state.program, self.state.plan):
                return None
            for name, checksum in (file for files in found.files.values() for file in files):
                if zlib.crc32((self._folder / name).read_bytes()) != checksum:
                    return None
        except (OSError, msgspec.MsgspecError):
            return None
        return found

    def take(self, made: Cut) -> None:
        """A newer cut of a partition, all of whose pieces before it are booked."""
        before = self.state.partitions.get(made.partition)
        chunks = ({} if before is None else before.chunks) | made.part.chunks
        made.part.chunks = {i: chunks[i] for i in range(made.count)}
        self.state.partitions[made.partition] = made.part

    def is_due(self) -> bool:
        """Whether it is time for `save`."""
        return self._pace.is_due()

    def save(self, zone: ZoneRun, rows: Mapping[str, pa.Table], records: int) -> None:
        """Cuts, ledger and `rows`, those made since the last checkpoint, by table. Raises CannotReplay."""
        begun, state = time.monotonic(), self.state
        state.checkpoints, state.records = state.checkpoints + 1, records
        for name, table in rows.items():
            if table.num_rows:
                file = f"rows-{state.checkpoints}-{name}.arrow"
                content = _bytes_of(table)
                with self._told():
                    write_whole(self._folder / file, content)
                state.files.setdefault(name, []).append((file, zlib.crc32(content)))
        state.ledger = _part(freeze_ledger(zone.ledger, 0), state.ledger)
        with self._told():
            write_whole(self._folder / "state", msgspec.msgpack.encode(state))
        self._pace.took(begun)

    def keep_followed(self, zone: ZoneRun) -> None:
        """All of it as it stands now, every row of which is in the store: what live tasks may go on from. Raises CannotReplay."""
        partitions = {number: cut(zone, number, is_whole=True).part for number in range(len(zone.partitions))}
        ledger = _part(freeze_ledger(zone.ledger, 0, is_whole=True))
        with self._told():
            self._folder.mkdir(parents=True, exist_ok=True)
            write_whole(
                self._folder / "followed",
                msgspec.msgpack.encode(State(self.state.program, self.state.plan, partitions, ledger, {}, 0, 0)),
            )

    def followed(self) -> State:
        """What was kept last. Raises CannotReplay."""
        try:
            found = msgspec.msgpack.decode((self._folder / "followed").read_bytes(), type=State)
        except (OSError, msgspec.MsgspecError) as error:
            raise CannotReplay(
                f"run {self.state.plan.run!r} keeps its state in {self._folder}, where there is none that can be read: promote it on the"
                " machine on which it follows, with the same ZONEPULSE_DATA_DIR, once it has gone on for some seconds"
            ) from error
        if (found.program, found.plan) != (self.state.program, self.state.plan):
            raise CannotReplay(
                f"run {self.state.plan.run!r} was made by {found.program}, this is {self.state.program}: install one version"
            )
        return found

    def rows(self, name: str) -> list[pa.RecordBatch]:
        """Of a table, what stands in the row files."""
        found = []
        for file, _ in self.state.files.get(name, ()):
            with pa.ipc.open_stream(self._folder / file) as reader:
                found += reader.read_all().to_batches()
        return found

    def remove(self) -> None:
        """The run is over, or begins anew."""
        shutil.rmtree(self._folder, ignore_errors=True)


def folder_of(data_dir: Path, run: str) -> Path:
    """Where the checkpoints of a run are."""
    return data_dir / "replay" / run


def _ledger(zone: ZoneRun, part: Part) -> Ledger:
    versions = zone.versions or {zone.registry.version: zone.channels}
    facts = msgspec.json.decode(part.facts)
    if missing := {facts["registry"], *facts["versions"]} - versions.keys():
        raise BadSnapshot(f"registry versions {sorted(missing)} of the checkpoint are gone")
    return restore_ledger(versions, facts, [decode(part.chunks[i]) for i in range(len(part.chunks))])


def _bytes_of(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _program() -> str:
    """Whose checkpoints this program goes on from: its own alone, since another may make other rows of the same log."""
    return f"zonepulse {version('zonepulse')}, snapshots {SCHEMA}"
