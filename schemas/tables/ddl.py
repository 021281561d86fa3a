"""The ClickHouse tables as they are now, made from the result columns.

A store is brought here by the migrations of `deploy/clickhouse`, applied in order, each once. Those that stores out there have are
`FROZEN` and never edited. To change a table: change its declaration here and write the next `NNNN_what.sql` by hand
(`ALTER TABLE ... ADD COLUMN IF NOT EXISTS ...`; a view over `*` is made anew with `CREATE OR REPLACE VIEW`, as it keeps the columns of
before). A test compares an engine after all migrations with these declarations, and another upgrades a store that holds rows.

Every insert retried with its `insert_deduplication_token` is written once (`non_replicated_deduplication_window`); rows repeated or
revised later are folded by `ReplacingMergeTree(revision)`, so read through the `_final` views. Partitions follow the time of the
window, never of the insert, so that all revisions of a row share one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from zonepulse.schemas.languages import LANGUAGES
from zonepulse.schemas.tables.results import PERIOD_INTENSITY, PERIOD_TOTALS, TABLES, Column, Table

DATABASE: Final = "zonepulse"
LIVE_RUN: Final = "live"
"""`run` of everything the workers write; a replay has its own id."""
EDGES: Final = "/edges"
"""Behind a run's name: the sums of the hours and days that the edges of its promoted stretch cut. No run is called so."""
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


_PROMOTED: Final = (
    "(SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at))"
    f" FROM {DATABASE}.promotions_final WHERE is_active = 1)"
)
"""The promotions in force, when the first begins and the last ends; equal text, so that a statement reads them once."""


def _as_promoted(table: Table) -> str:
    """Final rows in which a promoted run's rows of its stretch stand as the live ones, and these do not; one row of `promotions` decides
    for every view at once. Any run is still there under its own name. What befell the live tasks themselves stays: alerts about the
    pipeline, and letters of topics that no replay reads.

    Of equal scalar subqueries a statement reads one, however many views it joins. Rows before the first and after the last promotion are
    not held against each one. `t.run IN` only spares reading other runs: it names all that were ever promoted, since a set is made later
    than the scalar, and a promotion in between would leave a gap. `t.run`: the bare name is the alias, always 'live'.

    An hour or a day that a promotion's edge cuts is neither side's: what stands is written with the promotion (EDGES). With an open end
    it is the live tasks' until the run has come to its end.
    """
    stored, promotions = f"{DATABASE}.{table.name} FINAL", f"{DATABASE}.promotions"
    begin, end = table.time, f"addSeconds({table.time}, {table.lasts})" if table.lasts else table.time
    within = mine = f"zone = p.1 AND {table.within('p.3', 'p.4')}"
    before, own, known = f"{begin} <", f"t.run = p.2 AND {within}", "run"
    if table.lasts:
        mine = f"zone = p.1 AND {begin} < p.4 AND {end} > p.3 AND (p.5 = 0 OR {end} <= p.4)"
        before, known = f"{end} <=", f"arrayJoin([run, concat(run, '{EDGES}')])"
        own = f"({own} OR t.run = concat(p.2, '{EDGES}') AND {mine})"
    stays = f" OR {table.live_only}" if table.live_only else ""
    return (
        f"SELECT * FROM {stored}\nWHERE run != '{LIVE_RUN}'{stays}\n"
        f"OR {before} {_PROMOTED}.2\nOR {begin} >= {_PROMOTED}.3\nOR NOT arrayExists(p -> {mine}, {_PROMOTED}.1)\nUNION ALL\n"
        f"SELECT * REPLACE (CAST('{LIVE_RUN}', 'LowCardinality(String)') AS run) FROM {DATABASE}.{table.name} AS t FINAL\n"
        f"WHERE t.run IN (SELECT {known} FROM {promotions})\n"
        f"AND arrayExists(p -> {own}, {_PROMOTED}.1)"
    )


