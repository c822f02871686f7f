-- TO_TIMESTAMP and TO_DATE of text: what cannot be read is NULL.
-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `t` TIMESTAMP(3), `f` TIMESTAMP(3), `d` DATE, `c` TIMESTAMP(3), `lenient` TIMESTAMP(3)
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, TO_TIMESTAMP(SUBSTRING('2026-03-08 15:04:05.678', 1, CAST(`id` AS INT) * 4 + 2)) AS `t`, TO_TIMESTAMP(CAST(20260300 + `id` AS STRING), 'yyyyMMdd') AS `f`, TO_DATE('2026-02-2' || CAST(`id` AS STRING)) AS `d`, TO_TIMESTAMP(`c`) AS `c`, TO_TIMESTAMP('2026-0' || CAST(`id` AS STRING) || '-31 23:59:59') AS `lenient`
FROM vals;
