-- Generated: zonepulse.schemas.tables.sql_file()

CREATE DATABASE IF NOT EXISTS zonepulse;

CREATE TABLE IF NOT EXISTS zonepulse.intervals
(
    run LowCardinality(String),
    zone LowCardinality(String),
    meter LowCardinality(String),
    register LowCardinality(String),
    start DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    length_s Int32 CODEC(T64, ZSTD(1)),
    site LowCardinality(String),
    company LowCardinality(String),
    node LowCardinality(String),
    carrier LowCardinality(String),
    role LowCardinality(String),
    direction LowCardinality(String),
    value_micro Nullable(Int64) CODEC(T64, ZSTD(1)),
    estimated_micro Int64 CODEC(T64, ZSTD(1)),
    covered_ms Int64 CODEC(T64, ZSTD(1)),
    quality LowCardinality(String),
    method LowCardinality(String),
    revision Int64 CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(start)
ORDER BY (run, zone, meter, register, start)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS zonepulse.intervals_final AS
SELECT * FROM zonepulse.intervals FINAL;

CREATE TABLE IF NOT EXISTS zonepulse.emissions
(
    run LowCardinality(String),
    zone LowCardinality(String),
    company LowCardinality(String),
    meter LowCardinality(String),
    register LowCardinality(String),
    start DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    length_s Int32 CODEC(T64, ZSTD(1)),
    scope Int32 CODEC(T64, ZSTD(1)),
    basis LowCardinality(String),
    energy_micro Nullable(Int64) CODEC(T64, ZSTD(1)),
    co2e_mg Nullable(Int64) CODEC(T64, ZSTD(1)),
    estimated_micro Int64 CODEC(T64, ZSTD(1)),
    factor_id LowCardinality(String),
    rung LowCardinality(String),
    revision Int64 CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(start)
ORDER BY (run, zone, company, meter, register, start, scope, basis)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS zonepulse.emissions_final AS
SELECT * FROM zonepulse.emissions FINAL;

CREATE TABLE IF NOT EXISTS zonepulse.totals
(
    run LowCardinality(String),
    zone LowCardinality(String),
    entity_kind LowCardinality(String),
    entity LowCardinality(String),
    start DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    length_s Int32 CODEC(T64, ZSTD(1)),
    carrier LowCardinality(String),
    scope Int32 CODEC(T64, ZSTD(1)),
    basis LowCardinality(String),
    energy_micro Nullable(Int64) CODEC(T64, ZSTD(1)),
    co2e_mg Nullable(Int64) CODEC(T64, ZSTD(1)),
    estimated_micro Int64 CODEC(T64, ZSTD(1)),
    covered_ms Int64 CODEC(T64, ZSTD(1)),
    expected_ms Int64 CODEC(T64, ZSTD(1)),
    revision Int64 CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(start)
ORDER BY (run, zone, entity_kind, entity, start, carrier, scope, basis)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS zonepulse.totals_final AS
SELECT * FROM zonepulse.totals FINAL;

CREATE TABLE IF NOT EXISTS zonepulse.intensity
(
    run LowCardinality(String),
    zone LowCardinality(String),
    node LowCardinality(String),
    basis LowCardinality(String),
    start DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    length_s Int32 CODEC(T64, ZSTD(1)),
    energy_micro Nullable(Int64) CODEC(T64, ZSTD(1)),
    co2e_mg Nullable(Int64) CODEC(T64, ZSTD(1)),
    g_per_kwh Nullable(Float64) CODEC(ZSTD(1)),
    estimated_share Float64 CODEC(ZSTD(1)),
    covered_ms Int64 CODEC(T64, ZSTD(1)),
    expected_ms Int64 CODEC(T64, ZSTD(1)),
    revision Int64 CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(start)
ORDER BY (run, zone, node, basis, start)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS zonepulse.intensity_final AS
SELECT * FROM zonepulse.intensity FINAL;

CREATE TABLE IF NOT EXISTS zonepulse.alerts
(
    run LowCardinality(String),
    zone LowCardinality(String),
    fingerprint String CODEC(ZSTD(1)),
    starts_at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    rule LowCardinality(String),
    severity LowCardinality(String),
    state LowCardinality(String),
    company LowCardinality(String),
    meter LowCardinality(String),
    node LowCardinality(String),
    ends_at Nullable(DateTime64(3, 'UTC')) CODEC(DoubleDelta, ZSTD(1)),
    value Nullable(Float64) CODEC(ZSTD(1)),
    expected_low Nullable(Float64) CODEC(ZSTD(1)),
    expected_high Nullable(Float64) CODEC(ZSTD(1)),
    impact_kg Nullable(Float64) CODEC(ZSTD(1)),
    evidence String CODEC(ZSTD(1)),
    revision Int64 CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(starts_at)
ORDER BY (run, zone, fingerprint, starts_at)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS zonepulse.alerts_final AS
SELECT * FROM zonepulse.alerts FINAL;

CREATE TABLE IF NOT EXISTS zonepulse.live
(
    run LowCardinality(String),
    zone LowCardinality(String),
    entity_kind LowCardinality(String),
    entity LowCardinality(String),
    at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    power_kw Nullable(Float64) CODEC(ZSTD(1)),
    g_per_kwh Nullable(Float64) CODEC(ZSTD(1)),
    co2e_kg_per_h Nullable(Float64) CODEC(ZSTD(1)),
    reporting UInt32 CODEC(T64, ZSTD(1)),
    expected UInt32 CODEC(T64, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (run, zone, entity_kind, entity, at)
TTL toDateTime(at) + INTERVAL 7 DAY
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS zonepulse.dead_letters
(
    run LowCardinality(String),
    zone LowCardinality(String),
    topic LowCardinality(String),
    partition Int32 CODEC(T64, ZSTD(1)),
    offset Int64 CODEC(T64, ZSTD(1)),
    item Int32 CODEC(T64, ZSTD(1)),
    reason LowCardinality(String),
    key String CODEC(ZSTD(3)),
    value String CODEC(ZSTD(3)),
    received_at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(received_at)
ORDER BY (run, zone, topic, partition, offset, item)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS zonepulse.dead_letters_final AS
SELECT * FROM zonepulse.dead_letters FINAL;

CREATE TABLE IF NOT EXISTS zonepulse.readings
(
    run LowCardinality(String),
    zone LowCardinality(String),
    meter LowCardinality(String),
    register LowCardinality(String),
    ts DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    value Float64 CODEC(ZSTD(1)),
    unit LowCardinality(String),
    seq Int64 CODEC(T64, ZSTD(1)),
    quality LowCardinality(String),
    partition Int32 CODEC(T64, ZSTD(1)),
    offset Int64 CODEC(T64, ZSTD(1)),
    item Int32 CODEC(T64, ZSTD(1)),
    ingest_at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(ts)
ORDER BY (run, zone, meter, register, ts, partition, offset, item)
TTL toDateTime(ts) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS zonepulse.readings_final AS
SELECT * FROM zonepulse.readings FINAL;

CREATE TABLE IF NOT EXISTS zonepulse.runs
(
    run LowCardinality(String),
    zone LowCardinality(String),
    started_at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    finished_at Nullable(DateTime64(3, 'UTC')) CODEC(DoubleDelta, ZSTD(1)),
    state LowCardinality(String),
    registry_version Int64 CODEC(T64, ZSTD(1)),
    registry_hash String CODEC(ZSTD(1)),
    input_topic String CODEC(ZSTD(1)),
    input_from String CODEC(ZSTD(1)),
    input_to String CODEC(ZSTD(1)),
    input_from_at Nullable(DateTime64(3, 'UTC')) CODEC(DoubleDelta, ZSTD(1)),
    input_to_at Nullable(DateTime64(3, 'UTC')) CODEC(DoubleDelta, ZSTD(1)),
    note String CODEC(ZSTD(1)),
    revision Int64 CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (run, zone)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS zonepulse.runs_final AS
SELECT * FROM zonepulse.runs FINAL;

CREATE TABLE IF NOT EXISTS zonepulse.registry_companies
(
    zone LowCardinality(String),
    version Int64 CODEC(T64, ZSTD(1)),
    company LowCardinality(String),
    name_en String CODEC(ZSTD(1)),
    name_de String CODEC(ZSTD(1)),
    name_zh String CODEC(ZSTD(1)),
    sector LowCardinality(String),
    employees Nullable(Int64) CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (zone, version, company)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS zonepulse.registry_companies_final AS
SELECT * FROM zonepulse.registry_companies FINAL
WHERE (zone, version) IN (SELECT zone, max(version) FROM zonepulse.registry_companies GROUP BY zone);

CREATE TABLE IF NOT EXISTS zonepulse.registry_meters
(
    zone LowCardinality(String),
    version Int64 CODEC(T64, ZSTD(1)),
    meter LowCardinality(String),
    register LowCardinality(String),
    site LowCardinality(String),
    company LowCardinality(String),
    node LowCardinality(String),
    gateway LowCardinality(String),
    role LowCardinality(String),
    parent LowCardinality(String),
    carrier LowCardinality(String),
    direction LowCardinality(String),
    kind LowCardinality(String),
    unit LowCardinality(String),
    base_unit LowCardinality(String),
    name_en String CODEC(ZSTD(1)),
    name_de String CODEC(ZSTD(1)),
    name_zh String CODEC(ZSTD(1)),
    valid_from DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    valid_to Nullable(DateTime64(3, 'UTC')) CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (zone, version, meter, register, valid_from)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS zonepulse.registry_meters_final AS
SELECT * FROM zonepulse.registry_meters FINAL
WHERE (zone, version) IN (SELECT zone, max(version) FROM zonepulse.registry_meters GROUP BY zone);
