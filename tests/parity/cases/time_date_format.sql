-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `day` STRING, `all` STRING, `ts` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, DATE_FORMAT(TO_TIMESTAMP_LTZ(`at`, 3), 'yyyy-MM-dd') AS `day`, DATE_FORMAT(TO_TIMESTAMP_LTZ(`at`, 3), 'yyyy-MM-dd HH:mm:ss.SSS') AS `all`, DATE_FORMAT(CAST(TO_TIMESTAMP_LTZ(`at`, 3) AS TIMESTAMP(3)), 'yyyyMMddHHmm') AS `ts`
FROM vals;
