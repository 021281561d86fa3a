"""A worker archives every record once, whoever kills it; replay reads there what the topic no longer has, and its rows are the same."""

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import commands
import pyarrow as pa
import pytest
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from live_parts import wait_until
from zone_runs import PARTITIONS, SampleRun, sample_run, wait_until_complete

from zonepulse.schemas.messages.readings import is_arrow, read_block
from zonepulse.schemas.messages.records import HEARTBEAT, RecordSpans
from zonepulse.schemas.values import parse_instant_ms
from zonepulse.streams.archive.archive import Archive
from zonepulse.streams.replay.diff import Side, diff
from zonepulse.streams.replay.log import fetches
from zonepulse.streams.replay.plan import ARCHIVE, TOPIC, Plan, make_plan

pytestmark = pytest.mark.integration
UNTIL_MS = 1_772_000_000_000 // 86_400_000 * 86_400_000
STRETCH = "2026-02-23", "2026-02-25"
KILLS = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("archive")


@pytest.fixture(scope="module")
def live(folder: Path) -> Iterator[SampleRun]:
    """Two days of the sample zone, archived by a worker that is killed again and again."""
    with sample_run(UNTIL_MS, 2, 86_400 / 12) as run:
        extra = {"ZONEPULSE_ARCHIVE": str(folder), "ZONEPULSE_ARCHIVE_AGE_S": "0.5"}
        worker = run.stack.start_worker("archive", extra=extra)
        for kill in range(KILLS):
            wait_until(lambda kill=kill: len(list(folder.rglob("*.parquet"))) > 3 * kill, 120, "files")  # type: ignore[misc]
            pid = worker.pid
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda pid=pid: worker.pid != pid and worker.is_running, 30, "it is back")  # type: ignore[misc]
        wait_until_complete(run.stack, run.feed.zone, run.feed.end_ms, 300)
        plan = planned(run, folder, TOPIC)
        wait_until(lambda: planned(run, folder, ARCHIVE).archived == tuple(end for _, end in plan.offsets), 60, "all archived")
        yield run


def planned(live: SampleRun, folder: Path, source: str) -> Plan:
    return make_plan(live.stack.kafka, "zp.", live.feed.zone, "r", (0, 1 << 42), "", "", 0, archive=str(folder), source=source)


def records_of(live: SampleRun, plan: Plan) -> dict[int, list[Any]]:
    """Everything of every record, by partition."""
    found: dict[int, list[Any]] = {}

    async def read() -> None:
        async for records in fetches(live.stack.kafka, plan):
            found.setdefault(records.partition, []).extend(facts(records))

    asyncio.run(read())
    return found


def facts(records: RecordSpans) -> Iterator[Any]:
    for i, (offset, at_ms) in enumerate(zip(records.offset.tolist(), records.timestamp_ms.tolist(), strict=True)):
        yield offset, at_ms, records.key(i), records.value(i), records.headers.get(i), records.refused.get(i)


def zonepulse(live: SampleRun, folder: Path, *arguments: str, code: int = 0) -> Any:
    environment = live.stack.worker_environment | {"ZONEPULSE_ARCHIVE": str(folder)}
    done = commands.run("replay", *arguments, "--json", env=environment)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout) if done.stdout else done.stderr