def _result(table: Table) -> Storage:
    engine = ("ReplacingMergeTree(revision)" if table.versioned else "ReplacingMergeTree") if table.folds else "MergeTree"
    ttl = f"toDateTime({table.time}) + INTERVAL {table.keep_days} DAY" if table.keep_days else ""
    final = ""
    if table.folds:
        final = _as_promoted(table) if table.is_final else f"SELECT * FROM {DATABASE}.{table.name} FINAL"
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
        Column("from_at", "time", null=True),
        Column("to_at", "time", null=True),
        Column("plan", "str"),
        Column("result", "str"),
        Column("kind", "code"),
    ),
    _VERSIONED,
    ("run", "zone"),
    final=f"SELECT * FROM {DATABASE}.runs FINAL",
)
"""`input_from` and `input_to` are JSON objects partition -> offset, the end exclusive. A run of the topic has the stretch `from_at` to
`to_at`, its `plan` (streams/replay/plan.py) and, when done, its `result`: rows and digest by table, as JSON. `kind` is `replay`, or
`what-if` where registry or factors are not the log's own."""
FOLLOWED: Final = Storage(
    "followed",
    (Column("zone", "code"), _RUN, Column("to_at", "time"), Column("applied_at", "time"), Column("revision", "i64")),
    _VERSIONED,
    ("zone", "run"),
    final=f"SELECT * FROM {DATABASE}.followed FINAL",
)
"""How far a run has come that follows the log: every row of it with a time before `to_at` is written, and its ledger has applied the ticks
before `applied_at`."""
_DECIDED: Final = (
    f"SELECT p.* REPLACE (if(p.is_open = 1, greatest(p.to_at, f.to_at), p.to_at) AS to_at) FROM {DATABASE}.promotions AS p FINAL\n"
    f"LEFT JOIN {DATABASE}.followed AS f FINAL ON f.zone = p.zone AND f.run = p.run"
)
_STANDING: Final = f"""\
SELECT p.* REPLACE (part.1 AS from_at, part.2 AS to_at) FROM
({_DECIDED}) AS p
LEFT JOIN (SELECT zone, groupArray((from_at, to_at, revision)) AS decided, arraySort(arrayConcat(groupArray(from_at), groupArray(to_at)))
AS edges FROM ({_DECIDED}) WHERE is_active = 1 GROUP BY zone) AS n ON n.zone = p.zone
ARRAY JOIN if(p.is_active = 0, [(p.from_at, p.to_at)],
arrayFilter(s -> NOT arrayExists(q -> q.3 > p.revision AND q.1 <= s.1 AND s.2 <= q.2, n.decided),
arrayMap(at -> (at, arrayFirst(next -> next > at, n.edges)),
arrayFilter(at -> at >= p.from_at AND at < p.to_at, arrayDistinct(n.edges))))) AS part"""
PROMOTIONS: Final = Storage(
    "promotions",
    (
        Column("zone", "code"),
        _RUN,
        Column("from_at", "time"),
        Column("to_at", "time"),
        Column("is_active", "i32"),
        Column("who", "str"),
        Column("why", "str"),
        Column("at", "time"),
        Column("revision", "i64"),
        Column("is_open", "i32"),
    ),
    _VERSIONED,
    ("zone", "run"),
    final=_STANDING,
)
"""Which runs' stretches stand as the live rows; `is_active` 0: not any more. Where `is_open` is 1 the view's `to_at` goes on with what the
run has `followed`. The view has a row for each part of a stretch over which no newer one stands."""
_NAMES: Final = tuple(Column(f"name_{language}", "str") for language in LANGUAGES)
"""Of the names in tables that people read: `name_en`, ..."""
INDICATORS: Final = Storage(
    "indicators",
    (
        _RUN,
        *(Column(name, "code") for name in ("zone", "period", "entity_kind", "entity")),
        *(Column(name, "time") for name in ("start", "local_start", "until")),
        Column("length_s", "i32"),
        *(Column(name, "code") for name in ("indicator_set", "indicator", "electricity")),
        Column("position", "i32"),
        *_NAMES,
        *(Column(name, "code") for name in ("unit", "better")),
        Column("value", "f64", null=True),
        Column("exact", "str"),
        *(Column(name, "f64", null=True) for name in ("covered", "estimated")),
        Column("is_provisional", "i32"),
        Column("verdict", "code"),
        *(Column(name, "f64", null=True) for name in ("at_most", "at_least", "gap")),
        Column("gap_unit", "code"),
        *(Column(f"missing_{language}", "str") for language in LANGUAGES),
        *(Column(name, "i64") for name in ("registry_version", "inputs", "promotions", "revision")),
    ),
    "ReplacingMergeTree(revision)",
    ("run", "zone", "period", "entity_kind", "entity", "start", "indicator_set", "indicator", "electricity"),
    "toYYYYMM(start)",
    final=f"SELECT * FROM {DATABASE}.indicators FINAL",
)
"""Every indicator of the zone and its companies by hour, day, month, year and rolling year of the zone's calendar
(streams/indicators/kept.py, kept_hours.py).

`period` is hour, day, month, year or rolling_year (the twelve months that end with one). Hours have the indicators that make sense for one.

`electricity`: how it counts in tce, equal or equivalent, '' where that makes no difference. `value` null: not computable, and `missing_*`
say why and how to give it; `exact` is the fraction. `covered` is of the whole period, `until` the end of what was summed: before the
period's end it goes on. `verdict` as in processors/indicators/evaluate.py, its bound `at_most` or `at_least`; `position` is its place in
the set; `revision` is the newest tick of the days that were summed, `inputs` how many quantities were given beside zone.yaml, `promotions`
the newest of those.
"""
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


