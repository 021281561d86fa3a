"""`zonepulse explain` on a real broker and the real ClickHouse engine: a small zone with a network, a battery, contracts and an entry."""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from faust.types import TP
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient
from kafka.structs import TopicPartition
from network_zones import DAY, MINUTE, WINDOW, meter, zone
from typer.testing import CliRunner, Result

from zonepulse.processors.final_rows import final_rows
from zonepulse.processors.zone_run import ZoneRun
from zonepulse.schemas.messages.partitioner import partition_of
from zonepulse.schemas.messages.topics import READINGS
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.tables.results import TABLES
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.cli.main import app
from zonepulse.streams.clickhouse.registry_rows import registry_rows
from zonepulse.streams.clickhouse.stored_rows import stored
from zonepulse.streams.control.registry_topic import load_versions, publish, read_to_end
from zonepulse.streams.embedded.stack import Stack
from zonepulse.streams.kafka.record_arrays import spans
from zonepulse.streams.kafka.topics_admin import ensure_topics

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
N = 3
PREFIX, CUT = "e.", "cut."
TOPIC = READINGS.full_name(PREFIX)
"""`CUT` is the prefix of a log of the same zone that loses its beginning."""
SERIES = {"from": "2026-03-04T00:00:00Z", "step": "1h", "values": [0.4, 0.2]}
MILL = {"kind": "cumulative", "unit": "kWh", "multiplier": 200, "period": "15m"}
ZONE = zone(
    [
        meter("GRID", "station", "boundary", "import"),
        meter("MILL", "mill", "main", "import", **MILL),
        meter("BAT", "mill", "storage", "charge", "discharge"),
        meter("SHOP", "shop", "main", "import", period="60m"),
    ],
    {"station": (None, "grid"), "mill": ("mill", "m"), "shop": ("shop", "m")},
    zone={"factor_regions": ["HOURLY", "CN-JS", "CN"]},
    network={
        "nodes": ["grid", "m"],
        "edges": [{"id": "line", "from": "grid", "to": "m", "meter_to": "MILL"}],
        "sources": [
            {"id": "supply", "node": "grid", "kind": "grid_import", "meter": "GRID"},
            {"id": "battery", "node": "m", "kind": "storage", "meter": "BAT", "initial": {"kwh": 50, "g_per_kwh": 100}},
        ],
    },
    factors=[
        {"id": "signal", "activity": "grid_electricity", "region": "HOURLY", "basis": "location", "unit": "kgCO2/kWh",
         "source": "the grid's hourly signal", "series": SERIES},
        {"id": "gas", "activity": "process:welding", "region": "CN", "basis": "default", "unit": "kgCO2e/kg", "value": 1.5,
         "valid_from": "2026-01-01", "source": "data sheet"},
    ],
    contracts=[
        {"id": "green", "company": "mill", "kind": "gec", "mwh": 0.03, "vintage": 2026, "valid_from": "2026-01-01",
         "valid_to": "2027-01-01", "evidence": "batch 7"},
    ],
    entries=[
        {"id": "weld", "company": "shop", "carrier": "process:welding", "kg": 2.5, "at": "2026-03-04T00:20:00Z", "by": "L. Chen",
         "reason": "gas bottle", "evidence": "order 9"},
    ],
)  # fmt: skip


def readings() -> Iterator[tuple[int, str, dict[str, Any]]]:
    """(arrival, key, reading). The mill's register rises by 0.1 (x 200 = 20 kWh) a window, the battery gives 5 kWh."""
    for i in range(9):
        at = DAY + i * WINDOW
        yield at, "mill", {"meter": "MILL", "register": "import", "ts": at, "value": 1000 + i / 10}
        if i:
            yield at, "station", {"meter": "GRID", "register": "import", "ts": at, "value": 21.0}
            yield at, "mill", {"meter": "BAT", "register": "charge", "ts": at, "value": 0.0}
            yield at, "mill", {"meter": "BAT", "register": "discharge", "ts": at, "value": 5.0}
        if i == 4:
            yield at, "mill", {"meter": "MILL", "register": "import", "ts": DAY, "value": 999.0}  # too late: refused
        if i in (4, 8):
            yield at, "shop", {"meter": "SHOP", "register": "import", "ts": at, "value": 8.0}


