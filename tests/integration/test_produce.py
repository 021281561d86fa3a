"""`produce` on a real broker: what is in a file is what is in the topic, under the zone's keys."""

import json
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result
from zones import SMALL, zone

from zonepulse.schemas.messages.partitioner import partition_of
from zonepulse.schemas.messages.readings import decode
from zonepulse.schemas.messages.topics import READINGS
from zonepulse.streams.cli.main import app
from zonepulse.streams.control.registry_topic import publish, read_to_end
from zonepulse.streams.embedded.kafka.broker import Broker
from zonepulse.streams.kafka.topics_admin import ensure_topics

pytestmark = pytest.mark.integration
T0 = 1_790_784_900_000
N = 3
_numbers = count()


class Zone:
    """The topics of one zone on the broker."""

    def __init__(self, broker: Broker, prefix: str) -> None:
        self.broker, self.prefix = broker, prefix
        self.environment = {
            "ZONEPULSE_BROKER": broker.bootstrap,
            "ZONEPULSE_TOPIC_PREFIX": prefix,
            "ZONEPULSE_PARTITIONS": str(N),
        }

    def run(self, *arguments: object) -> Result:
        return CliRunner().invoke(app, [str(a) for a in arguments], env=self.environment)

    def summary(self, *arguments: object) -> dict[str, Any]:
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    def records(self) -> list[Any]:
        return [r for r in read_to_end(self.broker.bootstrap, READINGS.full_name(self.prefix)) if r.value != b"[]"]


@pytest.fixture
def simulated(broker: Broker) -> Zone:
    found = Zone(broker, f"s{next(_numbers)}.")
    ensure_topics(broker.bootstrap, found.prefix, N, is_simulated=True)
    publish(broker.bootstrap, found.prefix, zone(), N, timestamp_ms=T0)
    return found


@pytest.fixture
def stamped(broker: Broker) -> Zone:
    found = Zone(broker, f"p{next(_numbers)}.")
    ensure_topics(broker.bootstrap, found.prefix, N)
    return found


def write_lines(path: Path, *lines: bytes) -> Path:
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def reading(value: float, **more: Any) -> bytes:
    return json.dumps({"meter": "M", "register": "1.8.0", "ts": T0, "value": value, **more}).encode()


def test_a_line_is_sent_as_it_is_with_its_key_its_time_and_to_its_partition(simulated: Zone, tmp_path: Path) -> None:
    odd = b'{"meter" :"M", "register":"1.8.0","ts":1790784900000, "value":1.50e0, "ingest_ms": 1790784901000}'
    path = write_lines(tmp_path / "r.jsonl", odd, reading(2, ingest_ms=T0 + 2000))
    summary = simulated.summary("produce", path)
    assert (summary["readings"], summary["records"], summary["without_key"]) == (2, 2, 0)
    found = simulated.records()
    assert [(r.key, r.value, r.timestamp) for r in found] == [
        (b"s", odd, T0 + 1000),
        (b"s", reading(2, ingest_ms=T0 + 2000), T0 + 2000),
    ]
    assert {r.partition for r in found} == {partition_of("s", N)}


def test_rows_become_readings_and_what_json_cannot_say_an_arrow_block(simulated: Zone, tmp_path: Path) -> None:
    columns = {
        "meter": ["M", "M", "M"],
        "register": ["1.8.0"] * 3,
        "ts": pa.array([T0, T0 + 1, None], pa.timestamp("ms", tz="UTC")),
        "value": [1.1, float("inf"), 3.0],
        "unit": ["kWh", None, None],
        "seq": pa.array([4, None, None], pa.int64()),
        "quality": ["estimated", None, None],
        "ingest_ms": [T0, T0, T0],
    }
    pq.write_table(pa.table(columns), tmp_path / "r.parquet")
    assert simulated.summary("produce", tmp_path / "r.parquet")["readings"] == 3
    good, infinite, broken = [decode(r.value, dict(r.headers)["content-type"]) for r in simulated.records()]
    assert (good.ts, good.value, good.unit, good.seq, good.quality, good.reason) == ([T0], [1.1], ["kWh"], [4], [1], [0])
    assert (infinite.value, infinite.reason, broken.reason) == ([float("inf")], [0], [2])


def test_an_unknown_meter_goes_to_the_first_partition_without_a_key_and_is_told(simulated: Zone, tmp_path: Path) -> None:
    result = simulated.run("produce", write_lines(tmp_path / "r.jsonl", reading(1, meter="nobody", ingest_ms=T0)))
    assert result.exit_code == 3
    assert 'refused as unknown_meter: 1, such as {"meter"' in result.stderr
    assert "not one of 1 readings can be accepted" in result.stderr
    assert "1 of the records name no known meter" in result.stderr
    assert [(r.partition, r.key) for r in simulated.records()] == [(0, None)]


def test_the_broker_stamps_and_zone_yaml_names_the_keys(stamped: Zone, tmp_path: Path) -> None:
    (tmp_path / "zone.yaml").write_text(SMALL)
    path = write_lines(tmp_path / "r.jsonl", reading(1))
    assert "no registry on" in stamped.run("produce", path).stderr
    assert stamped.summary("produce", path, "--zone", tmp_path / "zone.yaml")["records"] == 1
    (found,) = stamped.records()
    assert found.key == b"s"
    assert found.timestamp != T0


def test_speed_up_paces_by_the_times_of_arrival(simulated: Zone, tmp_path: Path) -> None:
    lines = [reading(i, ingest_ms=T0 + i * 1000) for i in range(4)]
    summary = simulated.summary("produce", write_lines(tmp_path / "r.jsonl", *lines), "--speed-up", "5")
    assert summary["seconds"] >= 0.6


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere.csv"], 2, "nowhere.csv: no such file"),
        (["{file}", "--topic", "absent"], 1, "no topic absent at 127.0.0.1"),
        (["{file}", "--zone", "absent.yaml"], 2, "absent.yaml: no such file or directory; name the zone's registry file"),
        (["{file}"], 2, "no ingest_ms; add it, or pass --arrival"),
    ],
)
def test_what_is_wrong_is_one_line(simulated: Zone, tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    path = write_lines(tmp_path / "r.jsonl", reading(1))
    result = simulated.run("produce", *[a.format(file=path) for a in arguments])
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_an_absent_broker_is_one_line_too(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "r.jsonl", reading(1))
    result = CliRunner().invoke(app, ["produce", str(path)], env={"ZONEPULSE_BROKER": "127.0.0.1:1"})
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("no Kafka broker at 127.0.0.1:1: start one with `zonepulse up`")
