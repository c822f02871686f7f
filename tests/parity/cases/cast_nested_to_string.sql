-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `a` STRING, `o` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, CAST(`a` AS STRING) AS `a`, CAST(`o` AS STRING) AS `o`
FROM vals;
