"""A run that follows the log is a shadow of the live ledger, and may be promoted with an open end."""

import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
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
from zonepulse.streams.kernels.warm_up import warm_up
from zonepulse.streams.replay import runs
from zonepulse.streams.replay.hand_over import Followed, hand_over, require_same_program
from zonepulse.streams.replay.plan import CannotReplay

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
PARTITIONS, WINDOW_MS = 2, 900_000
START_MS = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp() * 1000)
METERS = "M-1", "M-2", "M-3"
REGISTERS = '{"1.8.0": {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 1000}}'
ZONE = """\
zone: {id: z, timezone: Etc/GMT-12, factor_regions: [CN-JS, CN], key: meter, max_gap: 1h, lateness: 10m}
companies: [{id: a}]
sites: [{id: s-a, company: a}]
meters:
""" + "".join(f"  - {{id: {m}, site: s-a, role: main, registers: {REGISTERS}}}\n" for m in METERS)
HALF, WHOLE = 4 * 12, 4 * 24
"""Windows of the log; the zone's day ends with the first of them."""


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


def promoted(stack: ZoneStack, run: str, code: int, *options: str) -> str:
    done = CliRunner().invoke(app, ["replay", "promote", run, *options], env={**stack.worker_environment, "COLUMNS": "400"})
    assert done.exit_code == code, done.output
    return done.output


def newest(client: Client, run: str) -> int:
    return int(client.query(f"SELECT max(toUnixTimestamp64Milli(start)) FROM totals WHERE run = '{run}'").first_row[0])


@contextmanager
def following(stack: ZoneStack) -> Iterator["subprocess.Popen[str]"]:
    """The run `shadow`, until it is stopped; at the latest here."""
    command = [sys.executable, "-m", "zonepulse.streams.cli.main", "replay", "run", "shadow", "--follow", "--json"]
    with subprocess.Popen(command, env=stack.worker_environment, stdout=subprocess.PIPE, text=True) as shadow:
        try:
            yield shadow
        finally:
            shadow.kill()


def state(stack: ZoneStack, run: str) -> str:
    return str(next(found["state"] for found in zonepulse(stack, "replay list") if found["run"] == run))


def zonepulse_plainly(stack: ZoneStack, command: str) -> None:
    done = CliRunner().invoke(app, shlex.split(command), env=stack.worker_environment)
    assert done.exit_code == 0, done.output


def refused(stack: ZoneStack, command: str) -> str:
    done = CliRunner().invoke(app, shlex.split(command), env={**stack.worker_environment, "COLUMNS": "400"})
    assert done.exit_code == 1, done.output
    return done.output


def stands_until(client: Client) -> int:
    """Where the promoted run's part of the live rows ends; 0: nowhere."""
    found = client.query("SELECT toUnixTimestamp64Milli(to_at) FROM promotions_final WHERE run = 'shadow' AND is_active = 1")
    return int(found.first_row[0]) if found.result_rows else 0


def test_a_following_run_stands_with_an_open_end_goes_on_when_it_was_killed_and_stands_to_its_end_when_it_stops(
    stack: ZoneStack, client: Client
) -> None:
    zonepulse(stack, "replay plan --from 2026-03-01T12:00Z --to 2026-03-02T12:00Z --run shadow")
    assert "is planned" in refused(stack, "replay promote shadow")
    with following(stack) as shadow:
        wait_until(lambda: state(stack, "shadow") == "following", 120, "it follows")
        wait_until(lambda: client.query("SELECT count() FROM followed").first_row[0] > 0, 60, "it says how far it is")
        promoted(stack, "shadow", 0, "--beside")
        first = stands_until(client)
        assert START_MS + 6 * 3_600_000 < first < START_MS + HALF * WINDOW_MS, "what a reading in time can be new in is live's"
        assert state(stack, "shadow") == "promoted"
        send(stack, HALF, WHOLE)
        wait_until(lambda: stands_until(client) == first + (WHOLE - HALF) * WINDOW_MS, 30, "its end goes on with the log")

        zonepulse(stack, "replay plan --from 2026-03-02T00:00Z --to 2026-03-03T00:00Z --run whole")
        zonepulse(stack, "replay run whole")
        for table in FINAL_TABLES:
            client.command(f"INSERT INTO {table} SELECT * REPLACE ('live' AS run) FROM {table} t WHERE t.run = 'whole'")
        assert zonepulse(stack, "replay diff whole shadow --from 2026-03-02T06:00Z --to 2026-03-03T00:00Z")["differences"] == 0
        assert zonepulse(stack, "replay diff live whole")["differences"] == 0, "each window once: the run's, live's"
        shadow.kill()
    for command in ("run shadow", "discard shadow"):
        assert "is promoted" in refused(stack, f"replay {command}")
    assert stands_until(client) == first + (WHOLE - HALF) * WINDOW_MS, "what it has written stands"

    rows = client.query("SELECT count() FROM totals_final WHERE run = 'shadow'").first_row[0]
    send(stack, WHOLE, WHOLE + 8)
    with following(stack) as shadow:
        wait_until(lambda: stands_until(client) == first + (WHOLE + 8 - HALF) * WINDOW_MS, 60, "it goes on where it stands")
        assert client.query("SELECT count() FROM totals_final WHERE run = 'shadow'").first_row[0] > rows
        shadow.send_signal(signal.SIGTERM)
        found = json.loads(shadow.communicate(timeout=60)[0])
    assert shadow.returncode == 0
    assert found["tables"]["totals"]["rows"] > 0 and found["followed_ms"] >= START_MS + (WHOLE - 2) * WINDOW_MS
    assert state(stack, "shadow") == "promoted" and stands_until(client) > 0

    zonepulse_plainly(stack, "replay revert shadow")
    assert stands_until(client) == 0
    promoted(stack, "shadow", 0)  # its stretch, as of any run that is done: the log has come so far
    assert stands_until(client) == START_MS + 12 * 3_600_000
    zonepulse_plainly(stack, "replay revert shadow")


def test_a_run_that_is_behind_the_live_ledger_or_stands_is_not_handed_over(stack: ZoneStack, client: Client) -> None:
    zonepulse(stack, "replay plan --from 2026-03-01T12:00Z --to 2026-03-02T06:00Z --run behind")
    run, zone = runs.find(client, "behind"), parse_zone(ZONE).zone
    assert run.plan is not None
    run = replace(run, state=runs.FOLLOWING)
    client.command("INSERT INTO totals (run, zone, entity, revision) VALUES ('live', 'z', 'far ahead', 29600000)")
    try:
        with pytest.raises(CannotReplay, match=r"the live ledger to .* replay run behind --follow"):
            hand_over(client, run, zone, "", wait_s=0)
    finally:
        client.command("ALTER TABLE totals DELETE WHERE entity = 'far ahead' SETTINGS mutations_sync = 1")
    Followed(client, run.plan).say(zone, 1 << 27)
    with pytest.raises(CannotReplay, match="approximate"):
        hand_over(client, replace(run, plan=msgspec.structs.replace(run.plan, caveats=("the log begins late", "open"))), zone, "")
    old = msgspec.structs.replace(run.plan, program="zonepulse 0.0.1")
    with pytest.raises(CannotReplay, match=r"made by zonepulse 0\.0\.1"):
        require_same_program(old)
    runs.delete_rows(client, "behind")


def test_one_process_follows(stack: ZoneStack) -> None:
    done = CliRunner().invoke(app, ["replay", "run", "x", "--follow", "--processes", "2"], env=stack.worker_environment)
    assert done.exit_code == 2 and "one process follows" in done.output
