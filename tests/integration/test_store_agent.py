"""The store against a real broker and the real ClickHouse engine."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import numpy as np
import psutil
import pyarrow as pa
import pytest
from faust.types import TP
from live_parts import Record, create_topics, process, produce, wait_until
from prometheus_client import CollectorRegistry
from store_parts import START_MS, WORKER, ClickHouse, alert, block, committed, count, options

from zonepulse.schemas.messages.dead_letters import DeadLetter
from zonepulse.schemas.messages.records import RecordSpans
from zonepulse.schemas.messages.topics import TOPICS
from zonepulse.schemas.tables.results import INTERVALS, LIVE, TOTALS
from zonepulse.schemas.values import canonical_json
from zonepulse.streams.chaos.parts import FULL_DISK
from zonepulse.streams.clickhouse import migrations
from zonepulse.streams.clickhouse.sink import ClickHouseSink, RowBatch, SinkBackpressure, SinkRejected, Source
from zonepulse.streams.clickhouse.stored_rows import stored
from zonepulse.streams.clickhouse.write_queue import Entry, Piece, WriteQueue
from zonepulse.streams.embedded.kafka.broker import Broker
from zonepulse.streams.embedded.processes.process import free_port
from zonepulse.streams.kafka.topics_admin import WrongTopic, ensure_topics
from zonepulse.streams.metrics import Metrics
from zonepulse.streams.settings import Settings

pytestmark = pytest.mark.integration
MOST_HELD = 200_000_000
"""What a store may take more when its sink is in trouble: 16 MB of rows, five batches of 4 MB, what the client
reads ahead, and copies of these."""


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    clickhouse = ClickHouse(tmp_path_factory.mktemp("clickhouse"))
    clickhouse.start()
    with clickhouse.client() as client:
        migrations.apply(client)
    yield clickhouse
    clickhouse.process.stop()


@pytest.fixture
def prefix(broker: Broker) -> str:
    prefix = f"z{uuid4().hex[:8]}."
    ensure_topics(broker.bootstrap, prefix, 2, is_simulated=True)
    return prefix


def test_every_kind_of_row_is_stored_as_it_was_sent(broker: Broker, clickhouse: ClickHouse, prefix: str, tmp_path: Path) -> None:
    zone = prefix
    letter = DeadLetter(f"{prefix}readings", 1, 17, -1, "malformed", START_MS + 7, None, b"{\xff")
    produce(
        broker.bootstrap,
        f"{prefix}intervals",
        [(0, b"0", block(INTERVALS, 100, 0, zone), [], None), (0, b"0", block(INTERVALS, 50, 900, zone, "live_partial"), [], None)],
    )
    produce(
        broker.bootstrap,
        f"{prefix}results",
        [(0, b"totals", block(TOTALS, 30, 0, zone), [], None), (0, b"live", block(LIVE, 5, 0, zone), [], None)],
    )
    alerts = [(0, b"f", canonical_json(alert(zone, n)).encode(), [], None) for n in range(3)]
    produce(broker.bootstrap, f"{prefix}alerts", [*alerts, (0, b"gone", None, [], None)])
    produce(broker.bootstrap, f"{prefix}deadletters", [(0, letter.key, letter.value, list(letter.headers()), None)])
    wanted = {"intervals": 100, "totals": 30, "live": 5, "alerts": 3, "alert_events": 3, "dead_letters": 1}
    with process(WORKER, options(broker, clickhouse, prefix, tmp_path), tmp_path / "worker.log"):
        wait_until(lambda: all(count(clickhouse, t, zone) == n for t, n in wanted.items()), 30, f"{wanted} stored")

    for table, rows in ((INTERVALS, 100), (TOTALS, 30)):
        sent = pa.ipc.open_stream(block(table, rows, 0, zone)).read_all().select([c.name for c in table.stored]).to_pylist()
        columns = ", ".join(c.name for c in table.stored)
        found = clickhouse.rows(
            f"SELECT {columns} FROM zonepulse.{table.name}_final WHERE run = 'live' AND zone = '{zone}' ORDER BY revision"
        )
        assert found == [tuple(v.replace(tzinfo=None) if isinstance(v, datetime) else v for v in row.values()) for row in sent]
    ((received, *letters),) = clickhouse.rows(
        "SELECT toUnixTimestamp64Milli(received_at), topic, partition, offset, item, reason, key, hex(value)"
        f" FROM zonepulse.dead_letters WHERE zone = '{zone}'"
    )
    assert (received, letters) == (START_MS + 7, [f"{prefix}readings", 1, 17, -1, "malformed", "", "7BFF"])
    found = clickhouse.rows(
        "SELECT evidence, value, expected_low, toUnixTimestamp64Milli(ends_at) FROM zonepulse.alerts_final"
        f" WHERE zone = '{zone}' ORDER BY revision"
    )
    assert found == [(f'{{"windows":{n}}}', 1.5, None, START_MS + 123 if n % 2 else None) for n in range(3)]


def test_no_row_is_lost_while_clickhouse_is_away(broker: Broker, clickhouse: ClickHouse, prefix: str, tmp_path: Path) -> None:
    zone = prefix
    with process(WORKER, options(broker, clickhouse, prefix, tmp_path), tmp_path / "worker.log"):
        produce(broker.bootstrap, f"{prefix}intervals", [(0, b"0", block(INTERVALS, 5_000, 0, zone), [], None)])
        wait_until(lambda: count(clickhouse, "intervals", zone) == 5_000, 30, "the first block stored")
        clickhouse.process.stop()
        produce(
            broker.bootstrap,
            f"{prefix}intervals",
            [(0, b"0", block(INTERVALS, 5_000, first, zone), [], None) for first in range(5_000, 100_000, 5_000)],
        )
        log = tmp_path / "worker.log"
        wait_until(lambda: "trying again" in log.read_text(), 20, "the store waiting for ClickHouse")
        clickhouse.start()
        wait_until(lambda: count(clickhouse, "intervals", zone) >= 100_000, 40, "all blocks stored")
    assert clickhouse.rows(f"SELECT count(), sum(revision) FROM zonepulse.intervals_final WHERE zone = '{zone}'") == [
        (100_000, sum(range(100_000)))
    ]


@pytest.mark.parametrize(
    "trouble", ["full", pytest.param("away", marks=pytest.mark.soak), pytest.param("slow", marks=pytest.mark.soak)]
)
def test_a_store_whose_sink_is_in_trouble_holds_little_and_writes_everything_afterwards(
    broker: Broker, clickhouse: ClickHouse, prefix: str, tmp_path: Path, trouble: str
) -> None:
    letters = [DeadLetter(f"{prefix}readings", 0, n, -1, "malformed", START_MS, None, b"%d" % n * 100_000) for n in range(1200)]
    assert sum(len(letter.value) for letter in letters) > 1.5 * MOST_HELD
    slow = {"slow_s": 1.0} if trouble == "slow" else {}
    with process(WORKER, options(broker, clickhouse, prefix, tmp_path) | slow, tmp_path / "worker.log") as worker:
        produce(broker.bootstrap, f"{prefix}deadletters", records(letters[:1]))
        wait_until(lambda: committed(broker, prefix, "deadletters") == 1, 90, "the first one stored")
        before = psutil.Process(worker.pid).memory_info().rss
        if trouble != "slow":
            clickhouse.process.stop()
        if trouble == "full":
            clickhouse.start(*FULL_DISK)
        produce(broker.bootstrap, f"{prefix}deadletters", records(letters[1:]))
        held = 0
        for _ in range(50):
            held = max(held, psutil.Process(worker.pid).memory_info().rss - before)
            time.sleep(0.2)
        assert held < MOST_HELD
        if trouble != "slow":
            assert committed(broker, prefix, "deadletters") == 1
            assert "trying again" in (tmp_path / "worker.log").read_text()
            clickhouse.process.stop()
            clickhouse.start()
        wait_until(lambda: committed(broker, prefix, "deadletters") == len(letters), 90, "all stored")
    where = f"zone = '{prefix}' AND topic = '{prefix}readings'"
    assert clickhouse.rows(f"SELECT count(), sum(offset), sum(length(value)) FROM zonepulse.dead_letters_final WHERE {where}") == [
        (1200, sum(range(1200)), sum(len(letter.value) for letter in letters))
    ]


def records(letters: Sequence[DeadLetter]) -> list[Record]:
    return [(0, letter.key, letter.value, list(letter.headers()), None) for letter in letters]


def test_a_store_that_has_no_room_says_so_and_has_not_written_half(clickhouse: ClickHouse) -> None:
    sink, zone = ClickHouseSink(clickhouse.settings), uuid4().hex
    batch = RowBatch("live", stored(LIVE, pa.ipc.open_stream(block(LIVE, 10, 0, zone)).read_all()), Source("t", 0, 0, 9))
    clickhouse.process.stop()
    clickhouse.start(*FULL_DISK)
    with pytest.raises(SinkBackpressure, match="Cannot reserve"):
        asyncio.run(sink.write(batch))
    assert count(clickhouse, "live", zone) == 0
    clickhouse.process.stop()
    clickhouse.start()
    asyncio.run(ClickHouseSink(clickhouse.settings).write(batch))
    assert count(clickhouse, "live", zone) == 10


def test_the_endpoint_does_not_run_where_the_engine_would_cut_files_short(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "zonepulse.streams.embedded.http.endpoint"]
    arguments = ["--path", str(tmp_path), "--port", str(free_port()), "--users", str(tmp_path / "users.json")]
    limited = ["bash", "-c", 'ulimit -f 100000; exec "$@"', "bash", *command, *arguments]
    done = subprocess.run(limited, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "RLIMIT_FSIZE" in done.stderr


def test_a_restarted_store_goes_on_where_it_committed(broker: Broker, clickhouse: ClickHouse, prefix: str, tmp_path: Path) -> None:
    zone = prefix
    for first in (0, 1_000):
        produce(broker.bootstrap, f"{prefix}results", [(0, b"live", block(LIVE, 1_000, first, zone), [], None)])
        with process(WORKER, options(broker, clickhouse, prefix, tmp_path), tmp_path / "worker.log"):
            wait_until(lambda total=first + 1_000: count(clickhouse, "live", zone) == total, 30, "all stored")  # type: ignore[misc]
            wait_until(lambda total=first: committed(broker, prefix) >= (2 if total else 1), 10, "offsets committed")  # type: ignore[misc]
    assert count(clickhouse, "live", zone) == 2_000


def test_a_retried_insert_is_written_once_and_another_under_equal_offsets_is_not_dropped(clickhouse: ClickHouse) -> None:
    sink, zone = ClickHouseSink(clickhouse.settings), uuid4().hex
    rows = [stored(LIVE, pa.ipc.open_stream(block(LIVE, 10, first, zone)).read_all()) for first in (0, 100)]
    for written in (rows[0], rows[0], rows[1]):
        asyncio.run(sink.write(RowBatch("live", written, Source("t", 0, 0, 9))))
    assert count(clickhouse, "live", zone) == 20


def test_the_sink_tells_what_passes_from_what_never_will(clickhouse: ClickHouse) -> None:
    rows = pa.table({"run": ["live"]})
    batch = RowBatch("no_such_table", rows, Source("t", 0, 0, 0))
    with pytest.raises(SinkRejected, match="no_such_table") as rejected:
        asyncio.run(ClickHouseSink(clickhouse.settings).write(batch))
    assert (rejected.value.rows, rejected.value.code) == (1, 60)
    with pytest.raises(SinkBackpressure, match="cannot take"):
        asyncio.run(ClickHouseSink(Settings(clickhouse_port=free_port())).write(batch))


def test_rows_that_clickhouse_refuses_are_found_by_halving_and_their_neighbours_are_written(clickhouse: ClickHouse) -> None:
    """The engine's own refusal of a row, here by a constraint: other codes of rows take the same way."""
    table, bad, tp = f"halves_{uuid4().hex[:8]}", {0, 13, 40, 41}, TP("zp.results", 0)
    with clickhouse.client() as client:
        client.command(
            f"CREATE TABLE zonepulse.{table} (n Int64, CONSTRAINT small CHECK n NOT IN ({', '.join(map(str, bad))}))"
            " ENGINE = MergeTree ORDER BY n"
        )
    none = np.full(64, -1)
    records = RecordSpans(tp.topic, 0, np.zeros(0, np.uint8), none, none, none, none, np.arange(64), np.zeros(64, np.int64), 64, {})
    refused, committed = [], []

    async def go() -> None:
        async def put_aside(name: str, piece: Piece, why: SinkRejected) -> None:
            assert (name, why.code) == (table, 469)
            refused.append(piece.first)

        async def commit(next_offsets: Mapping[TP, int]) -> None:
            committed.append(dict(next_offsets))

        queue = WriteQueue(ClickHouseSink(clickhouse.settings), commit, put_aside, Metrics(CollectorRegistry()))
        entry = Entry()
        rows = pa.table({"n": pa.array(range(64), pa.int64())})
        entry.add(tp, 64, records, {table: [Piece(rows, records, range(64), range(1, 65))]})
        queue.put(entry)
        await queue.drained()

    asyncio.run(go())
    assert refused == sorted(bad)
    assert committed == [{tp: 64}]
    kept = [n for (n,) in clickhouse.rows(f"SELECT n FROM zonepulse.{table} ORDER BY n")]
    assert kept == [n for n in range(64) if n not in bad]


def test_topics_are_made_as_declared_and_wrong_ones_refused_with_a_remedy(broker: Broker) -> None:
    prefix = f"z{uuid4().hex[:8]}."
    assert ensure_topics(broker.bootstrap, prefix, 3) == [prefix + t.name for t in TOPICS]
    assert ensure_topics(broker.bootstrap, prefix, 3) == []
    with pytest.raises(WrongTopic, match=r"has 3 partitions, expected 4.*set ZONEPULSE_PARTITIONS=3"):
        ensure_topics(broker.bootstrap, prefix, 4)
    with pytest.raises(WrongTopic, match=r"message\.timestamp\.type=LogAppendTime, expected CreateTime"):
        ensure_topics(broker.bootstrap, prefix, 3, is_simulated=True)
    other = f"z{uuid4().hex[:8]}."
    create_topics(broker.bootstrap, {f"{other}registry": 2})
    with pytest.raises(WrongTopic, match=r"registry has 2 partitions, expected 1[\s\S]*cleanup\.policy=delete, expected compact"):
        ensure_topics(broker.bootstrap, other, 3)
