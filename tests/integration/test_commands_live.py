"""Commands in a running zone: a skip leaves a record out everywhere alike, and ticks wait for the log of commands."""

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.compute as pc
import pytest
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from live_parts import produce, wait_until
from zone_runs import wait_until_complete
from zones import ONE_METER

from zonepulse.oracle.compare import differences
from zonepulse.oracle.metering.decode import Record
from zonepulse.oracle.run import run as run_oracle
from zonepulse.schemas.factors.shipped import shipped_factors_csv
from zonepulse.schemas.messages.commands import Command, Place
from zonepulse.schemas.messages.records import HEARTBEAT
from zonepulse.schemas.messages.topics import COMMANDS
from zonepulse.schemas.tables.results import FINAL_TABLES, TABLES
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.control.command_file import commands_in
from zonepulse.streams.control.command_log import CommandLog, CommandReader, skip_of, tell
from zonepulse.streams.control.registry_topic import publish
from zonepulse.streams.demo.run import PREFIX, read_partition, stored_rows
from zonepulse.streams.embedded.kafka.broker import Broker
from zonepulse.streams.embedded.zone_stack import ZoneStack
from zonepulse.streams.kafka.interval_codec import NO_PARTITION, candidate_blocks
from zonepulse.streams.kafka.topics_admin import ensure_topics
from zonepulse.streams.kernels.warm_up import warm_up
from zonepulse.streams.replay.file import replay_files
from zonepulse.streams.workers.alert_sweep import KEEP_MS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
MINUTE_MS = 60_000
START_MS = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp() * 1000)
GOOD, BAD = 4, 7
"""Offsets that are skipped: a reading, and what is none."""


def send(stack: ZoneStack, minutes: Iterable[int]) -> None:
    """A reading each, at once, but one that is none."""
    records = []
    for n, minute in enumerate(minutes):
        at_ms = START_MS + minute * MINUTE_MS
        value = json.dumps({"meter": "M-1", "register": "1.8.0", "ts": at_ms, "value": 100.0 + minute}).encode()
        records.append((0, b"M-1", b'{"meter":' if n + 1 == BAD else value, [], at_ms))
    produce(stack.kafka, f"{PREFIX}readings", records)


def forged(rule: str) -> bytes:
    """A block of zp.intervals that the ledger would take: an alert about the pipeline."""
    nothing = {"company": "", "meter": "", "node": "", "ends_at": None, "value": None, "expected_low": None, "expected_high": None}
    row = {"fingerprint": rule.ljust(16, "0"), "starts_at": START_MS, "rule": rule, "severity": "info", "state": "raised"}
    more = {"impact_kg": None, "evidence": "{}", "revision": 1}
    return next(candidate_blocks([row | nothing | more], NO_PARTITION, 0))


def alerts(stack: ZoneStack) -> list[tuple[bytes | None, bytes | None]]:
    return [(r.key, r.value) for r in read_partition(stack.kafka, f"{PREFIX}alerts", 0)]


def dump(folder: Path, log: list[Record]) -> Path:
    """The log as JSON lines with a sidecar."""
    places = [{"partition": r.partition, "offset": r.offset, "ingest_ms": r.timestamp_ms} for r in log]
    (folder / "r.meta.jsonl").write_text("".join(json.dumps(p) + "\n" for p in places))
    (folder / "r.jsonl").write_bytes(b"".join((r.value or b"") + b"\n" for r in log))
    return folder / "r.jsonl"