def send(broker: str, topic: str) -> None:
    """Readings one a record, but the battery's in arrays; heartbeats at both ends."""
    with closing(KafkaProducer(bootstrap_servers=broker, acks="all")) as producer:
        for p in range(N):
            producer.send(topic, b"[]", partition=p, timestamp_ms=DAY)
        for at, key, reading in readings():
            value = [reading] if reading["meter"] == "BAT" else reading
            number = partition_of(key, N)
            producer.send(topic, json.dumps(value).encode(), key.encode(), partition=number, timestamp_ms=at).get(30)
        for p in range(N):
            producer.send(topic, b"[]", partition=p, timestamp_ms=DAY + 300 * MINUTE).get(30)


def ledger(broker: str, registry: Registry) -> dict[str, pa.Table]:
    """The core's final rows of what is on the topic."""
    run, made = ZoneRun(registry, N, TOPIC), dict[str, list[pa.RecordBatch]]()
    records: dict[int, list[Any]] = {}
    for record in read_to_end(broker, TOPIC):
        if not dict(record.headers).get("registry"):
            records.setdefault(record.partition, []).append(record)
    run.begin(DAY)
    for number, mine in sorted(records.items()):
        for name, batches in run.records(spans(TP(TOPIC, number), mine, mine[-1].offset + 1, 0)).items():
            made.setdefault(name, []).extend(batches)
    for name, batches in run.finish().items():
        made.setdefault(name, []).extend(batches)
    return {name: final_rows(pa.Table.from_batches(found).unify_dictionaries(), TABLES[name]) for name, found in made.items()}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack() as stack:
        for prefix in (PREFIX, CUT):
            ensure_topics(stack.kafka, prefix, N, is_simulated=True)
            publish(stack.kafka, prefix, parse_zone(ZONE), N, timestamp_ms=DAY)
            send(stack.kafka, READINGS.full_name(prefix))
        (registry,) = load_versions(stack.kafka, f"{PREFIX}registry").values()
        with stack.client() as client:
            fill(client, registry, ledger(stack.kafka, registry))
        yield stack


def fill(client: Client, registry: Registry, rows: dict[str, pa.Table]) -> None:
    for name, table in registry_rows(registry):
        client.insert_arrow(name, table, settings={"async_insert": 0})
    for name, table in rows.items():
        client.insert_arrow(name, stored(TABLES[name], table), settings={"async_insert": 0})


def run(stack: Stack, *arguments: str, prefix: str = PREFIX) -> Result:
    mine = {"ZONEPULSE_TOPIC_PREFIX": prefix, "ZONEPULSE_PARTITIONS": str(N)}
    return CliRunner().invoke(app, ["explain", *arguments], env=stack.environment | mine)


def answer(stack: Stack, *arguments: str, prefix: str = PREFIX) -> dict[str, Any]:
    result = run(stack, *arguments, "--json", prefix=prefix)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


AT = "2026-03-04T00:20:00Z"
"""In the window 00:15 to 00:30."""


def test_a_kilogram_is_traced_to_its_factor_and_to_the_readings_with_their_offsets(stack: Stack) -> None:
    found = answer(stack, "mill", "--at", AT)
    (row,) = found["emissions"]
    assert (row["energy_micro"], row["co2e_mg"]) == (20_000_000, 8_000_000)
    assert (row["factor"]["factor"], row["factor"]["factor_mg"], row["rung"]) == ("signal", 400_000, "HOURLY")
    assert row["factor"]["source"] == "the grid's hourly signal"
    assert {t["carrier"]: t["co2e_mg"] for t in found["totals"]} == {"": 8_000_000, "electricity": 8_000_000}
    (channel,) = found["channels"]
    assert channel["interval"]["value_micro"] == channel["log"]["evenly_micro"] == 20_000_000
    on_topic = {
        (r.partition, r.offset): json.loads(r.value)["value"]
        for r in read_to_end(stack.kafka, TOPIC)
        if b'"MILL"' in (r.value or b"")
    }
    used = channel["log"]["readings"]
    assert [r["value"] for r in used] == [1000.1, 1000.2]
    assert all(on_topic[r["partition"], r["offset"]] == r["value"] and r["item"] == 0 for r in used)


def test_people_can_do_the_sums_again(stack: Stack) -> None:
    text = run(stack, "mill", "--at", AT).stdout
    assert "8 kg = 20 kWh x 0.4 kg/kWh" in text
    assert "00:15:00 to 00:30:00: (1000.2 - 1000.1) kWh x 200 = 20 kWh" in text


def test_a_refused_reading_is_shown_as_refused(stack: Stack) -> None:
    (channel,) = answer(stack, "mill", "--at", "2026-03-04T00:05:00Z")["channels"]
    refused = [r for r in channel["log"]["readings"] if r["refused"]]
    assert [(r["value"], r["refused"], r["is_used"]) for r in refused] == [(999.0, "late", False)]
    assert channel["log"]["evenly_micro"] == channel["interval"]["value_micro"] == 20_000_000


