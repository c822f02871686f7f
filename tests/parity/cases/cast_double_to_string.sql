-- As Java writes a double.
-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `f` STRING, `r` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, CAST(`f` AS STRING) AS `f`, CAST(`r` AS STRING) AS `r`
FROM vals;
