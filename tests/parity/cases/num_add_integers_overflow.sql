-- Wraps without an error.
-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `i1` INT, `l1` BIGINT, `i2` INT, `id2` INT, `l3` BIGINT, `neg` INT, `tt` TINYINT, `ss` SMALLINT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, `i` + 1 AS `i1`, `l` + 1 AS `l1`, `i` - 2 AS `i2`, `i` * 2 AS `id2`, `l` * 3 AS `l3`, -`i` AS `neg`, CAST(`t` + `t` AS TINYINT) AS `tt`, `s` * `s` AS `ss`
FROM vals;