def registry_storage(name: str, columns: tuple[Column, ...], *key: str) -> Storage:
    """A dimension of the registry. A version may have none of it, so the newest one is told by the factors, which every version has."""
    newest = f"SELECT zone, max(version) FROM {DATABASE}.registry_factors GROUP BY zone"
    final = f"SELECT * FROM {DATABASE}.{name} FINAL\nWHERE (zone, version) IN ({newest})"
    every = (Column("zone", "code"), Column("version", "i64"))
    return Storage(name, (*every, *columns), "ReplacingMergeTree", ("zone", "version", *key), final=final)


def _codes(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, "code") for name in names)


_VALIDITY: Final = (Column("valid_from", "time"), Column("valid_to", "time", null=True))
REGISTRY_FACTORS: Final = registry_storage(
    "registry_factors",
    (
        *_codes("factor", "origin", "activity", "region", "company", "basis"),
        Column("value", "f64"),
        Column("unit", "code"),
        Column("base_unit", "code"),
        Column("factor_mg", "i64"),
        *_VALIDITY,
        Column("data_year", "i64", null=True),
        *_codes("published", "confidence"),
        Column("source", "str"),
        Column("source_url", "str"),
        *(Column(name, "f64", null=True) for name in ("ncv", "carbon", "oxidation")),
    ),
    "factor",
    "valid_from",
)
"""What a result row was multiplied with: `factor` = its factor_id and [valid_from, valid_to) holds its start, one row in each version.

`origin` is value, series (a row a step; equal neighbours are one), fuel (with its ncv in GJ per unit, carbon in t per GJ, oxidation)
or contract (basis market). `factor_mg` is the integer of the product: mg CO2e per base unit; `value` is in `unit`.
"""
REGISTRY_CONTRACTS: Final = registry_storage(
    "registry_contracts",
    (
        *_codes("contract", "company", "kind", "profile"),
        Column("energy_micro", "i64"),
        Column("vintage", "i64", null=True),
        Column("ef_mg", "i64"),
        *_VALIDITY,
        Column("evidence", "str"),
    ),
    "contract",
)
"""`profile` is volume or hourly; `energy_micro` what it covers in all (micro-kWh); `ef_mg` mg CO2e per kWh."""
REGISTRY_ENTRIES: Final = registry_storage(
    "registry_entries",
    (
        *_codes("entry", "company", "carrier"),
        Column("value_micro", "i64"),
        Column("at", "time"),
        *(Column(name, "str") for name in ("occurred", "entered_by", "reason", "evidence")),
    ),
    "entry",
)
"""The audit trail of manual entries; `value_micro` in micro-kg."""
REGISTRY_NODES: Final = registry_storage("registry_nodes", (*_codes("node"), Column("position", "i32")), "node")
REGISTRY_EDGES: Final = registry_storage(
    "registry_edges",
    (*_codes("edge", "from_node", "to_node", "meter_from", "meter_to"), Column("position", "i32"), *_VALIDITY),
    "edge",
)
REGISTRY_SOURCES: Final = registry_storage(
    "registry_sources",
    (
        *_codes("source", "node", "kind", "meter", "method"),
        Column("position", "i32"),
        Column("efficiency", "f64"),
        Column("initial_micro", "i64"),
        Column("initial_mg", "i64"),
    ),
    "source",
)
"""`position` counts from 0 in the order of zone.yaml; `efficiency` and `initial_*` (micro-kWh, mg) are those of storages."""
REGISTRY_BUDGETS: Final = registry_storage(
    "registry_budgets",
    (*_codes("budget", "company"), Column("period", "str"), *_codes("unit", "basis"), Column("amount", "f64")),
    "budget",
)
"""`company` is '' for the zone's own, `period` a month 2026-03 or year 2026 of its calendar, `basis` that of kgCO2e."""

_RESULT_STORAGES: Final = (
    FOLLOWED,
    PROMOTIONS,
    *(_result(table) for table in TABLES.values()),
    _READINGS,
    _RUNS,
    INDICATORS,
    REGISTRY_COMPANIES,
    REGISTRY_METERS,
)
_REGISTRY_STORAGES: Final = (
    REGISTRY_FACTORS,
    REGISTRY_CONTRACTS,
    REGISTRY_ENTRIES,
    REGISTRY_NODES,
    REGISTRY_EDGES,
    REGISTRY_SOURCES,
    REGISTRY_BUDGETS,
)
STORAGES: Final = (*_RESULT_STORAGES, *_REGISTRY_STORAGES)


