-- The budgets of zone.yaml, for screens that show how fast they go.

CREATE TABLE IF NOT EXISTS zonepulse.registry_budgets
(
    zone LowCardinality(String),
    version Int64 CODEC(T64, ZSTD(1)),
    budget LowCardinality(String),
    company LowCardinality(String),
    period String CODEC(ZSTD(1)),
    unit LowCardinality(String),
    basis LowCardinality(String),
    amount Float64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (zone, version, budget)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS zonepulse.registry_budgets_final AS
SELECT * FROM zonepulse.registry_budgets FINAL
WHERE (zone, version) IN (SELECT zone, max(version) FROM zonepulse.registry_factors GROUP BY zone);
