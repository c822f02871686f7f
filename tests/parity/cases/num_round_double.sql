-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `f` DOUBLE, `f2` DOUBLE, `r1` FLOAT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, ROUND(`f`) AS `f`, ROUND(`f`, 2) AS `f2`, ROUND(`r`, 1) AS `r1`
FROM vals;
