"""Whatever stands on a topic that the store reads: it lives, keeps the bytes and the place, counts, and stores what comes behind."""

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pytest
from live_parts import Record, process, produce, wait_until
from store_parts import START_MS, WORKER, ClickHouse, alert, block, count, options
from zones import EXAMPLE

from zonepulse.schemas.messages.dead_letters import DeadLetter
from zonepulse.schemas.registry.wire import to_entities
from zonepulse.schemas.tables.results import INTERVALS, LIVE, TOTALS, Table
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.clickhouse import migrations
from zonepulse.streams.embedded.kafka.broker import Broker
from zonepulse.streams.embedded.processes.process import free_port
from zonepulse.streams.kafka.topics_admin import ensure_topics

pytestmark = pytest.mark.integration
ZONE = "taicang"
JUNK = random.Random(7)
Sent = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    clickhouse = ClickHouse(tmp_path_factory.mktemp("clickhouse"))
    clickhouse.start()
    with clickhouse.client() as client:
        migrations.apply(client)
    yield clickhouse
    clickhouse.process.stop()


def changed(table: Table, metadata: dict[str, str] | None = None, **columns: Any) -> bytes:
    """A good block of three rows, with other columns or metadata."""
    good = pa.ipc.open_stream(block(table, 3, 0, ZONE)).read_all()
    for name, values in columns.items():
        at = good.schema.get_field_index(name)
        good = good.set_column(at, pa.field(name, values.type), values)
    if metadata is not None:
        good = good.replace_schema_metadata({"partition": "0", "registry": "1"} | metadata)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, good.schema) as writer:
        writer.write_table(good)
    return bytes(sink.getvalue().to_pybytes())


def numbers(value: int, kind: Any = None) -> pa.Array:
    return pa.array([value] * 3, pa.int64()).cast(kind or pa.int64())


def lying_offsets() -> bytes:
    """A well-framed block whose text offsets point outside of its text."""
    whole = block(INTERVALS, 3, 0, ZONE)
    at = whole.index(np.array([0, 7, 14, 21], np.int32).tobytes())
    return whole[:at] + np.array([0, 7, 1 << 30, 21], np.int32).tobytes() + whole[at + 16 :]


BLOCKS = [
    JUNK.randbytes(300),
    b"",
    None,
    block(INTERVALS, 3, 0, ZONE)[:500],
    b'{"meter": "m"}',
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\x7f",
    bytes(900_000),
    JUNK.randbytes(900_000),
    lying_offsets(),
    changed(LIVE),
]
INTERVALS_POISON: list[Sent] = [
    *((b"0", value, []) for value in BLOCKS),
    *(
        (b"0", value, [])
        for value in (
            pa.ipc.open_stream(block(INTERVALS, 1, 0, ZONE))
            .read_all()
            .replace_schema_metadata(None)
            .to_batches()[0]
            .serialize()
            .to_pybytes(),
            changed(INTERVALS, {"partition": "x"}),
            changed(INTERVALS, {"partition": "77"}),
            changed(INTERVALS, {"partition": "-1"}),
            changed(INTERVALS, {"registry": "9" * 5_000}),
            changed(INTERVALS, meter=pa.array(["nobody"] * 3)),
            changed(INTERVALS, zone=pa.array(["elsewhere"] * 3)),
            changed(INTERVALS, revision=numbers(1 << 62)),
            changed(INTERVALS, revision=numbers(-1)),
            changed(INTERVALS, start=numbers(32_503_680_000_000, pa.timestamp("ms", tz="UTC"))),
            changed(INTERVALS, length_s=numbers(1 << 40)),
            changed(INTERVALS, covered_ms=pa.array([None] * 3, pa.int64())),
        )
    ),
]
RESULTS_POISON: list[Sent] = [
    *((b"totals", value, []) for value in BLOCKS),
    (b"junk", changed(TOTALS), []),
    (b"\xff\xfe", changed(TOTALS), []),
    (b"intervals", changed(INTERVALS), []),
    (b"dead_letters", changed(TOTALS), []),
    (b"totals", changed(TOTALS, revision=numbers(1 << 62)), []),
    (b"totals", changed(TOTALS, zone=pa.array(["elsewhere"] * 3)), []),
    (b"live", changed(LIVE, at=numbers(1 << 62, pa.timestamp("ms", tz="UTC"))), []),
]


