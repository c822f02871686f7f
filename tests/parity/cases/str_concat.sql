-- NULL makes the whole NULL.
-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `pipes` STRING, `concat` STRING, `number` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, `c` || `d` AS `pipes`, CONCAT(`c`, '-', `d`) AS `concat`, `c` || CAST(`i` AS STRING) AS `number`
FROM vals;
