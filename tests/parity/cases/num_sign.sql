-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `i` INT, `p` DECIMAL(20, 8), `f` DOUBLE, `n` DECIMAL(5, 2)
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, SIGN(`i`) AS `i`, SIGN(`p`) AS `p`, SIGN(`f`) AS `f`, SIGN(`n`) AS `n`
FROM vals;
