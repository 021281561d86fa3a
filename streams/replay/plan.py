"""What a replay of the topic will read, write and cannot know: a plan is data, kept with its run, and the same whenever it is run."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace

import msgspec
from faust.types import TP
from kafka import KafkaConsumer, TopicPartition

from zonepulse.processors.ledger.horizon import reach_ms
from zonepulse.schemas.factors.knowledge import is_known, with_published
from zonepulse.schemas.messages.topics import READINGS
from zonepulse.schemas.registry.model import Factor, Registry, ZonePolicy
from zonepulse.schemas.registry.wire import decode_factor, encode_factor
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.access.address import connection_to
from zonepulse.streams.archive.archive import Archive, covered
from zonepulse.streams.control.kept_states import States
from zonepulse.streams.kafka.log_facts import admin_of, ends_of, partitions_of, topic_ids

REPLAY, WHAT_IF = "replay", "what-if"
AUTO, TOPIC, ARCHIVE, FILES = "auto", "topic", "archive", "files"


class CannotReplay(ValueError):
    """The message names what is missing, and the remedy."""


class Plan(msgspec.Struct, frozen=True):
    """One run to be. Times in epoch ms; `offsets` by partition: the first to be read, and the end (exclusive)."""

    run: str
    zone: str
    from_ms: int
    to_ms: int
    topic: str
    offsets: tuple[tuple[int, int], ...]
    zone_yaml: str = ""
    """The registry of the run, whatever the log says; '': the versions that the log names, as live tasks had them."""
    factors_as_of: str = ""
    """An ISO date: factors as they were known at its end; '': as the registry has them."""
    published: tuple[str, ...] = ()
    """Factors that were published apart from the log's registry versions, as wire.encode_factor writes them."""
    caveats: tuple[str, ...] = ()
    """Why its rows may differ from those that live tasks would have made of the whole log; with any, the run is approximate."""
    made_at_ms: int = 0
    topic_id: str = ""
    """Kafka's id of the topic; '' where a plan does not know it."""
    until_ms: int = 0
    """Every partition's log has come to this time, and its records before it are read; 0: some have not."""
    archive: str = ""
    """Folder or URL of the archive that is read besides the topic."""
    archived: tuple[int, ...] = ()
    """By partition: offsets below come from the archive, the others from the topic. Without an archive there are none."""

    @property
    def records(self) -> int:
        """An upper bound: offsets also count records of transactions, and what compaction has left out."""
        return sum(end - first for first, end in self.offsets)

    late_offsets: tuple[int, ...] = ()
    """By partition: how far (exclusive) readings behind `lateness` are looked for, which this run takes in; () = they stay out."""
    who: str = ""
    """Who made the plan, user@host."""
    program: str = ""
    """The version of zonepulse that made it."""
    max_gap_ms: int = 0
    """How long a silence this run bridges, whatever the registry says; 0: what the registry says."""
    kept: str = ""
    """The name of the live tasks' states that it begins with, at `offsets`; '': it begins with the log."""
    files: tuple[tuple[str, str], ...] = ()
    """Path and SHA-256 of those that are read instead of the topic; `offsets` then only say how many partitions there are."""
    arrival: bool = False
    """Readings of files without ingest_ms arrive at the running maximum of ts."""
    version: int = 0
    """The published registry that files are read under, where the run has none of its own."""

    @property
    def kind(self) -> str:
        """What a run of it says: what the log's own registry and factors make of the readings (REPLAY), or others (WHAT_IF)."""
        return WHAT_IF if self.zone_yaml or self.factors_as_of or self.max_gap_ms else REPLAY

    @property
    def is_open(self) -> bool:
        """Whether the log had not come to its end when it was made: that is the last caveat."""
        return self.until_ms == 0

    def topic_first(self, partition: int) -> int:
        """The first offset that is read from the topic."""
        first = self.offsets[partition][0]
        return max(first, self.archived[partition]) if self.archived else first

    def going_on(self, positions: Mapping[int, int]) -> "Plan":
        """The same without what these partitions have read already, by the next offset."""
        offsets = tuple((positions.get(number, first), end) for number, (first, end) in enumerate(self.offsets))
        return msgspec.structs.replace(self, offsets=offsets)

    def looking_for_late(self) -> "Plan":
        """The same over all that may hold a late reading of the stretch."""
        offsets = tuple((first, late) for (first, _), late in zip(self.offsets, self.late_offsets, strict=True))
        return msgspec.structs.replace(self, offsets=offsets, until_ms=0)

    def registry(self) -> Registry | None:
        """The run's own registry, if it has one. Raises problems.RegistryError."""
        if not self.zone_yaml:
            return None
        found = parse_zone(self.zone_yaml, factors_as_of=self.factors_as_of or None)
        return replace(found, zone=self.policy(found.zone))

    def policy(self, zone: ZonePolicy) -> ZonePolicy:
        """A zone's settings as this run has them."""
        return replace(zone, max_gap_ms=self.max_gap_ms or zone.max_gap_ms)

    def as_known(self, version: Registry) -> Registry:
        """A registry version of the log with the factors and settings that this run uses."""
        version = replace(version, zone=self.policy(version.zone))
        if not self.factors_as_of:
            return version
        publications = [decode_factor(text) for text in self.published]
        return replace(version, factors=with_published(version.factors, publications, self.factors_as_of))


