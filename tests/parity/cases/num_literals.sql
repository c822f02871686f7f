-- Literals and constants among columns.
-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `one` INT, `dec` DECIMAL(3, 2), `dbl` DOUBLE, `str` STRING, `yes` BOOLEAN, `nothing` INT, `neg` INT,
  `sum` DECIMAL(3, 1), `cut` INT, `third` DECIMAL(13, 12), `pi` DOUBLE
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, 1 AS `one`, 1.50 AS `dec`, 1e3 AS `dbl`, 'text' AS `str`, TRUE AS `yes`, CAST(NULL AS INT) AS `nothing`, -5 AS `neg`, 0.1 + 0.2 AS `sum`, 10 / 4 AS `cut`, 1.0 / 3 AS `third`, PI() AS `pi`
FROM vals;
