-- Runs that follow the log: a promotion with an open end goes as far as its run has come.

CREATE TABLE IF NOT EXISTS zonepulse.followed
(
    zone LowCardinality(String),
    run LowCardinality(String),
    to_at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    applied_at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    revision Int64 CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (zone, run)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS zonepulse.followed_final AS
SELECT * FROM zonepulse.followed FINAL;

ALTER TABLE zonepulse.promotions ADD COLUMN IF NOT EXISTS is_open Int32 CODEC(T64, ZSTD(1));

CREATE OR REPLACE VIEW zonepulse.promotions_final AS
SELECT p.* REPLACE (if(p.is_open = 1, greatest(p.to_at, f.to_at), p.to_at) AS to_at) FROM zonepulse.promotions AS p FINAL
LEFT JOIN zonepulse.followed AS f FINAL ON f.zone = p.zone AND f.run = p.run;

ALTER TABLE zonepulse.runs ADD COLUMN IF NOT EXISTS kind LowCardinality(String);

CREATE OR REPLACE VIEW zonepulse.runs_final AS
SELECT * FROM zonepulse.runs FINAL;
