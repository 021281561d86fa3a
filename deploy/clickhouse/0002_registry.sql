-- Generated: zonepulse.schemas.tables.sql_file()

CREATE TABLE IF NOT EXISTS zonepulse.registry_factors
(
    zone LowCardinality(String),
    version Int64 CODEC(T64, ZSTD(1)),
    factor LowCardinality(String),
    origin LowCardinality(String),
    activity LowCardinality(String),
    region LowCardinality(String),
    company LowCardinality(String),
    basis LowCardinality(String),
    value Float64 CODEC(ZSTD(1)),
    unit LowCardinality(String),
    base_unit LowCardinality(String),
    factor_mg Int64 CODEC(T64, ZSTD(1)),
    valid_from DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    valid_to Nullable(DateTime64(3, 'UTC')) CODEC(DoubleDelta, ZSTD(1)),
    data_year Nullable(Int64) CODEC(T64, ZSTD(1)),
    published LowCardinality(String),
    confidence LowCardinality(String),
    source String CODEC(ZSTD(1)),
    source_url String CODEC(ZSTD(1)),
    ncv Nullable(Float64) CODEC(ZSTD(1)),
    carbon Nullable(Float64) CODEC(ZSTD(1)),
    oxidation Nullable(Float64) CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (zone, version, factor, valid_from)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS zonepulse.registry_factors_final AS
SELECT * FROM zonepulse.registry_factors FINAL
WHERE (zone, version) IN (SELECT zone, max(version) FROM zonepulse.registry_factors GROUP BY zone);

CREATE TABLE IF NOT EXISTS zonepulse.registry_contracts
(
    zone LowCardinality(String),
    version Int64 CODEC(T64, ZSTD(1)),
    contract LowCardinality(String),
    company LowCardinality(String),
    kind LowCardinality(String),
    profile LowCardinality(String),
    energy_micro Int64 CODEC(T64, ZSTD(1)),
    vintage Nullable(Int64) CODEC(T64, ZSTD(1)),
    ef_mg Int64 CODEC(T64, ZSTD(1)),
    valid_from DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    valid_to Nullable(DateTime64(3, 'UTC')) CODEC(DoubleDelta, ZSTD(1)),
    evidence String CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (zone, version, contract)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS zonepulse.registry_contracts_final AS
SELECT * FROM zonepulse.registry_contracts FINAL
WHERE (zone, version) IN (SELECT zone, max(version) FROM zonepulse.registry_factors GROUP BY zone);

CREATE TABLE IF NOT EXISTS zonepulse.registry_entries
(
    zone LowCardinality(String),
    version Int64 CODEC(T64, ZSTD(1)),
    entry LowCardinality(String),
    company LowCardinality(String),
    carrier LowCardinality(String),
    value_micro Int64 CODEC(T64, ZSTD(1)),
    at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    occurred String CODEC(ZSTD(1)),
    entered_by String CODEC(ZSTD(1)),
    reason String CODEC(ZSTD(1)),
    evidence String CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (zone, version, entry)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS zonepulse.registry_entries_final AS
SELECT * FROM zonepulse.registry_entries FINAL
WHERE (zone, version) IN (SELECT zone, max(version) FROM zonepulse.registry_factors GROUP BY zone);

CREATE TABLE IF NOT EXISTS zonepulse.registry_nodes
(
    zone LowCardinality(String),
    version Int64 CODEC(T64, ZSTD(1)),
    node LowCardinality(String),
    position Int32 CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (zone, version, node)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS zonepulse.registry_nodes_final AS
SELECT * FROM zonepulse.registry_nodes FINAL
WHERE (zone, version) IN (SELECT zone, max(version) FROM zonepulse.registry_factors GROUP BY zone);

CREATE TABLE IF NOT EXISTS zonepulse.registry_edges
(
    zone LowCardinality(String),
    version Int64 CODEC(T64, ZSTD(1)),
    edge LowCardinality(String),
    from_node LowCardinality(String),
    to_node LowCardinality(String),
    meter_from LowCardinality(String),
    meter_to LowCardinality(String),
    position Int32 CODEC(T64, ZSTD(1)),
    valid_from DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    valid_to Nullable(DateTime64(3, 'UTC')) CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (zone, version, edge)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS zonepulse.registry_edges_final AS
SELECT * FROM zonepulse.registry_edges FINAL
WHERE (zone, version) IN (SELECT zone, max(version) FROM zonepulse.registry_factors GROUP BY zone);

CREATE TABLE IF NOT EXISTS zonepulse.registry_sources
(
    zone LowCardinality(String),
    version Int64 CODEC(T64, ZSTD(1)),
    source LowCardinality(String),
    node LowCardinality(String),
    kind LowCardinality(String),
    meter LowCardinality(String),
    method LowCardinality(String),
    position Int32 CODEC(T64, ZSTD(1)),
    efficiency Float64 CODEC(ZSTD(1)),
    initial_micro Int64 CODEC(T64, ZSTD(1)),
    initial_mg Int64 CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (zone, version, source)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS zonepulse.registry_sources_final AS
SELECT * FROM zonepulse.registry_sources FINAL
WHERE (zone, version) IN (SELECT zone, max(version) FROM zonepulse.registry_factors GROUP BY zone);
