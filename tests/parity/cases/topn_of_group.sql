-- Top-N over an updating GROUP BY.
-- @input keyed
CREATE TABLE lake.t.answer (
  `rank` BIGINT, `c` STRING, `n` BIGINT, PRIMARY KEY (`rank`) NOT ENFORCED
) WITH ('bucket' = '1');
INSERT INTO lake.t.answer
SELECT `rank`, `c`, `n` FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY `n` DESC, `c`) AS `rank` FROM (SELECT `c`, COUNT(*) AS `n` FROM ticks WHERE `c` IS NOT NULL GROUP BY `c`) AS g) AS r WHERE `rank` <= 3;
