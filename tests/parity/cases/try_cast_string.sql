-- NULL where CAST fails.
-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `i` INT, `l` BIGINT, `f` DOUBLE, `t` TINYINT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, TRY_CAST(`c` AS INT) AS `i`, TRY_CAST(`d` AS BIGINT) AS `l`, TRY_CAST(`c` AS DOUBLE) AS `f`, TRY_CAST(`d` AS TINYINT) AS `t`
FROM vals;
