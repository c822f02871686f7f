-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `l2` STRING, `r2` STRING, `l0` STRING, `rneg` STRING, `lall` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, LEFT(`c`, 2) AS `l2`, RIGHT(`c`, 2) AS `r2`, LEFT(`c`, 0) AS `l0`, RIGHT(`c`, -1) AS `rneg`, LEFT(`c`, 100) AS `lall`
FROM vals;