def test_a_skip_leaves_a_record_out_live_in_the_oracle_and_in_a_replay_and_ticks_wait_for_commands(tmp_path: Path) -> None:
    zone = parse_zone(ONE_METER)
    end_ms = START_MS + 242 * MINUTE_MS
    warm_up()
    with ZoneStack(1, is_simulated=True) as stack, stack.client() as client:
        publish(stack.kafka, PREFIX, zone, 1, timestamp_ms=START_MS)
        for offset in (GOOD, BAD):
            tell(stack.kafka, PREFIX, skip_of(Place("readings", 0, offset), "it is wrong"), START_MS)
        tell(stack.kafka, PREFIX, skip_of(Place("intervals", 0, 1), "it is forged"), START_MS)
        seen = Command("acknowledge", f"{'ops_taken'.ljust(16, '0')}/{START_MS}", "me", "I have seen it")
        tell(stack.kafka, PREFIX, seen, START_MS + 30 * MINUTE_MS)
        blocks = [forged("ops_taken"), forged("ops_skipped")]
        produce(stack.kafka, f"{PREFIX}intervals", [(0, None, block, [], START_MS) for block in blocks])
        past_ms = round(time.time() * 1000) - KEEP_MS - MINUTE_MS
        produce(stack.kafka, f"{PREFIX}alerts", [(0, b"long/over", b'{"state": "resolved"}', [], past_ms)])
        produce(stack.kafka, f"{PREFIX}results", [(0, b"totals", b"no block", [], START_MS)])
        send(stack, range(5, 200, 15))
        stack.start_workers()
        produce(stack.kafka, f"{PREFIX}readings", [(0, None, HEARTBEAT, [], end_ms)])
        wait_until_complete(stack, zone.zone, end_ms, 240)
        log = list(read_partition(stack.kafka, f"{PREFIX}readings", 0))
        told = list(read_partition(stack.kafka, f"{PREFIX}commands", 0))
        stored = {name: stored_rows(client, TABLES[name]) for name in FINAL_TABLES}
        wait_until(lambda: (b"long/over", None) in alerts(stack), 90, "the alert that is long over is swept")
        raised = [key.partition(b"/")[0] for key, value in alerts(stack) if key and value]
        assert {name.rstrip(b"0") for name in raised} >= {b"ops_taken"} and not any(b"ops_skipped" in name for name in raised), (
            "the ledger steps over a record, and over that one alone"
        )
        rows = [json.loads(value) for key, value in alerts(stack) if key == seen.target.encode() and value]
        assert [row["state"] for row in rows] == ["raised", "acknowledged"], "what people say is applied at its place in the log"
        told_at_ms = START_MS + 31 * MINUTE_MS
        assert json.loads(rows[-1]["evidence"]) == {"acknowledged": {"at_ms": told_at_ms, "by": "me", "why": "I have seen it"}}

    lines = (b"CreateTime:%d\t%s\n" % (r.timestamp_ms, r.value or b"") for r in told)
    (tmp_path / "commands.jsonl").write_bytes(b"".join(lines) + b"{}\n")
    commands = commands_in(tmp_path / "commands.jsonl")
    skips = {place for one in commands if (place := one.command.place) is not None}
    assert skips == {Place("readings", 0, GOOD), Place("readings", 0, BAD), Place("intervals", 0, 1)}

    letters = stored["dead_letters"]
    assert {"zp.results", "zp.alerts", "zp.readings", "zp.intervals"} == set(letters["topic"].to_pylist())
    assert [x["offset"] for x in letters.to_pylist() if x["topic"] == "zp.intervals"] == [1]
    stored["dead_letters"] = letters.filter(pc.equal(letters["topic"], "zp.readings"))
    places = {(place.partition, place.offset) for place in skips if place.topic == "readings"}
    oracle = run_oracle(ONE_METER, shipped_factors_csv(), log, 1, skips=places)
    assert [(x["offset"], x["item"], x["reason"]) for x in oracle["dead_letters"]] == [(GOOD, -1, "poison"), (BAD, -1, "poison")]
    assert [line for name, rows in stored.items() for line in differences(oracle[name], rows, name)] == []

    keyless = [Record(r.partition, r.offset, r.timestamp_ms, None, r.value) for r in log]
    oracle = run_oracle(ONE_METER, shipped_factors_csv(), keyless, 1, max(r.timestamp_ms for r in log), skips=places)
    replayed = replay_files(zone, [dump(tmp_path, log)], "r1", commands=commands)
    assert [line for name in FINAL_TABLES for line in differences(oracle[name], replayed.tables[name], name)] == []

    beats = [r for r in told if r.value == HEARTBEAT]
    assert max(r.timestamp_ms for r in beats) == end_ms // zone.zone.tick_ms * zone.zone.tick_ms


def heartbeats_until_past(broker: str, prefix: str, at_ms: int, *, is_simulated: bool, stamp_ms: int | None) -> tuple[bool, int]:
    """Whether the log of commands was read past, and how many heartbeats went there."""

    async def read() -> tuple[bool, int]:
        commands, count = CommandLog(prefix), 0
        commands.reader = CommandReader(broker, prefix)

        async def write() -> None:
            nonlocal count
            count += 1
            await asyncio.to_thread(produce, broker, f"{prefix}commands", [(0, None, HEARTBEAT, [], stamp_ms)])

        is_past = await commands.read_past(at_ms, write, lambda: count < 3, is_simulated)
        await commands.reader.close()
        return is_past, count

    return asyncio.run(read())


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    broker = Broker(tmp_path_factory.mktemp("commands") / "kafka")
    broker.start()
    try:
        yield broker.bootstrap
    finally:
        broker.stop()


