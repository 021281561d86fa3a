"""The tables that the code knows, and the SQL files that stores out there have applied."""

from zonepulse.schemas.tables.ddl import FROZEN, STORAGES, statements
from zonepulse.schemas.tables.results import TABLES
from zonepulse.streams.clickhouse.migrations import deployed_migrations


def test_the_migrations_that_stores_have_applied_are_as_they_were() -> None:
    committed = {migration.name: migration.checksum for migration in deployed_migrations()}
    assert committed | FROZEN == committed, "restore the file, and put the change into a new one"
    assert tuple(committed)[: len(FROZEN)] == tuple(FROZEN)


def test_every_result_table_is_kept_with_its_stored_columns_under_its_key() -> None:
    storages = {s.name: s for s in STORAGES}
    for table in TABLES.values():
        storage = storages[table.name]
        assert [c.name for c in storage.columns] == ["run", *(c.name for c in table.stored)]
        assert storage.order == ("run", *table.key)
        assert storage.engine == ("ReplacingMergeTree(revision)" if table.versioned else storage.engine)


def test_every_folding_table_has_a_final_view_and_every_table_remembers_tokens() -> None:
    sql = statements()
    for storage in STORAGES:
        has_view = any(f"VIEW IF NOT EXISTS zonepulse.{storage.name}_final " in s for s in sql)
        assert has_view == storage.engine.startswith("Replacing")
        assert any(
            f"TABLE IF NOT EXISTS zonepulse.{storage.name}\n" in s and "non_replicated_deduplication_window" in s for s in sql
        )


def test_live_rows_expire_after_seven_days() -> None:
    (live,) = [s for s in STORAGES if s.name == "live"]
    assert (live.engine, live.ttl) == ("MergeTree", "toDateTime(at) + INTERVAL 7 DAY")
