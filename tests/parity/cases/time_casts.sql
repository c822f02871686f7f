-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `ts` TIMESTAMP(3), `d` DATE, `back` TIMESTAMP_LTZ(3), `midnight` TIMESTAMP(3)
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, CAST(TO_TIMESTAMP_LTZ(`at`, 3) AS TIMESTAMP(3)) AS `ts`, CAST(TO_TIMESTAMP_LTZ(`at`, 3) AS DATE) AS `d`, CAST(CAST(TO_TIMESTAMP_LTZ(`at`, 3) AS TIMESTAMP(3)) AS TIMESTAMP_LTZ(3)) AS `back`, CAST(CAST(TO_TIMESTAMP_LTZ(`at`, 3) AS DATE) AS TIMESTAMP(3)) AS `midnight`
FROM vals
WHERE `id` <> 4;
