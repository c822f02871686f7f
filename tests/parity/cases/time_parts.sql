-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `y` BIGINT, `mo` BIGINT, `d` BIGINT, `h` BIGINT, `mi` BIGINT, `s` BIGINT, `dow` BIGINT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, YEAR(TO_TIMESTAMP_LTZ(`at`, 3)) AS `y`, MONTH(TO_TIMESTAMP_LTZ(`at`, 3)) AS `mo`, DAYOFMONTH(TO_TIMESTAMP_LTZ(`at`, 3)) AS `d`, HOUR(TO_TIMESTAMP_LTZ(`at`, 3)) AS `h`, MINUTE(TO_TIMESTAMP_LTZ(`at`, 3)) AS `mi`, SECOND(TO_TIMESTAMP_LTZ(`at`, 3)) AS `s`, DAYOFWEEK(CAST(TO_TIMESTAMP_LTZ(`at`, 3) AS DATE)) AS `dow`
FROM vals;