def alerts_with(**columns: Any) -> bytes:
    return json.dumps(alert(ZONE, 0) | columns).encode()


ALERTS_POISON: list[Sent] = [
    (b"%d" % n, value, [])
    for n, value in enumerate(
        (
            b"not JSON", b"\xff\xfe", b"[" * 100_000, b"{}", b"[]", b"17", JUNK.randbytes(300),
            alerts_with(revision=1 << 70), alerts_with(revision=1 << 62), alerts_with(starts_at="today"), alerts_with(starts_at=1 << 62),
            alerts_with(value="much"), alerts_with(rule="\ud800"), alerts_with(zone="elsewhere"), alerts_with(severity=None),
        )
    )
]  # fmt: skip


def letter(**fields: Any) -> list[tuple[str, bytes]]:
    return list(replace(DeadLetter("zp.readings", 1, 17, -1, "malformed", START_MS, None, b"x"), **fields).headers())


LETTERS_POISON: list[Sent] = [
    (None, b"letter %d" % n, headers)
    for n, headers in enumerate(
        (
            [], letter(partition="x"), letter(partition=1 << 40), letter(offset=1 << 70), letter(item=-7), letter(received_at_ms=1 << 62),
            letter(received_at_ms="9" * 5_000), letter(reason="r" * 2_000),
        )
    )
]  # fmt: skip
EXAMPLE_ZONE = replace(parse_zone(EXAMPLE), version=1)
ABSURD = replace(EXAMPLE_ZONE, companies=tuple(replace(c, employees=1 << 70) for c in EXAMPLE_ZONE.companies))


def keyed(entities: list[tuple[str, bytes]]) -> list[Sent]:
    return [(key.encode(), value, []) for key, value in entities]


REGISTRY_POISON: list[Sent] = [
    (b"junk", b"junk", []), (b"\xff\xfe", b"{}", []), (b"7/zone/x", b"no JSON", []), (b"7/meter/x", b"[" * 100_000, []),
    (b"%d/zone/x" % (1 << 62), b'{"at":[0],"facts":[{}],"entities":1}', []), keyed(to_entities(ABSURD))[-1],
]  # fmt: skip
POISON = {
    "intervals": INTERVALS_POISON, "results": RESULTS_POISON, "alerts": ALERTS_POISON, "deadletters": LETTERS_POISON,
    "registry": REGISTRY_POISON,
}  # fmt: skip
GOOD: dict[str, list[Sent]] = {
    "intervals": [(b"0", block(INTERVALS, 10, 0, ZONE), [])],
    "results": [(b"totals", block(TOTALS, 20, 0, ZONE), [])],
    "alerts": [(b"good", alerts_with(), [])],
    "deadletters": [(None, b"good", letter())],
    "registry": keyed(to_entities(replace(EXAMPLE_ZONE, version=2))),
}


def poison_counts(port: int) -> dict[str, int]:
    lines = urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode().splitlines()
    found = [line.split('topic="')[1].split('"} ') for line in lines if line.startswith("zonepulse_poison_total{")]
    return {topic: int(float(number)) for topic, number in found}