def test_a_volume_contract_shows_what_it_matched_and_the_rest_takes_the_residual(stack: Stack) -> None:
    found = answer(stack, "mill", "--at", AT, "--basis", "market")
    matched, rest = found["emissions"]
    assert (matched["register"], matched["energy_micro"], matched["co2e_mg"]) == ("green", 10_000_000, 0)
    assert (rest["register"], rest["energy_micro"], rest["factor"]["basis"]) == ("", 10_000_000, "market_residual")
    assert rest["co2e_mg"] == 10 * rest["factor"]["factor_mg"]
    (contract,) = found["contracts"]
    assert (contract["matched_micro"], contract["used_micro"], contract["evidence"]) == (10_000_000, 30_000_000, "batch 7")
    assert [c["meter"] for c in found["channels"]] == ["MILL"]


def test_a_nodal_kilogram_is_traced_upstream_to_the_grid_and_the_battery(stack: Stack) -> None:
    found = answer(stack, "mill", "--at", AT, "--basis", "nodal")
    network = found["network"]
    own, far = network["nodes"]
    assert (own["node"], own["energy_micro"], far["node"], far["energy_micro"]) == ("m", 25_000_000, "grid", 21_000_000)
    (line,) = own["edges_in"]
    assert (line["from"], line["energy_micro"], line["co2e_mg"]) == ("grid", 20_000_000, 8_000_000)
    (battery,) = own["sources"]
    assert (battery["energy_micro"], battery["co2e_mg"]) == (5_000_000, 500_000)
    assert own["co2e_mg"] == line["co2e_mg"] + battery["co2e_mg"] and own["g_per_kwh"] == pytest.approx(340)
    (use,) = network["company_uses"]
    total = next(t for t in found["totals"] if t["carrier"] == "electricity")
    assert use["energy_micro"] == total["energy_micro"] == 25_000_000 and abs(use["co2e_mg"] - total["co2e_mg"]) <= 1
    assert far["imbalance"]["energy_micro"] == 1_000_000, "the feeder's metered kilowatt-hour that nobody received is shown"
    assert network["grid_factor"]["factor"] == "signal" and network["residual_mg"] == 0
    assert [(c["meter"], c["register"], c["sign"]) for c in found["channels"]] == [
        ("MILL", "import", 1), ("BAT", "charge", -1), ("BAT", "discharge", 1),
    ]  # fmt: skip
    assert "20 kWh x 400.000000 g/kWh = 8 kg" in run(stack, "mill", "--at", AT, "--basis", "nodal").stdout


def test_an_entry_is_explained_by_who_made_it(stack: Stack) -> None:
    found = answer(stack, "shop", "--at", AT)
    entry = next(row for row in found["emissions"] if row["entry"])
    assert (entry["carrier"], entry["energy_micro"], entry["base_unit"]) == ("process:welding", 2_500_000, "kg")
    assert (entry["co2e_mg"], entry["factor"]["factor"], entry["why"]) == (3_750_000, "gas", None)
    assert (entry["entry"]["by"], entry["entry"]["reason"]) == ("L. Chen", "gas bottle")
    assert "entered by L. Chen: gas bottle (order 9)" in run(stack, "shop", "--at", AT).stdout


def test_a_window_without_rows_or_a_wrong_name_tells_the_remedy(stack: Stack) -> None:
    for arguments, words in (
        (("mil", "--at", AT), "did you mean `mill`?"),
        (("mill", "--at", "2026-04-04T00:20:00Z"), "windows begin from 2026-03-04T00:00:00+00:00"),
        (("mill", "--at", "yesterday"), "write a date"),
        (("mill", "--at", AT, "--basis", "nodel"), "did you mean `nodal`?"),
    ):
        result = run(stack, *arguments)
        assert result.exit_code == 2 and words in result.output, result.output


def test_what_the_log_no_longer_holds_is_said(stack: Stack) -> None:
    (channel,) = answer(stack, "mill", "--at", AT, prefix=CUT)["channels"]
    last = channel["log"]["readings"][-1]
    with closing(KafkaAdminClient(bootstrap_servers=stack.kafka)) as admin:
        admin.delete_records({TopicPartition(last["topic"], last["partition"]): last["offset"] + 1})
    (channel,) = answer(stack, "mill", "--at", AT, prefix=CUT)["channels"]
    assert f"the log begins at offset {last['offset'] + 1}" in channel["log"]["why"]
    assert channel["log"]["evenly_micro"] is None and channel["interval"]["value_micro"] == 20_000_000
