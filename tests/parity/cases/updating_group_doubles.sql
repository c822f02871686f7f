-- @input keyed
-- @approximate sf af vf
CREATE TABLE lake.t.answer (
  `k` STRING, `sf` DOUBLE, `af` DOUBLE, `vf` DOUBLE, PRIMARY KEY (`k`) NOT ENFORCED
) WITH ('bucket' = '1');
INSERT INTO lake.t.answer
SELECT COALESCE(`k`, '-') AS `k`, SUM(`f`) AS `sf`, AVG(`f`) AS `af`, VAR_POP(`f`) AS `vf` FROM ticks GROUP BY COALESCE(`k`, '-');
