-- A DECIMAL that outgrows 38 digits is NULL, and stays NULL whatever else is added; so is its average.
-- @input keyed
CREATE TABLE lake.t.answer (`k` STRING, `sum` DECIMAL(38, 0), `avg` DECIMAL(38, 6), `product` DECIMAL(38, 6), `n` BIGINT, PRIMARY KEY (`k`) NOT ENFORCED) WITH ('bucket' = '1');
INSERT INTO lake.t.answer
SELECT COALESCE(`k`, '-'), SUM(`big`), AVG(`big`), MAX(`p` * `huge`), COUNT(*)
FROM (SELECT `k`, `p`, CASE WHEN `id` < 30 THEN CAST('60000000000000000000000000000000000000' AS DECIMAL(38, 0)) ELSE 1 END AS `big`, CAST('9999999999999999999999.0000000000000000' AS DECIMAL(38, 16)) AS `huge` FROM ticks) AS t GROUP BY COALESCE(`k`, '-');