def test_the_log_of_commands_is_read_past_a_tick_with_one_heartbeat_where_it_is_silent(kafka: str) -> None:
    now_ms = round(time.time() * 1000)
    far_ms = now_ms + 86_400_000
    assert heartbeats_until_past(kafka, "none.", now_ms, is_simulated=False, stamp_ms=None) == (True, 0), "no topic, no commands"
    ensure_topics(kafka, "real.", 1, replication=1, topics=[COMMANDS])
    assert heartbeats_until_past(kafka, "real.", now_ms, is_simulated=False, stamp_ms=None) == (True, 1)
    assert heartbeats_until_past(kafka, "real.", now_ms, is_simulated=False, stamp_ms=None) == (True, 0)
    assert heartbeats_until_past(kafka, "real.", far_ms, is_simulated=False, stamp_ms=None) == (False, 3), "until told to stop"
    ensure_topics(kafka, "sim.", 1, is_simulated=True, replication=1, topics=[COMMANDS])
    assert heartbeats_until_past(kafka, "sim.", far_ms, is_simulated=True, stamp_ms=far_ms) == (True, 1)
    assert heartbeats_until_past(kafka, "sim.", far_ms, is_simulated=True, stamp_ms=far_ms) == (True, 0)


def test_a_reader_of_commands_asks_for_records_only_where_there_are_some(kafka: str) -> None:
    ensure_topics(kafka, "calm.", 1, replication=1, topics=[COMMANDS])

    async def read() -> None:
        reader = CommandReader(kafka, "calm.")
        for offset in range(3):
            await asyncio.to_thread(tell, kafka, "calm.", skip_of(Place("readings", 0, offset), "test"))
            assert [told.command.target for told in await reader.read()] == [f"readings/0/{offset}"]
            consumer = await reader._opened()
            assert consumer.paused() == consumer.assignment() != set(), "else it goes on asking, ten times a second"
        await reader.close()

    asyncio.run(read())


def offsets_told(kafka: str, prefix: str, steps: Iterable[Callable[[], object]]) -> tuple[list[list[int]], list[int]]:
    """Which skipped offsets a reader hears of after each step, and the counts of records that it calls lost.
    Its client, which fetches ahead, is another one for each step."""

    async def read() -> tuple[list[list[int]], list[int]]:
        lost, found = list[int](), []
        reader = CommandReader(kafka, prefix, lost.append)
        for step in steps:
            await asyncio.to_thread(step)
            found.append([int(told.command.target.rpartition("/")[2]) for told in await reader.read()])
            await reader.close()
        return found, lost

    return asyncio.run(read())


def test_commands_that_retention_deleted_unread_are_told(kafka: str) -> None:
    ensure_topics(kafka, "short.", 1, replication=1, topics=[COMMANDS])

    def tell_of(*offsets: int) -> None:
        for offset in offsets:
            tell(kafka, "short.", skip_of(Place("readings", 0, offset), "test"))

    def tell_and_delete(*offsets: int, before: int) -> None:
        tell_of(*offsets)
        with closing(KafkaAdminClient(bootstrap_servers=kafka)) as admin:
            admin.delete_records({TopicPartition("short.commands", 0): before})

    steps = [
        lambda: tell_of(0, 1),
        lambda: tell_and_delete(2, 3, 4, before=4),
        lambda: tell_and_delete(5, 6, before=7),
        lambda: tell_of(7),
    ]
    assert offsets_told(kafka, "short.", steps) == ([[0, 1], [4], [], [7]], [2, 2])


@pytest.mark.parametrize("told_anew", [(7,), (7, 8, 9)])
def test_commands_on_a_topic_made_anew_are_read(kafka: str, told_anew: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """With fewer records than before, and with more."""
    monkeypatch.setattr("zonepulse.streams.control.command_log.IDS_EVERY_S", 0.0)
    prefix = f"anew{len(told_anew)}."

    def make_and_tell(*offsets: int) -> None:
        ensure_topics(kafka, prefix, 1, replication=1, topics=[COMMANDS])
        for offset in offsets:
            tell(kafka, prefix, skip_of(Place("readings", 0, offset), "test"))

    def make_anew() -> None:
        with closing(KafkaAdminClient(bootstrap_servers=kafka)) as admin:
            admin.delete_topics([f"{prefix}commands"])
            wait_until(lambda: f"{prefix}commands" not in admin.list_topics(), 30, "the topic is away")
        make_and_tell(*told_anew)

    steps = [lambda: make_and_tell(0, 1), lambda: None, make_anew, lambda: None]
    found, lost = offsets_told(kafka, prefix, steps)
    assert (found[:2], found[2] + found[3], lost) == ([[0, 1], []], list(told_anew), [])
