"""The readings behind a window, from the log itself: register values with topic, partition, offset and item, and what they add up to.

The log is searched by the records' times, in a range around the window that is widened until a reading bounds each end of it, at most by
the zone's `max_gap`. Readings are decoded by the decoder that the ledger's is tested against.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final, NamedTuple

from kafka import KafkaConsumer, TopicPartition

from zonepulse.schemas.messages.partitioner import partition_key, partition_of
from zonepulse.schemas.messages.readings import decode, is_arrow
from zonepulse.schemas.messages.records import CONTENT_TYPE
from zonepulse.schemas.messages.topics import MAX_MESSAGE_BYTES
from zonepulse.schemas.registry.model import MeterVersion, Register, ZonePolicy
from zonepulse.schemas.units import MICRO, MS_PER_HOUR
from zonepulse.streams.access.address import connection_to
from zonepulse.streams.control.registry_topic import CONNECT_MS

RECORDS: Final = 500_000
"""More are not read for one search; the answer says so."""
WIDER: Final = 8
SILENCE_MS: Final = 30_000
Window = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Channel:
    """A register of a meter as it was in the window."""

    meter: MeterVersion
    register: Register

    @property
    def name(self) -> tuple[str, str]:
        """Meter and register."""
        return self.meter.id, self.register.id


@dataclass(frozen=True, slots=True)
class Found:
    """A reading in the log; `refused` is the reason of its dead letter, '' where it was accepted."""

    ts_ms: int
    value: float
    unit: str
    topic: str
    partition: int
    offset: int
    item: int
    refused: str = ""


class Held(NamedTuple):
    """What a search of one partition came upon. `is_cut`: the log begins later than the range; `is_full`: more than RECORDS."""

    readings: dict[tuple[str, str], list[Found]]
    begin_offset: int
    is_cut: bool
    is_full: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """What two readings, or one, say of the time from `from_ms` to `to_ms`: energy in micro base units; None where the register fell."""

    from_ms: int
    to_ms: int
    first: Found
    last: Found
    energy_micro: Fraction | None

    def within(self, window: Window) -> Fraction | None:
        """The part of its energy that falls into the window if it was used evenly."""
        overlap = min(self.to_ms, window[1]) - max(self.from_ms, window[0])
        return None if self.energy_micro is None else self.energy_micro * overlap / (self.to_ms - self.from_ms)


class Log:
    """The readings topic of a zone."""

    def __init__(self, broker: str, topic: str, policy: ZonePolicy) -> None:
        self._broker, self._topic, self._policy = broker, topic, policy

    def behind(
        self, channels: Sequence[Channel], window: Window, refused: Mapping[tuple[int, int, int], str]
    ) -> dict[tuple[str, str], dict[str, Any]]:
        """Channel -> its readings around the window, segments, and `why` where something is not there. Raises kafka.errors.KafkaError.

        `refused` is partition, offset and item -> reason of a dead letter.
        """
        out: dict[tuple[str, str], dict[str, Any]] = {}
        with closing(self._consumer()) as consumer:
            partitions = consumer.partitions_for_topic(self._topic) or set()
            if not partitions:
                return {c.name: _nothing(f"there is no topic {self._topic}") for c in channels}
            by_partition: dict[int, list[Channel]] = {}
            for channel in channels:
                number = partition_of(partition_key(self._policy, channel.meter), len(partitions))
                by_partition.setdefault(number, []).append(channel)
            for number, mine in sorted(by_partition.items()):
                out |= self._of_partition(consumer, TopicPartition(self._topic, number), mine, window, refused)
        return out

    def _of_partition(
        self,
        consumer: KafkaConsumer,
        tp: TopicPartition,
        channels: list[Channel],
        window: Window,
        refused: Mapping[tuple[int, int, int], str],
    ) -> dict[tuple[str, str], dict[str, Any]]:
        reach = 2 * max(self._policy.window_ms, *(c.register.period_ms for c in channels))
        while True:
            held = self._search(consumer, tp, {c.name for c in channels}, window[0] - reach, window[1] + reach)
            seen = {
                name: [replace(r, refused=refused.get((r.partition, r.offset, r.item), "")) for r in found]
                for name, found in held.readings.items()
            }
            answers = {c.name: explained(c, seen.get(c.name, []), window, held) for c in channels}
            if reach >= self._policy.max_gap_ms or held.is_full or all(a["is_bounded"] for a in answers.values()):
                return answers
            reach = min(reach * WIDER, self._policy.max_gap_ms)

    def _search(self, consumer: KafkaConsumer, tp: TopicPartition, names: set[tuple[str, str]], from_ms: int, to_ms: int) -> Held:
        """Readings of these channels with from_ms <= ts <= to_ms, in the order of the log."""
        policy = self._policy
        consumer.assign([tp])
        begin, end = consumer.beginning_offsets([tp])[tp], consumer.end_offsets([tp])[tp]
        first_ms, last_ms = max(0, from_ms - policy.future_ms), max(0, to_ms + policy.lateness_ms)
        first, last = (consumer.offsets_for_times({tp: ms})[tp] for ms in (first_ms, last_ms + 1))
        at = end if first is None else first.offset
        stop = end if last is None else last.offset
        found: dict[tuple[str, str], list[Found]] = {}
        is_full = stop - at > RECORDS
        stop = min(stop, at + RECORDS)
        for record in _records(consumer, tp, at, stop):
            for name, reading in _readings(record, names):
                if from_ms <= reading.ts_ms <= to_ms:
                    found.setdefault(name, []).append(reading)
        return Held(found, begin, begin > 0 and at == begin, is_full)

    def _consumer(self) -> KafkaConsumer:
        return KafkaConsumer(
            **connection_to(self._broker),
            bootstrap_timeout_ms=CONNECT_MS,
            enable_auto_commit=False,
            allow_auto_create_topics=False,
            max_partition_fetch_bytes=MAX_MESSAGE_BYTES,
            max_poll_records=5000,
        )


def _records(consumer: KafkaConsumer, tp: TopicPartition, at: int, stop: int) -> Iterator[Any]:
    """Records [at, stop). Raises TimeoutError: the broker has gone silent."""
    consumer.seek(tp, at)
    while (position := consumer.position(tp)) < stop:
        for record in consumer.poll(timeout_ms=SILENCE_MS).get(tp, ()):
            if record.offset < stop:
                yield record
        if consumer.position(tp) == position:
            raise TimeoutError(
                f"{tp.topic}/{tp.partition}: nothing came from offset {position} on in {SILENCE_MS // 1000} s; ask again"
            )


def _readings(record: Any, names: set[tuple[str, str]]) -> Iterator[tuple[tuple[str, str], Found]]:
    content_type = dict(record.headers or ()).get(CONTENT_TYPE)
    if record.value is None or not _may_hold(record.value, content_type, names):
        return
    found = decode(record.value, content_type)
    rows = zip(found.meter, found.register, found.ts, found.value, found.unit, found.item, found.reason, strict=True)
    for meter, register, ts, value, unit, item, reason in rows:
        if not reason and (meter, register) in names:
            yield (meter, register), Found(ts, value, unit or "", record.topic, record.partition, record.offset, item)


def _may_hold(value: bytes, content_type: bytes | None, names: set[tuple[str, str]]) -> bool:
    """Whether it is worth decoding: JSON without escapes names its meters literally."""
    return b"\\" in value or is_arrow(value, content_type) or any(meter.encode() in value for meter, _ in names)


def explained(channel: Channel, readings: list[Found], window: Window, held: Held) -> dict[str, Any]:
    """The readings that bear on the window, the segments that overlap it, and why something is missing."""
    good = {r.ts_ms: r for r in reversed(readings) if not r.refused}
    overlapping = [s for s in segments(channel.register, [good[ts] for ts in sorted(good)]) if _overlaps(s, window)]
    is_bounded = bool(overlapping) and overlapping[0].from_ms <= window[0] and overlapping[-1].to_ms >= window[1]
    times = {r.ts_ms for s in overlapping for r in (s.first, s.last)} or {
        ts for ts in good if window[0] - channel.register.period_ms <= ts <= window[1] + channel.register.period_ms
    }
    low, high = min(times, default=window[0]), max(times, default=window[1])
    shown = sorted((r for r in readings if low <= r.ts_ms <= high), key=lambda r: (r.ts_ms, r.partition, r.offset, r.item))
    parts = [s.within(window) for s in overlapping]
    known = None if not parts or any(p is None for p in parts) else sum((p for p in parts if p is not None), Fraction(0))
    return {
        "is_bounded": is_bounded,
        "why": None if is_bounded else _why(channel, shown, held),
        "readings": [asdict(r) | {"is_used": good.get(r.ts_ms) is r and r.ts_ms in times} for r in shown],
        "segments": [_segment(channel.register, s, window) for s in overlapping],
        "evenly_micro": None if known is None else int(known),
    }


def _overlaps(segment: Segment, window: Window) -> bool:
    return segment.from_ms < window[1] and segment.to_ms > window[0]


def segments(register: Register, readings: Sequence[Found]) -> Iterator[Segment]:
    """What accepted readings in order of time say: a counter by twos, an interval's energy or a mean power each by itself."""
    scale = register.multiplier * register.scale
    if register.kind == "cumulative":
        for a, b in pairwise(readings):
            rise = Fraction(repr(b.value)) - Fraction(repr(a.value))
            yield Segment(a.ts_ms, b.ts_ms, a, b, None if rise < 0 else rise * scale)
    for r in readings if register.kind == "interval" else ():
        begin = r.ts_ms if register.stamp == "start" else r.ts_ms - register.period_ms
        yield Segment(begin, begin + register.period_ms, r, r, Fraction(repr(r.value)) * scale)
    for r in readings if register.kind == "power" else ():
        energy = Fraction(repr(r.value)) * scale * register.period_ms / MS_PER_HOUR
        yield Segment(r.ts_ms, r.ts_ms + register.period_ms, r, r, energy)


def _segment(register: Register, segment: Segment, window: Window) -> dict[str, Any]:
    within = segment.within(window)
    is_counter = segment.first is not segment.last
    return {
        "from_ms": segment.from_ms,
        "to_ms": segment.to_ms,
        "first": segment.first.value if is_counter else None,
        "last": segment.last.value,
        "unit": register.unit,
        "multiplier": float(register.multiplier),
        "units_per_base": float(register.scale / MICRO),
        "energy_micro": None if segment.energy_micro is None else round(segment.energy_micro),
        "in_window_ms": min(segment.to_ms, window[1]) - max(segment.from_ms, window[0]),
        "evenly_micro": None if within is None else int(within),
    }


def _why(channel: Channel, shown: Sequence[Found], held: Held) -> str:
    if held.is_full:
        return f"more than {RECORDS:,} records lie around the window: the search ended before it met a reading on both sides"
    if held.is_cut:
        return f"the log begins at offset {held.begin_offset}: what came before is no longer held"
    if not shown:
        return "the log has no readings of this register around the window"
    return "the log has no reading on both sides of the window"


def _nothing(why: str) -> dict[str, Any]:
    return {"is_bounded": False, "why": why, "readings": [], "segments": [], "evenly_micro": None}
