-- Every transition of an alert; table alerts has the last of each.

CREATE TABLE IF NOT EXISTS zonepulse.alert_events
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
ORDER BY (run, zone, fingerprint, starts_at, revision)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS zonepulse.alert_events_final AS
SELECT * FROM zonepulse.alert_events FINAL
WHERE run != 'live' OR startsWith(rule, 'ops_')
OR NOT arrayExists(p -> zone = p.1 AND starts_at >= p.3 AND starts_at < p.4, (SELECT groupArray((zone, run, from_at, to_at)) FROM zonepulse.promotions_final WHERE is_active = 1))
UNION ALL
SELECT * REPLACE (CAST('live', 'LowCardinality(String)') AS run) FROM zonepulse.alert_events AS t FINAL
WHERE t.run IN (SELECT run FROM zonepulse.promotions)
AND arrayExists(p -> t.run = p.2 AND zone = p.1 AND starts_at >= p.3 AND starts_at < p.4, (SELECT groupArray((zone, run, from_at, to_at)) FROM zonepulse.promotions_final WHERE is_active = 1));
