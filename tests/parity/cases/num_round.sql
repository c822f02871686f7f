-- HALF_UP, away from zero; DOUBLE by its shortest decimal text.
-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `n` DECIMAL(4, 0), `n1` DECIMAL(5, 1), `p2` DECIMAL(15, 2), `pm2` DECIMAL(13, 0), `i1` INT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, ROUND(`n`) AS `n`, ROUND(`n`, 1) AS `n1`, ROUND(`p`, 2) AS `p2`, ROUND(`p`, -2) AS `pm2`, ROUND(`i`, -1) AS `i1`
FROM vals;
