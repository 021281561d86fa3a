-- Runs of the topic: the stretch that they are about, the plan as it was made, and what came of it.

ALTER TABLE zonepulse.runs ADD COLUMN IF NOT EXISTS from_at Nullable(DateTime64(3, 'UTC')) CODEC(DoubleDelta, ZSTD(1));
ALTER TABLE zonepulse.runs ADD COLUMN IF NOT EXISTS to_at Nullable(DateTime64(3, 'UTC')) CODEC(DoubleDelta, ZSTD(1));
ALTER TABLE zonepulse.runs ADD COLUMN IF NOT EXISTS plan String CODEC(ZSTD(1));
ALTER TABLE zonepulse.runs ADD COLUMN IF NOT EXISTS result String CODEC(ZSTD(1));

CREATE OR REPLACE VIEW zonepulse.runs_final AS
SELECT * FROM zonepulse.runs FINAL;
