-- To the local hour and day.
-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `mi` TIMESTAMP_LTZ(3), `h` TIMESTAMP_LTZ(3), `d` TIMESTAMP_LTZ(3), `td` TIMESTAMP(3), `tm` TIMESTAMP(3)
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, FLOOR(TO_TIMESTAMP_LTZ(`at`, 3) TO MINUTE) AS `mi`, FLOOR(TO_TIMESTAMP_LTZ(`at`, 3) TO HOUR) AS `h`, FLOOR(TO_TIMESTAMP_LTZ(`at`, 3) TO DAY) AS `d`, FLOOR(CAST(TO_TIMESTAMP_LTZ(`at`, 3) AS TIMESTAMP(3)) TO DAY) AS `td`, FLOOR(CAST(TO_TIMESTAMP_LTZ(`at`, 3) AS TIMESTAMP(3)) TO MONTH) AS `tm`
FROM vals
WHERE `id` <> 4;
