-- Runs whose stretches stand as the live rows: one row of `promotions` decides for every _final view at once.

CREATE TABLE IF NOT EXISTS zonepulse.promotions
(
    zone LowCardinality(String),
    run LowCardinality(String),
    from_at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    to_at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    is_active Int32 CODEC(T64, ZSTD(1)),
    who String CODEC(ZSTD(1)),
    why String CODEC(ZSTD(1)),
    at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    revision Int64 CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (zone, run)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS zonepulse.promotions_final AS
SELECT * FROM zonepulse.promotions FINAL;

CREATE OR REPLACE VIEW zonepulse.intervals_final AS
SELECT * FROM zonepulse.intervals FINAL
WHERE run != 'live'
OR NOT arrayExists(p -> zone = p.1 AND start >= p.3 AND start < p.4, (SELECT groupArray((zone, run, from_at, to_at)) FROM zonepulse.promotions_final WHERE is_active = 1))
UNION ALL
SELECT * REPLACE (CAST('live', 'LowCardinality(String)') AS run) FROM zonepulse.intervals AS t FINAL
WHERE t.run IN (SELECT run FROM zonepulse.promotions)
AND arrayExists(p -> t.run = p.2 AND zone = p.1 AND start >= p.3 AND start < p.4, (SELECT groupArray((zone, run, from_at, to_at)) FROM zonepulse.promotions_final WHERE is_active = 1));

CREATE OR REPLACE VIEW zonepulse.emissions_final AS
SELECT * FROM zonepulse.emissions FINAL
WHERE run != 'live'
OR NOT arrayExists(p -> zone = p.1 AND start >= p.3 AND start < p.4, (SELECT groupArray((zone, run, from_at, to_at)) FROM zonepulse.promotions_final WHERE is_active = 1))
UNION ALL
SELECT * REPLACE (CAST('live', 'LowCardinality(String)') AS run) FROM zonepulse.emissions AS t FINAL
WHERE t.run IN (SELECT run FROM zonepulse.promotions)
AND arrayExists(p -> t.run = p.2 AND zone = p.1 AND start >= p.3 AND start < p.4, (SELECT groupArray((zone, run, from_at, to_at)) FROM zonepulse.promotions_final WHERE is_active = 1));

CREATE OR REPLACE VIEW zonepulse.totals_final AS
SELECT * FROM zonepulse.totals FINAL
WHERE run != 'live'
OR NOT arrayExists(p -> zone = p.1 AND start >= p.3 AND start < p.4, (SELECT groupArray((zone, run, from_at, to_at)) FROM zonepulse.promotions_final WHERE is_active = 1))
UNION ALL
SELECT * REPLACE (CAST('live', 'LowCardinality(String)') AS run) FROM zonepulse.totals AS t FINAL
WHERE t.run IN (SELECT run FROM zonepulse.promotions)
AND arrayExists(p -> t.run = p.2 AND zone = p.1 AND start >= p.3 AND start < p.4, (SELECT groupArray((zone, run, from_at, to_at)) FROM zonepulse.promotions_final WHERE is_active = 1));

CREATE OR REPLACE VIEW zonepulse.intensity_final AS
SELECT * FROM zonepulse.intensity FINAL
WHERE run != 'live'
OR NOT arrayExists(p -> zone = p.1 AND start >= p.3 AND start < p.4, (SELECT groupArray((zone, run, from_at, to_at)) FROM zonepulse.promotions_final WHERE is_active = 1))
UNION ALL
SELECT * REPLACE (CAST('live', 'LowCardinality(String)') AS run) FROM zonepulse.intensity AS t FINAL
WHERE t.run IN (SELECT run FROM zonepulse.promotions)
AND arrayExists(p -> t.run = p.2 AND zone = p.1 AND start >= p.3 AND start < p.4, (SELECT groupArray((zone, run, from_at, to_at)) FROM zonepulse.promotions_final WHERE is_active = 1));

CREATE OR REPLACE VIEW zonepulse.alerts_final AS
SELECT * FROM zonepulse.alerts FINAL
WHERE run != 'live' OR startsWith(rule, 'ops_')
OR NOT arrayExists(p -> zone = p.1 AND starts_at >= p.3 AND starts_at < p.4, (SELECT groupArray((zone, run, from_at, to_at)) FROM zonepulse.promotions_final WHERE is_active = 1))
UNION ALL
SELECT * REPLACE (CAST('live', 'LowCardinality(String)') AS run) FROM zonepulse.alerts AS t FINAL
WHERE t.run IN (SELECT run FROM zonepulse.promotions)
AND arrayExists(p -> t.run = p.2 AND zone = p.1 AND starts_at >= p.3 AND starts_at < p.4, (SELECT groupArray((zone, run, from_at, to_at)) FROM zonepulse.promotions_final WHERE is_active = 1));

CREATE OR REPLACE VIEW zonepulse.dead_letters_final AS
SELECT * FROM zonepulse.dead_letters FINAL
WHERE run != 'live' OR NOT endsWith(topic, 'readings')
OR NOT arrayExists(p -> zone = p.1 AND received_at >= p.3 AND received_at < p.4, (SELECT groupArray((zone, run, from_at, to_at)) FROM zonepulse.promotions_final WHERE is_active = 1))
UNION ALL
SELECT * REPLACE (CAST('live', 'LowCardinality(String)') AS run) FROM zonepulse.dead_letters AS t FINAL
WHERE t.run IN (SELECT run FROM zonepulse.promotions)
AND arrayExists(p -> t.run = p.2 AND zone = p.1 AND received_at >= p.3 AND received_at < p.4, (SELECT groupArray((zone, run, from_at, to_at)) FROM zonepulse.promotions_final WHERE is_active = 1));
