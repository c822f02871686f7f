-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `c` DECIMAL(10, 2), `d` DECIMAL(10, 2), `f` DECIMAL(20, 8), `rounded` DECIMAL(10, 2)
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, TRY_CAST(`c` AS DECIMAL(10, 2)) AS `c`, TRY_CAST(`d` AS DECIMAL(10, 2)) AS `d`, TRY_CAST(CAST(`f` AS STRING) AS DECIMAL(20, 8)) AS `f`, TRY_CAST(CAST(`i` AS STRING) || '.555' AS DECIMAL(10, 2)) AS `rounded`
FROM vals;
