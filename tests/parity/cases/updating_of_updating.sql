-- A count of counts: the inner groups change, the outer ones follow.
-- @input keyed
CREATE TABLE lake.t.answer (
  `n` BIGINT, `groups` BIGINT, PRIMARY KEY (`n`) NOT ENFORCED
) WITH ('bucket' = '1');
INSERT INTO lake.t.answer
SELECT `n`, COUNT(*) AS `groups` FROM (SELECT COALESCE(`k`, '-') AS `k`, `c`, COUNT(*) AS `n` FROM ticks GROUP BY COALESCE(`k`, '-'), `c`) AS g GROUP BY `n`;
