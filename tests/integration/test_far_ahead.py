"""While one partition stands, a bounded number of the others' rows waits in the ledger and its snapshots; afterwards no row differs."""

import asyncio
import json
import os
import signal
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from kafka import TopicPartition
from live_parts import Record, produce, wait_until
from zone_runs import doctor, wait_until_complete

from zonepulse.oracle.compare import differences
from zonepulse.oracle.run import run as run_oracle
from zonepulse.processors.metering.snapshot import decode
from zonepulse.schemas.factors.shipped import shipped_factors_csv
from zonepulse.schemas.messages.commands import Place
from zonepulse.schemas.messages.partitioner import partition_of
from zonepulse.schemas.messages.records import HEARTBEAT
from zonepulse.schemas.tables.results import TABLES
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.checkpoints.checkpoint import Manifest
from zonepulse.streams.checkpoints.log import CheckpointLog
from zonepulse.streams.control.command_log import skip_of, tell
from zonepulse.streams.control.registry_topic import publish
from zonepulse.streams.demo.run import PREFIX, Progress, read_partition, stored_rows
from zonepulse.streams.embedded.zone_stack import ZoneStack
from zonepulse.streams.kernels.warm_up import warm_up

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
MINUTE_MS, STEP, STEPS = 60_000, 360, 7
"""Minutes of a step, and how many are sent."""
MOST = 40
"""Rows that may wait: a seventh of what is sent."""
BLOCK = STEP // 15
"""Rows of a step, at most, in one block."""
START_MS = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp() * 1000)
TOPIC, BLOCKS = f"{PREFIX}readings", TopicPartition(f"{PREFIX}intervals", 0)
METERS = [next(name for name in map("m{}".format, range(99)) if partition_of(name, 3) == p) for p in range(3)]
REGISTER = '{"1.8.0": {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 1000}}'
ZONE = f"""\
zone: {{id: z, timezone: UTC, factor_regions: [CN-JS, CN], key: meter}}
companies: [{{id: a}}]
sites: [{{id: sa, company: a}}]
meters:
  - {{id: {METERS[0]}, site: sa, role: main, registers: {REGISTER}}}
  - {{id: {METERS[1]}, site: sa, role: main, registers: {REGISTER}}}
  - {{id: {METERS[2]}, site: sa, role: main, registers: {REGISTER}}}
"""


def readings(partition: int, minutes: range) -> list[Record]:
    """One every quarter of an hour that arrives at once."""
    records: list[Record] = []
    for minute in minutes:
        at_ms = START_MS + minute * MINUTE_MS
        reading = {"meter": METERS[partition], "register": "1.8.0", "ts": at_ms, "value": 100 + minute / 5}
        records.append((partition, METERS[partition].encode(), json.dumps(reading).encode(), [], at_ms))
    return records


def snapshot(kafka: str) -> tuple[int, int, dict[str, Any]]:
    """Of the ledger's newest snapshot: what it commits, how many rows wait in it, and what it has read."""
    log = CheckpointLog(f"{PREFIX}ledger-checkpoints-changelog", kafka, 1, 1)
    found = asyncio.run(log.read([0], lambda: None))[0]
    manifests = sorted((msgspec.json.decode(m, type=Manifest) for m in found.manifests.values()), key=lambda m: m.generation)
    if not manifests:
        return 0, 0, {"front": 0}
    rows = b"".join(found.chunks[key] for key, _ in manifests[-1].chunks[0])
    return manifests[-1].next_offset, len(decode(rows)["rows"]), manifests[-1].facts["places"]


def test_partitions_far_ahead_of_one_that_stands_wait_in_kafka_and_no_row_differs_afterwards() -> None:
    zone, end = parse_zone(ZONE), 15 + STEP * STEPS
    bound = {"ZONEPULSE_WAITING_ROWS": str(MOST), "ZONEPULSE_STALL_S": "15"}
    warm_up()
    with ZoneStack(3, is_simulated=True) as stack, stack.client() as client:
        publish(stack.kafka, PREFIX, zone, 3, timestamp_ms=START_MS)
        for task in ("intervals", "ledger", "store"):
            stack.start_worker(task, extra=bound)
        progress = Progress(stack.kafka, 3)

        def through(*partitions: int) -> int:
            progress.closed_tick()
            return min(progress.through[p] for p in partitions) - START_MS // MINUTE_MS

        switch_ms = START_MS + 10 * MINUTE_MS
        produce(stack.kafka, TOPIC, [(0, None, HEARTBEAT, [("registry", b"2")], switch_ms)])  # offset 1: there is no version 2
        produce(stack.kafka, TOPIC, readings(0, range(15, end, 15)))
        taken = list[tuple[int, int, dict[str, Any]]]()
        for begin in range(15, end, STEP):
            for p in (1, 2):
                produce(stack.kafka, TOPIC, readings(p, range(begin, begin + STEP, 15)))
            wait_until(lambda at=begin + STEP - 15: through(1, 2) == at, 120, "the others to go on")  # type: ignore[misc]
            end_of_blocks = progress.stored_ends()[BLOCKS]

            def has_read(at: int = end_of_blocks) -> bool:
                taken.append(snapshot(stack.kafka))
                return int(taken[-1][2]["front"]) >= at

            wait_until(has_read, 120, "the ledger to have read everything")
        assert max(rows for _, rows, _ in taken) <= MOST + BLOCK
        low, rows, places = taken[-1]
        assert rows > MOST
        assert [p for p, _ in places["behind"]] == [1, 2]
        assert low < end_of_blocks
        _, checks = doctor(stack)
        failed = [check for check in checks if check["state"] == "fail"]
        assert ["zp.readings/0 stands before offset 1" in check["found"] for check in failed] == [True], failed
        assert any("rows of partitions far ahead" in check["found"] for check in checks), checks

        os.kill(stack.workers["ledger-0"].pid, signal.SIGKILL)  # goes on from the snapshot, with the others at rest
        tell(stack.kafka, PREFIX, skip_of(Place("readings", 0, 1), "there is no version 2"), START_MS)
        end_ms = START_MS + (end + 30) * MINUTE_MS
        produce(stack.kafka, TOPIC, [(p, None, HEARTBEAT, [], end_ms) for p in range(3)])
        wait_until_complete(stack, zone.zone, end_ms, 120)
        assert [died.name for died in stack.supervisor.deaths] == ["ledger-0"]
        log = [record for p in range(3) for record in read_partition(stack.kafka, TOPIC, p)]
        stored = {name: stored_rows(client, TABLES[name]) for name in ("intervals", "emissions", "totals", "intensity")}
        progress.close()
    oracle = run_oracle(ZONE, shipped_factors_csv(), log, 3, skips={(0, 1)})
    assert [line for name, rows_of in stored.items() for line in differences(oracle[name], rows_of, name)] == []
