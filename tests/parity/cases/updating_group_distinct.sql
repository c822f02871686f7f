-- @input keyed
CREATE TABLE lake.t.answer (
  `k` STRING, `c` BIGINT, `t` TINYINT, `b` BIGINT, `li` INT, `fi` INT, PRIMARY KEY (`k`) NOT ENFORCED
) WITH ('bucket' = '1');
INSERT INTO lake.t.answer
SELECT COALESCE(`k`, '-') AS `k`, COUNT(DISTINCT `c`) AS `c`, SUM(DISTINCT `t`) AS `t`, COUNT(*) FILTER (WHERE `b`) AS `b`, LAST_VALUE(`i`) AS `li`, FIRST_VALUE(`i`) AS `fi` FROM ticks GROUP BY COALESCE(`k`, '-');
