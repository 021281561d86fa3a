"""Whatever meters send: topic, archive and file have the live core's rows, in any number of partitions, batches and processes."""

import asyncio
import json
import pickle
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pyarrow as pa
import pytest
from core_runs import emitted, final, plain
from core_runs import fetches as pieces_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from live_parts import create_topics, produce
from log_strategies import Case, cases, numbered

from zonepulse.oracle.metering.decode import Record
from zonepulse.processors.zone_run import ZoneRun
from zonepulse.schemas.messages.records import HEARTBEAT, RecordSpans
from zonepulse.schemas.tables.results import FINAL_TABLES, TABLES
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.archive.archive import Archive
from zonepulse.streams.archive.record_table import table_of
from zonepulse.streams.clickhouse.stored_rows import stored
from zonepulse.streams.kafka.raw_batches import piece
from zonepulse.streams.replay.file import FinalRows, replay_files, with_run
from zonepulse.streams.replay.log import fetches
from zonepulse.streams.replay.plan import Plan

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
FEW = settings(max_examples=max(6, settings.default.max_examples // 8), deadline=None, suppress_health_check=[HealthCheck.too_slow])
sizes = st.lists(st.integers(1, 9), min_size=1, max_size=4)


def closed(case: Case, *, is_clean: bool) -> list[Record]:
    """The log with a heartbeat of every partition behind everything; a clean one has no other but the first, as a file has none."""
    records = [r for i, r in enumerate(case.records) if not is_clean or r.value != HEARTBEAT or i < case.partitions]
    zone = parse_zone(case.text).zone
    end_ms = max(r.timestamp_ms for r in records) + zone.delay_ms + 3 * zone.window_ms
    plainly = [(r.partition, r.timestamp_ms, r.key, r.value or b"", r.headers) for r in records]
    return numbered(plainly + [(p, end_ms, None, HEARTBEAT, ()) for p in range(case.partitions)])


def of_topic(bootstrap: str, records: Sequence[Record], partitions: int) -> tuple[Plan, list[RecordSpans]]:
    """The records sent to a topic of their own, and read from it as a run does."""
    topic = f"{uuid4().hex}.readings"
    create_topics(bootstrap, {topic: partitions})
    produce(bootstrap, topic, [(r.partition, r.key, r.value, list(r.headers), r.timestamp_ms) for r in records])
    ends = [sum(r.partition == p for r in records) for p in range(partitions)]
    plan = Plan("r", "z", 0, 1, topic, tuple((0, end) for end in ends))

    async def read() -> list[RecordSpans]:
        return [found async for found in fetches(bootstrap, plan)]

    return plan, asyncio.run(read())


def of_archive(folder: str, plan: Plan, read: Sequence[RecordSpans]) -> list[RecordSpans]:
    """What an archive gives back of the records; a file a fetch."""
    archive, next_offset = Archive(folder, plan.zone, plan.topic, "id"), defaultdict[int, int](int)
    for found in read:
        archive.write(found.partition, next_offset[found.partition], found.next_offset, "2026-10-01", table_of(found))
        next_offset[found.partition] = found.next_offset
    files = archive.files()
    return [r for number, (first, end) in enumerate(plan.offsets) for r in archive.read(files.get(number, ()), number, first, end)]


def cut(read: Sequence[RecordSpans], into: Sequence[int]) -> Iterator[RecordSpans]:
    """The same in pieces of these sizes, over and over."""
    turn = 0
    for found in read:
        start = 0
        while start < len(found):
            stop = min(len(found), start + into[turn % len(into)])
            yield piece(found, start, stop)
            start, turn = stop, turn + 1


def rows_of(case: Case, read: Iterator[RecordSpans], processes: int) -> dict[str, pa.Table]:
    """Final rows, the partitions shared out to so many cores, whose pieces one ledger merges."""
    registry, rows = parse_zone(case.text), FinalRows()
    cores, ledger = [ZoneRun(registry, case.partitions) for _ in range(processes)], ZoneRun(registry, case.partitions)
    for found in read:
        for made in pickle.loads(pickle.dumps(list(cores[found.partition % processes].meter(found)))):
            rows.add(ledger.book(made))
    return {name: rows.table(name) for name in FINAL_TABLES}


def lines_of(folder: Path, records: Sequence[Record]) -> Path:
    """A file of the readings, with each one's place beside it."""
    kept = [r for r in records if r.value != HEARTBEAT]
    path = folder / "log.jsonl"
    path.write_bytes(b"".join((r.value or b"") + b"\n" for r in kept))
    places = [{"partition": r.partition, "offset": r.offset, "ingest_ms": r.timestamp_ms} for r in kept]
    path.with_name("log.meta.jsonl").write_text("".join(json.dumps(place) + "\n" for place in places))
    return path


def compared(tables: dict[str, pa.Table], *ignored: str) -> dict[str, list[tuple[object, ...]]]:
    return {name: plain(tables[name], ignored if name == "dead_letters" else ()) for name in FINAL_TABLES}


@FEW
@given(st.booleans(), st.data())
def test_topic_archive_and_file_have_the_rows_of_the_live_core(bootstrap: str, is_clean: bool, data: st.DataObject) -> None:
    case = data.draw(cases(clean=is_clean))
    records = closed(case, is_clean=is_clean)
    live = final(emitted(case.text, pieces_of(records, data.draw(sizes)), case.partitions, finish=False))
    plan, read = of_topic(bootstrap, records, case.partitions)
    wanted = compared(live, "topic")
    assert compared(rows_of(case, cut(read, data.draw(sizes)), data.draw(st.integers(1, 3))), "topic") == wanted
    with TemporaryDirectory() as folder:
        kept = of_archive(folder, plan, read)
        assert compared(rows_of(case, cut(kept, data.draw(sizes)), data.draw(st.integers(1, 3))), "topic") == wanted
    if is_clean and any(r.value != HEARTBEAT for r in records):
        own = records[: -case.partitions]  # a file closes by itself
        whole = final(emitted(case.text, pieces_of(own, data.draw(sizes)), case.partitions))
        with TemporaryDirectory() as folder:
            replayed = replay_files(parse_zone(case.text), [lines_of(Path(folder), own)], "r", case.partitions)
        wanted = compared({name: with_run(stored(TABLES[name], whole[name]), "r") for name in FINAL_TABLES}, "key", "value")
        assert compared(replayed.tables, "key", "value") == wanted
