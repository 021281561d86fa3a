"""A result table more is one declaration, and the migration that makes it in stores that are there."""

from pathlib import Path

import pytest
from extended import REPOSITORY, Extended

pytestmark = pytest.mark.integration
RESULTS = "schemas/tables/results.py"
DECLARATION = """DEMAND: Final = Table(
    "demand",
    _columns("zone:code company:code start:time peak_kw:f64 origin:code revision:i64"),
    ("zone", "company", "start"),
    "start",
    is_final=True,
    keep_days=30,
    live_only="startsWith(origin, 'live')",
    notes={"peak_kw": "highest power of the window in kW", "origin": "who measured"},
)
"""
PROGRAM = """
from pathlib import Path
from tempfile import mkdtemp
import clickhouse_connect, pyarrow as pa
from zonepulse.oracle.compare import differences
from zonepulse.processors.ledger.rows import Results
from zonepulse.schemas.documents.asyncapi import asyncapi
from zonepulse.schemas.tables.ddl import LIVE_RUN, statements
from zonepulse.schemas.tables.results import DEMAND, FINAL_TABLES, TABLES
from zonepulse.streams.clickhouse import migrations, stored_rows
from zonepulse.streams.embedded.clickhouse.process import READER, WRITER, ClickHouseProcess
from zonepulse.streams.replay import runs
from zonepulse.streams.replay.file import FinalRows, with_run
import zonepulse.schemas
assert zonepulse.schemas.__file__.startswith(str(Path.cwd()))

# what is said of it
messages = asyncapi()["components"]["messages"]
assert "demand" in asyncapi()["channels"]["results"]["messages"]
assert [c["name"] for c in messages["demand"]["payload"]["x-arrow"]["columns"]] == [c.name for c in DEMAND.columns]
assert "demand" in FINAL_TABLES and "demand" in stored_rows._LEDGERS

# rows: the ledger's, final, the oracle's comparison
at = 4_000_000_000_000  # in time for no row to be dropped
def rows(*found):
    return pa.RecordBatch.from_pylist([dict(zip(DEMAND.arrow_schema.names, row)) for row in found], DEMAND.arrow_schema)
made = Results()
made.add("demand", rows(("z", "c", at, 1.0, "a", 1), ("z", "c", at, 2.0, "a", 2)))
final = FinalRows()
final.add(made.batches)
kept = final.table("demand")
expected = [{"zone": "z", "company": "c", "start": at, "peak_kw": 2.0, "origin": "a", "revision": 2}]
assert differences(expected, kept, "demand") == []
assert len(differences([{**expected[0], "peak_kw": 3.0}], kept, "demand")) == 1

# the store: migrations make what the declaration says; a promoted run stands for the live rows; a discarded one goes
server = ClickHouseProcess(Path(mkdtemp(dir=Path.cwd())))
server.start()
try:
    def client_of(user):
        return clickhouse_connect.get_client(host="127.0.0.1", port=server.port, username=user, password=server.password(user),
                                             compress=False, autogenerate_session_id=False)
    client = client_of(WRITER)
    shape = "SELECT name, engine_full, as_select FROM system.tables WHERE database = 'zonepulse' AND name LIKE 'demand%' ORDER BY name"
    migrations.apply(client)
    migrated = client.query(shape).result_rows
    client.command("DROP DATABASE zonepulse SYNC")
    for sql in statements():
        client.command(sql)
    assert migrated == client.query(shape).result_rows and len(migrated) == 2, migrated
    client.command("USE zonepulse")
    client.database = "zonepulse"
    live = stored_rows.stored(DEMAND, pa.Table.from_batches([rows(("z", "c", at, 1.0, "a", 1), ("z", "c", at + 1, 1.0, "live", 1))]))
    runs.insert(client, "demand", live)
    runs.insert(client, "demand", with_run(stored_rows.stored(DEMAND, kept), "r1"))
    reader = client_of(READER)
    seen = f"SELECT origin, peak_kw FROM zonepulse.demand_final WHERE run = '{LIVE_RUN}' ORDER BY start, origin"
    assert reader.query(seen).result_rows == [("a", 1.0), ("live", 1.0)]
    client.command("INSERT INTO zonepulse.promotions (zone, run, from_at, to_at, is_active, who, why, at, revision) VALUES"
                   f" ('z', 'r1', fromUnixTimestamp64Milli({at}), fromUnixTimestamp64Milli({at + 10}), 1, '', '', now64(3), 1)")
    assert reader.query(seen).result_rows == [("a", 2.0), ("live", 1.0)]
    assert "NOT startsWith(origin, 'live')" in runs.where(DEMAND, "readings")
    runs.delete_rows(client, "r1")
    assert client.query("SELECT run, count() FROM zonepulse.demand GROUP BY run").result_rows == [("live", 2)]
finally:
    server.stop()
print("null")
"""
MIGRATION = """-- The highest power of a company's window.
CREATE TABLE IF NOT EXISTS zonepulse.demand
(
    run LowCardinality(String),
    zone LowCardinality(String),
    company LowCardinality(String),
    start DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    peak_kw Float64 CODEC(ZSTD(1)),
    origin LowCardinality(String),
    revision Int64 CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(start)
ORDER BY (run, zone, company, start)
TTL toDateTime(start) + INTERVAL 30 DAY
SETTINGS non_replicated_deduplication_window = 1000;
CREATE VIEW IF NOT EXISTS zonepulse.demand_final AS
SELECT * FROM zonepulse.demand FINAL
WHERE run != 'live' OR startsWith(origin, 'live')
OR start < PROMOTED.2
OR start >= PROMOTED.3
OR NOT arrayExists(p -> zone = p.1 AND start >= p.3 AND start < p.4, PROMOTED.1)
UNION ALL
SELECT * REPLACE (CAST('live', 'LowCardinality(String)') AS run) FROM zonepulse.demand AS t FINAL
WHERE t.run IN (SELECT run FROM zonepulse.promotions)
AND arrayExists(p -> t.run = p.2 AND zone = p.1 AND start >= p.3 AND start < p.4, PROMOTED.1);
""".replace(
    "PROMOTED",
    "(SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at))"
    " FROM zonepulse.promotions_final WHERE is_active = 1)",
)


def test_a_table_is_declared_in_one_file_and_made_by_one_migration(tmp_path: Path) -> None:
    tree = Extended(tmp_path)
    tree.alter(
        RESULTS, ("_DECLARED: Final", DECLARATION + "_DECLARED: Final"), ("    DELIVERIES,\n)", "    DEMAND,\n    DELIVERIES,\n)")
    )
    number = len(list((REPOSITORY / "deploy/clickhouse").glob("*.sql"))) + 1
    tree.add(f"deploy/clickhouse/{number:04d}_demand.sql", MIGRATION)
    tree.run(PROGRAM)
