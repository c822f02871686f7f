-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `t` TIMESTAMP(3), `d` DATE, `c` DATE
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, TRY_CAST(SUBSTRING('2026-03-08 15:04:05.678', 1, CAST(`id` AS INT) * 3 + 1) AS TIMESTAMP(3)) AS `t`, TRY_CAST(SUBSTRING('2026-03-08 15:04:05', 1, CAST(`id` AS INT) + 5) AS DATE) AS `d`, TRY_CAST(`c` AS DATE) AS `c`
FROM vals;
