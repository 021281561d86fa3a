"""The embedded engine with what the core makes of the demo's readings."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import clickhouse_connect
import numpy as np
import pyarrow as pa
from clickhouse_connect.driver.client import Client

from zonepulse.processors.final_rows import final_rows
from zonepulse.processors.zone_run import ZoneRun
from zonepulse.schemas.messages.partitioner import partition_of
from zonepulse.schemas.messages.records import RecordSpans
from zonepulse.schemas.registry.inputs import INPUTS
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.sections import entities_of
from zonepulse.schemas.tables.results import TABLES
from zonepulse.streams.clickhouse import migrations
from zonepulse.streams.clickhouse.registry_rows import registry_rows
from zonepulse.streams.clickhouse.stored_rows import stored
from zonepulse.streams.demo.data import demo_sample
from zonepulse.streams.embedded.clickhouse.process import WRITER, ClickHouseProcess
from zonepulse.streams.indicators.kept import due_again, made, rows_of
from zonepulse.streams.indicators.kept_hours import hour_rows, hours_again, hours_made
from zonepulse.streams.indicators.store import asker

UNTIL_MS = 1_763_942_400_000
"""2025-11-24T00:00Z, a Monday: eight o'clock in the zone."""
DAYS = 9
PARTITIONS = 4
DAY_MS = 86_400_000


class DemoRows(dict[str, pa.Table]):
    """Final rows, table by table."""

    def __init__(self, tables: Mapping[str, pa.Table]) -> None:
        super().__init__(tables)
        self._lists: dict[str, list[dict[str, Any]]] = {}

    def dicts(self, table: str) -> list[dict[str, Any]]:
        """The rows of a table, made once; to be read only."""
        if table not in self._lists:
            self._lists[table] = self[table].to_pylist()
        return self._lists[table]


def run_demo(registry: Registry) -> DemoRows:
    """The final rows of the whole sample."""
    sample, run, made = demo_sample(UNTIL_MS, DAYS), ZoneRun(registry, PARTITIONS), defaultdict[str, list[pa.RecordBatch]](list)
    records: dict[int, list[int]] = defaultdict(list)
    for i, key in enumerate(sample.key):
        records[partition_of(key.decode(), PARTITIONS)].append(i)
    run.begin(int(min(sample.arrival_ms)))
    for partition, chosen in sorted(records.items()):
        for name, batches in run.records(spans(sample, partition, chosen)).items():
            made[name] += batches
    for name, batches in run.finish().items():
        made[name] += batches
    return DemoRows({n: final_rows(pa.Table.from_batches(b).unify_dictionaries(), TABLES[n]) for n, b in made.items()})


def spans(sample: Any, partition: int, chosen: list[int]) -> RecordSpans:
    """Records of one partition in one buffer, values first."""
    values, keys = [sample.value[i] for i in chosen], [sample.key[i] for i in chosen]
    ends = np.cumsum([len(part) for part in values + keys])
    starts = np.concatenate(([0], ends[:-1]))
    n = len(chosen)
    return RecordSpans(
        "zp.readings", partition, np.frombuffer(b"".join(values + keys), np.uint8), starts[n:], ends[n:], starts[:n], ends[:n],
        np.arange(n), sample.arrival_ms[chosen], n, {at: sample.headers[i] for at, i in enumerate(chosen) if i in sample.headers},
    )  # fmt: skip


def insert_registry(client: Client, registry: Registry) -> None:
    """Its dimension tables."""
    for name, rows in registry_rows(registry):
        client.insert_arrow(name, rows)


def connect(server: ClickHouseProcess, user: str, database: str = "zonepulse") -> Client:
    return clickhouse_connect.get_client(
        host="127.0.0.1", port=server.port, username=user, password=server.password(user), database=database, compress=False,
        autogenerate_session_id=False,
    )  # fmt: skip


def fill(server: ClickHouseProcess, registry: Registry) -> DemoRows:
    """Migrations, registry and rows of the whole sample; the rows, table by table."""
    rows = run_demo(registry)
    with connect(server, WRITER, "default") as client:
        migrations.apply(client)
    with connect(server, WRITER) as client:
        insert_registry(client, registry)
        for name, table in rows.items():
            client.insert_arrow(name, stored(TABLES[name], table))
        keep_indicators(client, registry)
    return rows


def keep_indicators(client: Client, registry: Registry) -> None:
    """Table `indicators`, as the store's worker keeps it."""
    ask = asker(client)
    periods, until_ms, now = due_again(made(registry.zone.id, ask), registry, (), entities_of(registry, INPUTS), ask)
    for period in periods:
        client.insert_arrow("indicators", rows_of(registry, period, until_ms, now, ask))
    hours, of_hours = hours_again(hours_made(registry.zone.id, ask), registry.zone.id, ask)
    for table in hour_rows(registry, hours, of_hours._replace(version=registry.version), ask):
        client.insert_arrow("indicators", table)
