"""The cases from the field through real Kafka, workers and store: every row is as `replay file` says, for which the cases hold."""

import json
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from kafka import KafkaProducer
from zone_runs import wait_until_complete

from zonepulse.oracle.compare import differences
from zonepulse.schemas.messages.records import HEARTBEAT
from zonepulse.schemas.tables.results import FINAL_TABLES, TABLES
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.control.registry_topic import newest_times, publish
from zonepulse.streams.demo.run import PREFIX, stored_rows
from zonepulse.streams.embedded.zone_stack import ZoneStack

pytestmark = pytest.mark.integration
FIELD = Path(__file__).parents[1] / "cases" / "field"
CASES = {path.parent.name: json.loads(path.read_text("utf-8")) for path in sorted(FIELD.glob("*/expected.json"))}
ACCEPTED = [
    n for n, c in CASES.items() if not c.get("may_refuse") and not c["expect"].get("exit") and c["expect"].keys() - {"exit", "says"}
]
"""The others say that a registry or a file is refused."""


def zonepulse(*arguments: object, env: dict[str, str] | None = None) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "zonepulse.streams.cli.main", *map(str, arguments)], capture_output=True, text=True, env=env
    )
    assert ran.returncode == 0, ran.stderr[-2000:] + ran.stdout[-2000:]


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_case_says_live_what_it_says_from_the_file(name: str, tmp_path: Path) -> None:
    folder, case = FIELD / name, CASES[name]
    zone_yaml, file, options = folder / "zone.yaml", folder / case["file"], case.get("options", [])
    zonepulse("replay", "file", "--zone", zone_yaml, file, "--out", tmp_path / "out", *options)
    replayed = {table: pq.read_table(tmp_path / "out" / f"{table}.parquet") for table in FINAL_TABLES}
    zone = parse_zone(zone_yaml.read_text("utf-8"))
    with ZoneStack(1, tmp_path / "stack", is_simulated=True) as stack, stack.client() as client:
        publish(stack.kafka, PREFIX, zone, 1, timestamp_ms=0)
        stack.start_workers()
        sent = [option for option in options if option == "--arrival"]
        zonepulse("produce", file, "--zone", zone_yaml, *sent, env=stack.worker_environment)
        latest = newest_times(stack.kafka, f"{PREFIX}readings", 1)[0] or 0
        last = max((round(start.timestamp() * 1000) for start in replayed["intervals"]["start"].to_pylist()), default=0)
        length = zone.zone.window_ms
        end_ms = (max(latest, last) // length + 1) * length + zone.zone.delay_ms + zone.zone.tick_ms
        beat(stack.kafka, end_ms)
        wait_until_complete(stack, zone.zone, end_ms, 120)
        found = {table: stored_rows(client, TABLES[table]) for table in FINAL_TABLES}
    lines = [d for table in set(FINAL_TABLES) - {"dead_letters"} for d in differences(replayed[table], found[table], table)]
    assert lines == []
    from_file, live = (Counter(rows["dead_letters"]["reason"].to_pylist()) for rows in (replayed, found))
    assert from_file == live


def beat(broker: str, at_ms: int) -> None:
    with closing(KafkaProducer(bootstrap_servers=broker)) as producer:
        producer.send(f"{PREFIX}readings", HEARTBEAT, partition=0, timestamp_ms=at_ms).get(30)
