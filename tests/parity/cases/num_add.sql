-- Result types of + and - over every pair of kinds.
-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `pv` DECIMAL(25, 8), `pw` DECIMAL(38, 15), `pi` DECIMAL(21, 8), `pl` DECIMAL(28, 8), `n1` DECIMAL(13, 2),
  `n2` DECIMAL(7, 3), `pf` DOUBLE, `fr` DOUBLE, `ri` FLOAT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, `p` + `v` AS `pv`, `p` - `w` AS `pw`, `p` + `i` AS `pi`, `p` + `l` AS `pl`, `n` + 1 AS `n1`, `n` - 0.005 AS `n2`, `p` + `f` AS `pf`, `f` - `r` AS `fr`, `r` + `i` AS `ri`
FROM vals;
