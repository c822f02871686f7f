-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `n` DECIMAL(4, 0), `n1` DECIMAL(5, 1), `p3` DECIMAL(16, 3), `i1` INT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, TRUNCATE(`n`) AS `n`, TRUNCATE(`n`, 1) AS `n1`, TRUNCATE(`p`, 3) AS `p3`, TRUNCATE(`i`, -1) AS `i1`
FROM vals;
