"""The ClickHouse tables: DDL made from the result columns. `deploy/clickhouse/0001_results.sql` is this text, committed.

Every insert retried with its `insert_deduplication_token` is written once (`non_replicated_deduplication_window`); rows repeated or
revised later are folded by `ReplacingMergeTree(revision)`, so read through the `_final` views. Partitions follow the time of the
window, never of the insert, so that all revisions of a row share one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from zonepulse.schemas.results import ALERTS, DEAD_LETTERS, EMISSIONS, INTENSITY, INTERVALS, LIVE, TOTALS, Column, Table

DATABASE: Final = "zonepulse"
LIVE_RUN: Final = "live"
"""`run` of everything the workers write; a replay has its own id."""
DEDUPLICATION_WINDOW: Final = 1000
"""Blocks whose tokens a table remembers."""

_RUN: Final = Column("run", "code")
_CODECS: Final = {
    "time": "DoubleDelta, ZSTD(1)",
    "i64": "T64, ZSTD(1)",
    "i32": "T64, ZSTD(1)",
    "u32": "T64, ZSTD(1)",
    "f64": "ZSTD(1)",
    "str": "ZSTD(1)",
    "bytes": "ZSTD(3)",
}


@dataclass(frozen=True, slots=True)
class Storage:
    """How a table is kept. `order` are column names; `version` '' = no version; `ttl_days` 0 = for ever."""

    name: str
    columns: tuple[Column, ...]
    engine: str
    order: tuple[str, ...]
    partition_by: str = ""
    ttl: str = ""
    final: str = ""
    """The query of the `_final` view, '' where there is none."""

    def ddl(self) -> Iterator[str]:
        """CREATE statements of the table and its view."""
        yield "\n".join(self._table())
        if self.final:
            yield f"CREATE VIEW IF NOT EXISTS {DATABASE}.{self.name}_final AS\n{self.final}"

    def _table(self) -> Iterator[str]:
        yield f"CREATE TABLE IF NOT EXISTS {DATABASE}.{self.name}\n("
        yield ",\n".join(f"    {_column(c)}" for c in self.columns)
        yield f")\nENGINE = {self.engine}"
        if self.partition_by:
            yield f"PARTITION BY {self.partition_by}"
        yield f"ORDER BY ({', '.join(self.order)})"
        if self.ttl:
            yield f"TTL {self.ttl}"
        yield f"SETTINGS non_replicated_deduplication_window = {DEDUPLICATION_WINDOW}"


def _column(column: Column) -> str:
    codec = _CODECS.get(column.kind)
    return f"{column.name} {column.clickhouse}" + (f" CODEC({codec})" if codec else "")


def _latest_version(name: str) -> str:
    """The registry tables keep every version; the view shows each zone's newest."""
    table = f"{DATABASE}.{name}"
    return f"SELECT * FROM {table} FINAL\nWHERE (zone, version) IN (SELECT zone, max(version) FROM {table} GROUP BY zone)"


def _result(table: Table, engine: str, ttl: str = "") -> Storage:
    final = f"SELECT * FROM {DATABASE}.{table.name} FINAL" if engine.startswith("Replacing") else ""
    return Storage(table.name, (_RUN, *table.stored), engine, ("run", *table.key), f"toYYYYMM({table.time})", ttl, final)


_VERSIONED: Final = "ReplacingMergeTree(revision)"
_READINGS: Final = Storage(
    "readings",
    (
        _RUN,
        *(Column(n, "code") for n in ("zone", "meter", "register")),
        Column("ts", "time"),
        Column("value", "f64"),
        Column("unit", "code"),
        Column("seq", "i64"),
        Column("quality", "code"),
        Column("partition", "i32"),
        Column("offset", "i64"),
        Column("item", "i32"),
        Column("ingest_at", "time"),
    ),
    "ReplacingMergeTree",
    ("run", "zone", "meter", "register", "ts", "partition", "offset", "item"),
    "toYYYYMM(ts)",
    "toDateTime(ts) + INTERVAL 400 DAY",
    f"SELECT * FROM {DATABASE}.readings FINAL",
)
"""The optional archive of accepted readings; `seq` -1 = absent."""
_RUNS: Final = Storage(
    "runs",
    (
        _RUN,
        Column("zone", "code"),
        Column("started_at", "time"),
        Column("finished_at", "time", null=True),
        Column("state", "code"),
        Column("registry_version", "i64"),
        Column("registry_hash", "str"),
        Column("input_topic", "str"),
        Column("input_from", "str"),
        Column("input_to", "str"),
        Column("input_from_at", "time", null=True),
        Column("input_to_at", "time", null=True),
        Column("note", "str"),
        Column("revision", "i64"),
    ),
    _VERSIONED,
    ("run", "zone"),
    final=f"SELECT * FROM {DATABASE}.runs FINAL",
)
"""`input_from` and `input_to` are JSON objects partition -> offset, the end exclusive."""
LANGUAGES: Final = ("en", "de", "zh")
"""Of the names in the registry tables: `name_en`, ..."""
_NAMES: Final = tuple(Column(f"name_{language}", "str") for language in LANGUAGES)
REGISTRY_COMPANIES: Final = Storage(
    "registry_companies",
    (Column("zone", "code"), Column("version", "i64"), Column("company", "code"), *_NAMES, Column("sector", "code"),
     Column("employees", "i64", null=True)),
    "ReplacingMergeTree",
    ("zone", "version", "company"),
    final=_latest_version("registry_companies"),
)  # fmt: skip
REGISTRY_METERS: Final = Storage(
    "registry_meters",
    (
        Column("zone", "code"),
        Column("version", "i64"),
        *(Column(n, "code") for n in ("meter", "register", "site", "company", "node", "gateway", "role", "parent", "carrier")),
        *(Column(n, "code") for n in ("direction", "kind", "unit", "base_unit")),
        *_NAMES,
        Column("valid_from", "time"),
        Column("valid_to", "time", null=True),
    ),
    "ReplacingMergeTree",
    ("zone", "version", "meter", "register", "valid_from"),
    final=_latest_version("registry_meters"),
)
"""One row a register and validity; names are the company's; `valid_from` 1970 = always, `valid_to` null = open."""

STORAGES: Final = (
    *(_result(t, _VERSIONED) for t in (INTERVALS, EMISSIONS, TOTALS, INTENSITY, ALERTS)),
    _result(LIVE, "MergeTree", "toDateTime(at) + INTERVAL 7 DAY"),
    _result(DEAD_LETTERS, "ReplacingMergeTree"),
    _READINGS,
    _RUNS,
    REGISTRY_COMPANIES,
    REGISTRY_METERS,
)


def statements() -> tuple[str, ...]:
    """Every statement that makes the database, in order; each may be run again."""
    return (f"CREATE DATABASE IF NOT EXISTS {DATABASE}", *(sql for storage in STORAGES for sql in storage.ddl()))


def sql_file() -> str:
    """The text of deploy/clickhouse/0001_results.sql."""
    return "-- Generated: zonepulse.schemas.tables.sql_file()\n\n" + ";\n\n".join(statements()) + ";\n"
