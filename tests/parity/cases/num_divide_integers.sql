-- Cuts toward zero.
-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `i2` INT, `li` BIGINT, `st` SMALLINT, `seven` INT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, `i` / 2 AS `i2`, `l` / NULLIF(`i`, 0) AS `li`, `s` / NULLIF(`t`, 0) AS `st`, -7 / NULLIF(`t`, 0) AS `seven`
FROM vals;
