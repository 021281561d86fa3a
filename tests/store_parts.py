"""A store worker's surroundings: the real engine behind its endpoint, and blocks such as the agents send."""

import json
import sys
import time
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import clickhouse_connect
import numpy as np
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from kafka.admin import KafkaAdminClient

from zonepulse.schemas.tables.results import ALERTS, LIVE, Column, Table
from zonepulse.schemas.values import canonical_json
from zonepulse.streams.embedded.kafka.broker import Broker
from zonepulse.streams.embedded.processes.process import ChildProcess, free_port
from zonepulse.streams.kafka import consumer_groups as groups
from zonepulse.streams.settings import Settings

WORKER = Path(__file__).with_name("integration") / "store_worker.py"
START_MS = 1_790_000_100_000
NOW_MS = int(time.time() * 1000)
"""Rows of the live view expire: ClickHouse drops older ones as they come in."""


class ClickHouse:
    """The embedded engine behind its endpoint."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        users = folder / "users.json"
        users.write_text(json.dumps([{"name": "worker", "role": "writer", "password": "secret"}]))
        users.chmod(0o600)
        command = [sys.executable, "-m", "zonepulse.streams.embedded.http.endpoint"]
        arguments = ["--path", str(folder / "data"), "--port", str(self.port), "--users", str(users)]
        self.argv = (*command, *arguments)
        self.process = ChildProcess("ClickHouse endpoint", self.argv, folder / "clickhouse.log")

    def start(self, *options: str) -> None:
        self.process.argv = (*self.argv, *options)
        self.process.start()
        self.process.wait_ready(self._answers, 60)

    def _answers(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/ping", timeout=1) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    @property
    def settings(self) -> Settings:
        return Settings(clickhouse_port=self.port, clickhouse_user="worker", clickhouse_password="secret")

    def client(self) -> Client:
        return clickhouse_connect.get_client(host="127.0.0.1", port=self.port, username="worker", password="secret")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.client() as client:
            return [tuple(row) for row in client.query(sql).result_rows]


def block(table: Table, rows: int, first: int, zone: str, kind: str = "") -> bytes:
    """`rows` rows numbered from `first`, in Arrow's stream format."""
    number = np.arange(first, first + rows)

    def values(column: Column) -> pa.Array:
        if column.name == "zone":
            return pa.array([zone] * rows, pa.string()).dictionary_encode()
        if column.kind == "code":
            return pa.array([f"{column.name}-{i % 7}" for i in number], pa.string()).dictionary_encode()
        if column.kind == "time":
            start = NOW_MS if table is LIVE else START_MS
            return pa.array(start + number * 900_000, pa.int64()).cast(column.arrow)
        found = pa.array(number, mask=number % 3 == 0) if column.null else pa.array(number)
        return found.cast(column.arrow)

    schema = table.arrow_schema.with_metadata({"partition": "0", "registry": "1"} | ({"kind": kind} if kind else {}))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_table(pa.Table.from_arrays([values(c) for c in table.columns], schema=schema))
    return bytes(sink.getvalue().to_pybytes())


def alert(zone: str, n: int) -> dict[str, object]:
    text = {c.name: f"{c.name}-{n}" for c in ALERTS.stored if c.kind in ("str", "code")}
    number: dict[str, object] = {"value": 1.5, "expected_low": None, "expected_high": 1, "impact_kg": None, "revision": n}
    times: dict[str, object] = {"starts_at": START_MS, "ends_at": START_MS + 123 if n % 2 else None}
    return {**text, **number, **times, "zone": zone, "evidence": canonical_json({"windows": n})}


def options(broker: Broker, clickhouse: ClickHouse, prefix: str, folder: Path) -> dict[str, Any]:
    return {
        "broker": broker.bootstrap, "prefix": prefix, "zone": prefix, "clickhouse_port": clickhouse.port, "data_dir": str(folder),
    }  # fmt: skip


def count(clickhouse: ClickHouse, table: str, zone: str) -> int:
    return int(clickhouse.rows(f"SELECT count() FROM zonepulse.{table} WHERE zone = '{zone}'")[0][0])


def committed(broker: Broker, prefix: str, topic: str = "results") -> int:
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    try:
        offsets = groups.committed(admin, f"{prefix}store")
    finally:
        admin.close()
    return max((at for tp, at in offsets.items() if tp.topic == f"{prefix}{topic}"), default=0)
