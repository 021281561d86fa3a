"""`zonepulse registry apply` while the zone runs: a meter that nobody knew is counted from its first window on."""

import json
import shlex
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import commands
import pytest
from live_parts import produce, wait_until
from zone_runs import wait_until_complete

from zonepulse.oracle.compare import differences
from zonepulse.oracle.run import run as run_oracle
from zonepulse.schemas.factors.shipped import shipped_factors_csv
from zonepulse.schemas.messages.partitioner import partition_of
from zonepulse.schemas.messages.records import HEARTBEAT
from zonepulse.schemas.tables.results import TABLES
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.control.registry_topic import publish
from zonepulse.streams.demo.run import PREFIX, read_partition, stored_rows
from zonepulse.streams.embedded.zone_stack import ZoneStack
from zonepulse.streams.kernels.warm_up import warm_up

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
PARTITIONS = 2
MINUTE_MS = 60_000
START_MS = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp() * 1000)
KNOWN, NEW = "M-1", "M-2"
FIRST = """\
zone: {id: z, timezone: UTC, factor_regions: [CN-JS, CN], key: meter}
companies: [{id: a}, {id: b}]
sites: [{id: sa, company: a}, {id: sb, company: b}]
meters:
  - id: M-1
    site: sa
    role: main
    registers: {"1.8.0": {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 1000000}}
"""
SECOND = (
    FIRST
    + """\
  - id: M-2
    site: sb
    role: main
    registers: {"1.8.0": {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 1000000}}
    valid_from: 2026-03-02T01:15:00Z
"""
)
COMPANY_B = """
SELECT toUnixTimestamp64Milli(start), energy_micro, covered_ms, expected_ms FROM totals_final
WHERE entity = 'b' AND carrier = 'electricity' AND scope = 0 ORDER BY start"""


def send(stack: ZoneStack, meters: Iterable[str], minutes: range, counter: float) -> None:
    """A reading every 15 minutes, 5 minutes past the window's edge, of a counter that rises by 3 a reading; it arrives at once."""
    records = []
    for minute in minutes:
        at_ms = START_MS + minute * MINUTE_MS
        for meter in meters:
            reading = {"meter": meter, "register": "1.8.0", "ts": at_ms, "value": counter + minute / 5}
            records.append((partition_of(meter, PARTITIONS), meter.encode(), json.dumps(reading).encode(), [], at_ms))
    produce(stack.kafka, f"{PREFIX}readings", records)


def apply(stack: ZoneStack, zone: Path) -> dict[str, object]:
    done = commands.run("registry", "apply", zone, "--json", env=stack.worker_environment, timeout_s=120)
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def replayed(stack: ZoneStack) -> dict[str, object]:
    """A run of the whole log, compared with the live rows."""
    stretch = ["--from", "2000-01-01", "--to", "2100-01-01", "--run", "again"]
    for arguments in (["plan", *stretch], ["run", "again"]):
        commands.run("replay", *arguments, env=stack.worker_environment).check_returncode()
    done = commands.run("replay", "diff", "live", "again", "--json", env=stack.worker_environment)
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def restated(stack: ZoneStack, zone: Path) -> tuple[str, dict[str, object]]:
    """What a refused apply says, and how the live rows differ from the run that its first commands, pasted, make."""
    refused = commands.run("registry", "apply", zone, env=stack.worker_environment)
    assert refused.returncode == 2, refused.stderr
    plan, run, diff, promote = [line.strip() for line in refused.stderr.splitlines() if line.startswith("    zonepulse replay ")]
    answers = [
        commands.run(*shlex.split(command)[1:], env=stack.worker_environment) for command in (plan, run, f"{diff} --json", promote)
    ]
    assert [answer.returncode for answer in answers] == [0, 0, 1, 1], answers
    assert "can still revise" in answers[3].stderr
    return refused.stderr, json.loads(answers[2].stdout)


def test_a_meter_added_while_running_is_refused_before_and_counted_after(tmp_path: Path) -> None:
    zone = parse_zone(FIRST).zone
    warm_up()
    with ZoneStack(PARTITIONS, is_simulated=True) as stack, stack.client() as client:
        publish(stack.kafka, PREFIX, parse_zone(FIRST), PARTITIONS, timestamp_ms=START_MS)
        stack.start_workers()
        send(stack, (KNOWN, NEW), range(5, 65, 15), 100.0)
        refused = "SELECT count(), uniqExact(reason), any(reason) FROM dead_letters_final WHERE zone = 'z'"
        wait_until(lambda: client.query(refused).first_row == (4, 1, "unknown_meter"), 120, "the unknown meter's dead letters")

        (tmp_path / "zone.yaml").write_text(SECOND)
        assert apply(stack, tmp_path / "zone.yaml")["version"] == 2
        send(stack, (KNOWN, NEW), range(80, 200, 15), 100.0)
        end_ms = START_MS + 242 * MINUTE_MS
        produce(stack.kafka, f"{PREFIX}readings", [(p, None, HEARTBEAT, [], end_ms) for p in range(PARTITIONS)])
        wait_until_complete(stack, zone, end_ms, 120)

        log = [record for p in range(PARTITIONS) for record in read_partition(stack.kafka, f"{PREFIX}readings", p)]
        stored = {name: stored_rows(client, TABLES[name]) for name in ("intervals", "emissions", "totals", "intensity")}
        company_b = client.query(COMPANY_B).result_rows
        letters = client.query(refused).first_row
        again = replayed(stack)
        (tmp_path / "the past.yaml").write_text(SECOND.replace("max_power: 1000000", "max_power: 1000000, multiplier: 2", 1))
        said, difference = restated(stack, tmp_path / "the past.yaml")
        names = client.query("SELECT company FROM registry_companies_final WHERE version = 2 ORDER BY company").result_rows
    oracle = run_oracle(SECOND, shipped_factors_csv(), log, PARTITIONS)
    assert [line for name, rows in stored.items() for line in differences(oracle[name], rows, name)] == []
    assert letters == (4, 1, "unknown_meter")
    assert again["differences"] == 0, f"a replay switches where the live tasks did: {again}"
    assert "meters.M-1: changes what was valid in closed windows" in said
    assert {day["who"] for table in difference["tables"] for day in table["days"] if table["name"] == "intervals"} == {"M-1"}
    assert names == [("a",), ("b",)]
    window_ms, first = zone.window_ms, START_MS + 75 * MINUTE_MS
    full = [(first + i * window_ms, 3_000_000, window_ms, window_ms) for i in range(1, 7)]
    assert company_b[:7] == [(first, 2_000_000, 600_000, window_ms), *full]
