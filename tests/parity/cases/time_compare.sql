-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `later` BOOLEAN, `same` BOOLEAN, `ts` BOOLEAN, `d` BOOLEAN, `text` BOOLEAN
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, TO_TIMESTAMP_LTZ(`at`, 3) > TO_TIMESTAMP_LTZ(1772982245678, 3) AS `later`, TO_TIMESTAMP_LTZ(`at`, 3) = CAST(TO_TIMESTAMP_LTZ(`at`, 3) AS TIMESTAMP(3)) AS `same`, CAST(TO_TIMESTAMP_LTZ(`at`, 3) AS TIMESTAMP(3)) >= TIMESTAMP '2026-03-09 00:00:00' AS `ts`, CAST(TO_TIMESTAMP_LTZ(`at`, 3) AS DATE) = DATE '2026-03-08' AS `d`, TO_TIMESTAMP_LTZ(`at`, 3) > '2026-03-09 00:00:00' AS `text`
FROM vals;
