"""Readings for a run: from the archive as far as the plan says, then from the topic, by direct assignment, in no group, committed records
only, as raw record batches.

What live tasks read is not touched: no offset is committed anywhere. What the plan names and the log no longer has is told, with the range;
nothing is passed over, and no other offset is taken in its place.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterator
from typing import Final

import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError
from faust.types import TP

from zonepulse.schemas.messages.records import RecordSpans
from zonepulse.streams.access.address import connection_to
from zonepulse.streams.access.renewed_connections import renew_connections
from zonepulse.streams.archive.archive import Archive
from zonepulse.streams.kafka.log_facts import admin_of, ends_of, topic_ids
from zonepulse.streams.kafka.raw_batches import RawFetch, piece, read_batches, read_raw
from zonepulse.streams.kafka.record_arrays import spans
from zonepulse.streams.replay.plan import CannotReplay, Plan

MOST_RECORDS: Final = 200_000
MOST_BYTES: Final = 64 << 20
FETCH_BYTES: Final = 8 << 20
POLL_MS: Final = 500
SILENCE_S: Final = 30.0


async def fetches(
    broker: str, plan: Plan, silence_s: float = SILENCE_S, numbers: Collection[int] | None = None
) -> AsyncIterator[RecordSpans]:
    """The records of a plan, or of these of its partitions, a partition a fetch; always of the one whose time is furthest behind, so that
    little waits for it.

    Raises CannotReplay where the log is not the one that was planned, where retention overtakes it, or where nothing comes for
    `silence_s`.
    """
    await asyncio.to_thread(check_log, broker, plan)
    read_raw([plan.topic])
    renew_connections()
    numbers = range(len(plan.offsets)) if numbers is None else numbers
    tps = [TopicPartition(plan.topic, number) for number in numbers]
    consumer = AIOKafkaConsumer(
        **connection_to(broker), group_id=None, enable_auto_commit=False, auto_offset_reset="none",
        isolation_level="read_committed", max_partition_fetch_bytes=FETCH_BYTES,
    )  # fmt: skip
    await consumer.start()
    try:
        kept = await asyncio.to_thread(_archives, plan, numbers)
        live = {tp: first for tp in tps if (first := plan.topic_first(tp.partition)) < plan.offsets[tp.partition][1]}
        consumer.assign(list(live))
        for tp, first in live.items():
            consumer.seek(tp, first)
        behind = {tp: -1 for tp in tps if tp in live or tp.partition in kept}
        heard = time.monotonic()
        while behind:
            tp = min(behind, key=lambda tp: behind[tp])
            if tp.partition in kept:
                if (records := await asyncio.to_thread(next, kept[tp.partition], None)) is not None:
                    behind[tp] = max(behind[tp], int(records.timestamp_ms[-1]))
                    yield records
                    continue
                del kept[tp.partition]
                heard = time.monotonic()
                if tp not in live:
                    del behind[tp]
                    continue
            start, end = await consumer.position(tp), plan.offsets[tp.partition][1]
            for found in await _fetched(consumer, broker, tp):
                if len(records := _before(found, end)):
                    behind[tp] = max(behind[tp], int(records.timestamp_ms[-1]))
                    yield records
            if (position := await consumer.position(tp)) > start:
                heard = time.monotonic()
            if position >= end:
                del behind[tp]
            elif time.monotonic() - heard > silence_s:
                raise CannotReplay(
                    f"{tp.topic} partition {tp.partition}: nothing came from offset {position} on in {silence_s:g} s, though the plan ends"
                    f" at {end}; look with `zonepulse doctor`, then run it again"
                )
    finally:
        await consumer.stop()


def _archives(plan: Plan, numbers: Collection[int]) -> dict[int, Iterator[RecordSpans]]:
    """What is read of each partition's archive."""
    if not plan.archived:
        return {}
    archive = Archive(plan.archive, plan.zone, plan.topic, plan.topic_id)
    files = archive.files()
    return {
        number: archive.read(files.get(number, ()), number, first, min(stop, end))
        for number, ((first, end), stop) in enumerate(zip(plan.offsets, plan.archived, strict=True))
        if number in numbers and first < min(stop, end)
    }


def check_log(broker: str, plan: Plan) -> None:
    """Whether the log still is the one that was planned, and has all of it. Blocks. Raises CannotReplay, kafka.errors.KafkaError."""
    tps = [TP(plan.topic, number) for number in range(len(plan.offsets))]
    with admin_of(broker) as admin:
        now = topic_ids(admin, [plan.topic]).get(plan.topic, "")
        if not now:
            raise CannotReplay(f"topic {plan.topic} is no longer there; replay the files of that time")
        if plan.topic_id not in ("", now):
            raise CannotReplay(
                f"{plan.topic} was deleted and made anew: other records stand at the offsets of the plan; plan it anew"
            )
        ends = ends_of(admin, tps)
    for tp, (_, end) in zip(tps, plan.offsets, strict=True):
        if (first := plan.topic_first(tp.partition)) < min(end, ends[tp].start):
            raise CannotReplay(_gone(tp, first, ends[tp].start))
        if end > ends[tp].end:
            raise CannotReplay(
                f"{tp.topic} partition {tp.partition} ends at offset {ends[tp].end}, before the {end} of the plan: it was made anew or lost"
                " its end; plan it anew"
            )


def _gone(tp: TP, start: int, begins: int) -> str:
    return (
        f"{tp.topic} partition {tp.partition}: offsets {start} to {begins - 1} are gone, the log begins at {begins} now. Retention has"
        " overtaken this run; plan it anew, it will be approximate, or replay the files of that time"
    )


async def _fetched(consumer: AIOKafkaConsumer, broker: str, tp: TopicPartition) -> list[RecordSpans]:
    start = await consumer.position(tp)
    try:
        records = (await consumer.getmany(tp, timeout_ms=POLL_MS)).get(tp, [])
    except OffsetOutOfRangeError as error:
        ours = TP(tp.topic, tp.partition)
        with admin_of(broker) as admin:
            begins = ends_of(admin, [ours])[ours].start
        raise CannotReplay(_gone(ours, start, begins)) from error
    place = TP(tp.topic, tp.partition)
    if records and isinstance(records[0], RawFetch):
        raw = records[0]
        return await asyncio.to_thread(lambda: list(read_batches(place, raw, start, 0, MOST_RECORDS, MOST_BYTES)))
    return [spans(place, records, records[-1].offset + 1, 0)] if records else []


def _before(found: RecordSpans, end: int) -> RecordSpans:
    """The records before offset `end`."""
    return piece(found, 0, int(np.searchsorted(found.offset, end)))