def make_plan(
    broker: str,
    prefix: str,
    zone: ZonePolicy,
    run: str,
    stretch: tuple[int, int],
    zone_yaml: str,
    factors_as_of: str,
    now_ms: int,
    *,
    archive: str = "",
    source: str = AUTO,
    include_late: bool = False,
    published: Iterable[Factor] = (),
    max_gap_ms: int = 0,
    kept: tuple[str, States] | None = None,
) -> Plan:
    """Reads where log and archive stand; nothing is changed.

    By `source` the archive is read where the topic's beginning is gone (AUTO), as far as it goes (ARCHIVE), or not (TOPIC).
    `include_late` looks for late readings up to the log's end. `published`: factors apart from the registry's, which those known at
    `factors_as_of` count beside. `max_gap_ms`: in the place of the zone's, 0 = that. `kept`: states that such a run may begin with, if the
    log still is there from them on.

    Raises CannotReplay, archive.BadArchive and kafka.errors.KafkaError.
    """
    from_ms, to_ms = stretch
    topic = READINGS.full_name(prefix)
    with admin_of(broker) as admin:
        tps = sorted(partitions_of(admin, [topic]), key=lambda tp: tp.partition)
        if not tps:
            raise CannotReplay(f"topic {topic} is not there: set ZONEPULSE_TOPIC_PREFIX to that of the zone, or replay files")
        ends, ids = ends_of(admin, tps), topic_ids(admin, [topic])
    last_ms = to_ms + reach_ms(replace(zone, max_gap_ms=max_gap_ms or zone.max_gap_ms))
    until = _offsets_at(broker, tps, last_ms)
    end = {tp: ends[tp].stable if (at := until[tp]) is None else min(at, ends[tp].stable) for tp in tps}
    begin, archived = {tp: ends[tp].start for tp in tps}, dict.fromkeys(tps, 0)
    if archive and source != TOPIC:
        files = Archive(archive, zone.id, topic, ids.get(topic, "")).files()
        for tp in tps:
            if source == ARCHIVE or ends[tp].start > 0:
                begin[tp], behind = covered(files.get(tp.partition, []), ends[tp].start)
                archived[tp] = min(behind, ends[tp].stable if include_late else end[tp])
    caveats = _caveats(begin, until, last_ms, archive)
    if kept is not None and all(ends[tp].start <= kept[1][tp.partition].next_offset <= end[tp] for tp in tps):
        begin, archived = {tp: kept[1][tp.partition].next_offset for tp in tps}, dict.fromkeys(tps, 0)
        caveats = _caveats(dict.fromkeys(tps, 0), until, last_ms, archive)
    else:
        kept = None
    return Plan(
        run, zone.id, from_ms, to_ms, topic, tuple((begin[tp], end[tp]) for tp in tps), zone_yaml, factors_as_of,
        known_of(published, factors_as_of),
        tuple(caveats), now_ms, ids.get(topic, ""),
        0 if None in until.values() else last_ms,
        archive if any(archived.values()) else "", tuple(archived.values()) if any(archived.values()) else (),
        tuple(ends[tp].stable for tp in tps) if include_late else (), max_gap_ms=max_gap_ms,
        kept="" if kept is None else kept[0],
    )  # fmt: skip


def known_of(published: Iterable[Factor], factors_as_of: str | None) -> tuple[str, ...]:
    """Those that were known at the end of that day, as `Plan.published` has them."""
    return tuple(encode_factor(factor).decode() for factor in published if is_known(factor, factors_as_of or ""))


def _offsets_at(broker: str, tps: Sequence[TP], at_ms: int) -> dict[TP, int | None]:
    """The first offset of each partition whose record is of that time or later; None: there is none yet."""
    with closing(KafkaConsumer(**connection_to(broker), enable_auto_commit=False, group_id=None)) as consumer:
        found = consumer.offsets_for_times({TopicPartition(tp.topic, tp.partition): at_ms for tp in tps})
    by_tp = {TP(tp.topic, tp.partition): at for tp, at in found.items()}
    return {tp: None if by_tp.get(tp) is None else int(by_tp[tp].offset) for tp in tps}


def _caveats(begin: Mapping[TP, int], until: Mapping[TP, int | None], last_ms: int, archive: str) -> list[str]:
    where = "with retention, and not in the archive" if archive else "with retention"
    found = [
        f"{tp.topic} partition {tp.partition} begins at offset {at}: what its registers showed before is gone {where}"
        for tp, at in begin.items()
        if at > 0
    ]
    if open_ones := [str(tp.partition) for tp, at in until.items() if at is None]:
        found.append(
            f"partitions {', '.join(open_ones)} have not reached {last_ms} ms: a reading in time can still revise the stretch"
        )
    return found
