-- Fields of NULL rows are NULL.
-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `x` INT, `y` STRING, `q` DECIMAL(10, 3), `x1` INT, `o` ROW<`x` INT, `y` STRING, `z` ROW<`q` DECIMAL(10, 3)>>
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, `o`.`x` AS `x`, `o`.`y` AS `y`, `o`.`z`.`q` AS `q`, vals.`o`.`x` + 1 AS `x1`, `o`
FROM vals;
