-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `fi` DOUBLE, `ri` FLOAT, `f3` DOUBLE
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, `f` / NULLIF(`i`, 0) AS `fi`, `r` / NULLIF(`i`, 0) AS `ri`, `f` / 3 AS `f3`
FROM vals;
