-- An hour or a day that a promotion's edge cuts stands as it was written with the promotion.

CREATE OR REPLACE VIEW zonepulse.intervals_final AS
SELECT * FROM zonepulse.intervals FINAL
WHERE run != 'live'
OR start < (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).2
OR start >= (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).3
OR NOT arrayExists(p -> zone = p.1 AND start >= p.3 AND start < p.4, (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).1)
UNION ALL
SELECT * REPLACE (CAST('live', 'LowCardinality(String)') AS run) FROM zonepulse.intervals AS t FINAL
WHERE t.run IN (SELECT run FROM zonepulse.promotions)
AND arrayExists(p -> t.run = p.2 AND zone = p.1 AND start >= p.3 AND start < p.4, (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).1);

CREATE OR REPLACE VIEW zonepulse.emissions_final AS
SELECT * FROM zonepulse.emissions FINAL
WHERE run != 'live'
OR start < (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).2
OR start >= (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).3
OR NOT arrayExists(p -> zone = p.1 AND start >= p.3 AND start < p.4, (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).1)
UNION ALL
SELECT * REPLACE (CAST('live', 'LowCardinality(String)') AS run) FROM zonepulse.emissions AS t FINAL
WHERE t.run IN (SELECT run FROM zonepulse.promotions)
AND arrayExists(p -> t.run = p.2 AND zone = p.1 AND start >= p.3 AND start < p.4, (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).1);

CREATE OR REPLACE VIEW zonepulse.totals_final AS
SELECT * FROM zonepulse.totals FINAL
WHERE run != 'live'
OR start < (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).2
OR start >= (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).3
OR NOT arrayExists(p -> zone = p.1 AND start >= p.3 AND start < p.4, (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).1)
UNION ALL
SELECT * REPLACE (CAST('live', 'LowCardinality(String)') AS run) FROM zonepulse.totals AS t FINAL
WHERE t.run IN (SELECT run FROM zonepulse.promotions)
AND arrayExists(p -> t.run = p.2 AND zone = p.1 AND start >= p.3 AND start < p.4, (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).1);

CREATE OR REPLACE VIEW zonepulse.intensity_final AS
SELECT * FROM zonepulse.intensity FINAL
WHERE run != 'live'
OR start < (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).2
OR start >= (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).3
OR NOT arrayExists(p -> zone = p.1 AND start >= p.3 AND start < p.4, (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).1)
UNION ALL
SELECT * REPLACE (CAST('live', 'LowCardinality(String)') AS run) FROM zonepulse.intensity AS t FINAL
WHERE t.run IN (SELECT run FROM zonepulse.promotions)
AND arrayExists(p -> t.run = p.2 AND zone = p.1 AND start >= p.3 AND start < p.4, (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).1);

CREATE OR REPLACE VIEW zonepulse.period_totals_final AS
SELECT * FROM zonepulse.period_totals FINAL
WHERE run != 'live'
OR addSeconds(start, length_s) <= (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).2
OR start >= (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).3
OR NOT arrayExists(p -> zone = p.1 AND start < p.4 AND addSeconds(start, length_s) > p.3 AND (p.5 = 0 OR addSeconds(start, length_s) <= p.4), (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).1)
UNION ALL
SELECT * REPLACE (CAST('live', 'LowCardinality(String)') AS run) FROM zonepulse.period_totals AS t FINAL
WHERE t.run IN (SELECT arrayJoin([run, concat(run, '/edges')]) FROM zonepulse.promotions)
AND arrayExists(p -> (t.run = p.2 AND zone = p.1 AND start >= p.3 AND addSeconds(start, length_s) <= p.4 OR t.run = concat(p.2, '/edges') AND zone = p.1 AND start < p.4 AND addSeconds(start, length_s) > p.3 AND (p.5 = 0 OR addSeconds(start, length_s) <= p.4)), (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).1);

