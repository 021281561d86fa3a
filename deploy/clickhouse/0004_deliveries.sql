-- Who was told of which alert, when and how: a row an alert and message.

CREATE TABLE IF NOT EXISTS zonepulse.deliveries
(
    run LowCardinality(String),
    zone LowCardinality(String),
    made_at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    message String CODEC(ZSTD(1)),
    fingerprint String CODEC(ZSTD(1)),
    starts_at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    rule LowCardinality(String),
    severity LowCardinality(String),
    company LowCardinality(String),
    said LowCardinality(String),
    subscriber String CODEC(ZSTD(1)),
    channel String CODEC(ZSTD(1)),
    purpose LowCardinality(String),
    outcome LowCardinality(String),
    attempts Int64 CODEC(T64, ZSTD(1)),
    ended_at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    error String CODEC(ZSTD(1)),
    revision Int64 CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(made_at)
ORDER BY (run, zone, made_at, message, fingerprint, starts_at)
TTL toDateTime(made_at) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS zonepulse.deliveries_final AS
SELECT * FROM zonepulse.deliveries FINAL;