@dataclass(frozen=True, slots=True)
class View:
    """A query under a name: `columns` are alias -> expression, in order."""

    name: str
    columns: dict[str, str]
    source: str

    def ddl(self) -> Iterator[str]:
        """Its CREATE statement."""
        lines = [f"    {text} AS {alias}" for alias, text in self.columns.items()]
        yield f"CREATE VIEW IF NOT EXISTS {DATABASE}.{self.name} AS\nSELECT\n" + ",\n".join(lines) + f"\n{self.source}"


def _columns_of(alias: str, names: str) -> dict[str, str]:
    return {name: f"{alias}.{name}" for name in names.split()}


EXPLAIN: Final = View(
    "explain",
    {
        **_columns_of("e", "run zone company start length_s basis scope"),
        "carrier": "multiIf(e.meter != '', toString(i.carrier), e.scope = 2, 'electricity', toString(f.activity))",
        **_columns_of("e", "meter register energy_micro co2e_mg estimated_micro factor_id"),
        "factor_value": "if(f.factor = '', NULL, f.value)",
        "factor_mg": "if(f.factor = '', NULL, f.factor_mg)",
        "factor_unit": "f.unit",
        "base_unit": "f.base_unit",
        **_columns_of("e", "rung"),
        **_columns_of("f", "source source_url published confidence"),
        **_columns_of("i", "quality method"),
        "covered_ms": "if(i.meter = '', NULL, i.covered_ms)",
        **_columns_of("e", "revision"),
    },
    f"""\
FROM {DATABASE}.emissions_final AS e
LEFT JOIN {DATABASE}.intervals_final AS i
ON i.run = e.run AND i.zone = e.zone AND i.meter = e.meter AND i.register = e.register AND i.start = e.start
ASOF LEFT JOIN {DATABASE}.registry_factors_final AS f
ON f.zone = e.zone AND f.factor = e.factor_id AND f.valid_from <= e.start""",
)
"""An emissions row with the interval that it was made from and the factor that it was multiplied with: co2e_mg = energy_micro x
`factor_mg` / 1e6, half up. The factor is the registry's row of `factor_id` with the latest start at or before the window: rows of a
factor follow one another, and a window behind the last one has no factor_id. `quality`, `method` '' and `covered_ms` null: no register
(a contract, the uncovered rest, a manual entry).
"""
_SUMS: Final = ("energy_micro", "co2e_mg", "estimated_micro", "valued_micro", "covered_ms", "expected_ms")


def _over_days(table: Table, name: str) -> View:
    """Months or years of the zone's calendar, summed over days."""
    key = [column for column in table.key if column not in ("period", "start")]
    columns = {column: column for column in ("run", *key)}
    columns[name] = f"toStartOf{name.title()}(local_start)"
    columns |= {column: f"{'sumOrNull' if column in ('energy_micro', 'co2e_mg') else 'sum'}(t.{column})" for column in _SUMS}
    columns |= {"days": "uniqExact(start)", "revision": "max(t.revision)"}
    groups = ", ".join(("run", *key, name))
    source = f"FROM {DATABASE}.{table.name}_final AS t\nWHERE period = 'day'\nGROUP BY {groups}"
    return View(f"{table.name.removeprefix('period_')}_by_{name}", columns, source)


CALENDAR: Final = tuple(_over_days(table, name) for table in (PERIOD_TOTALS, PERIOD_INTENSITY) for name in ("month", "year"))
"""`month` and `year` are dates of the zone's calendar; `days` of it have rows."""
FROZEN: Final = {
    "0001_results.sql": "44805712bc959fd8c49f0ac9adca248c390be01393bd521bc63ec341af2b1883",
    "0002_registry.sql": "4a60c6f8324a8e3ce5f09205783752d5fb7b5bc7adc31bee37764c2a05b6cdef",
    "0003_explain.sql": "690e6ee6e0ff5426eb178e8fbe57ffee42405b12f320d5548166eacfb8f74aa4",
}
"""Migrations that stores out there have applied, with the SHA-256 that they remember. A release adds its own."""


def statements() -> tuple[str, ...]:
    """What would make the database at once, in order; each may be run again. Views come after what they read."""
    made: tuple[Storage | View, ...] = (*STORAGES, EXPLAIN, *CALENDAR)
    return (f"CREATE DATABASE IF NOT EXISTS {DATABASE}", *(sql for one in made for sql in one.ddl()))