CREATE OR REPLACE VIEW zonepulse.period_intensity_final AS
SELECT * FROM zonepulse.period_intensity FINAL
WHERE run != 'live'
OR addSeconds(start, length_s) <= (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).2
OR start >= (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).3
OR NOT arrayExists(p -> zone = p.1 AND start < p.4 AND addSeconds(start, length_s) > p.3 AND (p.5 = 0 OR addSeconds(start, length_s) <= p.4), (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).1)
UNION ALL
SELECT * REPLACE (CAST('live', 'LowCardinality(String)') AS run) FROM zonepulse.period_intensity AS t FINAL
WHERE t.run IN (SELECT arrayJoin([run, concat(run, '/edges')]) FROM zonepulse.promotions)
AND arrayExists(p -> (t.run = p.2 AND zone = p.1 AND start >= p.3 AND addSeconds(start, length_s) <= p.4 OR t.run = concat(p.2, '/edges') AND zone = p.1 AND start < p.4 AND addSeconds(start, length_s) > p.3 AND (p.5 = 0 OR addSeconds(start, length_s) <= p.4)), (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).1);

CREATE OR REPLACE VIEW zonepulse.alerts_final AS
SELECT * FROM zonepulse.alerts FINAL
WHERE run != 'live' OR startsWith(rule, 'ops_')
OR starts_at < (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).2
OR starts_at >= (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).3
OR NOT arrayExists(p -> zone = p.1 AND starts_at >= p.3 AND starts_at < p.4, (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).1)
UNION ALL
SELECT * REPLACE (CAST('live', 'LowCardinality(String)') AS run) FROM zonepulse.alerts AS t FINAL
WHERE t.run IN (SELECT run FROM zonepulse.promotions)
AND arrayExists(p -> t.run = p.2 AND zone = p.1 AND starts_at >= p.3 AND starts_at < p.4, (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).1);

CREATE OR REPLACE VIEW zonepulse.alert_events_final AS
SELECT * FROM zonepulse.alert_events FINAL
WHERE run != 'live' OR startsWith(rule, 'ops_')
OR starts_at < (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).2
OR starts_at >= (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).3
OR NOT arrayExists(p -> zone = p.1 AND starts_at >= p.3 AND starts_at < p.4, (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).1)
UNION ALL
SELECT * REPLACE (CAST('live', 'LowCardinality(String)') AS run) FROM zonepulse.alert_events AS t FINAL
WHERE t.run IN (SELECT run FROM zonepulse.promotions)
AND arrayExists(p -> t.run = p.2 AND zone = p.1 AND starts_at >= p.3 AND starts_at < p.4, (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).1);

CREATE OR REPLACE VIEW zonepulse.dead_letters_final AS
SELECT * FROM zonepulse.dead_letters FINAL
WHERE run != 'live' OR NOT endsWith(topic, 'readings')
OR received_at < (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).2
OR received_at >= (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).3
OR NOT arrayExists(p -> zone = p.1 AND received_at >= p.3 AND received_at < p.4, (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).1)
UNION ALL
SELECT * REPLACE (CAST('live', 'LowCardinality(String)') AS run) FROM zonepulse.dead_letters AS t FINAL
WHERE t.run IN (SELECT run FROM zonepulse.promotions)
AND arrayExists(p -> t.run = p.2 AND zone = p.1 AND received_at >= p.3 AND received_at < p.4, (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).1);

CREATE OR REPLACE VIEW zonepulse.expected_final AS
SELECT * FROM zonepulse.expected FINAL
WHERE run != 'live'
OR start < (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).2
OR start >= (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).3
OR NOT arrayExists(p -> zone = p.1 AND start >= p.3 AND start < p.4, (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).1)
UNION ALL
SELECT * REPLACE (CAST('live', 'LowCardinality(String)') AS run) FROM zonepulse.expected AS t FINAL
WHERE t.run IN (SELECT run FROM zonepulse.promotions)
AND arrayExists(p -> t.run = p.2 AND zone = p.1 AND start >= p.3 AND start < p.4, (SELECT (groupArray((zone, run, from_at, to_at, is_open)), min(from_at), max(to_at)) FROM zonepulse.promotions_final WHERE is_active = 1).1);
