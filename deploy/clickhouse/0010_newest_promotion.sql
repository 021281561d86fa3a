-- Over a promoted stretch a newer one may stand: the view has a row for each part over which none does.

CREATE OR REPLACE VIEW zonepulse.promotions_final AS
SELECT p.* REPLACE (part.1 AS from_at, part.2 AS to_at) FROM
(SELECT p.* REPLACE (if(p.is_open = 1, greatest(p.to_at, f.to_at), p.to_at) AS to_at) FROM zonepulse.promotions AS p FINAL
LEFT JOIN zonepulse.followed AS f FINAL ON f.zone = p.zone AND f.run = p.run) AS p
LEFT JOIN (SELECT zone, groupArray((from_at, to_at, revision)) AS decided, arraySort(arrayConcat(groupArray(from_at), groupArray(to_at)))
AS edges FROM (SELECT p.* REPLACE (if(p.is_open = 1, greatest(p.to_at, f.to_at), p.to_at) AS to_at) FROM zonepulse.promotions AS p FINAL
LEFT JOIN zonepulse.followed AS f FINAL ON f.zone = p.zone AND f.run = p.run) WHERE is_active = 1 GROUP BY zone) AS n ON n.zone = p.zone
ARRAY JOIN if(p.is_active = 0, [(p.from_at, p.to_at)],
arrayFilter(s -> NOT arrayExists(q -> q.3 > p.revision AND q.1 <= s.1 AND s.2 <= q.2, n.decided),
arrayMap(at -> (at, arrayFirst(next -> next > at, n.edges)),
arrayFilter(at -> at >= p.from_at AND at < p.to_at, arrayDistinct(n.edges))))) AS part;