def test_poison_of_every_kind_on_every_topic_is_put_aside_and_what_comes_behind_it_is_stored(
    broker: Broker, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    prefix, port = f"z{uuid4().hex[:8]}.", free_port()
    ensure_topics(broker.bootstrap, prefix, 2, is_simulated=True)
    for topic, poison in POISON.items():
        before = keyed(to_entities(ABSURD))[:-1] if topic == "registry" else []
        sent: list[Record] = [(0, key, value, headers, None) for key, value, headers in (*before, *poison, *GOOD[topic])]
        produce(broker.bootstrap, f"{prefix}{topic}", sent)
    stored = {"intervals": 10, "totals": 20, "alerts": 1, "registry_companies": len(EXAMPLE_ZONE.companies)}
    whole = options(broker, clickhouse, prefix, tmp_path) | {"zone": ZONE, "metrics_port": port}
    letters = sum(map(len, POISON.values())) + 1
    with process(WORKER, whole, tmp_path / "worker.log") as worker:
        try:
            wait_until(lambda: all(count(clickhouse, t, ZONE) >= n for t, n in stored.items()), 60, f"{stored} stored")
            wait_until(lambda: count(clickhouse, "dead_letters", ZONE) >= letters, 60, f"{letters} letters stored")
        finally:
            print((tmp_path / "worker.log").read_text()[-3000:])
        assert worker.poll() is None
        assert poison_counts(port) == {topic: len(poison) for topic, poison in POISON.items()}
    assert {t: count(clickhouse, t, ZONE) for t in stored} == stored
    assert clickhouse.rows(f"SELECT max(revision) FROM zonepulse.intervals WHERE zone IN ('{ZONE}', 'elsewhere')") == [(9,)]
    assert clickhouse.rows(f"SELECT uniq(version), max(version) FROM zonepulse.registry_companies WHERE zone = '{ZONE}'") == [
        (1, 2)
    ]
    for topic, poison in POISON.items():
        first = len(to_entities(ABSURD)) - 1 if topic == "registry" else 0
        found = clickhouse.rows(
            f"SELECT offset, lower(hex(key)), lower(hex(value)) FROM zonepulse.dead_letters_final WHERE zone = '{ZONE}'"
            f" AND reason = 'poison' AND topic = '{prefix}{topic}' AND partition = 0 AND item = -1 ORDER BY offset"
        )
        assert found == [(first + n, (key or b"").hex(), (value or b"").hex()) for n, (key, value, _) in enumerate(poison)]


def test_a_row_ahead_of_its_records_time_is_put_aside_where_the_broker_tells_the_time(
    broker: Broker, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    """Times are those of the records: a revision of the year after the record's is from nowhere."""
    prefix, zone = f"z{uuid4().hex[:8]}.", f"z{uuid4().hex[:8]}"
    ensure_topics(broker.bootstrap, prefix, 2)
    year_ms, tick = 365 * 86_400_000, START_MS // 60_000
    revisions = ((START_MS + year_ms) // 60_000, tick)
    blocks = (changed(INTERVALS, revision=numbers(revision), zone=pa.array([zone] * 3)) for revision in revisions)
    sent: list[Record] = [(0, b"0", value, [], START_MS) for value in blocks]
    produce(broker.bootstrap, f"{prefix}intervals", sent)
    whole = options(broker, clickhouse, prefix, tmp_path) | {"zone": zone, "is_simulated": False}
    with process(WORKER, whole, tmp_path / "worker.log"):
        wait_until(lambda: count(clickhouse, "dead_letters", zone) > 0, 60, "the letter stored")
        stored = f"SELECT DISTINCT revision FROM zonepulse.intervals WHERE zone = '{zone}'"
        wait_until(lambda: clickhouse.rows(stored) == [(tick,)], 60, "the good row stored")


def test_a_register_published_just_now_is_known(broker: Broker, clickhouse: ClickHouse, tmp_path: Path) -> None:
    prefix, zone = f"z{uuid4().hex[:8]}.", f"z{uuid4().hex[:8]}"
    ensure_topics(broker.bootstrap, prefix, 2, is_simulated=True)
    registry = replace(EXAMPLE_ZONE, zone=replace(EXAMPLE_ZONE.zone, id=zone))
    meter, register = registry.meters[0].id, registry.meters[0].registers[0].id
    with process(WORKER, options(broker, clickhouse, prefix, tmp_path) | {"zone": zone}, tmp_path / "worker.log"):
        produce(broker.bootstrap, f"{prefix}intervals", [(0, b"0", block(INTERVALS, 1, 0, zone), [], None)])
        wait_until(lambda: count(clickhouse, "intervals", zone) == 1, 60, "a row stored")
        produce(broker.bootstrap, f"{prefix}registry", [(0, k, v, h, None) for k, v, h in keyed(to_entities(registry))])
        names = {"zone": pa.array([zone] * 3), "meter": pa.array([meter] * 3), "register": pa.array([register] * 3)}
        produce(broker.bootstrap, f"{prefix}intervals", [(0, b"0", changed(INTERVALS, **names), [], None)])
        wait_until(lambda: count(clickhouse, "intervals", zone) == 4, 60, "rows of the new register stored")
