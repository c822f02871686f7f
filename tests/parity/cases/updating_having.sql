-- A group that stops fulfilling HAVING is taken back.
-- @input keyed
CREATE TABLE lake.t.answer (
  `k` STRING, `n` BIGINT, `si` INT, PRIMARY KEY (`k`) NOT ENFORCED
) WITH ('bucket' = '1');
INSERT INTO lake.t.answer
SELECT COALESCE(`k`, '-') AS `k`, COUNT(*) AS `n`, SUM(`i`) AS `si` FROM ticks GROUP BY COALESCE(`k`, '-') HAVING SUM(`i`) < 100;
