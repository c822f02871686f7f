-- In the session's zone.
-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `ltz` STRING, `ts` STRING, `d` STRING, `t0` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, CAST(TO_TIMESTAMP_LTZ(`at`, 3) AS STRING) AS `ltz`, CAST(CAST(TO_TIMESTAMP_LTZ(`at`, 3) AS TIMESTAMP(3)) AS STRING) AS `ts`, CAST(CAST(TO_TIMESTAMP_LTZ(`at`, 3) AS DATE) AS STRING) AS `d`, CAST(CAST(TO_TIMESTAMP_LTZ(`at`, 3) AS TIMESTAMP(0)) AS STRING) AS `t0`
FROM vals;
