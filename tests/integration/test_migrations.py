"""A store becomes what the declarations say, from nothing and from the last release, with its rows."""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import clickhouse_connect
import pytest
import trustme
from clickhouse_connect.driver.client import Client
from tls_front import tls_in_front_of

from zonepulse.schemas.tables.ddl import FROZEN, statements
from zonepulse.streams import servers
from zonepulse.streams.clickhouse import migrations
from zonepulse.streams.clickhouse.cluster_ddl import on_cluster
from zonepulse.streams.clickhouse.migrations import Migration, MigrationError, deployed_migrations, every_statement
from zonepulse.streams.embedded.clickhouse.process import WRITER, ClickHouseProcess
from zonepulse.streams.screen import Stop
from zonepulse.streams.settings import Settings

pytestmark = pytest.mark.integration
TABLES = """SELECT name, engine, engine_full, partition_key, sorting_key, primary_key, as_select
FROM system.tables WHERE database = 'zonepulse' AND name != 'schema_migrations' ORDER BY name"""
COLUMNS = """SELECT table, name, type, default_kind, default_expression, compression_codec, is_in_sorting_key
FROM system.columns WHERE database = 'zonepulse' AND table != 'schema_migrations' ORDER BY table, position"""
LETTER = (
    "INSERT INTO zonepulse.dead_letters (run, zone, topic, partition, offset, item, reason, key, value, received_at)"
    " VALUES ('live', 'z', 't', 0, 17, -1, 'malformed', '', 'bytes', '2026-11-01 00:00:00')"
)
NOTES = """-- A column more.
ALTER TABLE zonepulse.dead_letters ADD COLUMN IF NOT EXISTS note String CODEC(ZSTD(1));
CREATE OR REPLACE VIEW zonepulse.dead_letters_final AS SELECT * FROM zonepulse.dead_letters FINAL;
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseProcess]:
    server = ClickHouseProcess(tmp_path_factory.mktemp("clickhouse"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def engine(server: ClickHouseProcess) -> Iterator[Client]:
    client = clickhouse_connect.get_client(
        host="127.0.0.1", port=server.port, username=WRITER, password=server.password(WRITER), compress=False,
        autogenerate_session_id=False,
    )  # fmt: skip
    yield client
    client.close()


@pytest.fixture
def client(engine: Client) -> Client:
    """An engine without our database."""
    engine.command("DROP DATABASE IF EXISTS zonepulse SYNC")
    return engine


def shape(client: Client) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    tables, columns = (client.query(sql).result_rows for sql in (TABLES, COLUMNS))
    return [tuple(row) for row in tables], [tuple(row) for row in columns]


def last_release() -> list[Migration]:
    return [migration for migration in deployed_migrations() if migration.name in FROZEN]


def test_an_engine_after_all_migrations_is_what_the_tables_say(client: Client) -> None:
    migrations.apply(client)
    migrated = shape(client)
    client.command("DROP DATABASE zonepulse SYNC")
    for statement in statements():
        client.command(statement)
    assert migrated == shape(client)
    assert len(migrated[0]) > 20


def test_a_store_of_the_last_release_upgrades_and_keeps_its_rows(client: Client) -> None:
    migrations.apply(client, last_release())
    client.command(LETTER)
    applied = migrations.apply(client)
    assert applied == [migration.name for migration in deployed_migrations() if migration.name not in FROZEN]
    assert client.query("SELECT zone, offset, value FROM zonepulse.dead_letters_final").result_rows == [("z", 17, "bytes")]
    upgraded = shape(client)
    client.command("DROP DATABASE zonepulse SYNC")
    migrations.apply(client)
    assert upgraded == shape(client)


def test_a_later_file_adds_a_column_to_a_table_that_holds_rows_and_to_its_view(client: Client) -> None:
    migrations.apply(client)
    client.command(LETTER)
    every = deployed_migrations()
    more = Migration(len(every) + 1, f"{len(every) + 1:04d}_notes.sql", NOTES)
    assert migrations.apply(client, [*every, more]) == [more.name]
    assert migrations.apply(client, [*every, more]) == []
    assert client.query("SELECT offset, note FROM zonepulse.dead_letters_final").result_rows == [(17, "")]
    with pytest.raises(MigrationError, match="is applied and its file is missing"):
        migrations.apply(client)


def test_an_applied_file_that_was_edited_is_refused(client: Client) -> None:
    migrations.apply(client, last_release())
    first, *others = last_release()
    edited = Migration(first.number, first.name, first.sql + "-- more\n")
    with pytest.raises(MigrationError, match=r"0001_results\.sql was changed after it was applied"):
        migrations.apply(client, [edited, *others])


def test_the_engine_can_read_every_statement_for_a_cluster(client: Client) -> None:
    """Read, not run: a cluster takes a Keeper."""
    found = every_statement(partial(on_cluster, cluster="zone"))
    assert len(found) == len(every_statement()) > 60
    for statement in found:
        assert statement.count(" ON CLUSTER 'zone'") == 1
        assert client.query(f"EXPLAIN AST {statement}").result_rows
    tables = [statement for statement in found if statement.startswith("CREATE TABLE")]
    places = {re.findall(r"ENGINE = Replicated(?:Replacing)?MergeTree\('([^']+)'", statement)[0] for statement in tables}
    assert len(places) == len(tables), "each table has a place of its own in Keeper"


def test_a_store_behind_tls_is_asked_by_who_believes_in_its_authority_alone(server: ClickHouseProcess, tmp_path: Path) -> None:
    ours, other = trustme.CA(), trustme.CA()
    for name, authority in (("ours.pem", ours), ("other.pem", other)):
        authority.cert_pem.write_to_path(str(tmp_path / name))
    with tls_in_front_of(server.port, ours.issue_cert("127.0.0.1")) as port:
        asked = Settings(
            clickhouse_port=port, clickhouse_user=WRITER, clickhouse_password=server.password(WRITER), clickhouse_tls=True,
            clickhouse_ca=tmp_path / "ours.pem",
        )  # fmt: skip
        with servers.store_client(asked, "default") as found:
            assert found.query("SELECT 1").first_row == (1,)
        with (
            pytest.raises(Stop, match=f"127.0.0.1:{port} does not answer"),
            servers.store_client(replace(asked, clickhouse_ca=tmp_path / "other.pem"), "default"),
        ):
            pass
        with pytest.raises(Stop), servers.store_client(replace(asked, clickhouse_tls=False, clickhouse_ca=None), "default"):
            pass
