-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `i3` INT, `i4` INT, `li` INT, `p15` DECIMAL(9, 8), `np` DECIMAL(11, 8), `t2` INT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, MOD(`i`, 3) AS `i3`, `i` % 4 AS `i4`, MOD(`l`, NULLIF(`i`, 0)) AS `li`, MOD(`p`, 1.5) AS `p15`, MOD(`n`, NULLIF(`p`, 0)) AS `np`, MOD(`t`, 2) AS `t2`
FROM vals;
