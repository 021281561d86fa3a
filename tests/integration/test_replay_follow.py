"""A run that follows the log is a shadow of the live ledger, and may be promoted as far as it is settled."""

import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from live_parts import produce, wait_until
from typer.testing import CliRunner

from zonepulse.schemas.messages.partitioner import partition_of
from zonepulse.schemas.tables.results import FINAL_TABLES
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.cli.main import app
from zonepulse.streams.control.registry_topic import publish
from zonepulse.streams.embedded.zone_stack import ZoneStack
from zonepulse.streams.workers.warm_up import warm_up

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
PARTITIONS, WINDOW_MS = 2, 900_000
START_MS = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp() * 1000)
METERS = "M-1", "M-2", "M-3"
REGISTERS = '{"1.8.0": {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 1000}}'
ZONE = """\
zone: {id: z, timezone: UTC, factor_regions: [CN-JS, CN], key: meter, max_gap: 1h, lateness: 10m}
companies: [{id: a}]
sites: [{id: s-a, company: a}]
meters:
""" + "".join(f"  - {{id: {m}, site: s-a, role: main, registers: {REGISTERS}}}\n" for m in METERS)
HALF, WHOLE = 4 * 12, 4 * 24


@pytest.fixture(scope="module")
def stack() -> Iterator[ZoneStack]:
    """A log of half a day; no workers: the live rows are those of a run."""
    warm_up()
    with ZoneStack(PARTITIONS, is_simulated=True) as made:
        publish(made.kafka, "zp.", parse_zone(ZONE), PARTITIONS, timestamp_ms=START_MS)
        send(made, 0, HALF)
        yield made


@pytest.fixture
def client(stack: ZoneStack) -> Iterator[Client]:
    with stack.client() as made:
        yield made


def send(stack: ZoneStack, first: int, end: int) -> None:
    """Readings of these quarters of an hour, and a heartbeat to every partition behind them."""
    records: list[Any] = []
    for step in range(first, end):
        at_ms = START_MS + step * WINDOW_MS + 300_000
        for number, meter in enumerate(METERS, 1):
            reading = {"meter": meter, "register": "1.8.0", "ts": at_ms, "value": 100.0 + step * number}
            records.append((partition_of(meter, PARTITIONS), meter.encode(), json.dumps(reading).encode(), [], at_ms))
    records += [(p, None, b"[]", [], START_MS + end * WINDOW_MS) for p in range(PARTITIONS)]
    produce(stack.kafka, "zp.readings", records)


def zonepulse(stack: ZoneStack, command: str, code: int = 0) -> Any:
    done = CliRunner().invoke(app, [*shlex.split(command), "--json"], env=stack.worker_environment)
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


def promoted(stack: ZoneStack, run: str, code: int) -> str:
    done = CliRunner().invoke(app, ["replay", "promote", run], env={**stack.worker_environment, "COLUMNS": "400"})
    assert done.exit_code == code, done.output
    return done.output


def newest(client: Client, run: str) -> int:
    return int(client.query(f"SELECT max(toUnixTimestamp64Milli(start)) FROM totals WHERE run = '{run}'").first_row[0])


def test_a_following_run_has_the_rows_of_a_run_of_the_whole_log_and_its_settled_stretch_is_promoted(
    stack: ZoneStack, client: Client
) -> None:
    zonepulse(stack, "replay plan --from 2026-03-02T06:00Z --to 2026-03-02T12:00Z --run shadow")
    command = [sys.executable, "-m", "zonepulse.streams.cli.main", "replay", "run", "shadow", "--follow", "--json"]
    with subprocess.Popen(command, env=stack.worker_environment, stdout=subprocess.PIPE, text=True) as shadow:
        wait_until(lambda: zonepulse(stack, "replay list")[0]["state"] == "following", 120, "it follows")
        assert "can still revise" in promoted(stack, "shadow", 1)
        assert shadow.poll() is None
        send(stack, HALF, WHOLE)
        wait_until(lambda: newest(client, "shadow") >= START_MS + (WHOLE - 2) * WINDOW_MS, 120, "it has come to the head")

        zonepulse(stack, "replay plan --from 2026-03-02T00:00Z --to 2026-03-03T00:00Z --run whole")
        zonepulse(stack, "replay run whole")
        for table in FINAL_TABLES:
            client.command(f"INSERT INTO {table} SELECT * REPLACE ('live' AS run) FROM {table} t WHERE t.run = 'whole'")
        assert zonepulse(stack, "replay diff whole shadow --from 2026-03-02T06:00Z --to 2026-03-03T00:00Z")["differences"] == 0

        promoted(stack, "shadow", 0)
        shadow.send_signal(signal.SIGTERM)
        found = json.loads(shadow.communicate(timeout=60)[0])
    assert shadow.returncode == 0
    assert found["tables"]["totals"]["rows"] > 0 and found["followed_ms"] >= START_MS + (WHOLE - 2) * WINDOW_MS
    assert zonepulse(stack, "replay list")[1]["state"] == "promoted"
    done = CliRunner().invoke(app, ["replay", "revert", "shadow"], env=stack.worker_environment)
    assert done.exit_code == 0, done.output
    promoted(stack, "shadow", 0)  # also when it has ended: it had come so far


def test_one_process_follows(stack: ZoneStack) -> None:
    done = CliRunner().invoke(app, ["replay", "run", "x", "--follow", "--processes", "2"], env=stack.worker_environment)
    assert done.exit_code == 2 and "one process follows" in done.output
