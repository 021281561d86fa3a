"""While one partition stands the others rest before they are far ahead, by their leases; afterwards no row differs."""

import json
from datetime import UTC, datetime

import pytest
from live_parts import Record, produce, wait_until
from zone_runs import wait_until_complete

from zonepulse.oracle.compare import differences
from zonepulse.oracle.run import run as run_oracle
from zonepulse.schemas.factors.shipped import shipped_factors_csv
from zonepulse.schemas.messages.commands import Place
from zonepulse.schemas.messages.partitioner import partition_of
from zonepulse.schemas.messages.records import HEARTBEAT
from zonepulse.schemas.tables.results import TABLES
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.control.command_log import skip_of, tell
from zonepulse.streams.control.registry_topic import publish
from zonepulse.streams.demo.run import PREFIX, Progress, read_partition, stored_rows
from zonepulse.streams.embedded.zone_stack import ZoneStack
from zonepulse.streams.workers.pacing import AHEAD_TICKS
from zonepulse.streams.workers.warm_up import warm_up

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
MINUTE_MS, STEP, STEPS = 60_000, 240, 8
"""Minutes of a step, and how many are sent: in all far more than a partition may be ahead."""
START_MS = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp() * 1000)
TOPIC = f"{PREFIX}readings"
METERS = [next(name for name in map("m{}".format, range(99)) if partition_of(name, 2) == p) for p in range(2)]
REGISTER = '{"1.8.0": {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 1000}}'
ZONE = f"""\
zone: {{id: z, timezone: UTC, factor_regions: [CN-JS, CN], key: meter}}
companies: [{{id: a}}]
sites: [{{id: sa, company: a}}]
meters:
  - {{id: {METERS[0]}, site: sa, role: main, registers: {REGISTER}}}
  - {{id: {METERS[1]}, site: sa, role: main, registers: {REGISTER}}}
"""


def readings(partition: int, minutes: range) -> list[Record]:
    """One every quarter of an hour that arrives at once."""
    records: list[Record] = []
    for minute in minutes:
        at_ms = START_MS + minute * MINUTE_MS
        reading = {"meter": METERS[partition], "register": "1.8.0", "ts": at_ms, "value": 100 + minute / 5}
        records.append((partition, METERS[partition].encode(), json.dumps(reading).encode(), [], at_ms))
    return records


def test_partitions_far_ahead_rest_while_one_stands_and_no_row_differs_afterwards() -> None:
    zone = parse_zone(ZONE)
    end = 15 + STEP * STEPS
    warm_up()
    with ZoneStack(2, is_simulated=True) as stack, stack.client() as client:
        publish(stack.kafka, PREFIX, zone, 2, timestamp_ms=START_MS)
        stack.start_workers()
        progress = Progress(stack.kafka, 2)

        def through(partition: int) -> int:
            progress.closed_tick()
            return progress.through[partition] - START_MS // MINUTE_MS

        switch_ms = START_MS + 10 * MINUTE_MS
        produce(stack.kafka, TOPIC, [(0, None, HEARTBEAT, [("registry", b"2")], switch_ms)])  # offset 1: there is no version 2
        produce(stack.kafka, TOPIC, readings(0, range(15, end, 15)))
        rests = "SELECT any(evidence) FROM alerts_final WHERE rule = 'ops_registry_missing' AND ends_at IS NULL"
        for begin in range(15, end, STEP):
            at = begin + STEP - 15
            produce(stack.kafka, TOPIC, readings(1, range(begin, begin + STEP, 15)))
            if at <= AHEAD_TICKS + STEP:
                wait_until(lambda at=at: through(1) == at, 120, "partition 1 to go on while it is near")  # type: ignore[misc]
            if at > AHEAD_TICKS + 10:
                wait_until(lambda: '"resting":[1]' in str(client.query(rests).first_row[0]), 120, "the alert to name who rests")
        rested_at = through(1)
        assert AHEAD_TICKS < rested_at <= AHEAD_TICKS + STEP

        tell(stack.kafka, PREFIX, skip_of(Place("readings", 0, 1), "there is no version 2"), START_MS)
        wait_until(lambda: through(1) > rested_at, 120, "partition 1 to go on")
        end_ms = START_MS + (end + 30) * MINUTE_MS
        produce(stack.kafka, TOPIC, [(p, None, HEARTBEAT, [], end_ms) for p in range(2)])
        wait_until_complete(stack, zone.zone, end_ms, 120)
        assert stack.supervisor.deaths == []
        log = [record for p in range(2) for record in read_partition(stack.kafka, TOPIC, p)]
        stored = {name: stored_rows(client, TABLES[name]) for name in ("intervals", "emissions", "totals", "intensity")}
        progress.close()
    oracle = run_oracle(ZONE, shipped_factors_csv(), log, 2, skips={(0, 1)})
    assert [line for name, rows in stored.items() for line in differences(oracle[name], rows, name)] == []
