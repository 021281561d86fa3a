-- Generated: zonepulse.schemas.tables.sql_file()

CREATE VIEW IF NOT EXISTS zonepulse.explain AS
SELECT
    e.run AS run,
    e.zone AS zone,
    e.company AS company,
    e.start AS start,
    e.length_s AS length_s,
    e.basis AS basis,
    e.scope AS scope,
    multiIf(e.meter != '', toString(i.carrier), e.scope = 2, 'electricity', toString(f.activity)) AS carrier,
    e.meter AS meter,
    e.register AS register,
    e.energy_micro AS energy_micro,
    e.co2e_mg AS co2e_mg,
    e.estimated_micro AS estimated_micro,
    e.factor_id AS factor_id,
    if(f.factor = '', NULL, f.value) AS factor_value,
    if(f.factor = '', NULL, f.factor_mg) AS factor_mg,
    f.unit AS factor_unit,
    f.base_unit AS base_unit,
    e.rung AS rung,
    f.source AS source,
    f.source_url AS source_url,
    f.published AS published,
    f.confidence AS confidence,
    i.quality AS quality,
    i.method AS method,
    if(i.meter = '', NULL, i.covered_ms) AS covered_ms,
    e.revision AS revision
FROM zonepulse.emissions_final AS e
LEFT JOIN zonepulse.intervals_final AS i
ON i.run = e.run AND i.zone = e.zone AND i.meter = e.meter AND i.register = e.register AND i.start = e.start
ASOF LEFT JOIN zonepulse.registry_factors_final AS f
ON f.zone = e.zone AND f.factor = e.factor_id AND f.valid_from <= e.start;
