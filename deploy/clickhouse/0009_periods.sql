-- Sums by hour and day of the zone's calendar, which the ledger writes; months and years are views over days.

CREATE TABLE IF NOT EXISTS zonepulse.period_totals
(
    run LowCardinality(String),
    zone LowCardinality(String),
    period LowCardinality(String),
    entity_kind LowCardinality(String),
    entity LowCardinality(String),
    carrier LowCardinality(String),
    scope Int32 CODEC(T64, ZSTD(1)),
    basis LowCardinality(String),
    start DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    local_start DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    length_s Int32 CODEC(T64, ZSTD(1)),
    energy_micro Nullable(Int64) CODEC(T64, ZSTD(1)),
    co2e_mg Nullable(Int64) CODEC(T64, ZSTD(1)),
    estimated_micro Int64 CODEC(T64, ZSTD(1)),
    valued_micro Int64 CODEC(T64, ZSTD(1)),
    covered_ms Int64 CODEC(T64, ZSTD(1)),
    expected_ms Int64 CODEC(T64, ZSTD(1)),
    revision Int64 CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(start)
ORDER BY (run, zone, period, entity_kind, entity, start, carrier, scope, basis)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS zonepulse.period_totals_final AS
SELECT * FROM zonepulse.period_totals FINAL
WHERE run != 'live'
OR NOT arrayExists(p -> zone = p.1 AND start >= p.3 AND addSeconds(start, length_s) <= p.4, (SELECT groupArray((zone, run, from_at, to_at)) FROM zonepulse.promotions_final WHERE is_active = 1))
UNION ALL
SELECT * REPLACE (CAST('live', 'LowCardinality(String)') AS run) FROM zonepulse.period_totals AS t FINAL
WHERE t.run IN (SELECT run FROM zonepulse.promotions)
AND arrayExists(p -> t.run = p.2 AND zone = p.1 AND start >= p.3 AND addSeconds(start, length_s) <= p.4, (SELECT groupArray((zone, run, from_at, to_at)) FROM zonepulse.promotions_final WHERE is_active = 1));

CREATE TABLE IF NOT EXISTS zonepulse.period_intensity
(
    run LowCardinality(String),
    zone LowCardinality(String),
    period LowCardinality(String),
    node LowCardinality(String),
    basis LowCardinality(String),
    start DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    local_start DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    length_s Int32 CODEC(T64, ZSTD(1)),
    energy_micro Nullable(Int64) CODEC(T64, ZSTD(1)),
    co2e_mg Nullable(Int64) CODEC(T64, ZSTD(1)),
    estimated_micro Int64 CODEC(T64, ZSTD(1)),
    valued_micro Int64 CODEC(T64, ZSTD(1)),
    covered_ms Int64 CODEC(T64, ZSTD(1)),
    expected_ms Int64 CODEC(T64, ZSTD(1)),
    revision Int64 CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(start)
ORDER BY (run, zone, period, node, basis, start)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS zonepulse.period_intensity_final AS
SELECT * FROM zonepulse.period_intensity FINAL
WHERE run != 'live'
OR NOT arrayExists(p -> zone = p.1 AND start >= p.3 AND addSeconds(start, length_s) <= p.4, (SELECT groupArray((zone, run, from_at, to_at)) FROM zonepulse.promotions_final WHERE is_active = 1))
UNION ALL
SELECT * REPLACE (CAST('live', 'LowCardinality(String)') AS run) FROM zonepulse.period_intensity AS t FINAL
WHERE t.run IN (SELECT run FROM zonepulse.promotions)
AND arrayExists(p -> t.run = p.2 AND zone = p.1 AND start >= p.3 AND addSeconds(start, length_s) <= p.4, (SELECT groupArray((zone, run, from_at, to_at)) FROM zonepulse.promotions_final WHERE is_active = 1));

CREATE VIEW IF NOT EXISTS zonepulse.totals_by_month AS
SELECT
    run AS run,
    zone AS zone,
    entity_kind AS entity_kind,
    entity AS entity,
    carrier AS carrier,
    scope AS scope,
    basis AS basis,
    toStartOfMonth(local_start) AS month,
    sumOrNull(t.energy_micro) AS energy_micro,
    sumOrNull(t.co2e_mg) AS co2e_mg,
    sum(t.estimated_micro) AS estimated_micro,
    sum(t.valued_micro) AS valued_micro,
    sum(t.covered_ms) AS covered_ms,
    sum(t.expected_ms) AS expected_ms,
    uniqExact(start) AS days,
    max(t.revision) AS revision
FROM zonepulse.period_totals_final AS t
WHERE period = 'day'
GROUP BY run, zone, entity_kind, entity, carrier, scope, basis, month;

CREATE VIEW IF NOT EXISTS zonepulse.totals_by_year AS
SELECT
    run AS run,
    zone AS zone,
    entity_kind AS entity_kind,
    entity AS entity,
    carrier AS carrier,
    scope AS scope,
    basis AS basis,
    toStartOfYear(local_start) AS year,
    sumOrNull(t.energy_micro) AS energy_micro,
    sumOrNull(t.co2e_mg) AS co2e_mg,
    sum(t.estimated_micro) AS estimated_micro,
    sum(t.valued_micro) AS valued_micro,
    sum(t.covered_ms) AS covered_ms,
    sum(t.expected_ms) AS expected_ms,
    uniqExact(start) AS days,
    max(t.revision) AS revision
FROM zonepulse.period_totals_final AS t
WHERE period = 'day'
GROUP BY run, zone, entity_kind, entity, carrier, scope, basis, year;

CREATE VIEW IF NOT EXISTS zonepulse.intensity_by_month AS
SELECT
    run AS run,
    zone AS zone,
    node AS node,
    basis AS basis,
    toStartOfMonth(local_start) AS month,
    sumOrNull(t.energy_micro) AS energy_micro,
    sumOrNull(t.co2e_mg) AS co2e_mg,
    sum(t.estimated_micro) AS estimated_micro,
    sum(t.valued_micro) AS valued_micro,
    sum(t.covered_ms) AS covered_ms,
    sum(t.expected_ms) AS expected_ms,
    uniqExact(start) AS days,
    max(t.revision) AS revision
FROM zonepulse.period_intensity_final AS t
WHERE period = 'day'
GROUP BY run, zone, node, basis, month;

CREATE VIEW IF NOT EXISTS zonepulse.intensity_by_year AS
SELECT
    run AS run,
    zone AS zone,
    node AS node,
    basis AS basis,
    toStartOfYear(local_start) AS year,
    sumOrNull(t.energy_micro) AS energy_micro,
    sumOrNull(t.co2e_mg) AS co2e_mg,
    sum(t.estimated_micro) AS estimated_micro,
    sum(t.valued_micro) AS valued_micro,
    sum(t.covered_ms) AS covered_ms,
    sum(t.expected_ms) AS expected_ms,
    uniqExact(start) AS days,
    max(t.revision) AS revision
FROM zonepulse.period_intensity_final AS t
WHERE period = 'day'
GROUP BY run, zone, node, basis, year;
