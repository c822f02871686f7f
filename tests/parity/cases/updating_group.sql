-- GROUP BY without a window into a primary-key table: its last state.
-- @input keyed
CREATE TABLE lake.t.answer (
  `k` STRING, `n` BIGINT, `si` INT, `ap` DECIMAL(38, 8), `mn` DECIMAL(5, 2), `mc` STRING, PRIMARY KEY (`k`) NOT ENFORCED
) WITH ('bucket' = '1');
INSERT INTO lake.t.answer
SELECT COALESCE(`k`, '-') AS `k`, COUNT(*) AS `n`, SUM(`i`) AS `si`, AVG(`p`) AS `ap`, MIN(`n`) AS `mn`, MAX(`c`) AS `mc` FROM ticks GROUP BY COALESCE(`k`, '-');
