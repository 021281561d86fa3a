-- Every indicator by day, month and year, which the store keeps up to its rows.

CREATE TABLE IF NOT EXISTS zonepulse.indicators
(
    run LowCardinality(String),
    zone LowCardinality(String),
    period LowCardinality(String),
    entity_kind LowCardinality(String),
    entity LowCardinality(String),
    start DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    local_start DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    until DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    length_s Int32 CODEC(T64, ZSTD(1)),
    indicator_set LowCardinality(String),
    indicator LowCardinality(String),
    electricity LowCardinality(String),
    position Int32 CODEC(T64, ZSTD(1)),
    name_en String CODEC(ZSTD(1)),
    name_de String CODEC(ZSTD(1)),
    name_zh String CODEC(ZSTD(1)),
    unit LowCardinality(String),
    better LowCardinality(String),
    value Nullable(Float64) CODEC(ZSTD(1)),
    exact String CODEC(ZSTD(1)),
    covered Nullable(Float64) CODEC(ZSTD(1)),
    estimated Nullable(Float64) CODEC(ZSTD(1)),
    is_provisional Int32 CODEC(T64, ZSTD(1)),
    verdict LowCardinality(String),
    at_most Nullable(Float64) CODEC(ZSTD(1)),
    at_least Nullable(Float64) CODEC(ZSTD(1)),
    gap Nullable(Float64) CODEC(ZSTD(1)),
    gap_unit LowCardinality(String),
    missing_en String CODEC(ZSTD(1)),
    missing_de String CODEC(ZSTD(1)),
    missing_zh String CODEC(ZSTD(1)),
    registry_version Int64 CODEC(T64, ZSTD(1)),
    inputs Int64 CODEC(T64, ZSTD(1)),
    promotions Int64 CODEC(T64, ZSTD(1)),
    revision Int64 CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(start)
ORDER BY (run, zone, period, entity_kind, entity, start, indicator_set, indicator, electricity)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS zonepulse.indicators_final AS
SELECT * FROM zonepulse.indicators FINAL;
