-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `n` DECIMAL(5, 0), `cn` DECIMAL(5, 0), `p` DECIMAL(20, 0), `cp` DECIMAL(20, 0), `f` DOUBLE, `cf` DOUBLE, `i` INT,
  `r` FLOAT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, FLOOR(`n`) AS `n`, CEIL(`n`) AS `cn`, FLOOR(`p`) AS `p`, CEIL(`p`) AS `cp`, FLOOR(`f`) AS `f`, CEILING(`f`) AS `cf`, FLOOR(`i`) AS `i`, CEIL(`r`) AS `r`
FROM vals;
