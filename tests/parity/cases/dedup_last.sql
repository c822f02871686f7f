-- @input keyed
CREATE TABLE lake.t.answer (
  `k` STRING, `id` BIGINT, `i` INT, `ts` TIMESTAMP_LTZ(3), PRIMARY KEY (`k`) NOT ENFORCED
) WITH ('bucket' = '1');
INSERT INTO lake.t.answer
SELECT `k`, `id`, `i`, `ts` FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY `k` ORDER BY `ts` DESC) AS `rank` FROM (SELECT COALESCE(`k`, '-') AS `k`, `id`, `i`, `ts` FROM ticks) AS t) AS r WHERE `rank` = 1;