def test_the_archive_holds_every_record_of_the_topic_once_and_what_retention_took_is_replayed_from_it(
    live: SampleRun, folder: Path
) -> None:
    topic, kept = planned(live, folder, TOPIC), planned(live, folder, ARCHIVE)
    assert kept.offsets == topic.offsets and not topic.archived
    said = records_of(live, topic)
    assert records_of(live, kept) == said and sum(map(len, said.values())) > 300
    files = Archive(str(folder), live.feed.zone.id, "zp.readings", topic.topic_id).files()
    assert [[kept.first for kept in files[p][1:]] for p in files] == [[kept.next for kept in files[p][:-1]] for p in files]

    listed = zonepulse(live, folder, "archive", live.feed.zone.id, "--check")
    assert sum(file["rows"] for file in listed["files"]) == sum(map(len, said.values())) and listed["gaps"] == []

    zonepulse(live, folder, "plan", "--from", STRETCH[0], "--to", STRETCH[1], "--run", "topic", "--source", "topic")
    digests = zonepulse(live, folder, "run", "topic")["tables"]
    half = {p: end // 2 for p, (_, end) in enumerate(topic.offsets)}
    delete_records(live.stack.kafka, {p: topic.offsets[p][1] if p == 0 else at for p, at in half.items()})

    found = zonepulse(live, folder, "plan", "--from", STRETCH[0], "--to", STRETCH[1], "--run", "kept")
    assert [at for at, _ in found["offsets"].values()] == [0] * PARTITIONS
    assert not any("gone" in caveat for caveat in found["caveats"])
    assert zonepulse(live, folder, "run", "kept")["tables"] == digests
    assert zonepulse(live, folder, "diff", "live", "kept")["differences"] == 0
    from_topic = zonepulse(live, folder, "plan", "--from", STRETCH[0], "--to", STRETCH[1], "--source", "topic", "--run", "rest")
    assert sum("gone with retention" in caveat for caveat in from_topic["caveats"]) == PARTITIONS

    # the archive as far as the middle, the topic from there on
    both = replace_archived(planned(live, folder, ARCHIVE), tuple(half[p] if p else topic.offsets[0][1] for p in half))
    assert records_of(live, both) == said


def test_a_file_of_the_archived_records_gives_the_live_rows(live: SampleRun, folder: Path, tmp_path: Path) -> None:
    """So file, topic, archive and live agree: the other test compares those three."""
    readings, places = [], []
    for partition, records in records_of(live, planned(live, folder, ARCHIVE)).items():
        for offset, at_ms, _, value, _, _ in records:
            if value != HEARTBEAT:  # replay file opens and closes by itself
                readings.append(as_json(value))
                places.append(json.dumps({"partition": partition, "offset": offset, "ingest_ms": at_ms}).encode())
    (tmp_path / "log.jsonl").write_bytes(b"\n".join(readings) + b"\n")
    (tmp_path / "log.meta.jsonl").write_bytes(b"\n".join(places) + b"\n")
    zone, log = live.feed.zone, str(tmp_path / "log.jsonl")
    side = Side(zone.id, *(parse_instant_ms(text, ZoneInfo(zone.timezone)) for text in STRETCH), "zp.readings")
    stretch = ("--from", STRETCH[0], "--to", STRETCH[1])
    planned_files = zonepulse(live, folder, "plan", *stretch, "--run", "file", "--source", "files", "--file", log)
    assert planned_files["files"] == [log] and len(planned_files["offsets"]) == PARTITIONS
    assert zonepulse(live, folder, "run", "file")["tables"]["totals"]["rows"] > 1000
    found = {table.name: table for table in diff(live.client, "live", "file", side, 1000)}
    letters = found.pop("dead_letters")
    assert {name: table.first for name, table in found.items() if table.differences} == {}
    assert found["totals"].rows[1] > 1000
    differs = [example["differs"].keys() for example in letters.first]
    assert letters.rows[0] == letters.rows[1] > 0 and all(names <= {"key", "value"} for names in differs), "lines have no key"

    zonepulse(live, folder, "plan", *stretch, "--run", "other", "--source", "files", "--file", log)
    (tmp_path / "log.meta.jsonl").write_bytes(b"\n".join(places) + b"\n\n")
    assert "is another file than the one that was planned" in zonepulse(live, folder, "run", "other", code=1)


def as_json(value: bytes) -> bytes:
    """An Arrow block as a JSON array, which a line can hold."""
    if not is_arrow(value, None):
        return value
    block = read_block(value)
    rows = block.set_column(block.column_names.index("ts"), "ts", block["ts"].cast(pa.int64())).to_pylist()
    return json.dumps([{name: v for name, v in row.items() if v is not None} for row in rows]).encode()


def replace_archived(plan: Plan, archived: tuple[int, ...]) -> Plan:
    return Plan(**{name: getattr(plan, name) for name in plan.__struct_fields__} | {"archived": archived})


def delete_records(bootstrap: str, before: dict[int, int]) -> None:
    client = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        client.delete_records({TopicPartition("zp.readings", p): at for p, at in before.items()})
    finally:
        client.close()
