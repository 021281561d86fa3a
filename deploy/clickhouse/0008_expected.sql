-- The band in which detectors expected a window, for zones that keep it.

CREATE TABLE IF NOT EXISTS zonepulse.expected
(
    run LowCardinality(String),
    zone LowCardinality(String),
    company LowCardinality(String),
    meter LowCardinality(String),
    register LowCardinality(String),
    start DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    length_s Int32 CODEC(T64, ZSTD(1)),
    low Float64 CODEC(ZSTD(1)),
    high Float64 CODEC(ZSTD(1)),
    revision Int64 CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(start)
ORDER BY (run, zone, meter, register, start)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS zonepulse.expected_final AS
SELECT * FROM zonepulse.expected FINAL
WHERE run != 'live'
OR NOT arrayExists(p -> zone = p.1 AND start >= p.3 AND start < p.4, (SELECT groupArray((zone, run, from_at, to_at)) FROM zonepulse.promotions_final WHERE is_active = 1))
UNION ALL
SELECT * REPLACE (CAST('live', 'LowCardinality(String)') AS run) FROM zonepulse.expected AS t FINAL
WHERE t.run IN (SELECT run FROM zonepulse.promotions)
AND arrayExists(p -> t.run = p.2 AND zone = p.1 AND start >= p.3 AND start < p.4, (SELECT groupArray((zone, run, from_at, to_at)) FROM zonepulse.promotions_final WHERE is_active = 1));
